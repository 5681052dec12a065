/** The table of docs/INTEROP.md, between its two marks. `node test/interop/write.ts` writes it. */
import { type DaemonName, daemonNames } from './foreign.ts';
import { type Row, rows } from './rows.ts';

export const marks = {
  begin: '<!-- table: node test/interop/write.ts -->',
  end: '<!-- end of table -->',
} as const;

const titles: Readonly<Record<DaemonName, string>> = {
  bird: 'BIRD 2.0.12',
  frr: 'FRR 8.4.4',
  gobgp: 'GoBGP 3.10',
  openbgpd: 'OpenBGPD 7.7',
  exabgp: 'ExaBGP 4.2.21',
};

/** Where a neighbour lacks something, the reason is a note below the table. */
const notes = [...new Set(rows.flatMap(({ cannot }) => Object.values(cannot ?? {})))];

export function cell({ cannot }: Row, daemon: DaemonName, isPassed: boolean): string {
  const why = cannot?.[daemon];
  if (why !== undefined) return `cannot (${notes.indexOf(why) + 1})`;
  return isPassed ? 'yes' : 'no';
}

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

/** As it must be when every test passes. */
export const table = (): string =>
  [
    line(['', '', ...daemonNames.map((name) => titles[name])]),
    line(['---', '---', ...daemonNames.map(() => '---')]),
    ...rows.map((row) => line([row.title, row.rfc, ...daemonNames.map((daemon) => cell(row, daemon, true))])),
    '',
    ...notes.map((why, index) => `${index + 1}. ${why}`),
  ].join('\n');

/** The cells of a column, in the order of the rows. */
export function columnOf(page: string, daemon: DaemonName): readonly string[] {
  const text = page.slice(page.indexOf(marks.begin), page.indexOf(marks.end));
  return text
    .split('\n')
    .filter((one) => one.startsWith('| ') && !one.startsWith('| ---'))
    .slice(1)
    .map((one) => one.split('|')[3 + daemonNames.indexOf(daemon)]?.trim() ?? '');
}
