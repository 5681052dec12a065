/** natOutgoing: what leaves all pools has its node's address, as felix/rules/nat.ts has it. */
import { type Address, containsAddress, versionOf } from '../lib/net.ts';
import type { Cluster } from './cluster.ts';
import { settingsAt } from './settings.ts';

/** The node's own address of that family; undefined: it says none. */
export const ownAddress = ({ nodes }: Cluster, node: string, version: 4 | 6): Address | undefined =>
  nodes.find(({ meta }) => meta.name === node)?.internalIps.find((each) => versionOf(each) === version);

/**
 * The address that the pod's node puts in place of the pod's; undefined: none. Which interface the packet leaves by is the node's
 * routing and not known here, so the node's InternalIP stands for that interface's address.
 * @param node  the pod's
 */
export function outgoingAs(
  cluster: Cluster,
  node: string,
  source: Address,
  destination: Address,
): Address | undefined {
  const { pools, nodes } = cluster;
  const isIn = (address: Address, all: typeof pools): boolean =>
    all.some(({ cidr }) => containsAddress(cidr, address));
  const asking = pools.filter(({ natOutgoing }) => natOutgoing === true);
  if (!isIn(source, asking) || isIn(destination, pools)) return undefined;
  const { natOutgoingExclusions, natOutgoingAddress } = settingsAt(cluster, node);
  const isExcluded =
    natOutgoingExclusions === 'IPPoolsAndHostIPs' &&
    nodes.some(({ internalIps }) => internalIps.includes(destination));
  if (isExcluded) return undefined;
  const version = versionOf(source);
  const isSaid = natOutgoingAddress !== undefined && versionOf(natOutgoingAddress) === version;
  return isSaid ? natOutgoingAddress : ownAddress(cluster, node, version);
}
