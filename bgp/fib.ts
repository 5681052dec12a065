/**
 * Loc-RIB to kernel: what the speaker chose, as routes of protocol 80.
 *
 * A learned prefix becomes a unicast route over its resolved next hops, multipath when there are several, or a blackhole
 * route (RFC 7999); one without any reachable next hop is not installed. Each of this node's own pod CIDRs or blocks is an
 * unreachable route, so that a packet to an address no pod has ends here instead of circling through the default route. A
 * neighbour that is reached by a gateway of its BGPPeer has a route of its own. The metric is Calico's normal priority unless
 * BGPConfiguration says otherwise.
 *
 * Prefixes that share their next hops are one group: what the next hops come to is worked out once for it, and when that
 * changes only its prefixes are looked at, a slice at a time.
 */
import type { Clock } from '../src/host/clock.ts';
import type { Kernel, NextHop, Route } from '../src/kernel/kernel.ts';
import { OwnedRoutes, type OwnedRoutesStatus } from '../src/kernel/owned-routes.ts';
import { type Address, hostPrefix, millis, type Prefix } from '../src/lib/net.ts';
import type { Random } from '../src/lib/random.ts';
import type { PeerConfig, SpeakerConfig } from './config.ts';
import { type Group, Groups, type Member } from './fib/groups.ts';
import { Resolver, sameHops } from './fib/resolve.ts';
import { FibChoice, type FibSettings } from './fib/settings.ts';
import type { KernelRoute } from './speaker/kernel-route.ts';
import type { Answer } from './speaker/reach.ts';

/** rtm_protocol of `tortie bgp`. */
export const bgpProtocol = 80;
const mainTable = 254;
/** Prefixes of a group whose next hops changed that are looked at in one go. */
const slice = 1000;

export interface Fib {
  /** What becomes of a learned prefix, best given as one list for all prefixes that share it; undefined: no longer learned. */
  learned(prefix: Prefix, route: KernelRoute): void;
  /** What the configuration asks of the kernel's routes; what it does not say is as usual. */
  configure(config: FibSettings & Partial<Pick<SpeakerConfig, 'peers'>>): void;
  /** All prefixes this node originates whose unused addresses end here. */
  origins(prefixes: readonly Prefix[]): void;
  /** From now on `onNextHops` is told how these are reached; the first answer comes for each, whatever it is. */
  track(nextHops: readonly Address[]): void;
  untrack(nextHops: readonly Address[]): void;
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
  /** Told of those that are tracked. */
  readonly onNextHops?: (changes: readonly Answer[]) => void;
}

export const createFib = (options: FibOptions): Fib => new KernelFib(options);

class KernelFib implements Fib {
  readonly #options: FibOptions;
  readonly #settings = new FibChoice();
  readonly #routes: OwnedRoutes;
  readonly #resolver: Resolver;
  readonly #learned = new Map<Prefix, Member | 'blackhole'>();
  readonly #groups: Groups;
  readonly #tracked = new Set<Address>();
  #own: ReadonlySet<Prefix> = new Set();
  /** Routes to neighbours: by the gateway that the configuration names. */
  #pinned: ReadonlyMap<Prefix, Address> = new Map();
  /** Groups whose prefixes are to be looked at, and how many of their first members are left. */
  readonly #redo = new Map<Group, number>();
  #cancelRedo: (() => void) | undefined;

