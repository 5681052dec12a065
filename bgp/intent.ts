/**
 * From resources to what the speaker is told to be. Pure, and the same whatever order the resources come in.
 *
 * Facts follow Calico: the mesh of BGPConfiguration `default`, BGPPeers global and per node, IPPools as what is ours.
 */
import { type Address, asn, comparePrefixes, type Prefix } from '../src/lib/net.ts';
import type { Problem } from '../src/model/problem.ts';
import type { BgpConfiguration, BgpPeer, IpPool, Node, Resource } from '../src/model/resource.ts';
import type { ImportPolicy, Intent, PeerConfig, SpeakerConfig } from './config.ts';
import { clashes } from './intent/clashes.ts';
import { explicitSessions } from './intent/explicit.ts';
import { meshSessions } from './intent/mesh.ts';
import {
  addressesOf,
  annotationProblems,
  type Router,
  routerOf,
  unsupportedAnnotations,
} from './intent/router.ts';
import { BGP_PORT } from './intent/session.ts';

type Settings = Pick<BgpConfiguration, 'asNumber' | 'listenPort' | 'nodeToNodeMeshEnabled'>;

/** What Calico assumes without a BGPConfiguration. */
const defaults: Settings = { asNumber: asn(64512), listenPort: BGP_PORT, nodeToNodeMeshEnabled: true };

interface Inputs {
  readonly nodes: readonly Node[];
  readonly settings: Settings;
  readonly peers: readonly BgpPeer[];
  readonly pools: readonly IpPool[];
}

/**
 * @param node       the name of the node the speaker runs on
 * @param resources  all there are; kinds that do not concern BGP are skipped
 * @returns the configuration, or none while this node cannot speak at all; and what a person should mend
 */
export function intentOf(node: string, resources: Iterable<Resource>): Intent {
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
  return configure(own, routers, inputs, shared);
}

function configure(
  own: Router,
  routers: readonly Router[],
  { settings, peers, pools }: Inputs,
  shared: readonly Problem[],
): Intent {
  const { asNumber, listenPort, nodeToNodeMeshEnabled } = settings;
  const others = routers.filter((router) => router.name !== own.name);
  const mesh = nodeToNodeMeshEnabled
    ? meshSessions(own, others, asNumber, listenPort)
    : { peers: [], problems: [] };
  const nodeAddresses = new Set(routers.flatMap(addressesOf));
  const explicit = explicitSessions(peers, { own, asn: asNumber, listenPort, nodeAddresses });
  const config: SpeakerConfig = {
    asn: asNumber,
    routerId: own.routerId,
    listenPort,
    ownAddress: {
      ...(own.ipv4 === undefined ? {} : { ipv4: own.ipv4 }),
      ...(own.ipv6 === undefined ? {} : { ipv6: own.ipv6 }),
    },
    origins: own.podCidrs,
    peers: withoutReplaced(mesh.peers, explicit.peers),
    importPolicy: importPolicyOf(own, others, pools),
    exportDeny: sorted(pools.filter((pool) => pool.disableBgpExport).map((pool) => pool.cidr)),
  };
  return { config, problems: [...shared, ...mesh.problems, ...explicit.problems] };
}

/** What was said explicitly of an address replaces the mesh's session with it. */
function withoutReplaced(mesh: readonly PeerConfig[], explicit: readonly PeerConfig[]): PeerConfig[] {
  const replaced = new Set<Address>(explicit.map((peer) => peer.address));
  return [...mesh.filter((peer) => !replaced.has(peer.address)), ...explicit];
}

/** A disabled pool only gives out no new addresses: its pods may still be there. */
const importPolicyOf = (own: Router, others: readonly Router[], pools: readonly IpPool[]): ImportPolicy => ({
  within: sorted([...pools.map((pool) => pool.cidr), ...others.flatMap((other) => other.podCidrs)]),
  never: sorted(own.podCidrs),
});

const sorted = (prefixes: readonly Prefix[]): Prefix[] => [...new Set(prefixes)].sort(comparePrefixes);

function inputsOf(resources: Iterable<Resource>): Inputs {
  const nodes: Node[] = [];
  const peers: BgpPeer[] = [];
  const pools: IpPool[] = [];
  let settings = defaults;
  for (const resource of resources) {
    if (resource.kind === 'Node') nodes.push(resource);
    else if (resource.kind === 'BGPPeer') peers.push(resource);
    else if (resource.kind === 'IPPool') pools.push(resource);
    else if (resource.kind === 'BGPConfiguration' && resource.meta.name === 'default') settings = resource;
  }
  nodes.sort((a, b) => (a.meta.name < b.meta.name ? -1 : 1));
  return { nodes, settings, peers, pools };
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
