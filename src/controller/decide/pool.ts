/** Allocatable of IPPools, with Calico's reasons; and how full each is. */

import { inUse, isReserved } from '../../ipam/block.ts';
import {
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

/** metadata.creationTimestamp by pool name; a pool without one counts as older than all. */
export type Births = ReadonlyMap<string, string>;

export function allocatableOf(pool: IpPool, pools: readonly IpPool[], births: Births): Verdict {
  if (pool.terminating) return no('Terminating', 'The pool is being deleted: nothing new is given from it.');
  if (pool.disabled) return no('PoolDisabled', 'spec.disabled is true: nothing new is given from it.');
  const other = pools.find((one) => isElder(one, pool, births) && overlaps(one.cidr, pool.cidr));
  if (other !== undefined)
    return no(
      'CIDROverlap',
      `${formatPrefix(pool.cidr)} overlaps ${formatPrefix(other.cidr)} of the older pool ${other.meta.name}. Delete one of the two.`,
    );
  return { type: 'Allocatable', status: 'True', reason: 'OK', message: 'Addresses may be given from it.' };
}

const no = (reason: string, message: string): Verdict => ({
  type: 'Allocatable',
  status: 'False',
  reason,
  message,
});

/** The one that was there first keeps its range, whatever it is used for; of two of one second, the first by name. */
function isElder(one: IpPool, than: IpPool, births: Births): boolean {
  if (one.meta.name === than.meta.name) return false;
  const [a, b] = [births.get(one.meta.name) ?? '', births.get(than.meta.name) ?? ''];
  return a === b ? one.meta.name < than.meta.name : a < b;
}

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
