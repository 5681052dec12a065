/**
 * The port behind which pods' addresses are given: from the Node's pod CIDRs (here, `PodCidrAddresses`) or from blocks of
 * the cluster's pools (block-addresses.ts).
 *
 * Contract: what is given to nobody else is asked for nowhere else; `release` waits for nobody far away, and what it
 * promised is kept over a restart; an address that was released is not given again before everybody has heard of it.
 */
import type { PodName } from '../src/cni/environment.ts';
import type { IpamMode, PoolWish } from '../src/cni/network.ts';
import type { Records } from '../src/cni/records.ts';
import type { Clock } from '../src/host/clock.ts';
import type { AddressBook } from '../src/ipam/address-book.ts';
import { type Address, type IpVersion, type Prefix, versionOf } from '../src/lib/net.ts';
import { err, type Result } from '../src/lib/result.ts';
import type { Problem } from '../src/model/problem.ts';

export interface AddressWish {
  /** The host interface: there is one owner of it on the node. */
  readonly owner: string;
  /** Names the owner in the whole cluster; see `handleOf`. */
  readonly handle: string;
  readonly pod: PodName;
  /** Undefined: every family there is something to give of. */
  readonly families: readonly IpVersion[] | undefined;
  readonly pools: PoolWish;
  /** Exactly these; empty: any. */
  readonly exactly: readonly Address[];
}

export interface AddressRefusal {
  /** Whole sentences: what, why, and what to do. */
  readonly why: string;
  /** Time alone may mend it. */
  readonly isTransient: boolean;
}

/** Who holds what: the owner on this node, and its name in the cluster. */
export interface Holding {
  readonly owner: string;
  readonly handle: string;
  readonly addresses: readonly Address[];
}

export interface Addresses {
  readonly mode: IpamMode;
  /** How many addresses pods of this node hold. */
  readonly inUse: number;
  /** First of all. */
  load(): Promise<readonly Problem[]>;
  /** In-sync: from now on the cluster may be written to. */
  start(): void;
  stop(): void;
  /** Why no pod can get an address now; undefined if one can. */
  whyNone(): AddressRefusal | undefined;
  allocate(wish: AddressWish): Promise<Result<readonly Address[], AddressRefusal>>;
  /** What a record or the kernel says after a restart. Fails with the owner that has one of them. */
  adopt(holding: Holding): Result<undefined>;
  release(holding: Holding): Promise<void>;
  /** DEL of a container nobody here knows: a crash may have come between the address and the record. */
  releaseUnknown(handle: string): Promise<void>;
  problems(): readonly Problem[];
}

/** Calico's own form, so that whoever looks into a block knows whose an address is. */
export const handleOf = (containerId: string): string => `k8s-pod-network.${containerId}`;

export interface PodCidrOptions {
  readonly book: AddressBook;
  readonly records: Pick<Records, 'putLastGiven'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly node: string;
  /** Undefined while the Node is not known. */
  readonly podCidrs: () => readonly Prefix[] | undefined;
}

/** From the Node's spec.podCIDRs; nobody else gives from them, so nobody is asked. */
export class PodCidrAddresses implements Addresses {
  readonly mode = 'pod-cidrs';
  readonly #options: PodCidrOptions;
  #isKeeping = false;
  #isPlaceNew = false;

  constructor(options: PodCidrOptions) {
    this.#options = options;
  }

  get inUse(): number {
    return this.#options.book.size;
  }

  load(): Promise<readonly Problem[]> {
    return Promise.resolve([]);
  }

  start(): void {
    // nothing far away to write to
  }

  stop(): void {
    // nothing under way
  }

  whyNone(): AddressRefusal | undefined {
    const { node, podCidrs } = this.#options;
    const cidrs = podCidrs();
    if (cidrs === undefined) return refusal(noNode(node), true);
    return cidrs.length === 0 ? refusal(noCidrs(node), true) : undefined;
  }

  async allocate(wish: AddressWish): Promise<Result<readonly Address[], AddressRefusal>> {
    const { book, clock, node, podCidrs } = this.#options;
    const none = this.whyNone() ?? blockWish(wish);
    if (none !== undefined) return err(none);
    const { families } = wish;
    const cidrs = (podCidrs() ?? []).filter((cidr) => families?.includes(versionOf(cidr)) ?? true);
    const missing = families?.find((version) => !cidrs.some((cidr) => versionOf(cidr) === version));
    if (missing !== undefined) {
      return err(
        refusal(
          `Node ${node} has no IPv${missing} range in spec.podCIDRs, and the network configuration asks for one. Give the Node one, or ask for the other family only.`,
          false,
        ),
      );
    }
    const given = book.allocate({ owner: wish.owner, cidrs, now: clock.now() });
    if (given.ok) {
      this.#keepPlace();
      return given;
    }
    const { why, transient } = given.error;
    const remedy = transient
      ? 'It is tried again.'
      : `Give Node ${node} a larger spec.podCIDRs, or run fewer pods there.`;
    return err(refusal(`${why} ${remedy}`, transient));
  }

  /** Nobody waits for it, and what comes meanwhile shares the next write: without it the round only begins anew. */
  #keepPlace(): void {
    const { book, records } = this.#options;
    this.#isPlaceNew = true;
    if (this.#isKeeping) return;
    this.#isKeeping = true;
    this.#isPlaceNew = false;
    const kept = records.putLastGiven(book.lastGiven()).catch(() => undefined);
    void kept.then(() => {
      this.#isKeeping = false;
      if (this.#isPlaceNew) this.#keepPlace();
    });
  }

  adopt({ owner, addresses }: Holding): Result<undefined> {
    return this.#options.book.adopt(owner, addresses);
  }

  release({ owner }: Holding): Promise<void> {
    this.#options.book.release(owner, this.#options.clock.now());
    return Promise.resolve();
  }

  /** The book is rebuilt from the records, so it holds nothing besides. */
  releaseUnknown(): Promise<void> {
    return Promise.resolve();
  }

  problems(): readonly Problem[] {
    return [];
  }
}

const refusal = (why: string, isTransient: boolean): AddressRefusal => ({ why, isTransient });

const noNode = (node: string): string =>
  `The datastore has no Node ${node}, so its pod CIDRs are not known. Create it, or start felix with the right --node.`;

const noCidrs = (node: string): string =>
  `Node ${node} has no spec.podCIDRs in the datastore, so pods can get no address. Set them, or let kube-controller-manager do it (--allocate-node-cidrs).`;

/** What only blocks can give. */
function blockWish({ pools, exactly }: AddressWish): AddressRefusal | undefined {
  const what =
    exactly.length > 0
      ? 'certain addresses'
      : (pools[4] ?? pools[6]) === undefined
        ? undefined
        : 'addresses of certain pools';
  if (what === undefined) return undefined;
  return refusal(
    `The pod asks for ${what}, and this node gives what comes next in its pod CIDRs. Start felix and bgp with --ipam blocks, or take the wish away.`,
    false,
  );
}
