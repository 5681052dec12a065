/**
 * Arithmetic of allocation blocks: ordinals and addresses, names, counts.
 *
 * An ordinal is the place of an address in its block, from 0. Every address of a block may be given, the first and last
 * too: a pod's address is a /32 or /128 on a point-to-point link, so none of them is a network or broadcast address.
 */
import { sha1Hex } from '../lib/hash.ts';
import {
  type Address,
  addressAt,
  containsAddress,
  formatPrefix,
  isPrefix4,
  lengthOf,
  networkOf,
  type Prefix,
  prefixOf,
  widthOf,
} from '../lib/net.ts';
import { assert } from '../lib/result.ts';
import type { AllocationAttribute, BlockAffinity, BlockOwner, IpamBlock } from '../model/ipam.ts';

/** RFC 3339 in UTC, as it stands in blocks. */
export type Instant = string;

/** How many addresses a block has; a block is never greater than 2^12 (blockSize 20 or 116). */
export const sizeOf = (cidr: Prefix): number => 2 ** (widthOf(cidr) - lengthOf(cidr));

export const addressOf = (cidr: Prefix, ordinal: number): Address => addressAt(networkOf(cidr), ordinal);

/** Undefined if the address is not in the block. */
export const ordinalOf = (cidr: Prefix, address: Address): number | undefined =>
  containsAddress(cidr, address) ? Number(BigInt(address) - BigInt(networkOf(cidr))) : undefined;

/** The block an address lies in. */
export const blockAround = (address: Address, blockSize: number): Prefix => prefixOf(address, blockSize);

/** "10-65-79-0-26". */
export const blockName = (cidr: Prefix): string => formatPrefix(cidr).replace(/[.:/]/g, '-');

/** The longest name an object may have. */
const longestName = 253;

/** "node1-10-65-79-0-26"; for an owner whose name is too long for that, its beginning and a hash of it. */
export function affinityName(owner: BlockOwner, cidr: Prefix): string {
  const name = ownerName(owner);
  const room = longestName - blockName(cidr).length - 1;
  const short = name.length <= room ? name : `${name.slice(0, room - 17)}-${sha1Hex(name).slice(0, 16)}`;
  return `${short}-${blockName(cidr)}`;
}

export const ownerName = (owner: BlockOwner): string => (owner.type === 'host' ? owner.node : owner.name);

export const sameOwner = (a: BlockOwner | undefined, b: BlockOwner | undefined): boolean =>
  a === b || (a?.type === b?.type && a !== undefined && b !== undefined && ownerName(a) === ownerName(b));

/** For sentences: "node1", or "virtual:load-balancer". */
export const ownerText = (owner: BlockOwner): string =>
  owner.type === 'host' ? owner.node : `virtual:${owner.name}`;

export const ownerOf = ({ type, node }: BlockAffinity): BlockOwner =>
  type === 'host' ? { type, node } : { type, name: node };

/** The longest prefixes that no two overlapping blocks differ in: those of the greatest blocks there can be (blockSize 20 and 116). */
const widest = (cidr: Prefix): number => (isPrefix4(cidr) ? 20 : 116);

/** On every affinity, so that one list finds all claims that may overlap a block. */
export const aroundLabel = 'ipam.tortie.io/around';

/** "10-65-64-0-20": the value of that label. */
export const aroundOf = (cidr: Prefix): string => blockName(blockAround(networkOf(cidr), widest(cidr)));

/** It can be found by those who look for what overlaps it. One that Calico wrote cannot, until its node has started once. */
export const isMarked = ({ meta, cidr }: BlockAffinity): boolean =>
  meta.labels[aroundLabel] === aroundOf(cidr);

export const marked = (affinity: BlockAffinity): BlockAffinity => ({
  ...affinity,
  meta: { ...affinity.meta, labels: { ...affinity.meta.labels, [aroundLabel]: aroundOf(affinity.cidr) } },
});

