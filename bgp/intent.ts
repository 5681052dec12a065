/**
 * From resources to what the speaker is told to be. Pure, and the same whatever order the resources come in.
 *
 * Facts follow Calico: the mesh of BGPConfiguration `default`, BGPPeers global and per node, IPPools as what is ours.
 */
import { type Address, asn, comparePrefixes, lengthOf, type Prefix, widthOf } from '../src/lib/net.ts';
import type { BgpFilter } from '../src/model/bgp-filter.ts';
import type { BlockAffinity } from '../src/model/ipam.ts';
import type { Problem } from '../src/model/problem.ts';
import type { BgpConfiguration, BgpPeer, IpPool, Node, Resource } from '../src/model/resource.ts';
import type { ImportPolicy, Intent, PeerConfig, SpeakerConfig } from './config.ts';
import { clashes } from './intent/clashes.ts';
import { explicitSessions } from './intent/explicit.ts';
import { meshSessions, type Sessions } from './intent/mesh.ts';
import {
  addressesOf,
  annotationProblems,
  type Router,
  routerOf,
  unsupportedAnnotations,
} from './intent/router.ts';
import { serviceRanges } from './intent/services.ts';
import { BGP_PORT } from './intent/session.ts';

type Settings = Omit<BgpConfiguration, 'kind' | 'meta'>;

/** What Calico assumes without a BGPConfiguration. */
const defaults: Settings = {
  asNumber: asn(64512),
  listenPort: BGP_PORT,
  nodeToNodeMeshEnabled: true,
  serviceClusterIps: [],
  serviceExternalIps: [],
  serviceLoadBalancerIps: [],
  serviceLoadBalancerAggregation: true,
  prefixAdvertisements: [],
};

/** Where pods get their addresses from: Node.spec.podCIDRs, or the allocation blocks that the node holds. */
export type IpamMode = 'pod-cidrs' | 'blocks';

interface Inputs {
  readonly nodes: readonly Node[];
  readonly settings: Settings;
  readonly peers: readonly BgpPeer[];
  /** By name. */
  readonly filters: ReadonlyMap<string, BgpFilter>;
  readonly pools: readonly IpPool[];
  readonly affinities: readonly BlockAffinity[];
}

/**
 * @param node       the name of the node the speaker runs on
 * @param resources  all there are; kinds that do not concern BGP are skipped
 * @returns the configuration, or none while this node cannot speak at all; and what a person should mend
 */
export function intentOf(node: string, resources: Iterable<Resource>, ipam: IpamMode = 'pod-cidrs'): Intent {
  const inputs = inputsOf(resources);
  const ownNode = inputs.nodes.find(({ meta }) => meta.name === node);
  if (ownNode === undefined) return { config: undefined, problems: [noNode(node)] };
  const routers = inputs.nodes.map(routerOf);
  const shared = [
    ...unsupportedAnnotations(ownNode),
    ...inputs.nodes.flatMap(annotationProblems),
    ...clashes(routers),
  ];
  const own = routerOf(ownNode);
  if (addressesOf(own).length === 0) return { config: undefined, problems: [noAddress(node), ...shared] };
  return configure(own, routers, { ...inputs, ipam }, shared);
}

function configure(
  own: Router,
  routers: readonly Router[],
  inputs: Inputs & { readonly ipam: IpamMode },
  shared: readonly Problem[],
): Intent {
  const { settings, peers, pools, filters } = inputs;
  const { asNumber, listenPort, nodeToNodeMeshEnabled } = settings;
  const others = routers.filter((router) => router.name !== own.name);
  const mesh = nodeToNodeMeshEnabled
    ? withSettings(meshSessions(own, others, asNumber, listenPort), settings)
    : { peers: [], problems: [] };
  const nodeAddresses = new Set(routers.flatMap(addressesOf));
  const explicit = explicitSessions(peers, {
    own,
    asn: own.asn ?? asNumber,
    listenPort,
    nodeAddresses,
    filters,
  });
  const config: SpeakerConfig = {
    asn: own.asn ?? asNumber,
    routerId: own.routerId,
    listenPort,
    ownAddress: {
      ...(own.ipv4 === undefined ? {} : { ipv4: own.ipv4 }),
      ...(own.ipv6 === undefined ? {} : { ipv6: own.ipv6 }),
    },
    ...originsOf(own, inputs),
    peers: withoutReplaced(mesh.peers, explicit.peers),
    importPolicy: importPolicyOf(own, others, inputs),
    exportDeny: sorted(pools.filter((pool) => pool.disableBgpExport).map((pool) => pool.cidr)),
    ...(settings.prefixAdvertisements.length === 0 ? {} : { communities: settings.prefixAdvertisements }),
  };
  return { config, problems: [...shared, ...mesh.problems, ...explicit.problems] };
}

