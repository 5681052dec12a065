/**
 * struct rtmsg and its attributes <-> Route, rtnetlink(7).
 *
 * The normal form a dump is given: next hops only for unicast; `scope` only where it is not the usual one of its shape;
 * `weight` only above 1. IPv6 dumps of older kernels list next hops of one route as separate messages: see mergeNextHops in routes.ts.
 */
import {
  type Address,
  ipv4,
  ipv6,
  isIpv4,
  isPrefix4,
  lengthOf,
  networkOf,
  prefixOf,
  scopeOf,
  unscoped,
} from '../../lib/net.ts';
import type { NextHop, Route, RouteType } from '../kernel.ts';
import { AF_INET, AF_INET6 } from '../sockaddr.ts';
import { SCOPE, scopeName } from './constants.ts';
import { eachAttribute, littleEndian, readAddress, readU32 } from './reader.ts';
import type { MessageWriter } from './writer.ts';

const RTA = {
  DST: 1,
  OIF: 4,
  GATEWAY: 5,
  PRIORITY: 6,
  PREFSRC: 7,
  MULTIPATH: 9,
  TABLE: 15,
  VIA: 18,
} as const;
/** LOOPBACK_IFINDEX: the same in every namespace. */
const LOOPBACK = 1;
const RTNH_F_DEAD = 1;
const RTNH_F_ONLINK = 4;
const RTNH_F_LINKDOWN = 16;
/** The answer is the route that matched, as it stands in its table, and not what comes of it for one packet. */
const RTM_F_FIB_MATCH = 0x2000;
const HEADER = 12;
const RTNEXTHOP = 8;

const NUMBER_OF_TYPE: { readonly [Type in RouteType]: number } = {
  other: 0,
  unicast: 1,
  local: 2,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
};
const TYPES: ReadonlyMap<number, RouteType> = new Map([
  [1, 'unicast'],
  [2, 'local'],
  [6, 'blackhole'],
  [7, 'unreachable'],
  [8, 'prohibit'],
]);

const REFUSALS: ReadonlySet<RouteType | undefined> = new Set(['blackhole', 'unreachable', 'prohibit']);

/** What ip(8) would choose: on-link IPv4 destinations have link scope, local ones host scope. */
function usualScope(
  version6: boolean,
  type: RouteType,
  nextHops: readonly NextHop[],
): 'global' | 'link' | 'host' {
  if (version6) return 'global';
  if (type === 'local') return 'host';
  return type === 'unicast' && nextHops.every((hop) => hop.via === undefined) ? 'link' : 'global';
}

/** Writes rtmsg and attributes after `begin`. */
export function encodeRoute(writer: MessageWriter, route: Route): void {
  const { dst, table, type, nextHops, metric } = route;
  const scope = route.scope ?? usualScope(!isPrefix4(dst), type, nextHops);
  const single = nextHops.length === 1 ? nextHops[0] : undefined;
  header(writer, route, SCOPE[scope], NUMBER_OF_TYPE[type], single?.onlink === true ? RTNH_F_ONLINK : 0);
  if (lengthOf(dst) > 0) writer.addressAttribute(RTA.DST, networkOf(route.dst));
  writer.u32Attribute(RTA.TABLE, table);
  if (metric !== 0) writer.u32Attribute(RTA.PRIORITY, metric);
  if (route.prefSrc !== undefined) writer.addressAttribute(RTA.PREFSRC, route.prefSrc);
  if (single !== undefined) encodeNextHop(writer, route, single, true);
  else if (nextHops.length > 1) writer.nest(RTA.MULTIPATH, () => encodeNextHops(writer, route), 0);
  else if (type === 'local') writer.u32Attribute(RTA.OIF, LOOPBACK);
}

/** Writes what names a route to delete: the key and its owner, of any type; not its next hops, so all of them go. */
export function encodeRouteToDelete(writer: MessageWriter, route: Route): void {
  header(writer, route, SCOPE.nowhere, NUMBER_OF_TYPE.other, 0);
  if (lengthOf(route.dst) > 0) writer.addressAttribute(RTA.DST, networkOf(route.dst));
  writer.u32Attribute(RTA.TABLE, route.table);
  if (route.metric !== 0) writer.u32Attribute(RTA.PRIORITY, route.metric);
}

export interface RouteDump {
  readonly version6: boolean;
  readonly table: number | undefined;
  readonly protocol: number | undefined;
}

