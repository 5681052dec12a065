/**
 * From resources to what the speaker is told to be. Pure, and the same whatever order the resources come in.
 *
 * Facts follow Calico: the mesh of BGPConfiguration `default`, BGPPeers global and per node, IPPools as what is ours.
 */
import {
  type Address,
  comparePrefixes,
  hostPrefix,
  lengthOf,
  type Prefix,
  parsePrefix,
  widthOf,
} from '../src/lib/net.ts';
import { type Settings, settingsByNode } from '../src/model/bgp-configuration.ts';
import type { BgpFilter } from '../src/model/bgp-filter.ts';
import { endsOf } from '../src/model/ends.ts';
import type { BlockAffinity } from '../src/model/ipam.ts';
import { neighbourhoodOf, type Workload } from '../src/model/peering.ts';
import type { Problem } from '../src/model/problem.ts';
import type { BgpConfiguration, BgpPeer, IpPool, Node, Resource } from '../src/model/resource.ts';
import { addressesOf, type Router, routerOf } from '../src/model/router.ts';
import { isOfNeighbour, type NeighbourResource, workloadsOf } from '../src/policy/neighbours.ts';
import type { DecisionOptions, ImportPolicy, Intent, PeerConfig, SpeakerConfig } from './config.ts';
import { clashes } from './intent/clashes.ts';
import { explicitSessions } from './intent/explicit.ts';
import { meshSessions, type Sessions } from './intent/mesh.ts';
import { peeringOf } from './intent/peering.ts';
import { annotationProblems } from './intent/router.ts';
import { serviceRanges } from './intent/services.ts';
import { unlikeSigned, unsignedInside } from './intent/signed.ts';
import { connectedBut, nothingAround, type Surroundings } from './intent/surroundings.ts';

/** Where pods get their addresses from: Node.spec.podCIDRs, or the allocation blocks that the node holds. */
export type IpamMode = 'pod-cidrs' | 'blocks';

interface Inputs {
  readonly nodes: readonly Node[];
  /** What holds at a node, by its name. */
  readonly settingsOf: (node: string) => Settings;
  readonly peers: readonly BgpPeer[];
  /** By name. */
  readonly filters: ReadonlyMap<string, BgpFilter>;
  readonly pools: readonly IpPool[];
  readonly affinities: readonly BlockAffinity[];
  /** Those of the node, by name. */
  readonly workloads: readonly Workload[];
}

/** What one node is worked out from. */
interface Local extends Inputs {
  readonly ipam: IpamMode;
  readonly settings: Settings;
  readonly surroundings: Surroundings;
}

/**
 * @param node       the name of the node the speaker runs on
 * @param resources  all there are; kinds that do not concern BGP are skipped
 * @returns the configuration, or none while this node cannot speak at all; and what a person should mend
 */
export function intentOf(
  node: string,
  resources: Iterable<Resource>,
  ipam: IpamMode = 'pod-cidrs',
  surroundings: Surroundings = nothingAround,
): Intent {
  const inputs = inputsOf(node, resources);
  const ownNode = inputs.nodes.find(({ meta }) => meta.name === node);
  if (ownNode === undefined) return { config: undefined, problems: [noNode(node)] };
  const routers = inputs.nodes.map((one) => routerOf(one, inputs.settingsOf(one.meta.name)));
  const shared = [...inputs.nodes.flatMap(annotationProblems), ...clashes(routers)];
  const own = routers.find(({ name }) => name === node);
  if (own === undefined || addressesOf(own).length === 0)
    return { config: undefined, problems: [noAddress(node), ...shared] };
  const settings = inputs.settingsOf(node);
  return configure(own, routers, { ...inputs, ipam, settings, surroundings }, shared);
}

