/** Allocatable of IPPools, with Calico's reasons; and how full each is. */

import { inUse, isReserved } from '../../ipam/block.ts';
import { type Closed, closedBecause } from '../../ipam/pools.ts';
import {
  comparePrefixes,
  contains,
  containsAddress,
  formatPrefix,
  lengthOf,
  overlaps,
  type Prefix,
  widthOf,
} from '../../lib/net.ts';
import type { IpamBlock } from '../../model/ipam.ts';
import type { IpPool } from '../../model/resource.ts';
import type { Verdict } from './condition.ts';

/** @param blocks  of the whole cluster */
export function allocatableOf(pool: IpPool, pools: readonly IpPool[], blocks: readonly IpamBlock[]): Verdict {
  const closed = closedBecause(pool, pools);
  if (closed !== undefined)
    return { type: 'Allocatable', status: 'False', reason: closed.reason, message: closedText(pool, closed) };
  const mismatch = mismatchOf(pool, blocks);
  return { type: 'Allocatable', status: 'True', ...(mismatch ?? fine) };
}

const fine = { reason: 'OK', message: 'Addresses may be given from it.' } as const;

function closedText(pool: IpPool, closed: Closed): string {
  if (closed.reason === 'CIDROverlap') {
    const { elder } = closed;
    return `${formatPrefix(pool.cidr)} overlaps ${formatPrefix(elder.cidr)} of the older pool ${elder.meta.name}. Delete one of the two.`;
  }
  return closed.reason === 'Terminating'
    ? 'The pool is being deleted: nothing new is given from it.'
    : 'spec.disabled is true: nothing new is given from it.';
}

/** So many blocks are named, the others counted. */
const mostNamed = 5;

/**
 * Blocks of another size in the pool, as after it was made anew with another blockSize: new blocks are claimed around them, so the
 * pool is smaller than it looks. Two blocks that overlap may have given one address twice, and that is worse. Undefined: neither.
 */
export function mismatchOf(
  pool: IpPool,
  blocks: readonly IpamBlock[],
): Pick<Verdict, 'reason' | 'message'> | undefined {
  const inside = blocks.map(({ cidr }) => cidr).filter((cidr) => overlaps(pool.cidr, cidr));
  const odd = inside.filter((cidr) => lengthOf(cidr) !== pool.blockSize).toSorted(comparePrefixes);
  if (odd.length === 0) return undefined;
  const clashing = inside
    .filter((cidr) =>
      (odd.includes(cidr) ? inside : odd).some((other) => other !== cidr && overlaps(other, cidr)),
    )
    .toSorted(comparePrefixes);
  if (clashing.length > 0)
    return {
      reason: 'BlockOverlap',
      message: `Blocks overlap: ${named(clashing)}. One address may be given twice: drain the nodes of the ones or the others, see "tortiectl ipam check".`,
    };
  return {
    reason: 'BlockSizeMismatch',
    message: `Its blockSize is ${pool.blockSize}, but ${odd.length === 1 ? 'one block is' : `${odd.length} blocks are`} of another: ${named(odd)}. New blocks are claimed around them, and their nodes go on giving from them. To be rid of them, drain and delete their nodes one by one.`,
  };
}

const named = (cidrs: readonly Prefix[]): string =>
  [
    ...cidrs.slice(0, mostNamed).map(formatPrefix),
    ...(cidrs.length > mostNamed ? [`${cidrs.length - mostNamed} more`] : []),
  ].join(', ');

/** How many addresses; beyond 2^53 it is no longer exact, which nobody counts. */
export const sizeOfPrefix = (cidr: Prefix): number => 2 ** (widthOf(cidr) - lengthOf(cidr));

/** How many addresses of `cidr` are reserved; what is reserved twice counts once. */
export function reservedIn(cidr: Prefix, reserved: readonly Prefix[]): number {
  const distinct = [...new Set(reserved)];
  const outermost = distinct.filter(
    (one) => !distinct.some((other) => other !== one && contains(other, one)),
  );
  if (outermost.some((one) => contains(one, cidr))) return sizeOfPrefix(cidr);
  return outermost.filter((one) => contains(cidr, one)).reduce((sum, one) => sum + sizeOfPrefix(one), 0);
}

/** Which enabled pools have no address left: each is given or reserved. @param reserved  of all IPReservations */
export function exhausted(
  pools: readonly IpPool[],
  blocks: readonly IpamBlock[],
  reserved: readonly Prefix[],
): readonly IpPool[] {
  const given = new Map<Prefix, number>();
  for (const block of blocks) {
    // A block lies in one pool whole.
    const pool = pools.find((one) => overlaps(one.cidr, block.cidr));
    if (pool === undefined) continue;
    // What was given before it was reserved must not count twice.
    const inside = inUse(block).filter(
      ({ address }) => containsAddress(pool.cidr, address) && !isReserved(address, reserved),
    ).length;
    given.set(pool.cidr, (given.get(pool.cidr) ?? 0) + inside);
  }
  const isFull = ({ cidr }: IpPool): boolean =>
    (given.get(cidr) ?? 0) + reservedIn(cidr, reserved) >= sizeOfPrefix(cidr);
  return pools.filter((pool) => !pool.disabled && !pool.terminating && isFull(pool));
}
