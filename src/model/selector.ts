/**
 * Calico's selector language: a boolean expression over labels, as a parsed value.
 *
 *   selector := "" | or                       empty or blank is all()
 *   or       := and ("||" and)*
 *   and      := op ("&&" op)*
 *   op       := "!"* primary                  pairs of ! cancel
 *   primary  := "(" or ")" | "all()" | "global()" | "has(" label ")"
 *             | label ("==" | "!=" | "contains" | "starts with" | "ends with") string
 *             | label ("in" | "not in") "{" [string ("," string)* [","]] "}"
 *   label    := [A-Za-z0-9_./-]{1,512}
 *   string   := '"' [^"]* '"' | "'" [^']* "'" no escapes
 *
 * White space is space and tab only. The words of operators count as such only right after a label, so a label
 * may be called `contains`, `in` or `has`.
 */
import { err, ok, type Result } from '../lib/result.ts';
import { Cursor } from './cursor.ts';

export type Selector =
  | { readonly kind: 'all' }
  /** True here; a policy's namespaceSelector gives it the meaning "not in any namespace". */
  | { readonly kind: 'global' }
  | { readonly kind: 'has'; readonly key: string }
  | {
      readonly kind: 'equals' | 'notEquals' | 'contains' | 'startsWith' | 'endsWith';
      readonly key: string;
      readonly value: string;
    }
  /** `values` are sorted and without duplicates. */
  | { readonly kind: 'in' | 'notIn'; readonly key: string; readonly values: readonly string[] }
  /** Never of another `not`: a pair cancels when parsed. */
  | { readonly kind: 'not'; readonly of: Selector }
  /** Two or more operands; `a && b && c` is one of three. */
  | { readonly kind: 'and' | 'or'; readonly of: readonly Selector[] };

/**
 * True if `labels` satisfy the selector.
 *
 * A missing label satisfies `!=` and `not in` and no other comparison, as in Calico.
 */
export function matchesSelector(selector: Selector, labels: Readonly<Record<string, string>>): boolean {
  switch (selector.kind) {
    case 'all':
    case 'global':
      return true;
    case 'not':
      return !matchesSelector(selector.of, labels);
    case 'and':
      return selector.of.every((operand) => matchesSelector(operand, labels));
    case 'or':
      return selector.of.some((operand) => matchesSelector(operand, labels));
    default:
      return meets(selector, Object.hasOwn(labels, selector.key) ? labels[selector.key] : undefined);
  }
}

type Comparison = Extract<Selector, { readonly key: string }>;

function meets(comparison: Comparison, label: string | undefined): boolean {
  if (label === undefined) return comparison.kind === 'notEquals' || comparison.kind === 'notIn';
  switch (comparison.kind) {
    case 'has':
      return true;
    case 'equals':
      return label === comparison.value;
    case 'notEquals':
      return label !== comparison.value;
    case 'contains':
      return label.includes(comparison.value);
    case 'startsWith':
      return label.startsWith(comparison.value);
    case 'endsWith':
      return label.endsWith(comparison.value);
    case 'in':
      return comparison.values.includes(label);
    case 'notIn':
      return !comparison.values.includes(label);
  }
}

/** Whether global() is anywhere in it. */
export function usesGlobal(selector: Selector): boolean {
  if (selector.kind === 'not') return usesGlobal(selector.of);
  if (selector.kind === 'and' || selector.kind === 'or') return selector.of.some(usesGlobal);
  return selector.kind === 'global';
}

const operatorText = {
  equals: '==',
  notEquals: '!=',
  contains: 'contains',
  startsWith: 'starts with',
  endsWith: 'ends with',
  in: 'in',
  notIn: 'not in',
} as const satisfies Record<Exclude<Comparison['kind'], 'has'>, string>;

/** Double quotes unless the text holds one; the grammar has no way to write a text that holds both kinds. */
const quote = (text: string): string => (text.includes('"') ? `'${text}'` : `"${text}"`);

/** Canonical text: the same for every spelling of the same expression, and read back to an equal value. */
export function formatSelector(selector: Selector): string {
  switch (selector.kind) {
    case 'all':
    case 'global':
      return `${selector.kind}()`;
    case 'has':
      return `has(${selector.key})`;
    case 'not':
      return `!${formatSelector(selector.of)}`;
    case 'and':
      return `(${selector.of.map(formatSelector).join(' && ')})`;
    case 'or':
      return `(${selector.of.map(formatSelector).join(' || ')})`;
    case 'in':
    case 'notIn':
      return `${selector.key} ${operatorText[selector.kind]} {${selector.values.map(quote).join(', ')}}`;
    default:
      return `${selector.key} ${operatorText[selector.kind]} ${quote(selector.value)}`;
  }
}

/** Deeper than any text of the 1024 characters the API allows can nest; keeps hostile text off the stack's end. */
const maxDepth = 512;
const maxLabelLength = 512;

type Parsed = Result<Selector>;

