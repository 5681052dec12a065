/**
 * Giving addresses out of a block and taking them back, on the block as a value: what comes out is to be written by compare-and-swap.
 *
 * Free ordinals wait in a queue, so that an address comes back as late as possible. With a cooldown, a released address keeps its
 * place among the allocations, marked with the moment of its release, until it has cooled; then it queues up behind the others.
 */
import type { Address, Prefix } from '../lib/net.ts';
import type { AllocationAttribute, IpamBlock } from '../model/ipam.ts';
import {
  type Allocation,
  addressOf,
  allocationsOf,
  changed,
  hasCooled,
  type Instant,
  inUse,
  isReserved,
  ordinalOf,
} from './block.ts';

/** Whose an address becomes. */
export interface Recipient {
  readonly handle: string;
  readonly secondary: Readonly<Record<string, string>>;
}

export interface GiveRules {
  /** Never given, unless asked for by address. */
  readonly reserved: readonly Prefix[];
  /** What was released up to then has cooled down. */
  readonly cooledBy: Instant;
}

export interface Given {
  readonly block: IpamBlock;
  readonly address: Address;
}

/** The next free address of the block; undefined if there is none, or the block is being deleted. */
export function giveNext(block: IpamBlock, to: Recipient, rules: GiveRules): Given | undefined {
  const thawed = thaw(block, rules.cooledBy);
  const ordinal = thawed.unallocated.find((free) => !isReserved(addressOf(block.cidr, free), rules.reserved));
  return ordinal === undefined ? undefined : giveOrdinal(thawed, ordinal, to);
}

/** Just this address; undefined if it is not free, not of this block, or the block is being deleted. */
export function giveAddress(
  block: IpamBlock,
  address: Address,
  to: Recipient,
  cooledBy: Instant,
): Given | undefined {
  const thawed = thaw(block, cooledBy);
  const ordinal = ordinalOf(block.cidr, address);
  return ordinal !== undefined && thawed.unallocated.includes(ordinal)
    ? giveOrdinal(thawed, ordinal, to)
    : undefined;
}

function giveOrdinal(block: IpamBlock, ordinal: number, to: Recipient): Given | undefined {
  if (block.deleted) return undefined;
  const attribute: AllocationAttribute = { handle: to.handle, secondary: to.secondary };
  return {
    address: addressOf(block.cidr, ordinal),
    block: changed(block, {
      allocations: block.allocations.with(ordinal, block.attributes.length),
      unallocated: block.unallocated.filter((free) => free !== ordinal),
      attributes: [...block.attributes, attribute],
      sequenceNumberForAllocation: {
        ...block.sequenceNumberForAllocation,
        [String(ordinal)]: block.sequenceNumber,
      },
    }),
  };
}

/** What has cooled down queues up as free, in the order it was released. The same block if nothing has. */
export function thaw(block: IpamBlock, cooledBy: Instant): IpamBlock {
  const cooled = allocationsOf(block)
    .filter(({ attribute }) => hasCooled(attribute, cooledBy))
    .sort((a, b) => ((a.attribute.releasedAt ?? '') < (b.attribute.releasedAt ?? '') ? -1 : 1));
  return cooled.length === 0 ? block : freed(block, cooled);
}

function freed(block: IpamBlock, what: readonly Allocation[]): IpamBlock {
  const ordinals = new Set(what.map(({ ordinal }) => ordinal));
  return changed(block, {
    allocations: block.allocations.map((index, ordinal) => (ordinals.has(ordinal) ? undefined : index)),
    unallocated: [...block.unallocated, ...ordinals],
    sequenceNumberForAllocation: Object.fromEntries(
      Object.entries(block.sequenceNumberForAllocation).filter(([ordinal]) => !ordinals.has(Number(ordinal))),
    ),
  });
}

/** One address as somebody saw it given. */
export interface Seen {
  readonly handle: string;
  readonly address: Address;
  readonly sequence: number;
}

export interface Released {
  /** The same one if nothing was released. */
  readonly block: IpamBlock;
  readonly addresses: readonly Address[];
}

export interface ReleaseRules {
  readonly now: Instant;
  /** 0: free at once. */
  readonly cooldownSeconds: number;
}

/** All that the handle holds in this block. */
export const releaseHandle = (block: IpamBlock, handle: string, rules: ReleaseRules): Released =>
  release(
    block,
    inUse(block).filter(({ attribute }) => attribute.handle === handle),
    rules,
  );

/** Only what still is as it was seen: an address given anew since has another sequence number. */
export const releaseSeen = (block: IpamBlock, seen: readonly Seen[], rules: ReleaseRules): Released =>
  release(
    block,
    inUse(block).filter(({ address, sequence, attribute }) =>
      seen.some(
        (one) => one.address === address && one.sequence === sequence && one.handle === attribute.handle,
      ),
    ),
    rules,
  );

function release(block: IpamBlock, what: readonly Allocation[], rules: ReleaseRules): Released {
  const addresses = what.map(({ address }) => address);
  if (what.length === 0) return { block, addresses };
  return {
    addresses,
    block: rules.cooldownSeconds > 0 ? cooled(block, what, rules.now) : freed(block, what),
  };
}

/** They keep their attributes, so that one can still see whose they were. */
function cooled(block: IpamBlock, what: readonly Allocation[], now: Instant): IpamBlock {
  const attributes = [...block.attributes];
  const allocations = [...block.allocations];
  const sequences: Record<string, number> = { ...block.sequenceNumberForAllocation };
  for (const { ordinal, attribute } of what) {
    allocations[ordinal] = attributes.length;
    attributes.push({ ...attribute, releasedAt: now });
    sequences[String(ordinal)] = block.sequenceNumber;
  }
  return changed(block, { attributes, allocations, sequenceNumberForAllocation: sequences });
}
