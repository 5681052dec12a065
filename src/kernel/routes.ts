/**
 * Routes over netlink: filtered dumps and batched changes.
 *
 * Changes go out some hundred messages a send with one ACK on the last: measured 2.5 times `ip -batch` (test/bench/routes.ts),
 * because every acknowledged message costs a datagram back. Errors come back for every message all the same, and its sequence
 * number tells which. State is the kernel's.
 */
import { setImmediate } from 'node:timers/promises';
import { type Address, formatAddress, type Prefix } from '../lib/net.ts';
import type { Kernel, OpFailure, Route, RouteFilter, RouteOp } from './kernel.ts';
import { errnoName, isKernelError } from './kernel-error.ts';
import { NLM_F, NLMSG, RTM } from './netlink/constants.ts';
import { decodeError } from './netlink/error.ts';
import type { Requests } from './netlink/requests.ts';
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
import { receiveBufferOf } from './netlink/socket.ts';
import { MessageWriter } from './netlink/writer.ts';

/** Most messages a send. Each could come back as an error that takes up to a KiB of the receive queue. */
const BATCH = 500;
const ERROR_BYTES = 1024;
/** Octets a send; below the least SO_SNDBUF we may be given (212,992). */
const BATCH_BYTES = 128 * 1024;

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

/** See Kernel.applyRoutes. Rejects only if the exchange with the kernel itself fails; what came before is then applied. */
export async function applyRoutes(
  requests: Requests,
  ops: readonly RouteOp[],
): Promise<readonly OpFailure[]> {
  const most = Math.max(1, Math.min(BATCH, Math.floor(receiveBufferOf(requests.fd) / ERROR_BYTES)));
  const writer = new MessageWriter(BATCH_BYTES + 4096);
  const failures: OpFailure[] = [];
  for (let next = 0; next < ops.length; ) {
    const first = next;
    next = await applyBatch(
      requests,
      writer,
      ops,
      { first, end: Math.min(ops.length, first + most) },
      failures,
    );
    if (next < ops.length) await setImmediate();
  }
  return failures;
}

/** Returns the index of the first op that was not sent. */
async function applyBatch(
  requests: Requests,
  writer: MessageWriter,
  ops: readonly RouteOp[],
  { first, end }: { readonly first: number; readonly end: number },
  failures: OpFailure[],
): Promise<number> {
  writer.clear();
  const indexOfSeq = new Map<number, number>();
  let last = 0;
  let next = first;
  for (; next < end && writer.length < BATCH_BYTES; next++) {
    const op = ops[next];
    if (op === undefined) break;
    last = requests.nextSeq();
    indexOfSeq.set(last, next);
    const { type, flags, encode } = CHANGE[op.kind];
    encode(writer.begin(type, NLM_F.REQUEST | flags, last), op.route);
    writer.end();
  }
  writer.acknowledge();
  const fail = (seq: number, errno: number, words: string): void => {
    const index = indexOfSeq.get(seq);
    if (index !== undefined && errno !== 0)
      failures.push({ index, errno: errnoName(errno), why: words === '' ? errnoName(errno) : words });
  };
  const { errno, words } = await requests.exchange('change routes', writer.written, last, (message) => {
    if (message.type !== NLMSG.ERROR) return;
    const error = decodeError(message);
    fail(error.seq, error.errno, error.words);
  });
  fail(last, errno, words);
  return next;
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
