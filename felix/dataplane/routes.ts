/**
 * The routes to this node's own pods: a /32 or /128 to each address by its interface, scope link, protocol 81.
 *
 * `OwnedRoutes` does the reconciling: a dump at the start, stale routes of protocol 81 swept, foreign ones untouched, what
 * somebody deletes put back. Here is only which routes, and who waits for one.
 */
import type { Clock } from '../../src/host/clock.ts';
import type { Kernel, Route } from '../../src/kernel/kernel.ts';
import { OwnedRoutes, type OwnedRoutesStatus } from '../../src/kernel/owned-routes.ts';
import {
  type Address,
  formatPrefix,
  hostPrefix,
  isIpv4,
  isPrefix4,
  type Millis,
  millis,
  type Prefix,
} from '../../src/lib/net.ts';
import type { Random } from '../../src/lib/random.ts';
import { same } from '../../src/lib/same.ts';

/** rtm_protocol of `tortie felix`. */
export const felixProtocol = 81;
const mainTable = 254;
/** How often the interval is looked at while it is 0. */
const idleMs = 60_000;
/** Of FelixConfiguration; read when a route is made. */
export interface RouteSettings {
  readonly ipv4NormalRoutePriority?: number | undefined;
  readonly ipv6NormalRoutePriority?: number | undefined;
  readonly deviceRouteSourceAddress?: Address | undefined;
  readonly deviceRouteSourceAddressIPv6?: Address | undefined;
  /** Something else routes to the pods. */
  readonly routeSyncDisabled?: boolean;
  readonly routeRefreshInterval?: number;
}

/** IPv6 routes given none get 1024 from the kernel. */
const metricOf = (dst: Prefix, settings: RouteSettings): number =>
  isPrefix4(dst) ? (settings.ipv4NormalRoutePriority ?? 0) : (settings.ipv6NormalRoutePriority ?? 1024);

export function podRoute(address: Address, ifindex: number, settings: RouteSettings = {}): Route {
  const { deviceRouteSourceAddress: four, deviceRouteSourceAddressIPv6: six } = settings;
  const source = isIpv4(address) ? four : six;
  return {
    dst: hostPrefix(address),
    table: mainTable,
    protocol: felixProtocol,
    metric: metricOf(hostPrefix(address), settings),
    type: 'unicast',
    scope: isIpv4(address) ? 'link' : 'global', // IPv6 routes have no scope
    nextHops: [{ ifindex }],
    ...(source === undefined ? {} : { prefSrc: source }),
  };
}

interface Wired {
  readonly ifindex: number;
  readonly addresses: readonly Address[];
  /** Beside the pod's own: floating ones. */
  readonly more: readonly Address[];
}

export class PodRoutes {
  readonly #clock: Clock;
  readonly #owned: OwnedRoutes;
  readonly #settings: () => RouteSettings;
  readonly #byInterface = new Map<string, Wired>();
  readonly #waiters = new Set<() => void>();
  #isRunning = false;
  #cancelRefresh: () => void = () => undefined;

  /** @param settings  as they are; but for the interval they count from `start` on and do not change any more */
  constructor(kernel: Kernel, clock: Clock, random: Random, settings: () => RouteSettings = () => ({})) {
    this.#clock = clock;
    this.#settings = settings;
    const onRound = (): void => this.#tellWaiters();
    this.#owned = new OwnedRoutes({
      ...{ kernel, protocol: felixProtocol, table: mainTable, clock, random, onRound },
      metric: (dst) => metricOf(dst, settings()),
    });
  }

  /** These addresses are reached by this interface. Replaces what was said of the interface before. */
  put(hostInterface: string, ifindex: number, addresses: readonly Address[]): void {
    this.remove(hostInterface);
    this.#byInterface.set(hostInterface, { ifindex, addresses, more: [] });
    if (this.#isRunning) this.#want(addresses, ifindex);
  }

  /** These addresses too are reached by an interface that was put. Replaces what was said before. */
  also(hostInterface: string, more: readonly Address[]): void {
    const wired = this.#byInterface.get(hostInterface);
    if (wired === undefined || same(wired.more, more)) return;
    for (const address of wired.more) if (!more.includes(address)) this.#owned.unwant(hostPrefix(address));
    this.#byInterface.set(hostInterface, { ...wired, more });
    if (this.#isRunning) this.#want(more, wired.ifindex);
  }

  remove(hostInterface: string): void {
    const { addresses = [], more = [] } = this.#byInterface.get(hostInterface) ?? {};
    for (const address of [...addresses, ...more]) this.#owned.unwant(hostPrefix(address));
    this.#byInterface.delete(hostInterface);
  }

  #want(addresses: readonly Address[], ifindex: number): void {
    const settings = this.#settings();
    if (settings.routeSyncDisabled === true) return;
    for (const address of addresses) this.#owned.want(podRoute(address, ifindex, settings));
  }

  /** At in-sync: from now on the kernel is written to. */
  start(): void {
    this.#isRunning = true;
    if (this.#settings().routeSyncDisabled === true) return;
    for (const { addresses, more, ifindex } of this.#byInterface.values())
      this.#want([...addresses, ...more], ifindex);
    this.#owned.start({ keepStale: false });
    this.#refresh();
  }

  /** In case the kernel's events do not tell all. */
  #refresh(): void {
    const { routeRefreshInterval: every = 0 } = this.#settings();
    const next = every > 0 ? every : idleMs;
    this.#cancelRefresh = this.#clock.after(millis(next), () => {
      if (every > 0) this.#owned.look();
      this.#refresh();
    });
  }

  /** The routes stay. */
  stop(): void {
    this.#isRunning = false;
    this.#cancelRefresh();
    this.#owned.stop();
    this.#tellWaiters();
  }

  status(): OwnedRoutesStatus {
    return this.#owned.status();
  }

  /**
   * True once the kernel has the routes to `addresses` and none that was removed; false if it refused one, `within` has
   * passed, or nothing is written (yet, or any more).
   */
  installed(addresses: readonly Address[], within: Millis): Promise<boolean> {
    return new Promise((resolve) => {
      const finish = (result: boolean): void => {
        cancel();
        this.#waiters.delete(look);
        resolve(result);
      };
      const look = (): void => {
        const result = this.#outcome(addresses);
        if (result !== undefined) finish(result);
      };
      const cancel = this.#clock.after(within, () => finish(false));
      this.#waiters.add(look);
      look();
    });
  }

  #tellWaiters(): void {
    for (const look of [...this.#waiters]) look();
  }

  /** Undefined: not settled yet. */
  #outcome(addresses: readonly Address[]): boolean | undefined {
    if (!this.#isRunning) return false;
    if (this.#settings().routeSyncDisabled === true) return true;
    const { pending, problems } = this.status();
    const refused = new Set(problems.map(({ where }) => where).filter((where) => where.startsWith('route ')));
    if (addresses.some((address) => refused.has(`route ${formatPrefix(hostPrefix(address))}`))) return false;
    return pending <= refused.size ? true : undefined;
  }
}