function configure(
  own: Router,
  routers: readonly Router[],
  local: Local,
  shared: readonly Problem[],
): Intent {
  const { settings, peers, pools, filters, surroundings } = local;
  const others = routers.filter((router) => router.name !== own.name);
  const around = { ...neighbourhoodOf(routers), workloads: local.workloads };
  const connected = connectedBut(surroundings, settings.ignoredInterfaces ?? []);
  const mesh = settings.nodeToNodeMeshEnabled
    ? withSettings(meshSessions(own, others), settings)
    : { peers: [], problems: [] };
  const { linkNeighbours, subnets } = surroundings;
  const peering = peeringOf(own, peers, around, local);
  const explicit = explicitSessions(peers, {
    own,
    around,
    filters,
    connected,
    subnets,
    linkNeighbours,
    peering: peering.addresses,
  });
  const ends = endsOf(own, explicit.claims, peers, around, settings.nodeToNodeMeshEnabled);
  const config: SpeakerConfig = {
    asn: own.asn,
    routerId: own.routerId,
    listenPort: settings.listenPort,
    ownAddress: {
      ...(own.ipv4 === undefined ? {} : { ipv4: own.ipv4 }),
      ...(own.ipv6 === undefined ? {} : { ipv6: own.ipv6 }),
    },
    ...originsOf(own, local),
    peers: withoutReplaced(mesh.peers, explicit.peers, ends.settled),
    importPolicy: importPolicyOf(own, others, local),
    exportDeny: sorted(pools.filter((pool) => pool.disableBgpExport).map((pool) => pool.cidr)),
    ...(settings.prefixAdvertisements.length === 0 ? {} : { communities: settings.prefixAdvertisements }),
    ...(connected.length === 0 ? {} : { connected }),
    ...(own.clusterId === undefined ? {} : { clusterId: own.clusterId }),
    ...(explicit.dynamic.length === 0 ? {} : { dynamic: explicit.dynamic }),
    ...choicesOf(own, settings, peering.ours),
    ...(peering.ours.length === 0 ? {} : { peeringAddresses: peering.ours }),
  };
  const links = explicit.claims.flatMap(({ to }) => (to.kind === 'link' ? [to.interface] : []));
  return {
    config,
    ...(links.length === 0 ? {} : { links }),
    ...(settings.logLevel === undefined ? {} : { logLevel: settings.logLevel }),
    problems: [
      ...shared,
      ...mesh.problems,
      ...explicit.problems,
      ...peering.problems,
      ...ends.problems,
      ...unsignedInside(config.peers, explicit.dynamic),
      ...unlikeSigned(config.peers),
    ],
  };
}

/** What BGPConfiguration says of the speaker as a whole. */
function choicesOf(own: Router, settings: Settings, peering: readonly Address[]): Partial<SpeakerConfig> {
  const { ipv4RoutePriority, ipv6RoutePriority, requireEbgpPolicy, bindMode } = settings;
  const decision = decisionOf(settings);
  const unprogrammed = unprogrammedOf(own, settings);
  const routePriority = {
    ...(ipv4RoutePriority === undefined ? {} : { ipv4: ipv4RoutePriority }),
    ...(ipv6RoutePriority === undefined ? {} : { ipv6: ipv6RoutePriority }),
  };
  return {
    ...(bindMode === 'NodeIP' ? { bind: [...addressesOf(own), ...peering] } : {}),
    ...(Object.keys(decision).length === 0 ? {} : { decision }),
    ...(requireEbgpPolicy === true ? { requirePolicy: true } : {}),
    ...(Object.keys(routePriority).length === 0 ? {} : { routePriority }),
    ...(unprogrammed.length === 0 ? {} : { unprogrammed }),
  };
}

const decisionOf = ({ multipath = {}, bestPath = {} }: Settings): DecisionOptions => ({
  ...(bestPath.alwaysCompareMed === undefined ? {} : { alwaysCompareMed: bestPath.alwaysCompareMed }),
  ...(bestPath.missingMedWorst === undefined ? {} : { missingMedWorst: bestPath.missingMedWorst }),
  // As Calico's own speaker merges paths: two ToRs of two ASes are used side by side.
  ...(multipath.relaxAsPath === false ? {} : { relaxAsPath: true }),
  ...(multipath.ebgp === undefined ? {} : { ebgpPaths: multipath.ebgp }),
  ...(multipath.ibgp === undefined ? {} : { ibgpPaths: multipath.ibgp }),
});

const everything: readonly Prefix[] = ['0.0.0.0/0', '::/0'].flatMap((text) => parsePrefix(text) ?? []);

