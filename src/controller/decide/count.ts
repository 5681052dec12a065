/** What IPAM holds, counted for metrics with Calico's labels: by pool and node. */

import { inUse, ownerName } from '../../ipam/block.ts';
import { overlaps } from '../../lib/net.ts';
import type { IpamBlock } from '../../model/ipam.ts';
import type { IpPool } from '../../model/resource.ts';

/** Labels ippool and node; a block of no pool or no owner has "no_ippool", "no_node", as Calico says it. */
export interface Place {
  readonly ippool: string;
  readonly node: string;
}

export interface Counted extends Place {
  readonly blocks: number;
  readonly inUse: number;
  /** Of these, given to a node that the block is not of. */
  readonly borrowed: number;
}

export const poolOf = (block: Pick<IpamBlock, 'cidr'>, pools: readonly IpPool[]): string =>
  pools.find(({ cidr }) => overlaps(cidr, block.cidr))?.meta.name ?? 'no_ippool';

/** One row for each pool and node that has blocks of it, or addresses out of another's. */
export function countUse(blocks: readonly IpamBlock[], pools: readonly IpPool[]): readonly Counted[] {
  const rows = new Map<
    string,
    { ippool: string; node: string; blocks: number; inUse: number; borrowed: number }
  >();
  const row = (ippool: string, node: string) => {
    const key = JSON.stringify([ippool, node]);
    const found = rows.get(key) ?? { ippool, node, blocks: 0, inUse: 0, borrowed: 0 };
    rows.set(key, found);
    return found;
  };
  for (const block of blocks) {
    const ippool = poolOf(block, pools);
    const owner = block.affinity === undefined ? 'no_node' : ownerName(block.affinity);
    row(ippool, owner).blocks += 1;
    for (const { attribute } of inUse(block)) {
      const user = attribute.secondary['node'] ?? owner;
      const one = row(ippool, user);
      one.inUse += 1;
      if (user !== owner) one.borrowed += 1;
    }
  }
  return [...rows.values()];
}
