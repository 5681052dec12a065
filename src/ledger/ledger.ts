/**
 * The ledger of one owner of blocks, a node as a rule: gives addresses out of IPAM blocks and takes them back, over the port `Objects`.
 *
 * `openLedger` (open.ts) makes one. What it promises:
 *  - idempotent by handle: whoever asks again for the same handle gets the same addresses, also after an answer that never came;
 *  - all or nothing: a handle gets one address of every family it asked for, or none;
 *  - requests that arrive while a write is under way share the next one: a burst of pods costs one compare-and-swap per block;
 *  - it believes its own copy of its blocks until a conflict says otherwise, so the usual allocation is one request to the API server;
 *  - while the API server answers nothing at all, an address is refused after three seconds; a release is tried on;
 *  - every refusal is a value with a sentence; nothing is thrown.
 * One process per owner is usual, but any number is safe: the blocks decide.
 */
import type { Clock } from '../host/clock.ts';
import type { Leak, SpareBlock } from '../ipam/leaks.ts';
import type { Address, IpVersion, Prefix } from '../lib/net.ts';
import type { Random } from '../lib/random.ts';
import type { Result } from '../lib/result.ts';
import type { BlockAffinity, BlockOwner, IpamBlock, IpamConfiguration } from '../model/ipam.ts';
import type { IpPool, Labels, PoolUse } from '../model/resource.ts';
import type { Objects } from '../store/objects.ts';

/** What is known of the cluster besides blocks; the daemons have it from their watches, others by `readFacts` (facts.ts). */
export interface Facts {
  readonly pools: readonly IpPool[];
  /** All IPReservations together. */
  readonly reserved: readonly Prefix[];
  readonly settings: Settings;
  /** Of the owner, if that is a node. */
  readonly nodeLabels: Labels;
  /** Every node there is; absent: not known, so nobody's blocks are taken over for being gone. */
  readonly nodes?: ReadonlySet<string>;
}

export type Settings = Omit<IpamConfiguration, 'kind' | 'meta'>;

export interface LedgerOptions {
  readonly objects: Objects;
  readonly owner: BlockOwner;
  /** Undefined while the watches are not in sync: assigning is then refused as transient, releasing works. */
  readonly facts: () => Facts | undefined;
  readonly clock: Clock;
  /** Milliseconds since 1970, for what is written into blocks; absent: the machine's. */
  readonly wallClock?: () => number;
  readonly random: Random;
  /** How long one request is tried before it is refused; default 60,000 ms. */
  readonly patienceMs?: number;
  readonly onLog?: (sentence: string) => void;
}

export interface AssignRequest {
  /** Of a pod's interface: `k8s-pod-network.<containerID>`. */
  readonly handle: string;
  /** Kept beside the address: pod, namespace, node, type; `timestamp` is added. */
  readonly attributes: Readonly<Record<string, string>>;
  /** One address of each; without meaning if `addresses` are given. */
  readonly families: readonly IpVersion[];
  /** Names or CIDRs of the pools it may be from (annotation ipv4pools, ipv6pools); refused if a family asked for is not among them. */
  readonly pools?: readonly string[];
  /** Just these (annotation ipAddrs). */
  readonly addresses?: readonly Address[];
  /** Labels of the pod's namespace, for namespaceSelector; absent: only pools for all namespaces. */
  readonly namespace?: Labels;
  /** Default Workload. */
  readonly use?: PoolUse;
}

export interface Assigned {
  readonly address: Address;
  readonly block: Prefix;
  /** Out of another owner's block: nobody routes it here but by a route of its own. */
  readonly borrowed: boolean;
}

export interface LedgerRefusal {
  /**
   * no-pool: none may be used · exhausted: nothing is free · taken: the address asked for is not to be had ·
   * away: the API server does not answer, or answered too late · denied: it says no.
   */
  readonly kind: 'no-pool' | 'exhausted' | 'taken' | 'away' | 'denied';
  /** Sentences for the pod's event: what, why, and what to do. */
  readonly what: string;
  /** Trying again later may help without anybody changing anything. */
  readonly transient: boolean;
}

/** One address that a handle of this owner holds. */
export interface Holding extends Assigned {
  readonly handle: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** What guards its release. */
  readonly sequence: number;
}

export interface Ledger {
  /** The addresses, IPv4 first. */
  assign(request: AssignRequest): Promise<Result<readonly Assigned[], LedgerRefusal>>;
  /** Everything the handle holds; the addresses it held, none if nothing. Asking twice is harmless. */
  releaseByHandle(handle: string): Promise<Result<readonly Address[], LedgerRefusal>>;
  /** What this owner's handles hold, read anew: for CNI's GC and after a restart. */
  holdings(): Promise<Result<readonly Holding[], LedgerRefusal>>;
  /** The blocks as last seen, own ones first, without asking anybody. */
  blocks(): readonly IpamBlock[];
  /** False: the blocks have been read, none is in doubt, and the handle has nothing in them. Asks nobody. */
  mayHold(handle: string): boolean;
  /** Nothing new is begun; what waits is refused. */
  close(): void;
}

/** For whoever owns no blocks: the controller and tortiectl. `openCollector` (collector.ts) makes one. */
export interface Collector {
  /**
   * Takes back the addresses that still are what was seen: same handle, same sequence number. The others are left alone.
   * @returns  the addresses that were taken back
   */
  release(leak: Pick<Leak, 'handle' | 'addresses'>): Promise<Result<readonly Address[], LedgerRefusal>>;
  /** Deletes the block and its affinity if it is still empty and its owner's; false if it is not. */
  giveBack(spare: Pick<SpareBlock, 'block' | 'owner'>): Promise<Result<boolean, LedgerRefusal>>;
  /** Finishes or undoes what was left half done (`unsettled` of a LeakVerdict): the affinity says what the block says, or goes. */
  settle(affinity: BlockAffinity): Promise<Result<undefined, LedgerRefusal>>;
}

export interface CollectorOptions
  extends Pick<LedgerOptions, 'objects' | 'clock' | 'wallClock' | 'random' | 'patienceMs'> {
  /** IPAMConfiguration's ipCooldownSeconds, as known at the moment. */
  readonly cooldownSeconds: () => number;
}
