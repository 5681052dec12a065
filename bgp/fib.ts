/**
 * Loc-RIB to kernel: what the speaker chose, as routes of protocol 80.
 *
 * A learned prefix becomes a unicast route over its resolved next hops, multipath when there are several; one without any
 * reachable next hop is not installed. Each of this node's own pod CIDRs or blocks is an unreachable route, so that a packet to an
 * address no pod has ends here instead of circling through the default route. The metric is Calico's normal priority.
 */
import type { Clock } from '../src/host/clock.ts';
import type { Kernel, NextHop, Route } from '../src/kernel/kernel.ts';
import { OwnedRoutes, type OwnedRoutesStatus } from '../src/kernel/owned-routes.ts';
import type { Address, Prefix } from '../src/lib/net.ts';
import type { Random } from '../src/lib/random.ts';
import { Resolver } from './resolve.ts';

/** rtm_protocol of `tortie bgp`. */
export const bgpProtocol = 80;
const mainTable = 254;
const metric = 1024;

export interface Fib {
  /** The next hops of a learned prefix, best given as one list for all prefixes that share them; undefined: no longer learned. */
  learned(prefix: Prefix, nextHops: readonly Address[] | undefined): void;
  /** All prefixes this node originates whose unused addresses end here. */
  origins(prefixes: readonly Prefix[]): void;
  start(): void;
  /** The neighbours have said all they know: routes of an earlier life that none of them confirmed go. */
  sweep(): void;
  /** Kernel routes stay. */
  stop(): void;
  status(): OwnedRoutesStatus;
  /** It is learned, and in the kernel as it should be. */
  forwards(prefix: Prefix): boolean;
}

export interface FibOptions {
  readonly kernel: Kernel;
  readonly clock: Clock;
  readonly random: Random;
}

export function createFib(options: FibOptions): Fib {
  const routes = new OwnedRoutes({
    ...options,
    protocol: bgpProtocol,
    table: mainTable,
    metric: () => metric,
  });
  const resolver = new Resolver({ ...options, protocol: bgpProtocol, onChange: reresolve });
  const learned = new Map<Prefix, readonly Address[]>();
  /** How many prefixes are reached by a next hop. */
  const users = new Map<Address, number>();
  /** What a list of next hops comes to, which many prefixes share; holds until an answer changes or is given up. */
  let resolved = new WeakMap<readonly Address[], readonly NextHop[]>();
  let own: readonly Prefix[] = [];

  function resolve(nextHops: readonly Address[]): readonly NextHop[] {
    const known = resolved.get(nextHops);
    if (known !== undefined) return known;
    const hops = nextHops.map((hop) => resolver.resolve(hop)).filter((hop) => hop !== undefined);
    const found = distinct(hops);
    resolved.set(nextHops, found);
    return found;
  }

  function program(prefix: Prefix, nextHops: readonly Address[]): void {
    const isOwn = own.includes(prefix);
    const hops = isOwn ? none : resolve(nextHops);
    if (isOwn) routes.want(routeTo(prefix, 'unreachable', hops));
    else if (hops.length === 0) routes.unwant(prefix);
    else routes.want(routeTo(prefix, 'unicast', hops));
  }

  /** Looks at every route: that is rarer than keeping a list of its routes for each next hop would have to pay for. */
  function reresolve(changed: ReadonlySet<Address>): void {
    resolved = new WeakMap();
    for (const [prefix, nextHops] of learned)
      if (nextHops.some((nextHop) => changed.has(nextHop))) program(prefix, nextHops);
  }

  function setUsers(before: readonly Address[], after: readonly Address[]): void {
    if (before === after) return;
    for (const nextHop of after) users.set(nextHop, (users.get(nextHop) ?? 0) + 1);
    for (const nextHop of before) {
      const left = (users.get(nextHop) ?? 0) - 1;
      users.set(nextHop, left);
      if (left > 0) continue;
      users.delete(nextHop);
      resolver.forget(nextHop);
      resolved = new WeakMap();
    }
  }

  return {
    learned: (prefix, nextHops) => {
      setUsers(learned.get(prefix) ?? none, nextHops ?? none);
      if (nextHops === undefined) learned.delete(prefix);
      else learned.set(prefix, nextHops);
      program(prefix, nextHops ?? none);
    },
    origins: (prefixes) => {
      const touched = new Set([...own, ...prefixes]);
      own = prefixes;
      for (const prefix of touched) program(prefix, learned.get(prefix) ?? none);
    },
    start: () => routes.start({ keepStale: true }),
    // What was learned a moment ago may still wait for its next hop, and its stale route forwards meanwhile.
    sweep: () => resolver.whenKnown(() => routes.sweep()),
    stop: () => {
      routes.stop();
      resolver.stop();
    },
    status: () => routes.status(),
    forwards: (prefix) => learned.has(prefix) && routes.isInstalled(prefix),
  };
}

const none: readonly never[] = [];

const routeTo = (dst: Prefix, type: Route['type'], nextHops: readonly NextHop[]): Route => ({
  dst,
  table: mainTable,
  protocol: bgpProtocol,
  metric,
  type,
  nextHops,
});

/** Two BGP next hops behind one gateway are one kernel next hop. */
function distinct(hops: readonly NextHop[]): readonly NextHop[] {
  const byPlace = new Map(hops.map((hop) => [`${hop.via} ${hop.ifindex}`, hop]));
  return [...byPlace.values()];
}