  constructor(options: FibOptions) {
    this.#options = options;
    this.#routes = new OwnedRoutes({
      ...options,
      protocol: bgpProtocol,
      table: mainTable,
      metric: (dst) => this.#settings.metricOf(dst),
    });
    this.#resolver = new Resolver({
      ...options,
      protocol: bgpProtocol,
      onChange: (changed) => {
        this.#reresolve(changed);
        this.#tell(changed);
      },
      onKnown: (known) => {
        const lost = [...known].filter((nextHop) => this.#resolver.resolve(nextHop) === undefined);
        for (const nextHop of lost)
          for (const group of this.#groups.by(nextHop)) if (group.hops.length === 0) this.#lookAgain(group);
        this.#tell(lost);
      },
    });
    this.#groups = new Groups({
      resolve: (nextHops) => this.#hopsOf(nextHops),
      onUnused: (nextHop) => this.#release(nextHop),
    });
  }

  learned(prefix: Prefix, route: KernelRoute): void {
    const before = this.#learned.get(prefix);
    const after = route === undefined || route === 'blackhole' ? route : this.#groups.of(route);
    if (after !== groupOf(before)) {
      if (after === undefined) this.#learned.delete(prefix);
      else this.#learned.set(prefix, after === 'blackhole' ? after : this.#groups.join(after, prefix));
      if (before !== undefined && before !== 'blackhole' && this.#groups.leave(before))
        this.#redo.delete(before.group);
    }
    this.#programAs(prefix, after);
  }

  configure(config: FibSettings & Partial<Pick<SpeakerConfig, 'peers'>>): void {
    const other = this.#settings.configure(config);
    this.#pin(config.peers ?? none);
    if (other === 'nothing') return;
    for (const prefix of new Set([...this.#learned.keys(), ...this.#own, ...this.#pinned.keys()]))
      this.#program(prefix);
    if (other === 'metric') this.#routes.look();
  }

  origins(prefixes: readonly Prefix[]): void {
    const touched = new Set([...this.#own, ...prefixes]);
    this.#own = new Set(prefixes);
    for (const prefix of touched) this.#program(prefix);
  }

  track(nextHops: readonly Address[]): void {
    for (const nextHop of nextHops) {
      this.#tracked.add(nextHop);
      this.#resolver.resolve(nextHop);
    }
    this.#tell(nextHops.filter((nextHop) => this.#resolver.isKnown(nextHop)));
  }

  untrack(nextHops: readonly Address[]): void {
    for (const nextHop of nextHops) {
      this.#tracked.delete(nextHop);
      this.#release(nextHop);
    }
  }

  start(): void {
    this.#routes.start({ keepStale: true });
  }

  /** What was learned a moment ago may still wait for its next hop, and its stale route forwards meanwhile. */
  sweep(): void {
    this.#resolver.whenKnown(() => this.#routes.sweep());
  }

  stop(): void {
    this.#cancelRedo?.();
    this.#redo.clear();
    this.#routes.stop();
    this.#resolver.stop();
  }

  status(): OwnedRoutesStatus {
    return this.#routes.status();
  }

  forwards(prefix: Prefix): boolean {
    return this.#learned.has(prefix) && this.#routes.isInstalled(prefix);
  }

  /** Two BGP next hops behind one gateway are one kernel next hop. */
  #hopsOf(nextHops: readonly Address[]): readonly NextHop[] {
    const byPlace = new Map<string, NextHop>();
    for (const nextHop of nextHops)
      for (const hop of this.#resolver.resolve(nextHop)?.hops ?? none)
        byPlace.set(`${hop.via} ${hop.ifindex}`, hop);
    return [...byPlace.values()];
  }

  #release(nextHop: Address): void {
    const isPinned = [...this.#pinned.values()].includes(nextHop);
    if (!isPinned && !this.#tracked.has(nextHop) && !this.#groups.uses(nextHop))
      this.#resolver.forget(nextHop);
  }

  #program(prefix: Prefix): void {
    this.#programAs(prefix, groupOf(this.#learned.get(prefix)));
  }

  #programAs(prefix: Prefix, learned: Group | 'blackhole' | undefined): void {
    const gateway = this.#pinned.size === 0 ? undefined : this.#pinned.get(prefix);
    if (this.#own.size > 0 && this.#own.has(prefix)) this.#want(prefix, 'unreachable', none);
    else if (gateway !== undefined) this.#want(prefix, 'unicast', this.#hopsOf([gateway]));
    else if (learned === undefined || this.#settings.leavesOut(prefix)) this.#routes.unwant(prefix);
    else if (learned === 'blackhole') this.#want(prefix, 'blackhole', none);
    else if (!this.#isOpen(learned)) this.#want(prefix, 'unicast', learned.hops);
  }

  /** Nobody knows yet where it leads, so what the prefix had before stands. */
  #isOpen({ hops, nextHops }: Group): boolean {
    return hops.length === 0 && nextHops.some((nextHop) => !this.#resolver.isKnown(nextHop));
  }

  #want(dst: Prefix, type: Route['type'], nextHops: readonly NextHop[]): void {
    const metric = this.#settings.metricOf(dst);
    if (type === 'unicast' && nextHops.length === 0) this.#routes.unwant(dst);
    else this.#routes.want({ dst, table: mainTable, protocol: bgpProtocol, metric, type, nextHops });
  }

  #reresolve(changed: ReadonlySet<Address>): void {
    for (const nextHop of changed) for (const group of this.#groups.by(nextHop)) this.#renew(group);
    for (const [prefix, gateway] of this.#pinned) if (changed.has(gateway)) this.#program(prefix);
  }

  /** What has no way left, and is tracked, is for the speaker to decide: it knows what takes its place, without a gap. */
  #renew(group: Group): void {
    const hops = this.#hopsOf(group.nextHops);
    if (sameHops(hops, group.hops)) return;
    if (hops.length === 0 && group.nextHops.every((nextHop) => this.#tracked.has(nextHop))) return;
    group.hops = hops;
    this.#lookAgain(group);
  }

  #lookAgain(group: Group): void {
    this.#redo.set(group, group.members.length);
    this.#cancelRedo ??= this.#options.clock.after(millis(0), () => this.#redoSlice());
  }

  #redoSlice(): void {
    this.#cancelRedo = undefined;
    let left = slice;
    for (const [group, due] of this.#redo) {
      const { members } = group;
      let at = Math.min(due, members.length);
      for (; at > 0 && left > 0; left -= 1) {
        at -= 1;
        this.#program((members[at] as Member).prefix);
      }
      if (at > 0) {
        this.#redo.set(group, at);
        break;
      }
      this.#redo.delete(group);
    }
    if (this.#redo.size > 0) this.#cancelRedo = this.#options.clock.after(millis(0), () => this.#redoSlice());
  }

  #tell(nextHops: Iterable<Address>): void {
    const changes = [...nextHops]
      .filter((nextHop) => this.#tracked.has(nextHop))
      .map((nextHop): Answer => {
        const way = this.#resolver.resolve(nextHop);
        return way === undefined ? [nextHop, undefined] : [nextHop, way.metric, way.links];
      });
    if (changes.length > 0) this.#options.onNextHops?.(changes);
  }

  /** Calico's static routes to neighbours; what has such a neighbour as next hop goes by its gateway too. */
  #pin(peers: readonly PeerConfig[]): void {
    const before = this.#pinned;
    const gateways = new Map<Address, Address>();
    for (const { address, reachableBy } of peers)
      if (reachableBy !== undefined) gateways.set(address, reachableBy);
    this.#pinned = new Map([...gateways].map(([address, gateway]) => [hostPrefix(address), gateway]));
    this.#resolver.setGateways(gateways);
    for (const prefix of new Set([...before.keys(), ...this.#pinned.keys()])) this.#program(prefix);
    for (const gateway of new Set(before.values())) this.#release(gateway);
  }
}

const groupOf = (learned: Member | 'blackhole' | undefined): Group | 'blackhole' | undefined =>
  learned === undefined || learned === 'blackhole' ? learned : learned.group;

const none: readonly never[] = [];
