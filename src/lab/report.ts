/** How a lab shows itself: progress lines, and the tables of sessions, routes and verdicts. Fits 110 columns. */
import type { Paint } from '../ctl/style.ts';
import { type Cell, columns } from '../ctl/table.ts';
import { probeNamespace, probePod } from './cluster.ts';
import type { RouteRow, SessionRow } from './judge.ts';
import { isWrong, matrixOf, type Seen } from './matrix.ts';

const width = 100;

export interface Report {
  heading(text: string): void;
  /** Something is done; the time since the last line stands at its end. */
  step(text: string): void;
  wrong(text: string): void;
  block(text: string): void;
  /** What is going on now; only on a terminal, and gone with the next line. */
  wait(text: string): void;
}

/** @param live  a terminal, where a line may be written over */
export function createReport(out: (text: string) => void, paint: Paint, live: boolean): Report {
  let last = performance.now();
  let waiting = false;
  const write = (text: string): void => {
    out(waiting ? `\r\x1b[K${text}` : text);
    waiting = false;
  };
  const took = (): string => {
    const now = performance.now();
    const text = secondsText(now - last);
    last = now;
    return text;
  };
  return {
    heading: (text) => write(`\n${paint(text, 'strong')}\n`),
    step: (text) => {
      const time = took();
      const space = ' '.repeat(Math.max(1, width - 4 - [...text].length - time.length));
      write(`  ${paint('✓', 'good')} ${text}${space}${paint(time, 'quiet')}\n`);
    },
    wrong: (text) => write(`  ${paint('✗', 'bad')} ${text}\n`),
    block: (text) => write(`${text}\n`),
    wait: (text) => {
      if (!live) return;
      write(`  ${paint(`… ${text}`, 'quiet')}`);
      waiting = true;
    },
  };
}

/** "0.8 s", "12 s". */
const secondsText = (ms: number): string => `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
/** "35 ms", "1.2 s". */
export const durationText = (ms: number): string => (ms < 1000 ? `${Math.round(ms)} ms` : secondsText(ms));

const judged = (text: string, ok: boolean): Cell => ({ text, tone: ok ? 'good' : 'bad' });

/** A mesh session has a row on either side; one is shown, since it names both views. */
export function sessionTable(rows: readonly SessionRow[], paint: Paint): string {
  const order = [...new Set(rows.map(({ node }) => node))];
  const shown = rows.filter(({ node, peer }) => peer === 'tor' || order.indexOf(node) < order.indexOf(peer));
  return columns(
    ['NODE', 'PEER', 'TYPE', 'NODE SEES', 'PEER SEES', 'FAMILIES', 'IN', 'OUT'],
    shown.map((row) => [
      row.node,
      row.peer,
      row.type,
      judged(row.nodeSees, row.ok),
      judged(row.peerSees, row.ok),
      row.families.join(' '),
      String(row.prefixesIn),
      String(row.prefixesOut),
    ]),
    { paint, indent: 2 },
  );
}

const mostColumns = 7;

/** A row a prefix, a column a place: ✓ if the way is right there, else what it is. "own" on the node it belongs to. */
export function routeTable(rows: readonly RouteRow[], paint: Paint): string {
  const places = [...new Set(rows.map(({ at }) => at))];
  const shown = places.slice(0, mostColumns);
  const prefixes = [...new Set(rows.map(({ prefix }) => prefix))];
  const table = columns(
    [
      'PREFIX',
      'VIA',
      ...shown.flatMap((place) => (place === 'tor' ? ['TOR BGP', 'TOR KERNEL'] : [place.toUpperCase()])),
    ],
    prefixes.map((prefix) => {
      const of = rows.filter((row) => row.prefix === prefix);
      return [prefix, of[0]?.expectedVia ?? '', ...shown.flatMap((place) => routeCells(of, place))];
    }),
    { paint, indent: 2 },
  );
  const hidden = places.slice(mostColumns);
  if (hidden.length === 0) return table;
  const wrong = rows.filter(({ at, ok }) => hidden.includes(at) && !ok).length;
  return `${table}\n  … and ${hidden.length} more nodes, ${wrong === 0 ? 'all right' : `${wrong} routes wrong`}`;
}

function routeCells(rows: readonly RouteRow[], place: string): readonly Cell[] {
  const row = rows.find(({ at }) => at === place);
  if (row === undefined) return [{ text: 'own', tone: 'quiet' }];
  const cell = (via: string): Cell =>
    via === row.expectedVia ? judged('✓', true) : judged(via === '' ? 'none' : via, false);
  return row.bgpVia === undefined ? [cell(row.kernelVia)] : [cell(row.bgpVia), cell(row.kernelVia)];
}

const short = (name: string): string =>
  name.startsWith(`${probeNamespace}/${probePod('')}`)
    ? `pod on ${name.slice(`${probeNamespace}/${probePod('')}`.length)}`
    : name;

/** Names without their namespace where that is enough to tell them apart. */
function columnNames(names: readonly string[]): readonly string[] {
  const bare = names.map((name) =>
    short(name)
      .replace(/^.*\//, '')
      .replace(/^pod on /, ''),
  );
  return new Set(bare).size === bare.length ? bare : names.map(short);
}

export function verdictTable(seen: readonly Seen[], sources: readonly string[], paint: Paint): string {
  const { rows } = matrixOf(seen, sources);
  return columns(
    ['to \\ from', ...columnNames(sources)],
    rows.map(({ head, cells }) => [
      short(head.replace(/ TCP 7$/, '')),
      ...cells.map(
        ({ text, wrong }): Cell => ({ text, tone: wrong ? 'bad' : text.endsWith('·') ? 'quiet' : 'good' }),
      ),
    ]),
    { paint, indent: 2 },
  );
}

export function verdictLegend(seen: readonly Seen[]): string {
  const wrong = seen.filter(isWrong).length;
  const judgedCount = seen.filter(({ expected }) => expected !== undefined).length;
  const what = judgedCount === 0 ? 'each sign: seen' : 'two signs: expected, seen';
  const sum =
    judgedCount === 0
      ? `${seen.length} packets tried, not judged: there is no expect.yaml`
      : `${judgedCount} verdicts over IPv4 and IPv6, ${wrong === 0 ? 'all as expected' : `${wrong} NOT as expected`}`;
  return `  columns send to rows; ✓ through, · dropped; ${what}. ${sum}.`;
}
