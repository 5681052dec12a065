/**
 * Next-hop resolution (RFC 4271 §9.1.2.1) through the kernel's routes: by which gateways, on which links and at what cost
 * (the metric of the route that matches) a BGP next hop is reached. Asked once per next hop, again when a route of somebody
 * else to a network it lies in changes, and when links or addresses do.
 *
 * Only routes of others lead to a next hop. One of our own that matches it has next hops which would have to be reached in turn,
 * at worst through itself; so what matches below it is taken, and no route can keep itself alive. Nor can one end itself: a
 * blackhole of ours that holds its own next hop says nothing of it either.
 */
import type { Clock } from '../../src/host/clock.ts';
import type { Kernel, NextHop, Route } from '../../src/kernel/kernel.ts';
import {
  type Address,
  containsAddress,
  hostPrefix,
  type IpVersion,
  isIpv4,
  millis,
  type Prefix,
  scopeOf,
  unscoped,
  versionOf,
} from '../../src/lib/net.ts';
import { same } from '../../src/lib/same.ts';
import { Trie } from '../../src/lib/trie.ts';
import { LinkNames } from './names.ts';

export interface ResolverOptions {
  readonly kernel: Kernel;
  readonly clock: Clock;
  /** The protocol whose routes do not make us ask again: our own. */
  readonly protocol: number;
  /** Called with the next hops whose answer is another. */
  readonly onChange: (changed: ReadonlySet<Address>) => void;
  /** Called with the next hops that were asked about for the first time, whatever came of it. */
  readonly onKnown?: (known: ReadonlySet<Address>) => void;
}

/** How a next hop is reached. */
export interface Way {
  readonly metric: number;
  /** At least one. */
  readonly hops: readonly NextHop[];
  /** Names of the links of `hops`, sorted. */
  readonly links: readonly string[];
}

const mainTable = 254;
const settleMs = 50;
/** Until a question the kernel failed to answer is asked again. */
const retryMs = 1000;

export class Resolver {
  readonly #options: ResolverOptions;
  readonly #known = new Map<Address, Way | undefined>();
  /** To be asked. */
  readonly #due = new Set<Address>();
  /** Never answered yet. */
  readonly #fresh = new Set<Address>();
  /** Routes of others by version, listed when first needed after a change. */
  readonly #others = new Map<IpVersion, Trie<Route>>();
  /** What others did, counted: a listing that something happened to meanwhile may lack it. */
  #changes = 0;
  #gateways: ReadonlyMap<Address, Address> = new Map();
  #waiting: (() => void)[] = [];
  #timer: { readonly at: number; readonly cancel: () => void } | undefined;
  #isAsking = false;
  #isStopped = false;
  readonly #names: LinkNames;
  readonly #unwatch: () => void;

  constructor(options: ResolverOptions) {
    this.#options = options;
    this.#names = new LinkNames(options.kernel);
    this.#unwatch = options.kernel.watch((event) => {
      this.#names.hear(event);
      if (event.kind === 'neighbour') return;
      if (event.kind === 'route' && event.route.protocol === options.protocol) return;
      this.#others.clear();
      this.#changes += 1;
      for (const nextHop of this.#known.keys())
        if (event.kind !== 'route' || this.#liesIn(event.route.dst, nextHop)) this.#due.add(nextHop);
      this.#schedule(settleMs);
    });
  }

  /** Undefined: not known yet, or unreachable. Asking keeps the next hop watched. */
  resolve(nextHop: Address): Way | undefined {
    if (!this.#known.has(nextHop)) {
      this.#known.set(nextHop, undefined);
      this.#fresh.add(nextHop);
      this.#due.add(nextHop);
      this.#schedule(0);
    }
    return this.#known.get(nextHop);
  }

  /** An answer has come, be it that there is no way. */
  isKnown(nextHop: Address): boolean {
    return this.#known.has(nextHop) && !this.#fresh.has(nextHop);
  }

