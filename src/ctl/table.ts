/** Text tables: boxed as calicoctl prints them, or bare columns for more on a screen. Pure. */
import { type Paint, plain, type Tone } from './style.ts';

export type Cell = string | { readonly text: string; readonly tone?: Tone };
export type Row = readonly Cell[];

const textOf = (cell: Cell): string => (typeof cell === 'string' ? cell : cell.text);
const toneOf = (cell: Cell): Tone | undefined => (typeof cell === 'string' ? undefined : cell.tone);
/** Of the signs we use, each code point takes one column. */
const widthOf = (text: string): number => [...text].length;

function widthsOf(rows: readonly Row[]): readonly number[] {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  return Array.from({ length: columns }, (_, column) =>
    Math.max(0, ...rows.map((row) => widthOf(textOf(row[column] ?? '')))),
  );
}

/** Padded after it is painted, so that colours do not count as width. */
const padded = (cell: Cell, width: number, paint: Paint): string =>
  `${paint(textOf(cell), toneOf(cell))}${' '.repeat(Math.max(0, width - widthOf(textOf(cell))))}`;

/** The layout of calicoctl: a frame of + - |, headers in upper case, everything flush left. */
export function boxTable(headers: readonly string[], rows: readonly Row[], paint: Paint = plain): string {
  const head = headers.map((header) => header.toUpperCase());
  const widths = widthsOf([head, ...rows]);
  const rule = `+${widths.map((width) => '-'.repeat(width + 2)).join('+')}+`;
  const line = (row: Row): string =>
    `|${widths.map((width, column) => ` ${padded(row[column] ?? '', width, paint)} `).join('|')}|`;
  return [rule, line(head), rule, ...rows.map(line), rule].join('\n');
}

/** Columns two spaces apart, no frame; headers as given. @param indent  columns before each line */
export function columns(
  headers: readonly string[],
  rows: readonly Row[],
  options: { readonly paint?: Paint; readonly indent?: number; readonly gap?: number } = {},
): string {
  const { paint = plain, indent = 0, gap = 2 } = options;
  const head: Row = headers.map((text) => ({ text, tone: 'quiet' }));
  const widths = widthsOf([head, ...rows]);
  const line = (row: Row): string =>
    `${' '.repeat(indent)}${widths.map((width, column) => padded(row[column] ?? '', width, paint)).join(' '.repeat(gap))}`.trimEnd();
  return [head, ...rows].map(line).join('\n');
}
