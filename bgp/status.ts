/**
 * What `tortie bgp` answers on its Unix socket: GET /status, GET /services, GET /peers, one with ?name=, and GET /routes with ?received= or
 * ?advertised= and a neighbour's name or address. The shapes are those of src/model/status.ts.
 */
import type { Answer, Endpoints } from '../src/host/socket.ts';
import type { OwnedRoutesStatus } from '../src/kernel/owned-routes.ts';
import { formatIpv4, formatPrefix, type Millis } from '../src/lib/net.ts';
import { formatProblem, type Problem } from '../src/model/problem.ts';
import type { BgpStatus, PeerDetail, PeerStatus, ServicesStatus } from '../src/model/status.ts';
import type { BfdView } from './bfd/problems.ts';
import { tableDump } from './monitor/dump.ts';
import type { Neighbour } from './speaker/neighbour.ts';
import {
  advertisedRoutes,
  neighboursOf,
  type PeerReport,
  peerReport,
  peerStatuses,
  receivedRoutes,
  routes,
  withheldRoutes,
} from './speaker/report.ts';
import type { Speaker } from './speaker/turn.ts';
import type { Drops } from './status/drops.ts';
import { historyAnswer } from './status/history.ts';
import { neighbourNamed, neighboursNamed } from './status/named.ts';
import { peerDetail } from './status/peer-detail.ts';
import { remedyOf } from './status/remedies.ts';
import { type ResetDoors, resetAnswer } from './status/reset.ts';
import { ribAnswer } from './status/table-view.ts';
import type { Account } from './transport/accounts.ts';
import type { Journal } from './watch/journal.ts';

export interface StatusSources extends ResetDoors {
  readonly node: string;
  readonly version: string;
  readonly journal: Journal;
  readonly inSync: () => boolean;
  /** Undefined with --no-fib. */
  readonly fib: () => OwnedRoutesStatus | undefined;
  /** Of the configuration, the datastore and the transport; the kernel's come with `fib`. */
  readonly problems: () => readonly Problem[];
  readonly services: () => ServicesStatus;
  /** Why the session of this peer (by its key) is down, better than its last error knows. */
  readonly whyDown: (key: string) => string | undefined;
  /** Of the kernel, for the reasons of sessions that are down; to be looked at every few seconds. */
  readonly drops: Pick<Drops, 'look'>;
  readonly account: (key: string) => Account;
  /** Undefined: it has none. */
  readonly bfd: (key: string) => BfdView | undefined;
  /** Milliseconds that the timers of this peer have still to run. */
  readonly timers: (key: string) => readonly { readonly name: string; readonly ms: number }[];
  /** A moment of the monotonic clock as wall-clock time. */
  readonly wallClock: (moment: Millis) => Date;
}

export function bgpStatus(sources: StatusSources): BgpStatus {
  const { speaker } = sources;
  const config = speaker.life.config;
  const fib = sources.fib();
  return {
    node: sources.node,
    version: sources.version,
    ...(config === undefined ? {} : { asn: config.asn, routerId: formatIpv4(config.routerId) }),
    inSync: sources.inSync(),
    peers: peerStatuses(speaker).map((peer) => peerStatus(sources, peer)),
    kernel: { installed: fib?.installed ?? 0, pending: fib?.pending ?? 0 },
    problems: [...sources.problems(), ...(fib?.problems ?? [])],
  };
}

/** While a session is down, its last error says all that is known of why. */
function peerStatus({ whyDown, wallClock, speaker }: StatusSources, peer: PeerReport): PeerStatus {
  const key = `${peer.address} ${peer.port}`;
  const why = peer.state === 'Established' ? undefined : whyDown(key);
  const neighbour = speaker.neighbours.get(key);
  const remedy =
    why === undefined || neighbour === undefined
      ? undefined
      : remedyOf({ config: neighbour.config, why, lastDown: neighbour.lastDown });
  return {
    ...peer,
    since: wallClock(peer.since).toISOString(),
    ...(why === undefined ? {} : { lastError: why }),
    ...(remedy === undefined ? {} : { remedy }),
  };
}

const views = {
  received: receivedRoutes,
  advertised: advertisedRoutes,
  withheld: withheldRoutes,
} as const;

function routesAnswer(speaker: Speaker, query: URLSearchParams): Answer {
  for (const [view, list] of Object.entries(views)) {
    const name = query.get(view);
    if (name === null) continue;
    const neighbour = neighbourNamed(speaker, name);
    return neighbour.ok
      ? { status: 200, body: list(speaker, neighbour.value) }
      : { status: 404, body: { error: neighbour.error } };
  }
  return { status: 200, body: routes(speaker) };
}

function peersAnswer(sources: StatusSources, query: URLSearchParams): Answer {
  const { speaker } = sources;
  const asked = query.get('name');
  if (asked === null)
    return { status: 200, body: neighboursOf(speaker).map((one) => detailOf(sources, one)) };
  const found = neighbourNamed(speaker, asked);
  if (found.ok) return { status: 200, body: detailOf(sources, found.value) };
  return { status: 404, body: { error: whyNotOne(sources, asked, found.error) } };
}

function detailOf(sources: StatusSources, neighbour: Neighbour): PeerDetail {
  const { account, bfd, timers, wallClock } = sources;
  const { key } = neighbour.config;
  return peerDetail({
    status: peerStatus(sources, peerReport(neighbour)),
    neighbour,
    account: account(key),
    bfd: bfd(key),
    timers: timers(key),
    wallClock,
  });
}

/** @param sentence  nobody has that name, or several; where a BGPPeer of that name has no neighbour yet, why is said */
function whyNotOne({ speaker, problems }: StatusSources, asked: string, sentence: string): string {
  if (neighboursNamed(speaker, asked).length > 0) return sentence;
  const range = speaker.life.config?.dynamic?.find(({ key }) => key === asked);
  if (range !== undefined) {
    const who = range.peerAsns.length === 0 ? 'any AS but ours' : `AS ${range.peerAsns.join(' or ')}`;
    return `BGPPeer/${asked} takes whoever dials from ${formatPrefix(range.range)} (${who}, at most ${range.limit}), and nobody is there now. Let the router dial this node.`;
  }
  const problem = problems().find(({ where }) => where.split(' ')[0] === `BGPPeer/${asked}`);
  return problem === undefined ? sentence : `${sentence} ${formatProblem(problem)}`;
}

/** The RIB as it is, prefix by prefix: what changes meanwhile may be in it as it was or as it is. */
function mrtOf({ speaker, node, wallClock }: StatusSources): Iterable<Uint8Array> {
  const secondsOf = (moment: Millis): number => Math.floor(wallClock(moment).getTime() / 1000);
  return tableDump(speaker, { at: Math.floor(Date.now() / 1000), name: node, secondsOf });
}

export const endpoints = (sources: StatusSources): Endpoints => ({
  'GET /status': () => ({ status: 200, body: bgpStatus(sources) }),
  'GET /peers': ({ query }) => peersAnswer(sources, query),
  'GET /services': () => ({ status: 200, body: sources.services() }),
  'GET /routes': ({ query }) => routesAnswer(sources.speaker, query),
  'GET /rib': ({ query }) => ribAnswer(sources.speaker, query),
  'GET /history': ({ query }) => historyAnswer(sources.journal, sources.speaker, query),
  'GET /mrt': () => ({ status: 200, type: 'application/octet-stream', chunks: mrtOf(sources) }),
  'POST /reset': ({ query }) => resetAnswer(sources, query),
});
