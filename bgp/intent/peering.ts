/** The address at which pods dial the speaker of their node (BGPConfiguration.localWorkloadPeeringIPV4 and IPV6). */
import { type Address, formatAddress, type Ipv4, type Ipv6 } from '../../src/lib/net.ts';
import type { Settings } from '../../src/model/bgp-configuration.ts';
import type { Neighbourhood } from '../../src/model/peering.ts';
import type { Problem } from '../../src/model/problem.ts';
import type { BgpPeer } from '../../src/model/resource.ts';
import { addressesOf, type Router } from '../../src/model/router.ts';
import { wantsWorkloads } from '../../src/policy/neighbours.ts';
import type { Surroundings } from './surroundings.ts';

interface Peering {
  /** Where pods dial, per family; absent: at the node's own. */
  readonly addresses: { readonly ipv4?: Ipv4; readonly ipv6?: Ipv6 };
  /** Of these, those that the node has to be given. */
  readonly ours: readonly Address[];
  readonly problems: readonly Problem[];
}

/** Nothing while no pod of this node can be a neighbour. One that is somebody's would take that host off this node's network. */
export function peeringOf(
  own: Router,
  peers: readonly BgpPeer[],
  around: Neighbourhood,
  {
    settings,
    surroundings,
  }: { readonly settings: Settings; readonly surroundings: Pick<Surroundings, 'apiServer' | 'subnets'> },
): Peering {
  const { workloadPeering: asked = {} } = settings;
  const wanted = addressesOf(asked);
  if (wanted.length === 0 || !wantsWorkloads(own, peers)) return { addresses: {}, ours: [], problems: [] };
  const ownerOf = (address: Address): string | undefined => {
    const node = around.byAddress.get(address);
    if (node !== undefined) return `Node/${node.name} has`;
    const subnet = surroundings.subnets.find((one) => one.address === address);
    if (subnet !== undefined) return `${subnet.link} of Node/${own.name} has`;
    return surroundings.apiServer.includes(address) ? 'the API server has' : undefined;
  };
  const isOurs = (address: Address | undefined): boolean =>
    address !== undefined && ownerOf(address) === undefined;
  const { ipv4, ipv6 } = asked;
  return {
    addresses: { ...(isOurs(ipv4) ? { ipv4 } : {}), ...(isOurs(ipv6) ? { ipv6 } : {}) },
    ours: wanted.filter(isOurs),
    problems: wanted.flatMap((address): readonly Problem[] => {
      const owner = ownerOf(address);
      return owner === undefined ? [] : [taken(address, owner, own)];
    }),
  };
}

const taken = (address: Address, owner: string, own: Router): Problem => ({
  where: `BGPConfiguration spec.localWorkloadPeeringIPV${formatAddress(address).includes(':') ? 6 : 4}`,
  what: `It is ${formatAddress(address)}, which ${owner} already, so Node/${own.name} does not answer for it besides; pods reach the speaker at the node's own address.`,
  fix: 'Give an address that nobody has, like 169.254.77.1 or fd00:77::1.',
});
