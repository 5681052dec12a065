/**
 * Block IPAM as Calico stores it: IPAMBlock, BlockAffinity, IPAMConfiguration, IPReservation (projectcalico.org/v3).
 *
 * An allocation block is one object, and every change of it is a compare-and-swap. Who holds what stands in the block and
 * nowhere else: there is no second index to disagree with it.
 */
import type { JsonFields } from '../lib/json.ts';
import type { Prefix } from '../lib/net.ts';
import type { Meta } from './meta.ts';

/** spec.affinity "host:NODE" or "virtual:load-balancer". */
export type BlockOwner =
  | { readonly type: 'host'; readonly node: string }
  | { readonly type: 'virtual'; readonly name: string };

/** spec.attributes[]: what is known of one allocation, or of several of one handle. */
export interface AllocationAttribute {
  /** handle_id: names the owner; release is by handle. */
  readonly handle: string;
  /** secondary: pod, namespace, node, type, timestamp, … */
  readonly secondary: Readonly<Record<string, string>>;
  /** releasedAt, ISO 8601: the address cools down and is not to be given yet. */
  readonly releasedAt?: string;
  /** Fields that we do not read, such as Calico's alternateOwnerAttrs: written back as they are. */
  readonly beside?: JsonFields;
}

export interface IpamBlock {
  readonly kind: 'IPAMBlock';
  /** The name is the CIDR with "." ":" "/" replaced by "-". */
  readonly meta: Meta;
  readonly cidr: Prefix;
  /** Absent: no node's. */
  readonly affinity?: BlockOwner;
  /** ISO 8601. */
  readonly affinityClaimTime?: string;
  /** By ordinal: index into `attributes`, or undefined if free. As many as the block has addresses. */
  readonly allocations: readonly (number | undefined)[];
  /** Free ordinals, the one to give next first. */
  readonly unallocated: readonly number[];
  readonly attributes: readonly AllocationAttribute[];
  /** Grows with every change; what an ordinal had when it was given guards its release (ABA). */
  readonly sequenceNumber: number;
  readonly sequenceNumberForAllocation: Readonly<Record<string, number>>;
  /** Tombstone: whoever sees it may finish the deletion, nobody may allocate. */
  readonly deleted: boolean;
  /** What others wrote into it and we do not read: written back as it is. */
  readonly beside?: { readonly metadata: JsonFields; readonly spec: JsonFields };
}

export interface BlockAffinity {
  readonly kind: 'BlockAffinity';
  /** "NODE-CIDR", the CIDR as in the block's name. */
  readonly meta: Meta;
  readonly cidr: Prefix;
  readonly type: 'host' | 'virtual';
  readonly node: string;
  /** pending: claimed, the block is not there for sure · confirmed: the block is this node's · pendingDeletion: being given back. */
  readonly state: 'pending' | 'confirmed' | 'pendingDeletion';
  readonly deleted: boolean;
}

/** Only `default` is read. Defaults are filled in. */
export interface IpamConfiguration {
  readonly kind: 'IPAMConfiguration';
  readonly meta: Meta;
  /** Default false: an address of another node's block may be given when a node can get no block. */
  readonly strictAffinity: boolean;
  /** Default 20 (what 0 means). */
  readonly maxBlocksPerHost: number;
  /** Default true. */
  readonly autoAllocateBlocks: boolean;
  /** Whole seconds; default 0: an address may be given again at once, as the last of its block. */
  readonly ipCooldownSeconds: number;
}

/** What holds without an IPAMConfiguration called default, or without the fields in it. */
export const defaultIpamSettings: Omit<IpamConfiguration, 'kind' | 'meta'> = {
  strictAffinity: false,
  maxBlocksPerHost: 20,
  autoAllocateBlocks: true,
  ipCooldownSeconds: 0,
};

export interface IpReservation {
  readonly kind: 'IPReservation';
  readonly meta: Meta;
  readonly reservedCidrs: readonly Prefix[];
}
