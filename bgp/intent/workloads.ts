/** Pods as neighbours of their node (BGPPeer.localWorkloadSelector): which there are, and the address at which they dial. */
import { type Address, formatAddress, type Ipv4, type Ipv6 } from '../../src/lib/net.ts';
import type { Settings } from '../../src/model/bgp-configuration.ts';
import { appliesTo, type Neighbourhood, type Workload } from '../../src/model/peering.ts';
import type { ServiceAccount } from '../../src/model/policy.ts';
import type { Problem } from '../../src/model/problem.ts';
import type { BgpPeer, Namespace, Pod, Resource } from '../../src/model/resource.ts';
import { addressesOf, type Router } from '../../src/model/router.ts';
import { podLabels } from '../../src/policy/labels.ts';
import type { Surroundings } from './surroundings.ts';

/** Some pod of this node may be a neighbour. */
export const wantsWorkloads = (own: Pick<Router, 'name' | 'labels'>, peers: Iterable<BgpPeer>): boolean =>
  [...peers].some((peer) => peer.remote.kind === 'workloads' && appliesTo(peer, own));

/** Of a Pod what makes it a neighbour or not; the rest of it changes all the time. */
export const asNeighbour = (pod: Pod): Pod => {
  const { name, namespace, labels } = pod.meta;
  return {
    ...pod,
    meta: { name, labels, annotations: {}, ...(namespace === undefined ? {} : { namespace }) },
    ports: [],
    deleting: false,
  };
};

/** Gathers the pods of one node, with the labels that policies see. */
export class Workloads {
  readonly #node: string;
  readonly #pods: Pod[] = [];
  readonly #namespaces = new Map<string, Namespace>();
  readonly #accounts = new Map<string, ServiceAccount>();

  constructor(node: string) {
    this.#node = node;
  }

  /** @returns whether it is of a kind that is gathered here */
  take(resource: Resource): boolean {
    if (resource.kind === 'Namespace') this.#namespaces.set(resource.meta.name, resource);
    else if (resource.kind === 'ServiceAccount')
      this.#accounts.set(`${resource.meta.namespace}/${resource.meta.name}`, resource);
    else if (resource.kind === 'Pod') this.#pods.push(resource);
    else return false;
    return true;
  }

  /** By name. One on the host's network is the node itself, and one that has finished has given its addresses back. */
  all(): readonly Workload[] {
    return this.#pods
      .filter(({ nodeName, hostNetwork, finished }) => nodeName === this.#node && !hostNetwork && !finished)
      .map((pod): Workload => {
        const { namespace = 'default', name } = pod.meta;
        const account = this.#accounts.get(`${namespace}/${pod.serviceAccount ?? ''}`);
        return {
          name: `${namespace}/${name}`,
          labels: podLabels(pod, this.#namespaces.get(namespace), account),
          addresses: pod.ips,
        };
      })
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }
}

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
