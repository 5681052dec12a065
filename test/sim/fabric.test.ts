/**
 * Whole networks in virtual time against the oracle, whatever happened to them before. `SIM_SEED=n` runs that seed alone,
 * `SIM_SEEDS=count` so many (`npm run sim`); a failure names its seed.
 */
import { expect, test } from 'vitest';
import { peerStatuses, receivedRoutes, routes } from '../../bgp/speaker/report.ts';
import {
  type Address,
  compareAddresses,
  formatAddress,
  formatPrefix,
  type Prefix,
} from '../../src/lib/net.ts';
import type { RouteStatus } from '../../src/model/status.ts';
import type { Host } from '../support/bgp-network.ts';
import { build, disturbances, type Fabric, mend, sessionsOf } from './fabric.ts';
import {
  answer,
  type Cost,
  heard,
  isAsGood,
  isUsable,
  type Neighbourship,
  type Table,
  type Way,
} from './oracle.ts';

const only = process.env['SIM_SEED'];
const count = Number(process.env['SIM_SEEDS'] ?? 60);
const fresh = Math.floor(Math.random() * 2 ** 31);
const seeds =
  only === undefined ? [...Array.from({ length: count }, (_, index) => index + 1), fresh] : [Number(only)];

/** Longer than any timer: hold times, restart times and retries are over. */
const quietMs = 700_000;

test.each(seeds)(
  'at quiet every RIB and kernel is what the network amounts to, whatever happened before (seed %i)',
  (seed) => {
    const fabric = build(seed);
    const { net, routers, pick } = fabric;
    for (const { host } of routers) {
      net.start(host);
      net.pass(pick(3000));
    }
    for (let turn = 0; turn < 30; turn += 1) {
      disturbances[pick(disturbances.length)]?.(fabric);
      net.pass(pick(2) === 0 ? pick(2000) : pick(60_000));
    }
    net.latency = 20;
    net.writeDelay = 20;
    net.pass(quietMs);
    check(fabric, seed);
    mend(fabric);
    net.pass(quietMs);
    check(fabric, seed);
  },
);

function check(fabric: Fabric, seed: number): void {
  const running = fabric.routers.map(({ host }) => host).filter(({ speaker }) => speaker !== undefined);
  const sessions = sessionsOf(fabric);
  const cost: Cost = (address) => (fabric.net.costs?.has(address) ? fabric.net.costs.get(address) : 0);
  const tables = answer(
    running.map(({ config }) => config),
    sessions,
    cost,
  );
  for (const host of running) {
    const where = `${host.name}, SIM_SEED=${seed}`;
    const own = sessions.filter(({ self }) => self === host.config);
    checkSessions(host, own, where);
    checkTable(host, tables.get(host.config) ?? new Map(), cost, where);
    for (const session of own) checkHeard(host, session, tables.get(session.other) ?? new Map(), cost, where);
  }
}

function checkSessions({ speaker }: Host, own: readonly Neighbourship[], where: string): void {
  const statuses = speaker === undefined ? [] : peerStatuses(speaker);
  const up = statuses.filter(({ state }) => state === 'Established').map(({ name }) => name);
  expect(up.sort(), `sessions of ${where}`).toEqual(own.map(({ here }) => here.name).sort());
}

/** The Loc-RIB: every path, which one is best, which are used beside it; and the kernel. */
function checkTable({ speaker, kernel }: Host, table: Table, cost: Cost, where: string): void {
  const held = speaker === undefined ? [] : routes(speaker);
  const best = (route: RouteStatus): string => `${route.best ? 'best ' : ''}${lineOf(route)}`;
  const expected = [...table].flatMap(([prefix, ways]) =>
    ways.map((way, index) => `${index === 0 && isUsable(way, cost) ? 'best ' : ''}${wayLine(prefix, way)}`),
  );
  expect(lines(held.map(best)), `Loc-RIB of ${where}`).toEqual(lines(expected));
  const installed = [...kernel].map(([prefix, hops]) => hopsLine(prefix, hops));
  const wanted = [...table].flatMap(([prefix, ways]) => {
    const [first] = ways;
    if (first?.from === undefined || !isUsable(first, cost)) return [];
    const hops = new Set(ways.filter((way) => isAsGood(way, first, cost)).map(({ nextHop }) => nextHop));
    return [hopsLine(prefix, [...hops].sort(compareAddresses))];
  });
  expect(lines(installed), `kernel of ${where}`).toEqual(lines(wanted));
}

function checkHeard(
  { speaker }: Host,
  session: Neighbourship,
  table: Table,
  cost: Cost,
  where: string,
): void {
  if (speaker === undefined) return;
  const neighbour = speaker.neighbours.get(session.here.key);
  const received = neighbour === undefined ? [] : receivedRoutes(speaker, neighbour);
  const expected = [...table.keys()].flatMap((prefix) =>
    heard(session, table, prefix, cost).map((told) => line(prefix, told)),
  );
  expect(lines(received.map(withoutSource)), `${where} from ${session.here.name}`).toEqual(lines(expected));
}

/** Two paths that are alike in everything shown here are one line. */
const lines = (all: readonly string[]): readonly string[] => [...new Set(all)].sort();

const hopsLine = (prefix: Prefix, hops: readonly Address[]): string =>
  `${formatPrefix(prefix)} via ${hops.map(formatAddress).join(' ')}`;

/** As a report has them. */
const named = new Map([
  [0xffff_0000, 'GRACEFUL_SHUTDOWN'],
  [0xffff_ff01, 'NO_EXPORT'],
]);

const line = (prefix: Prefix, { nextHop, asPath, communities }: Omit<Way, 'from'>): string =>
  `${formatPrefix(prefix)} via ${formatAddress(nextHop)} path ${asPath.join(' ')} marked ${communities
    .map((one) => named.get(one) ?? `${Math.floor(one / 65536)}:${one % 65536}`)
    .sort()
    .join(' ')}`;

const wayLine = (prefix: Prefix, way: Way): string =>
  `${line(prefix, way)} from ${way.from?.here.name ?? 'local'}`;

const withoutSource = ({ prefix, nextHop, asPath, communities }: RouteStatus): string =>
  `${prefix} via ${nextHop} path ${asPath} marked ${[...communities].sort().join(' ')}`;

const lineOf = (route: RouteStatus): string => `${withoutSource(route)} from ${route.from}`;
