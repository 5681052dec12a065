/**
 * Routes over netlink: filtered dumps and batched changes.
 *
 * Changes go out some thousand messages a send with one ACK on the last: measured 2.5 times `ip -batch` (test/bench/routes.ts),
 * because every acknowledged message costs a datagram back. Errors come back for every message all the same, and its sequence
 * number tells which. State is the kernel's.
 */
import { type Address, formatAddress, type Prefix } from '../lib/net.ts';
import type { Kernel, OpFailure, Route, RouteFilter, RouteOp } from './kernel.ts';
import { errnoName, isKernelError } from './kernel-error.ts';
import { NLM_F, NLMSG, RTM } from './netlink/constants.ts';
import { decodeError } from './netlink/error.ts';
import { type Requests, seqsBetween } from './netlink/requests.ts';
import {
  decodeChoice,
  decodeMatch,
  decodeRoute,
  encodeRoute,
  encodeRouteDump,
  encodeRouteGet,
  encodeRouteMatch,
  encodeRouteToDelete,
} from './netlink/route.ts';
import { receiveBufferOf, sendBufferOf } from './netlink/socket.ts';
import { MessageWriter } from './netlink/writer.ts';

/**
 * Most messages a send: a thread of its own waits for the kernel, for some 20 ms then, while ours goes about its work; who has a
 * question waits as long. Each could come back as an error that takes up to a KiB of the receive queue.
 */
const BATCH = 6000;
const ERROR_BYTES = 1024;
/** Octets a send; at most half of what the socket may queue, in which the kernel counts its own as well. */
const BATCH_BYTES = 400 * 1024;
/** Of a message about an IPv4 route with one next hop, and some more. */
const USUAL_BYTES = 80;

/** Codes that mean an unreachable, a blackhole and a prohibit route when asking for one. */
const REFUSED: readonly string[] = ['EHOSTUNREACH', 'EINVAL', 'EACCES'];
const NO_ROUTE: readonly string[] = [...REFUSED, 'ENETUNREACH'];

/** No route, or no such link. */
const NO_MATCH: readonly string[] = ['ENETUNREACH', 'ENODEV'];

export async function dumpRoutes(requests: Requests, filter: RouteFilter): Promise<readonly Route[]> {
  const version6 = filter.version === 6;
  const { table, protocol } = filter;
  const wanted = (route: Route): boolean =>
    (table === undefined || route.table === table) && (protocol === undefined || route.protocol === protocol);
  try {
    const routes = await requests.dump(
      {
        asked: `list IPv${filter.version} routes`,
        type: RTM.GETROUTE,
        write: (writer) => encodeRouteDump(writer, { version6, table, protocol }),
      },
      filter.isAlive === true ? decodeMatch : decodeRoute,
    );
    const found = routes.filter(wanted);
    return version6 ? mergeNextHops(found) : found;
  } catch (error) {
    if (table !== undefined && isKernelError(error) && error.code === 'ENOENT') return []; // a table never used
    throw error;
  }
}

/**
 * IPv6 keeps each next hop as a route of its own; a dump may list those of one key one by one (device routes always, all
 * before kernel 4.11). Merged here, in the order of their first appearance.
 */
export function mergeNextHops(routes: readonly Route[]): readonly Route[] {
  const merged: Route[] = [];
  /** Where those to one destination are; nearly always there is one. */
  const places = new Map<Prefix, number | number[]>();
  for (const route of routes) {
    const known = places.get(route.dst);
    const at = (typeof known === 'number' ? [known] : known)?.find((place) => isOne(merged[place], route));
    const before = at === undefined ? undefined : merged[at];
    if (at !== undefined && before !== undefined) {
      merged[at] = { ...before, nextHops: [...before.nextHops, ...route.nextHops] };
      continue;
    }
    const place = merged.push(route) - 1;
    if (known === undefined) places.set(route.dst, place);
    else if (typeof known === 'number') places.set(route.dst, [known, place]);
    else known.push(place);
  }
  return merged.length === routes.length ? routes : merged;
}

/** One key, owner and type. */
const isOne = (a: Route | undefined, b: Route): boolean =>
  a !== undefined &&
  a.table === b.table &&
  a.metric === b.metric &&
  a.protocol === b.protocol &&
  a.type === b.type;