function withSettings(mesh: Sessions, settings: Settings): Sessions {
  const { nodeMeshMaxRestartTimeMs: restartTimeMs, nodeMeshPassword: password } = settings;
  const more = {
    ...(restartTimeMs === undefined ? {} : { restartTimeMs }),
    ...(password === undefined ? {} : { password }),
  };
  return { ...mesh, peers: mesh.peers.map((peer) => ({ ...peer, ...more })) };
}

/** What was said explicitly of an address replaces the mesh's session with it. */
function withoutReplaced(mesh: readonly PeerConfig[], explicit: readonly PeerConfig[]): PeerConfig[] {
  const replaced = new Set<Address>(explicit.map((peer) => peer.address));
  return [...mesh.filter((peer) => !replaced.has(peer.address)), ...explicit];
}

/**
 * A block counts while it is confirmed: one that is claimed may be another node's yet, and one that is given back is
 * withdrawn before it is deleted. As with Calico, a block of one address has no unreachable route in the pod's place.
 */
function originsOf(
  own: Router,
  { ipam, affinities }: Inputs & { readonly ipam: IpamMode },
): Pick<SpeakerConfig, 'origins' | 'held'> {
  if (ipam === 'pod-cidrs') return { origins: own.podCidrs, held: own.podCidrs };
  const blocks = sorted(
    affinities
      .filter(
        ({ type, node, state, deleted }) =>
          type === 'host' && node === own.name && state === 'confirmed' && !deleted,
      )
      .map(({ cidr }) => cidr),
  );
  return { origins: blocks, held: blocks.filter((block) => lengthOf(block) < widthOf(block)) };
}

/** A disabled pool only gives out no new addresses: its pods may still be there. */
function importPolicyOf(
  own: Router,
  others: readonly Router[],
  inputs: Inputs & { readonly ipam: IpamMode },
): ImportPolicy {
  const { settings, pools, ipam } = inputs;
  const ofPods = pools.filter(({ allowedUses }) => allowedUses.some((use) => use !== 'LoadBalancer'));
  return {
    within: sorted([...ofPods.map((pool) => pool.cidr), ...others.flatMap((other) => other.podCidrs)]),
    never: ipam === 'pod-cidrs' ? sorted(own.podCidrs) : [],
    blocks: ipam === 'pod-cidrs' ? [] : originsOf(own, inputs).origins,
    services: sorted(serviceRanges(settings)),
  };
}

const sorted = (prefixes: readonly Prefix[]): Prefix[] => [...new Set(prefixes)].sort(comparePrefixes);

function inputsOf(resources: Iterable<Resource>): Inputs {
  const nodes: Node[] = [];
  const peers: BgpPeer[] = [];
  const pools: IpPool[] = [];
  const filters = new Map<string, BgpFilter>();
  const affinities: BlockAffinity[] = [];
  let settings = defaults;
  for (const resource of resources) {
    if (resource.kind === 'Node') nodes.push(resource);
    else if (resource.kind === 'BGPPeer') peers.push(resource);
    else if (resource.kind === 'BGPFilter') filters.set(resource.meta.name, resource);
    else if (resource.kind === 'IPPool') pools.push(resource);
    else if (resource.kind === 'BlockAffinity') affinities.push(resource);
    else if (resource.kind === 'BGPConfiguration' && resource.meta.name === 'default') settings = resource;
  }
  nodes.sort((a, b) => (a.meta.name < b.meta.name ? -1 : 1));
  return { nodes, settings, peers, filters, pools, affinities };
}

const noNode = (node: string): Problem => ({
  where: `Node/${node}`,
  what: 'There is no such Node, so this speaker has no address and nothing to announce.',
  fix: 'Create the Node, or start with --node and the name of one that exists.',
});

const noAddress = (node: string): Problem => ({
  where: `Node/${node}`,
  what: 'It has neither an InternalIP nor an address annotation, so it cannot speak BGP.',
  fix: 'Wait for its kubelet to report one, or set the annotation projectcalico.org/IPv4Address or IPv6Address.',
});