/** Writes a filtered dump request; the kernel applies the filter if strict checking is on. */
export function encodeRouteDump(writer: MessageWriter, { version6, table, protocol }: RouteDump): void {
  writer
    .u8(version6 ? AF_INET6 : AF_INET)
    .u8(0)
    .u8(0)
    .u8(0);
  writer
    .u8(0)
    .u8(protocol ?? 0)
    .u8(0)
    .u8(0)
    .u32(0);
  if (table !== undefined) writer.u32Attribute(RTA.TABLE, table);
}

/** Writes a question for one destination: what would come of a packet there. */
export const encodeRouteGet = (writer: MessageWriter, address: Address): void =>
  encodeQuestion(writer, address, 0);

/** Writes a question for one destination, over its link if it is scoped: which route matches. */
export function encodeRouteMatch(writer: MessageWriter, address: Address): void {
  encodeQuestion(writer, isIpv4(address) ? address : unscoped(address), RTM_F_FIB_MATCH);
  const link = scopeOf(address);
  if (link !== undefined) writer.u32Attribute(RTA.OIF, link);
}

function encodeQuestion(writer: MessageWriter, address: Address, flags: number): void {
  writer
    .u8(isIpv4(address) ? AF_INET : AF_INET6)
    .u8(isIpv4(address) ? 32 : 128)
    .u8(0)
    .u8(0);
  writer.u32(0).u32(flags).addressAttribute(RTA.DST, address);
}

function header(writer: MessageWriter, route: Route, scope: number, type: number, flags: number): void {
  const { dst, table, protocol } = route;
  writer
    .four(isPrefix4(dst) ? AF_INET : AF_INET6, lengthOf(dst), 0, 0)
    .four(table < 256 ? table : 0, protocol, scope, type)
    .u32(flags);
}

function encodeNextHops(writer: MessageWriter, route: Route): void {
  for (const hop of route.nextHops) {
    const at = writer.length;
    writer
      .u16(0)
      .u8(hop.onlink === true ? RTNH_F_ONLINK : 0)
      .u8((hop.weight ?? 1) - 1)
      .u32(hop.ifindex ?? 0);
    encodeNextHop(writer, route, hop, false);
    writer.patchLength(at);
  }
}

function encodeNextHop(writer: MessageWriter, route: Route, hop: NextHop, withInterface: boolean): void {
  if (hop.via !== undefined && isPrefix4(route.dst) && !isIpv4(hop.via)) {
    const { via } = hop;
    writer
      .u16(4 + 2 + 16)
      .u16(RTA.VIA)
      .u16(AF_INET6)
      .address(via)
      .u16(0); // RFC 5549: an IPv4 route by an IPv6 gateway
  } else if (hop.via !== undefined) {
    writer.addressAttribute(RTA.GATEWAY, hop.via);
  }
  if (withInterface && hop.ifindex !== undefined) writer.u32Attribute(RTA.OIF, hop.ifindex);
}

interface Draft {
  dst: Address | undefined;
  table: number;
  metric: number;
  prefSrc: Address | undefined;
  ifindex: number;
  via: Address | undefined;
  hops: NextHop[] | undefined;
}

type Row = (draft: Draft, view: DataView, from: number, to: number) => void;

/** One row per attribute we understand; the rest is stepped over. */
const rows: ReadonlyMap<number, Row> = new Map<number, Row>([
  [
    RTA.DST,
    (draft, view, from, to) => {
      draft.dst = readAddress(view, from, to);
    },
  ],
  [
    RTA.OIF,
    (draft, view, from, to) => {
      draft.ifindex = readU32(view, from, to);
    },
  ],
  [
    RTA.GATEWAY,
    (draft, view, from, to) => {
      draft.via = readAddress(view, from, to);
    },
  ],
  [
    RTA.VIA,
    (draft, view, from, to) => {
      draft.via = readAddress(view, from + 2, to);
    },
  ],
  [
    RTA.PRIORITY,
    (draft, view, from, to) => {
      draft.metric = readU32(view, from, to);
    },
  ],
  [
    RTA.PREFSRC,
    (draft, view, from, to) => {
      draft.prefSrc = readAddress(view, from, to);
    },
  ],
  [
    RTA.TABLE,
    (draft, view, from, to) => {
      draft.table = readU32(view, from, to);
    },
  ],
  [
    RTA.MULTIPATH,
    (draft, view, from, to) => {
      draft.hops = decodeNextHops(view, from, to);
    },
  ],
]);

