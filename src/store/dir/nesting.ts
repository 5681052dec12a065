/**
 * How deep the lists and objects of a YAML text stand in one another, without parsing it: a parser may take minutes for a text that
 * is nothing but brackets. It looks at brackets, and at the columns where lines, `-` and `?` begin; quotes, comments and block
 * scalars are passed over. Linear in the text.
 */
import { err, ok, type Result } from '../../lib/result.ts';

/** No manifest comes near it: a definition of a kind, the deepest there is, has some 60. */
export const deepest = 100;

interface Reading {
  readonly text: string;
  /** Columns of what is open by indentation, each further right than the one before. */
  readonly columns: number[];
  /** What closes each bracket that is open. */
  readonly open: string[];
}

/** Fails: the line, from 1, at which it is too deep. */
export function checkNesting(text: string): Result<undefined, number> {
  const reading: Reading = { text, columns: [], open: [] };
  let line = 1;
  let at = 0;
  while (at < text.length) {
    const end = lineEnd(text, at);
    const next = readLine(reading, at, end);
    if (reading.columns.length + reading.open.length > deepest) return err(line);
    for (let each = at; each < next; each = lineEnd(text, each) + 1) line += 1;
    at = next;
  }
  return ok(undefined);
}

const lineEnd = (text: string, at: number): number => {
  const end = text.indexOf('\n', at);
  return end < 0 ? text.length : end;
};

const blockScalar = /(?:^|[\s:-])[|>][-+0-9]*[ \t]*(?:#.*)?\r?$/;

/** @returns where the next line to be read begins */
function readLine(reading: Reading, from: number, end: number): number {
  const { text, columns } = reading;
  if (text.startsWith('---', from) || text.startsWith('...', from)) {
    columns.length = 0;
    reading.open.length = 0;
  }
  let at = from;
  if (reading.open.length === 0) {
    at = readIndicators(reading, from, end);
    const indent = columns[0] === undefined ? 0 : startOf(text, from, end) - from;
    // Longer ends are of no block scalar.
    if (end - from < 4096 && blockScalar.test(text.slice(at, end))) return afterBlock(text, end + 1, indent);
  }
  return readFlow(reading, at, end);
}

const isSpace = (char: string | undefined): boolean => char === ' ' || char === '\t' || char === '\r';

function startOf(text: string, from: number, end: number): number {
  let at = from;
  while (at < end && isSpace(text[at])) at += 1;
  return at;
}

/** The columns of `- ` and `? ` at the beginning of a line, and of what follows them. @returns where that begins */
function readIndicators({ text, columns }: Reading, from: number, end: number): number {
  let at = startOf(text, from, end);
  if (at >= end || text[at] === '#') return end;
  while (columns.length > 0 && (columns.at(-1) ?? 0) >= at - from) columns.pop();
  columns.push(at - from);
  while ((text[at] === '-' || text[at] === '?') && (at + 1 >= end || isSpace(text[at + 1]))) {
    at = startOf(text, at + 1, end);
    if (at >= end) break;
    columns.push(at - from);
    if (columns.length > deepest) break;
  }
  return at;
}

/** Behind all lines that are empty or further right than `indent`. */
function afterBlock(text: string, from: number, indent: number): number {
  let at = from;
  while (at < text.length) {
    const end = lineEnd(text, at);
    const start = startOf(text, at, end);
    if (start < end && start - at <= indent) return at;
    at = end + 1;
  }
  return at;
}

const beginsToken = (before: string | undefined): boolean =>
  before === undefined || isSpace(before) || '\n[{,:'.includes(before);

/** Brackets up to the end of the line; a quoted text may end in a later one. */
function readFlow({ text, open }: Reading, from: number, lineEndsAt: number): number {
  let end = lineEndsAt;
  for (let at = from; at < end && open.length <= deepest; at++) {
    const char = text[at] ?? '';
    count(open, char);
    const close = passedOver(text, at, char);
    if (close === undefined) continue;
    if (close < 0) break;
    at = close;
    if (close >= end) end = lineEnd(text, close);
  }
  return end + 1;
}

/** Where a quoted text ends that begins here; negative: the rest of the line is a comment, or the quote is never closed. */
function passedOver(text: string, at: number, char: string): number | undefined {
  if (char === '#' && isSpace(text[at - 1])) return -1;
  return isQuote(char) && beginsToken(text[at - 1]) ? closing(text, at, char) : undefined;
}

const isQuote = (char: string): boolean => char === '"' || char === "'";

/** A bracket that closes none of its kind is a mistake, and closes nothing. */
function count(open: string[], char: string): void {
  if (char === '[') open.push(']');
  else if (char === '{') open.push('}');
  else if (char === open.at(-1)) open.pop();
}

/** Negative: it is never closed, which the parser will say. */
function closing(text: string, from: number, quote: string): number {
  let at = text.indexOf(quote, from + 1);
  while (at >= 0 && isEscaped(text, at, quote, from)) at = text.indexOf(quote, at + (quote === "'" ? 2 : 1));
  return at;
}

/** In single quotes by another behind it, in double ones by backslashes before it. */
function isEscaped(text: string, at: number, quote: string, from: number): boolean {
  if (quote === "'") return text[at + 1] === "'";
  let slashes = 0;
  while (at - 1 - slashes > from && text[at - 1 - slashes] === '\\') slashes += 1;
  return slashes % 2 === 1;
}
