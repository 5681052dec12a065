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
  type Prefix,
} from '../../src/lib/net.ts';
import type { Random } from '../../src/lib/random.ts';

/** rtm_protocol of `tortie felix`. */
export const felixProtocol = 81;
const mainTable = 254;
/** IPv6 routes given none get 1024 from the kernel. */
const metric = (dst: Prefix): number => (isPrefix4(dst) ? 0 : 1024);

export const podRoute = (address: Address, ifindex: number): Route => ({
  dst: hostPrefix(address),
  table: mainTable,
  protocol: felixProtocol,
  metric: metric(hostPrefix(address)),
  type: 'unicast',
  scope: isIpv4(address) ? 'link' : 'global', // IPv6 routes have no scope
  nextHops: [{ ifindex }],
});

export class PodRoutes {
  readonly #clock: Clock;
  readonly #owned: OwnedRoutes;
  readonly #byInterface = new Map<string, readonly Route[]>();
  readonly #waiters = new Set<() => void>();
  #isRunning = false;

  constructor(kernel: Kernel, clock: Clock, random: Random) {
    this.#clock = clock;
    const onRound = (): void => this.#tellWaiters();
    this.#owned = new OwnedRoutes({
      ...{ kernel, protocol: felixProtocol, table: mainTable, metric },
      ...{ clock, random, onRound },
    });
  }

  /** These addresses are reached by this interface. Replaces what was said of the interface before. */
  put(hostInterface: string, ifindex: number, addresses: readonly Address[]): void {
    this.remove(hostInterface);
    const routes = addresses.map((address) => podRoute(address, ifindex));
    this.#byInterface.set(hostInterface, routes);
    for (const route of routes) this.#owned.want(route);
  }

  remove(hostInterface: string): void {
    for (const route of this.#byInterface.get(hostInterface) ?? []) this.#owned.unwant(route.dst);
    this.#byInterface.delete(hostInterface);
  }

  /** At in-sync: from now on the kernel is written to. */
  start(): void {
    this.#isRunning = true;
    this.#owned.start({ keepStale: false });
  }

  /** The routes stay. */
  stop(): void {
    this.#isRunning = false;
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
    const { pending, problems } = this.status();
    const refused = new Set(problems.map(({ where }) => where).filter((where) => where.startsWith('route ')));
    if (addresses.some((address) => refused.has(`route ${formatPrefix(hostPrefix(address))}`))) return false;
    return pending <= refused.size ? true : undefined;
  }
}