const emptyDraft = (table: number): Draft => ({
  dst: undefined,
  table,
  metric: 0,
  prefSrc: undefined,
  ifindex: 0,
  via: undefined,
  hops: undefined,
});

function decodeAttributes(draft: Draft, view: DataView, start: number, end: number): Draft {
  eachAttribute(view, start, end, (type, from, to) => rows.get(type)?.(draft, view, from, to));
  return draft;
}

/** Undefined for other families than IP and for bodies too short. */
export function decodeRoute(view: DataView, start: number, end: number): Route | undefined {
  if (end - start < HEADER) return undefined;
  const family = view.getUint8(start);
  if (family !== AF_INET && family !== AF_INET6) return undefined;
  const version6 = family === AF_INET6;
  const draft = decodeAttributes(emptyDraft(view.getUint8(start + 4)), view, start + HEADER, end);
  const dst = draft.dst ?? (version6 ? ipv6(0n) : ipv4(0));
  if (isIpv4(dst) === version6 || view.getUint8(start + 1) > (version6 ? 128 : 32)) return undefined;
  const type = TYPES.get(view.getUint8(start + 7)) ?? 'other';
  const flags = view.getUint32(start + 8, littleEndian);
  const nextHops = type === 'unicast' ? (draft.hops ?? [nextHop(draft, flags, 0)]) : [];
  const scope = scopeName(view.getUint8(start + 6));
  return {
    dst: prefixOf(dst, view.getUint8(start + 1)),
    table: draft.table,
    protocol: view.getUint8(start + 5),
    metric: draft.metric,
    type,
    nextHops,
    ...(scope === undefined || scope === usualScope(version6, type, nextHops) ? {} : { scope }),
    ...(draft.prefSrc === undefined ? {} : { prefSrc: draft.prefSrc }),
  };
}

/** The kernel's choice for one destination; undefined if it is to be refused, or for other families than IP. */
export function decodeChoice(
  view: DataView,
  start: number,
  end: number,
): { readonly ifindex: number; readonly via?: Address } | undefined {
  if (end - start < HEADER) return undefined;
  const { ifindex, via } = decodeAttributes(emptyDraft(0), view, start + HEADER, end);
  const refused = REFUSALS.has(TYPES.get(view.getUint8(start + 7)));
  return refused || ifindex === 0 ? undefined : { ifindex, ...(via === undefined ? {} : { via }) };
}

/** The route that matched, with those next hops alone that are alive; undefined if none is, or for other families than IP. */
export function decodeMatch(view: DataView, start: number, end: number): Route | undefined {
  const route = decodeRoute(view, start, end);
  if (route === undefined || route.type !== 'unicast') return route;
  const dead = RTNH_F_DEAD | RTNH_F_LINKDOWN;
  let isDead = (view.getUint32(start + 8, littleEndian) & dead) !== 0;
  let nextHops = route.nextHops;
  eachAttribute(view, start + HEADER, end, (type, from, to) => {
    if (type !== RTA.MULTIPATH) return;
    nextHops = decodeNextHops(view, from, to, dead);
    isDead = nextHops.length === 0;
  });
  return isDead ? undefined : { ...route, nextHops };
}

function nextHop({ via, ifindex }: Draft, flags: number, hops: number): NextHop {
  return {
    ...(via === undefined ? {} : { via }),
    ...(ifindex === 0 ? {} : { ifindex }),
    ...(hops === 0 ? {} : { weight: hops + 1 }),
    ...((flags & RTNH_F_ONLINK) === 0 ? {} : { onlink: true }),
  };
}

/**
 * struct rtnexthop: length u16, flags u8, weight-1 u8, interface s32, attributes.
 * @param without  next hops with one of these flags are left out
 */
function decodeNextHops(view: DataView, from: number, to: number, without = 0): NextHop[] {
  const found: NextHop[] = [];
  for (let at = from; at + RTNEXTHOP <= to; ) {
    const length = view.getUint16(at, littleEndian);
    if (length < RTNEXTHOP || at + length > to) return found;
    const draft = decodeAttributes(emptyDraft(0), view, at + RTNEXTHOP, at + length);
    draft.ifindex = view.getUint32(at + 4, littleEndian);
    const flags = view.getUint8(at + 2);
    if ((flags & without) === 0) found.push(nextHop(draft, flags, view.getUint8(at + 3)));
    at += (length + 3) & ~3;
  }
  return found;
}
