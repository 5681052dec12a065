/**
 * GET /rib of the Unix socket: routes as JSON lines, picked here and made while they are read, so that a table of a million
 * costs neither memory nor time that others need.
 */
import type { Answer, Streamed } from '../../src/host/socket.ts';
import {
  type Address,
  contains,
  containsAddress,
  isIpv4,
  lengthOf,
  type Prefix,
  parseAddress,
  parsePrefix,
  prefixOf,
} from '../../src/lib/net.ts';
import type { RibLine, RouteStatus } from '../../src/model/status.ts';
import type { Neighbour } from '../speaker/neighbour.ts';
import { describe, standing, told } from '../speaker/report.ts';
import type { Speaker } from '../speaker/turn.ts';
import { neighbourNamed } from './named.ts';

/** A prefix and what is told of it; undefined where only the time that passes counts. */
type Row = readonly [Prefix, () => readonly RouteStatus[]] | undefined;
type Wanted = (prefix: Prefix) => boolean;

/** So many that are not wanted are passed over before others get their turn. */
const passedOver = 500;

/**
 * ?prefix= that prefix, with &longer= also all within it; or an address: the longest prefix that has it · ?received=, ?advertised= a
 * neighbour's view · &rejected= what was not taken from it, or is not told to it; alone: not taken from anybody · ?limit= so many
 * prefixes at most
 */
export function ribAnswer(speaker: Speaker, query: URLSearchParams): Answer | Streamed {
  const text = query.get('prefix');
  const prefix = text === null ? undefined : parsePrefix(text);
  const address = text === null || prefix !== undefined ? undefined : parseAddress(text);
  if (text !== null && prefix === undefined && address === undefined)
    return refusal(
      400,
      `"${text}" is neither a prefix nor an address. Write for example 10.65.1.0/24 or 10.65.1.7.`,
    );
  const view = viewOf(speaker, query);
  if ('status' in view) return view;
  const wanted: Wanted =
    prefix === undefined
      ? () => true
      : query.has('longer')
        ? (one) => contains(prefix, one)
        : (one) => one === prefix;
  const rows =
    address !== undefined
      ? longest(view, address)
      : view.rows(wanted, query.has('longer') ? undefined : prefix);
  const limit = Number(query.get('limit') ?? Number.POSITIVE_INFINITY);
  return { status: 200, type: 'application/x-ndjson', chunks: lines(rows, limit) };
}

const refusal = (status: number, error: string): Answer => ({ status, body: { error } });

interface View {
  /** @param only  the one prefix that is wanted, where it is one */
  readonly rows: (wanted: Wanted, only?: Prefix) => Iterable<Row>;
}

function viewOf(speaker: Speaker, query: URLSearchParams): View | Answer {
  const isRejected = query.has('rejected');
  for (const direction of ['received', 'advertised'] as const) {
    const name = query.get(direction);
    if (name === null) continue;
    const named = neighbourNamed(speaker, name);
    if (!named.ok) return refusal(404, named.error);
    const neighbour = named.value;
    if (direction === 'received')
      return { rows: (wanted) => received(speaker, [neighbour], wanted, isRejected) };
    if (isRejected) return { rows: (wanted) => withheld(speaker, neighbour, wanted) };
    return { rows: (wanted) => advertised(speaker, neighbour, wanted) };
  }
  if (!isRejected) return { rows: (wanted, only) => chosen(speaker, wanted, only) };
  return { rows: (wanted) => received(speaker, [...speaker.neighbours.values()], wanted, true) };
}

/** What is not wanted is passed over, and time given to others now and then. */
function* picked<T>(
  all: Iterable<T>,
  prefixOfRow: (row: T) => Prefix,
  wanted: Wanted,
): Generator<T | undefined> {
  let passed = 0;
  for (const row of all) {
    if (wanted(prefixOfRow(row))) yield row;
    else if (++passed % passedOver === 0) yield undefined;
  }
}

function* chosen(speaker: Speaker, wanted: Wanted, only: Prefix | undefined): Generator<Row> {
  const { locRib } = speaker;
  const prefixes = only === undefined ? locRib.prefixes() : [only];
  for (const prefix of picked(prefixes, (one) => one, wanted))
    yield prefix === undefined ? undefined : [prefix, () => pathsOf(speaker, prefix)];
}

/** The best first. */
function pathsOf(speaker: Speaker, prefix: Prefix): readonly RouteStatus[] {
  const { locRib } = speaker;
  const choice = locRib.choice(prefix);
  const others = locRib.paths(prefix).filter((path) => !choice.includes(path));
  return [...choice, ...others].map((path) => standing(speaker, prefix, path));
}

function* received(
  speaker: Speaker,
  neighbours: readonly Neighbour[],
  wanted: Wanted,
  isRejected: boolean,
): Generator<Row> {
  for (const { session, stale, adjRibIn } of neighbours) {
    const accept = session?.accept ?? stale?.accept;
    if (accept === undefined) continue;
    for (const row of picked(adjRibIn.entries(), ([prefix]) => prefix, wanted)) {
      if (row === undefined) {
        yield undefined;
        continue;
      }
      const [prefix, path, pathId] = row;
      const accepted = accept(prefix, path);
      if (isRejected && accepted.ok) {
        yield undefined;
        continue;
      }
      const route = (): RouteStatus =>
        accepted.ok
          ? standing(speaker, prefix, accepted.value, path.attributes)
          : describe(speaker, prefix, path, path.attributes, `not accepted: ${accepted.error}`);
      yield [prefix, () => [pathId === 0 ? route() : { ...route(), pathId }]];
    }
  }
}

function* advertised(speaker: Speaker, { session }: Neighbour, wanted: Wanted): Generator<Row> {
  if (session === undefined) return;
  for (const row of picked(session.adjRibOut.told(), ([prefix]) => prefix, wanted)) {
    if (row === undefined) {
      yield undefined;
      continue;
    }
    yield [row[0], () => [told(speaker, ...row)]];
  }
}

function* withheld(speaker: Speaker, { session }: Neighbour, wanted: Wanted): Generator<Row> {
  if (session === undefined) return;
  for (const prefix of picked(speaker.locRib.prefixes(), (one) => one, wanted)) {
    const [best] = prefix === undefined ? [] : speaker.locRib.choice(prefix);
    const exported = prefix === undefined || best === undefined ? undefined : session.export(prefix, best);
    if (prefix === undefined || best === undefined || exported === undefined || exported.ok) yield undefined;
    else {
      const reason = `not advertised: ${exported.error}`;
      yield [prefix, () => [describe(speaker, prefix, best, best.attributes, reason)]];
    }
  }
}

/** What a packet to the address would follow in this view: the longest prefix that has it. */
function* longest(view: View, address: Address): Generator<Row> {
  let found: Exclude<Row, undefined>[] = [];
  let length = -1;
  const isOne = (prefix: Prefix): boolean =>
    (typeof prefix === 'number') === isIpv4(address) && containsAddress(prefix, address);
  for (const row of view.rows(isOne)) {
    if (row === undefined) yield undefined;
    else if (lengthOf(row[0]) > length) {
      found = [row];
      length = lengthOf(row[0]);
    } else if (row[0] === prefixOf(address, length)) found.push(row);
  }
  yield* found;
}

function* lines(rows: Iterable<Row>, limit: number): Generator<string> {
  let count = 0;
  const line = (value: RibLine): string => `${JSON.stringify(value)}\n`;
  for (const row of rows) {
    if (row === undefined) {
      yield '';
      continue;
    }
    if (count >= limit) {
      yield line({ more: true });
      return;
    }
    count += 1;
    yield row[1]().map(line).join('');
  }
}