/**
 * Reads a selector's text, by recursive descent with no token stream between: what a word means depends on where it
 * stands (`in` is a label at the start of a comparison and an operator after one).
 * Fails: value, one clause naming the character (counted from 1) and what was expected there.
 */
export function parseSelector(text: string): Parsed {
  const cursor = new Cursor(text);
  if (cursor.atEnd) return ok({ kind: 'all' });
  const selector = parseChain(cursor, 'or', 0);
  if (!selector.ok) return selector;
  return cursor.atEnd ? selector : cursor.expected('"&&", "||" or the end');
}

const joins = { or: '||', and: '&&' } as const;

function parseChain(cursor: Cursor, kind: 'or' | 'and', depth: number): Parsed {
  const operands: Selector[] = [];
  do {
    const operand = kind === 'or' ? parseChain(cursor, 'and', depth) : parseOperand(cursor, depth);
    if (!operand.ok) return operand;
    operands.push(operand.value);
  } while (cursor.accept(joins[kind]));
  const [first] = operands;
  return ok(first !== undefined && operands.length === 1 ? first : { kind, of: operands });
}

function parseOperand(cursor: Cursor, depth: number): Parsed {
  let negated = false;
  while (cursor.accept('!')) negated = !negated;
  const primary = parsePrimary(cursor, depth);
  if (!primary.ok || !negated) return primary;
  // `!(!x)` reaches here with a `not` inside; the pair cancels like `!!x`.
  return ok(primary.value.kind === 'not' ? primary.value.of : { kind: 'not', of: primary.value });
}

function parsePrimary(cursor: Cursor, depth: number): Parsed {
  if (cursor.accept('(')) {
    if (depth === maxDepth) return cursor.expected(`no more than ${maxDepth} nested "("`);
    const inner = parseChain(cursor, 'or', depth + 1);
    if (!inner.ok) return inner;
    return cursor.accept(')') ? inner : cursor.expected('"&&", "||" or ")"');
  }
  if (cursor.accept('all(')) return closed(cursor, { kind: 'all' });
  if (cursor.accept('global(')) return closed(cursor, { kind: 'global' });
  const has = cursor.accept('has(');
  const key = parseLabel(cursor);
  if (!key.ok) return key;
  return has ? closed(cursor, { kind: 'has', key: key.value }) : parseComparison(cursor, key.value);
}

const closed = (cursor: Cursor, selector: Selector): Parsed =>
  cursor.accept(')') ? ok(selector) : cursor.expected('")"');

function parseLabel(cursor: Cursor): Result<string> {
  cursor.skipSpace();
  const label = cursor.match(/[A-Za-z0-9_./-]+/y);
  if (label === undefined)
    return cursor.expected(
      'a label name, "has(", "all()", "global()", "!" or "(" (each with its "(" right after)',
    );
  return label.length <= maxLabelLength
    ? ok(label)
    : err(
        `the label name ${label.slice(0, 32)}… has ${label.length} characters, the most is ${maxLabelLength}`,
      );
}

/** `(?!\w)`: an operator's word must end there. */
const operators = [
  [/==/y, 'equals'],
  [/!=/y, 'notEquals'],
  [/contains(?!\w)/y, 'contains'],
  [/starts[ \t]*with(?!\w)/y, 'startsWith'],
  [/ends[ \t]*with(?!\w)/y, 'endsWith'],
  [/not[ \t]*in(?!\w)/y, 'notIn'],
  [/in(?!\w)/y, 'in'],
] as const;

function parseComparison(cursor: Cursor, key: string): Parsed {
  cursor.skipSpace();
  for (const [pattern, kind] of operators) {
    if (cursor.match(pattern) === undefined) continue;
    if (kind === 'in' || kind === 'notIn') {
      const values = parseSet(cursor);
      return values.ok ? ok({ kind, key, values: values.value }) : values;
    }
    const value = parseString(cursor);
    return value.ok ? ok({ kind, key, value: value.value }) : value;
  }
  return cursor.expected(
    `"==", "!=", "in", "not in", "contains", "starts with" or "ends with" after the label ${JSON.stringify(key)}`,
  );
}

function parseString(cursor: Cursor): Result<string> {
  cursor.skipSpace();
  const quoted = cursor.match(/"[^"]*"|'[^']*'/y);
  return quoted === undefined ? cursor.expected('a text in quotes') : ok(quoted.slice(1, -1));
}

/** Sorted and without duplicates, so that sets that mean the same are equal. */
function parseSet(cursor: Cursor): Result<readonly string[]> {
  if (!cursor.accept('{')) return cursor.expected('"{"');
  const values = new Set<string>();
  while (!cursor.accept('}')) {
    const value = parseString(cursor);
    if (!value.ok) return values.size === 0 ? cursor.expected('a text in quotes or "}"') : value;
    values.add(value.value);
    if (cursor.accept(',')) continue;
    if (!cursor.accept('}')) return cursor.expected('"," or "}"');
    break;
  }
  return ok([...values].sort());
}
