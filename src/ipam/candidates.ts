/**
 * The blocks of a pool in the order in which one owner tries them: all of them once, pseudo-random, the same at every start,
 * and different for different owners, so that nodes that start together seldom want the same block.
 */
import { sha1Hex } from '../lib/hash.ts';
import { ipv4, ipv6, isPrefix4, lengthOf, networkOf, type Prefix, prefixOf, widthOf } from '../lib/net.ts';
import type { BlockOwner } from '../model/ipam.ts';
import type { IpPool } from '../model/resource.ts';
import { ownerText } from './block.ts';

/** An odd stride visits every place of a power of two once. */
export function* candidates(pool: Pick<IpPool, 'cidr' | 'blockSize'>, owner: BlockOwner): Generator<Prefix> {
  const bits = pool.blockSize - lengthOf(pool.cidr);
  if (bits < 0) return;
  const count = 1n << BigInt(bits);
  const seed = sha1Hex(`${ownerText(owner)} ${String(pool.cidr)}`);
  const start = BigInt(`0x${seed.slice(0, 20)}`) % count;
  const stride = (BigInt(`0x${seed.slice(20)}`) % count) | 1n;
  for (let place = 0n; place < count; place += 1n) yield blockAt(pool, (start + place * stride) % count);
}

function blockAt({ cidr, blockSize }: Pick<IpPool, 'cidr' | 'blockSize'>, index: bigint): Prefix {
  const first = BigInt(networkOf(cidr)) + (index << BigInt(widthOf(cidr) - blockSize));
  return prefixOf(isPrefix4(cidr) ? ipv4(Number(first)) : ipv6(first), blockSize);
}

/** How many blocks the pool has room for. */
export const blocksOf = ({ cidr, blockSize }: Pick<IpPool, 'cidr' | 'blockSize'>): number =>
  blockSize < lengthOf(cidr) ? 0 : 2 ** (blockSize - lengthOf(cidr));