  /** These next hops are reached as their gateways are, whatever the kernel's routes to them (BGPPeer.reachableBy). */
  setGateways(gateways: ReadonlyMap<Address, Address>): void {
    const before = this.#gateways;
    this.#gateways = gateways;
    for (const nextHop of new Set([...before.keys(), ...gateways.keys()]))
      if (this.#known.has(nextHop) && before.get(nextHop) !== gateways.get(nextHop)) this.#due.add(nextHop);
    this.#schedule(0);
  }

  /** No longer of interest. */
  forget(nextHop: Address): void {
    this.#known.delete(nextHop);
    this.#due.delete(nextHop);
    this.#fresh.delete(nextHop);
    this.#release();
  }

  /** Runs once every next hop asked for so far has been asked about; at once if none is waiting. */
  whenKnown(run: () => void): void {
    this.#waiting.push(run);
    this.#release();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#unwatch();
  }

  #schedule(afterMs: number): void {
    const { clock } = this.#options;
    const at = clock.now() + afterMs;
    if (this.#isAsking || this.#isStopped || this.#due.size === 0) return;
    if (this.#timer !== undefined && this.#timer.at <= at) return;
    this.#timer?.cancel();
    const cancel = clock.after(millis(afterMs), () => {
      this.#timer = undefined;
      void this.#ask();
    });
    this.#timer = { at, cancel };
  }

  async #ask(): Promise<void> {
    this.#isAsking = true;
    const changed = new Set<Address>();
    const known = new Set<Address>();
    const failed: Address[] = [];
    const batch = [...this.#due];
    this.#due.clear();
    for (const nextHop of batch) {
      // No answer says nothing about the next hop: what we knew stands.
      await this.#wayTo(this.#gateways.get(nextHop) ?? nextHop).then(
        (way) => this.#learn(nextHop, way) && changed.add(nextHop),
        () => failed.push(nextHop),
      );
      if (this.#fresh.delete(nextHop)) known.add(nextHop);
      if (this.#isStopped) return;
    }
    this.#isAsking = false;
    if (changed.size > 0) this.#options.onChange(changed);
    if (known.size > 0) this.#options.onKnown?.(known);
    this.#release();
    this.#schedule(this.#fresh.size > 0 ? 0 : settleMs);
    for (const nextHop of failed) if (this.#known.has(nextHop)) this.#due.add(nextHop);
    this.#schedule(retryMs);
  }

  async #wayTo(nextHop: Address): Promise<Way | undefined> {
    const { kernel, protocol } = this.#options;
    const matched = await kernel.match(nextHop);
    const mayBeOurs = matched === 'refused' || matched?.protocol === protocol;
    const route = mayBeOurs ? await this.#below(nextHop) : matched;
    const way = route && wayBy(route, nextHop);
    return way && { ...way, links: await this.#names.of(way.hops.map(({ ifindex }) => ifindex)) };
  }

  #liesIn(dst: Prefix, nextHop: Address): boolean {
    const asked = this.#gateways.get(nextHop) ?? nextHop;
    return containsAddress(dst, isIpv4(asked) ? asked : unscoped(asked));
  }

  /** The longest match among the main table's routes that are not ours. */
  async #below(nextHop: Address): Promise<Route | undefined> {
    const version = versionOf(nextHop);
    let others = this.#others.get(version);
    if (others === undefined) {
      others = new Trie<Route>();
      const changes = this.#changes;
      const listed = await this.#options.kernel.routes({ version, table: mainTable, isAlive: true });
      for (const route of listed) {
        if (route.protocol === this.#options.protocol) continue;
        const before = others.get(route.dst);
        if (before === undefined || route.metric < before.metric) others.set(route.dst, route);
      }
      if (changes === this.#changes) this.#others.set(version, others);
    }
    return others.longestMatch(hostPrefix(nextHop))?.[1];
  }

  /** True if that is news. */
  #learn(nextHop: Address, way: Way | undefined): boolean {
    if (!this.#known.has(nextHop)) return false; // forgotten meanwhile
    const before = this.#known.get(nextHop);
    this.#known.set(nextHop, way);
    return !sameWay(before, way);
  }

  #release(): void {
    if (this.#fresh.size > 0) return;
    const ready = this.#waiting;
    this.#waiting = [];
    for (const run of ready) run();
  }
}

/** Over a route to its own link, or to ourselves, the next hop is no host that someone else is. */
function wayBy({ type, metric, nextHops }: Route, nextHop: Address): Omit<Way, 'links'> | undefined {
  if (type !== 'unicast' || nextHops.length === 0) return undefined;
  const direct = isIpv4(nextHop) ? nextHop : unscoped(nextHop);
  const ifindex = scopeOf(nextHop);
  const hops = nextHops
    .filter((hop) => ifindex === undefined || hop.ifindex === ifindex)
    .map((hop) => ({ ...hop, via: hop.via ?? direct }));
  return hops.length === 0 ? undefined : { metric, hops };
}

const sameWay = (a: Way | undefined, b: Way | undefined): boolean =>
  a === b ||
  (a !== undefined &&
    b !== undefined &&
    a.metric === b.metric &&
    sameHops(a.hops, b.hops) &&
    same(a.links, b.links));

/** In the same order: a kernel that lists them otherwise costs one look more. */
export const sameHops = (a: readonly NextHop[], b: readonly NextHop[]): boolean =>
  a.length === b.length &&
  a.every((hop, at) => {
    const other = b[at];
    return (
      other !== undefined &&
      hop.via === other.via &&
      hop.ifindex === other.ifindex &&
      hop.weight === other.weight &&
      hop.onlink === other.onlink
    );
  });