const bare = (name: string) => ({ name, labels: {}, annotations: {} });

/** A block nobody has an address of. */
export function emptyBlock(cidr: Prefix, owner: BlockOwner, claimed: Instant): IpamBlock {
  const size = sizeOf(cidr);
  return {
    kind: 'IPAMBlock',
    meta: bare(blockName(cidr)),
    cidr,
    affinity: owner,
    affinityClaimTime: claimed,
    allocations: new Array<undefined>(size).fill(undefined),
    unallocated: Array.from({ length: size }, (_, ordinal) => ordinal),
    attributes: [],
    sequenceNumber: 0,
    sequenceNumberForAllocation: {},
    deleted: false,
  };
}

export function newAffinity(cidr: Prefix, owner: BlockOwner): BlockAffinity {
  return marked({
    kind: 'BlockAffinity',
    meta: bare(affinityName(owner, cidr)),
    cidr,
    type: owner.type,
    node: ownerName(owner),
    state: 'pending',
    deleted: false,
  });
}

/** One ordinal that is given, or cooling down. */
export interface Allocation {
  readonly ordinal: number;
  readonly address: Address;
  readonly attribute: AllocationAttribute;
  readonly sequence: number;
}

const cached = new WeakMap<IpamBlock, readonly Allocation[]>();

/** All that is given or cooling, by ordinal. An allocation whose attributes are missing has the handle "". */
export function allocationsOf(block: IpamBlock): readonly Allocation[] {
  const known = cached.get(block);
  if (known !== undefined) return known;
  const found = block.allocations.flatMap((index, ordinal) =>
    index === undefined ? [] : [allocationAt(block, ordinal, index)],
  );
  cached.set(block, found);
  return found;
}

const allocationAt = (block: IpamBlock, ordinal: number, index: number): Allocation => ({
  ordinal,
  address: addressOf(block.cidr, ordinal),
  attribute: block.attributes[index] ?? { handle: '', secondary: {} },
  sequence: block.sequenceNumberForAllocation[String(ordinal)] ?? 0,
});

/** Given, and not merely cooling down. */
export const inUse = (block: IpamBlock): readonly Allocation[] =>
  allocationsOf(block).filter(({ attribute }) => attribute.releasedAt === undefined);

/** Second by second: both texts are UTC, and the API keeps no finer time. */
export const isBefore = (a: Instant, b: Instant): boolean => a.slice(0, 19) < b.slice(0, 19);

/**
 * What was released at or before `cooledBy` has cooled down.
 * @param cooledBy  now less the cooldown
 */
export const hasCooled = ({ releasedAt }: AllocationAttribute, cooledBy: Instant): boolean =>
  releasedAt !== undefined && !isBefore(cooledBy, releasedAt);

/** Nobody has an address of it, and none is cooling down. */
export const isEmpty = (block: IpamBlock, cooledBy: Instant): boolean =>
  allocationsOf(block).every(({ attribute }) => hasCooled(attribute, cooledBy));

export const isReserved = (address: Address, reserved: readonly Prefix[]): boolean =>
  reserved.some((prefix) => containsAddress(prefix, address));

/** Every change of a block goes through here: its number grows, and attributes nobody points at are dropped. */
export function changed(block: IpamBlock, change: Partial<IpamBlock>): IpamBlock {
  const next = { ...block, ...change };
  const kept = [...new Set(next.allocations)].flatMap((index) => (index === undefined ? [] : [index]));
  const places = new Map(kept.sort((a, b) => a - b).map((index, place) => [index, place]));
  const attributes = kept.map((index) => next.attributes[index] ?? { handle: '', secondary: {} });
  const allocations = next.allocations.map((index) => (index === undefined ? undefined : places.get(index)));
  assert(allocations.length === sizeOf(block.cidr), 'a block keeps its size');
  return { ...next, allocations, attributes, sequenceNumber: block.sequenceNumber + 1 };
}