function unprogrammedOf(own: Router, settings: Settings): readonly Prefix[] {
  if (settings.programClusterRoutes === false) return everything;
  return own.clusterId === undefined ? [] : reflectedRanges(settings);
}

/** As with Calico, reflectors tell on what other nodes announce of Services, but never send packets there by it. */
const reflectedRanges = ({ serviceLoadBalancerIps, serviceExternalIps }: Settings): readonly Prefix[] =>
  sorted([...serviceLoadBalancerIps, ...serviceExternalIps]);

function withSettings(mesh: Sessions, settings: Settings): Sessions {
  const { nodeMeshMaxRestartTimeMs: restartTimeMs, nodeMeshPassword: password } = settings;
  const more = {
    ...(restartTimeMs === undefined ? {} : { restartTimeMs }),
    ...(password === undefined ? {} : { password }),
  };
  return { ...mesh, peers: mesh.peers.map((peer) => ({ ...peer, ...more })) };
}

/** What BGPPeers say replaces the mesh: its session with one of their addresses, and with a node that they settle with at both ends. */
function withoutReplaced(
  mesh: readonly PeerConfig[],
  explicit: readonly PeerConfig[],
  settled: ReadonlySet<string>,
): PeerConfig[] {
  const replaced = new Set<Address>(explicit.map((peer) => peer.address));
  return [
    ...mesh.filter(({ address, resource = '' }) => !replaced.has(address) && !settled.has(resource)),
    ...explicit,
  ];
}

/**
 * A block counts while it is confirmed: one that is claimed may be another node's yet, and one that is given back is
 * withdrawn before it is deleted. As with Calico, a block of one address has no unreachable route in the pod's place.
 */
function originsOf(own: Router, { ipam, affinities }: Local): Pick<SpeakerConfig, 'origins' | 'held'> {
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
function importPolicyOf(own: Router, others: readonly Router[], local: Local): ImportPolicy {
  const { settings, pools, ipam, surroundings } = local;
  const ofPods = pools.filter(({ allowedUses }) => allowedUses.some((use) => use !== 'LoadBalancer'));
  const reflected = own.clusterId === undefined ? [] : reflectedRanges(settings);
  const services = serviceRanges(settings).filter((range) => !reflected.includes(range));
  const guarded = sorted(surroundings.apiServer.map(hostPrefix));
  return {
    within: sorted([
      ...ofPods.map((pool) => pool.cidr),
      ...others.flatMap((other) => other.podCidrs),
      ...reflected,
    ]),
    never: ipam === 'pod-cidrs' ? sorted(own.podCidrs) : [],
    blocks: ipam === 'pod-cidrs' ? [] : originsOf(own, local).origins,
    services: sorted(services),
    ...(guarded.length === 0 ? {} : { protected: guarded }),
  };
}

const sorted = (prefixes: readonly Prefix[]): Prefix[] => [...new Set(prefixes)].sort(comparePrefixes);

function inputsOf(node: string, resources: Iterable<Resource>): Inputs {
  const ofPods: NeighbourResource[] = [];
  const nodes: Node[] = [];
  const peers: BgpPeer[] = [];
  const pools: IpPool[] = [];
  const filters = new Map<string, BgpFilter>();
  const affinities: BlockAffinity[] = [];
  const configurations: BgpConfiguration[] = [];
  for (const resource of resources) {
    if (isOfNeighbour(resource)) ofPods.push(resource);
    else if (resource.kind === 'Node') nodes.push(resource);
    else if (resource.kind === 'BGPPeer') peers.push(resource);
    else if (resource.kind === 'BGPFilter') filters.set(resource.meta.name, resource);
    else if (resource.kind === 'IPPool') pools.push(resource);
    else if (resource.kind === 'BlockAffinity') affinities.push(resource);
    else if (resource.kind === 'BGPConfiguration') configurations.push(resource);
  }
  nodes.sort((a, b) => (a.meta.name < b.meta.name ? -1 : 1));
  peers.sort((a, b) => (a.meta.name < b.meta.name ? -1 : 1));
  return {
    nodes,
    settingsOf: settingsByNode(configurations),
    peers,
    filters,
    pools,
    affinities,
    workloads: workloadsOf(node, ofPods),
  };
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
