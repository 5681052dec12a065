/** How full a prefix is: a pool or a block, for `tortiectl ipam show`. */
import { contains, lengthOf, type Prefix, widthOf } from '../lib/net.ts';
import type { IpamBlock } from '../model/ipam.ts';
import { allocationsOf, isReserved } from './block.ts';

/** Counts of addresses; a pool of IPv6 has more than a number counts exactly, and they are shown with five digits. */
export interface Usage {
  readonly total: number;
  /** Given, or cooling down. */
  readonly inUse: number;
  /** Reserved and not in use. */
  readonly reserved: number;
  readonly free: number;
}

const sizeOf = (prefix: Prefix): number => 2 ** (widthOf(prefix) - lengthOf(prefix));

export function usageOf(cidr: Prefix, blocks: readonly IpamBlock[], reserved: readonly Prefix[]): Usage {
  const used = blocks.filter((block) => contains(cidr, block.cidr)).flatMap(allocationsOf);
  const both = used.filter(({ address }) => isReserved(address, reserved)).length;
  const total = sizeOf(cidr);
  const kept = reservedIn(cidr, reserved) - both;
  return { total, inUse: used.length, reserved: kept, free: total - used.length - kept };
}

/** Prefixes that overlap contain one another, so the greatest of each pile count. */
function reservedIn(cidr: Prefix, reserved: readonly Prefix[]): number {
  const inside = [
    ...new Set(reserved.flatMap((one) => (contains(one, cidr) ? [cidr] : contains(cidr, one) ? [one] : []))),
  ];
  return inside
    .filter((one) => !inside.some((other) => other !== one && contains(other, one)))
    .reduce((sum, one) => sum + sizeOf(one), 0);
}