const CHANGE: {
  readonly [Kind in RouteOp['kind']]: {
    readonly type: number;
    readonly flags: number;
    readonly encode: (writer: MessageWriter, route: Route) => void;
  };
} = {
  add: { type: RTM.NEWROUTE, flags: NLM_F.CREATE | NLM_F.EXCL, encode: encodeRoute },
  set: { type: RTM.NEWROUTE, flags: NLM_F.CREATE | NLM_F.REPLACE, encode: encodeRoute },
  delete: { type: RTM.DELROUTE, flags: 0, encode: encodeRouteToDelete },
};

/**
 * See Kernel.applyRoutes. What comes next is written while the kernel is at what came before. Rejects only if the exchange with
 * the kernel itself fails; what came before is then applied.
 */
export async function applyRoutes(
  requests: Requests,
  ops: readonly RouteOp[],
): Promise<readonly OpFailure[]> {
  const most = Math.max(1, Math.min(BATCH, Math.floor(receiveBufferOf(requests.fd) / ERROR_BYTES)));
  const octets = Math.min(BATCH_BYTES, Math.floor(sendBufferOf(requests.fd) / 2));
  const failures: OpFailure[] = [];
  const room = Math.min(octets, ops.length * USUAL_BYTES) + USUAL_BYTES;
  let writer = new MessageWriter(room);
  let spare = new MessageWriter(ops.length > most ? room : 0);
  let under: Promise<void> = Promise.resolve();
  for (let next = 0; next < ops.length; ) {
    const batch = encodeBatch(requests, writer, ops, next, { most, octets });
    next = batch.end;
    const sent = sendBatch(requests, writer, batch, failures);
    sent.catch(() => undefined); // it is looked at below, unless the one before has failed
    await under;
    under = sent;
    [writer, spare] = [spare, writer];
  }
  await under;
  return failures;
}

/** Ops from `first` on and before `end`, whose messages are numbered in a row. */
interface Batch {
  readonly first: number;
  readonly end: number;
  readonly firstSeq: number;
  readonly last: number;
}

function encodeBatch(
  requests: Requests,
  writer: MessageWriter,
  ops: readonly RouteOp[],
  first: number,
  { most, octets }: { readonly most: number; readonly octets: number },
): Batch {
  writer.clear();
  let firstSeq = 0;
  let last = 0;
  let end = first;
  for (; end < ops.length && end < first + most && writer.length < octets; end += 1) {
    const { kind, route } = ops[end] as RouteOp;
    last = requests.nextSeq();
    if (end === first) firstSeq = last;
    const { type, flags, encode } = CHANGE[kind];
    encode(writer.begin(type, NLM_F.REQUEST | flags, last), route);
    writer.end();
  }
  writer.acknowledge();
  return { first, end, firstSeq, last };
}

/** The writer must be left as it is until then. */
async function sendBatch(
  requests: Requests,
  writer: MessageWriter,
  { first, end, firstSeq, last }: Batch,
  failures: OpFailure[],
): Promise<void> {
  const fail = (seq: number, errno: number, words: string): void => {
    const index = first + seqsBetween(firstSeq, seq);
    if (index < end && errno !== 0)
      failures.push({ index, errno: errnoName(errno), why: words === '' ? errnoName(errno) : words });
  };
  const { errno, words } = await requests.exchange('change routes', writer.written, last, (message) => {
    if (message.type !== NLMSG.ERROR) return;
    const error = decodeError(message);
    fail(error.seq, error.errno, error.words);
  });
  fail(last, errno, words);
}

/** See Kernel.match. */
export async function matchRoute(requests: Requests, address: Address): ReturnType<Kernel['match']> {
  try {
    return await requests.get(
      {
        asked: `find the route that matches ${formatAddress(address)}`,
        type: RTM.GETROUTE,
        write: (writer) => encodeRouteMatch(writer, address),
      },
      decodeMatch,
    );
  } catch (error) {
    if (isKernelError(error) && NO_MATCH.includes(error.code)) return undefined;
    if (isKernelError(error) && REFUSED.includes(error.code)) return 'refused';
    throw error;
  }
}

/** See Kernel.routeTo. */
export async function routeTo(
  requests: Requests,
  address: Address,
): Promise<Awaited<ReturnType<Kernel['routeTo']>>> {
  try {
    return await requests.get(
      {
        asked: `find the route to ${formatAddress(address)}`,
        type: RTM.GETROUTE,
        write: (writer) => encodeRouteGet(writer, address),
      },
      decodeChoice,
    );
  } catch (error) {
    if (isKernelError(error) && NO_ROUTE.includes(error.code)) return undefined;
    throw error;
  }
}
