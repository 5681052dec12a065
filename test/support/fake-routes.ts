/** Routes of a fake namespace, with the kernel's rules: one per key, owners kept apart, next hops that must make sense. */
import type { Kernel, NextHop, OpFailure, Route, RouteFilter, RouteOp } from '../../src/kernel/kernel.ts';
import { routeKey } from '../../src/kernel/kernel.ts';
import { type Address, hostPrefix, isPrefix4, lengthOf, scopeOf, versionOf } from '../../src/lib/net.ts';
import { Trie } from '../../src/lib/trie.ts';
import { connectedLink, emit, type FakeState } from './fake-state.ts';

type Refusal = Omit<OpFailure, 'index'>;
const refusal = (errno: string, why = errno): Refusal => ({ errno, why });

export const fakeRoutes = (state: FakeState, { version, protocol, table }: RouteFilter): readonly Route[] =>
  [...state.routes.values()].filter(
    (route) =>
      versionOf(route.dst) === version &&
      (protocol === undefined || route.protocol === protocol) &&
      (table === undefined || route.table === table),
  );

export function applyFakeRoutes(
  state: FakeState,
  ops: readonly RouteOp[],
  refuse: (op: RouteOp) => string | undefined,
  by: object,
): readonly OpFailure[] {
  return ops.flatMap((op, index) => {
    const errno = refuse(op);
    const failure = errno === undefined ? applyOne(state, op, by) : refusal(errno);
    return failure === undefined ? [] : [{ index, ...failure }];
  });
}

/** IPv6 routes given metric 0 get 1024. */
const withKernelMetric = (route: Route): Route =>
  !isPrefix4(route.dst) && route.metric === 0 ? { ...route, metric: 1024 } : route;

function applyOne(state: FakeState, op: RouteOp, by: object): Refusal | undefined {
  const route = withKernelMetric(op.route);
  const have = state.routes.get(routeKey(route));
  if (op.kind === 'delete') {
    if (have === undefined || have.protocol !== route.protocol) return refusal('ESRCH');
    return removeFakeRoute(state, have, by);
  }
  if (op.kind === 'add' && have !== undefined) return refusal('EEXIST');
  const nextHops: NextHop[] = [];
  for (const hop of route.nextHops) {
    const resolved = resolve(state, hop, isPrefix4(route.dst));
    if ('errno' in resolved) return resolved;
    nextHops.push(resolved);
  }
  setFakeRoute(state, { ...normal(route), nextHops }, by);
  return undefined;
}

/** As a dump would report it: the usual scope is left out. */
function normal({ scope, ...route }: Route): Route {
  const onLink = route.type === 'unicast' && route.nextHops.every((hop) => hop.via === undefined);
  const usual = !isPrefix4(route.dst)
    ? 'global'
    : route.type === 'local'
      ? 'host'
      : onLink
        ? 'link'
        : 'global';
  return scope === undefined || scope === usual || !isPrefix4(route.dst) ? route : { ...route, scope };
}

function resolve(state: FakeState, hop: NextHop, isV4: boolean): NextHop | Refusal {
  const { via, weight, onlink } = hop;
  const unreachable = isV4 ? 'ENETUNREACH' : 'EHOSTUNREACH';
  const connected = via === undefined ? undefined : connectedLink(state, via);
  const ifindex = hop.ifindex ?? connected;
  if (ifindex === undefined) return refusal(unreachable, 'Nexthop has invalid gateway');
  const link = state.links.get(ifindex)?.link;
  if (link === undefined) return refusal('ENODEV');
  if (!link.up) return refusal('ENETDOWN', 'Device for nexthop is not up');
  if (via !== undefined && onlink !== true && connected !== ifindex)
    return refusal(unreachable, 'Nexthop has invalid gateway');
  return {
    ...(via === undefined ? {} : { via }),
    ifindex,
    ...(weight === undefined || weight === 1 ? {} : { weight }),
    ...(onlink === true ? { onlink } : {}),
  };
}

export function setFakeRoute(state: FakeState, route: Route, by?: object): void {
  state.routes.set(routeKey(route), route);
  emit(state, { kind: 'route', change: 'set', route }, by);
}

export function removeFakeRoute(state: FakeState, route: Route, by?: object): undefined {
  state.routes.delete(routeKey(route));
  emit(state, { kind: 'route', change: 'delete', route }, by);
  return undefined;
}

/** A link went: IPv4 routes over it go without an event, next hops of a multipath route stay; IPv6 says what happens. */
export function dropRoutesOver(state: FakeState, ifindex: number): void {
  for (const route of [...state.routes.values()]) {
    const left = route.nextHops.filter((hop) => hop.ifindex !== ifindex);
    if (left.length === route.nextHops.length) continue;
    if (isPrefix4(route.dst)) {
      if (left.length === 0) state.routes.delete(routeKey(route));
    } else if (left.length === 0) {
      removeFakeRoute(state, route);
    } else {
      setFakeRoute(state, { ...route, nextHops: left });
    }
  }
}

/** As fakeRouteTo goes by it; a connected subnet has metric 0 and is the kernel's (protocol 2). */
export async function fakeMatch(state: FakeState, address: Address): ReturnType<Kernel['match']> {
  const ifindex = scopeOf(address);
  if (ifindex !== undefined)
    return state.links.get(ifindex)?.link.up === true ? connectedRoute(address, ifindex) : undefined;
  const way = await fakeRouteTo(state, address);
  const found = matchIn(state, address);
  if (way === undefined) return found === undefined || found.type === 'unicast' ? undefined : 'refused';
  const isConnected = way.via === undefined && found?.nextHops[0]?.via !== undefined;
  return found === undefined || isConnected ? connectedRoute(address, way.ifindex) : found;
}

const connectedRoute = (address: Address, ifindex: number): Route => ({
  dst: hostPrefix(address),
  table: 254,
  protocol: 2,
  metric: 0,
  type: 'unicast',
  nextHops: [{ ifindex }],
});

/** Longest prefix in table main, then lowest metric; connected subnets count as routes. */
export async function fakeRouteTo(state: FakeState, address: Address): ReturnType<Kernel['routeTo']> {
  const found = matchIn(state, address);
  const direct = connectedLink(state, address);
  const isDefault = found === undefined || lengthOf(found.dst) === 0;
  if (direct !== undefined && isDefault) return { ifindex: direct };
  const hop = found?.nextHops[0];
  if (hop?.ifindex === undefined) return undefined;
  return { ifindex: hop.ifindex, ...(hop.via === undefined ? {} : { via: hop.via }) };
}

function matchIn(state: FakeState, address: Address): Route | undefined {
  const trie = new Trie<Route>();
  for (const route of state.routes.values()) {
    const before = trie.get(route.dst);
    if (route.table === 254 && (before === undefined || route.metric < before.metric))
      trie.set(route.dst, route);
  }
  return trie.longestMatch(hostPrefix(address))?.[1];
}
