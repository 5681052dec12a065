/**
 * Addresses this node answers for beside its own (BGPConfiguration.localWorkloadPeeringIPV4 and IPV6): routes of type local, of
 * protocol 82, on the loopback interface, in the kernel's table of local addresses. A protocol of their own keeps them apart from
 * learned routes; nobody is told of them, and no interface shows them.
 *
 * An address that an interface has is not taken from it: the pods reach us there as it is, and once it goes ours comes.
 */
import type { Clock } from '../../src/host/clock.ts';
import type { Kernel, Route } from '../../src/kernel/kernel.ts';
import { OwnedRoutes, type OwnedRoutesStatus } from '../../src/kernel/owned-routes.ts';
import {
  type Address,
  formatAddress,
  hostPrefix,
  millis,
  type Prefix,
  versionOf,
} from '../../src/lib/net.ts';
import type { Random } from '../../src/lib/random.ts';
import { same } from '../../src/lib/same.ts';
import type { Problem } from '../../src/model/problem.ts';

/** rtm_protocol of the addresses that `tortie bgp` gives this node. */
const extraProtocol = 82;
const localTable = 255;
const settleMs = 50;
/** Until addresses the kernel failed to list are asked for again. */
const retryMs = 1000;

/** IPv6 routes given 0 get 1024 from the kernel. */
const metricOf = (dst: Prefix): number => (versionOf(dst) === 4 ? 0 : 1024);

export interface ExtraAddresses {
  /** All of them. */
  want(addresses: readonly Address[]): void;
  /** From now on the kernel is written to; what an earlier life left and nobody wants goes. */
  start(): void;
  problems(): readonly Problem[];
  /** They stay. */
  stop(): void;
}

export interface ExtraOptions {
  readonly kernel: Kernel;
  readonly clock: Clock;
  readonly random: Random;
}

export const createExtraAddresses = (options: ExtraOptions): ExtraAddresses => new KernelExtras(options);

class KernelExtras implements ExtraAddresses {
  readonly #options: ExtraOptions;
  readonly #routes: OwnedRoutes;
  #wanted: readonly Address[] = [];
  /** Of interfaces; undefined: not known yet. */
  #real: ReadonlySet<Address> | undefined;
  #cancel: (() => void) | undefined;
  #unwatch: (() => void) | undefined;
  #isStarted = false;
  /** The routes are compared with the kernel's: what an earlier life left goes only once it is known what is wanted. */
  #isWriting = false;

  constructor(options: ExtraOptions) {
    this.#options = options;
    this.#routes = new OwnedRoutes({
      ...options,
      protocol: extraProtocol,
      table: localTable,
      metric: metricOf,
      onRound: (status) => this.#rest(status),
    });
  }

  want(addresses: readonly Address[]): void {
    if (same(this.#wanted, addresses)) return;
    const gone = this.#wanted.filter((address) => !addresses.includes(address));
    this.#wanted = addresses;
    for (const address of gone) this.#routes.unwant(hostPrefix(address));
    if (this.#isStarted) this.#look();
  }

  start(): void {
    this.#isStarted = true;
    this.#unwatch = this.#options.kernel.watch((event) => {
      if (event.kind === 'address' || event.kind === 'overrun') this.#schedule(settleMs);
    });
    this.#look();
  }

  problems(): readonly Problem[] {
    const real = this.#wanted.filter((address) => this.#real?.has(address) === true);
    return [...real.map(isReal), ...this.#routes.status().problems];
  }

  stop(): void {
    this.#isStarted = false;
    this.#cancel?.();
    this.#unwatch?.();
    this.#routes.stop();
  }

  #schedule(afterMs: number): void {
    if (!this.#isStarted || this.#wanted.length === 0) return;
    this.#cancel ??= this.#options.clock.after(millis(afterMs), () => this.#look());
  }

  /** Addresses of interfaces are listed only while they matter. */
  #look(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (this.#wanted.length === 0) {
      this.#write();
      return;
    }
    this.#options.kernel.addresses().then(
      (listed) => {
        this.#real = new Set(listed.map(({ address }) => address));
        if (this.#isStarted) this.#write();
      },
      () => this.#schedule(retryMs),
    );
  }

  #write(): void {
    for (const address of this.#wanted) {
      const dst = hostPrefix(address);
      if (this.#real?.has(address) === true) this.#routes.unwant(dst);
      else this.#routes.want(localRoute(dst));
    }
    if (this.#isWriting) return;
    this.#isWriting = true;
    this.#routes.start({ keepStale: false });
    this.#routes.look();
  }

  /** On most nodes there is nothing to keep: then a change of a link lists no routes. */
  #rest({ installed, pending, problems }: OwnedRoutesStatus): void {
    if (this.#wanted.length > 0 || installed > 0 || pending > 0 || problems.length > 0) return;
    this.#routes.stop();
    this.#isWriting = false;
  }
}

const localRoute = (dst: Prefix): Route => ({
  dst,
  table: localTable,
  protocol: extraProtocol,
  metric: metricOf(dst),
  type: 'local',
  nextHops: [],
});

const isReal = (address: Address): Problem => ({
  where: `BGPConfiguration spec.localWorkloadPeeringIPV${versionOf(address)}`,
  what: `${formatAddress(address)} is an address of an interface of this node, so nothing is added for it; pods reach the speaker there.`,
  fix: 'Give an address that nobody has, or take it from the interface.',
});
