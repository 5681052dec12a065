/** The sessions of a node that BGPPeers ask for: with routers, with other nodes, and with whoever dials from a range. */
import {
  type Address,
  asn,
  containsAddress,
  formatAddress,
  type Ipv4,
  type Ipv6,
  ipv6,
  isIpv4,
  networkOf,
  type Prefix,
  scoped,
  versionOf,
} from '../../src/lib/net.ts';
import type { BgpFilter } from '../../src/model/bgp-filter.ts';
import type { PeerBfd, SessionOptions } from '../../src/model/bgp-peer.ts';
import {
  type Claim,
  type Contest,
  claimsOf,
  describeTarget,
  isGlobal,
  type Neighbourhood,
  type Target,
  type Unmet,
} from '../../src/model/peering.ts';
import type { Problem } from '../../src/model/problem.ts';
import type { BgpPeer } from '../../src/model/resource.ts';
import type { Router } from '../../src/model/router.ts';
import type { BfdConfig, DynamicPeers, PeerConfig } from '../config.ts';
import { filtersOf } from './filters.ts';
import { cannotMeet } from './mesh.ts';
import { nameOf, sessionOf, templateOf } from './session.ts';

/** The routers found on links, by the link's name. */
export type LinkNeighbours = ReadonlyMap<
  string,
  { readonly ifindex: number; readonly address: Ipv6; readonly own?: Ipv6 }
>;

export interface ExplicitRequest {
  readonly own: Router;
  readonly around: Neighbourhood;
  /** By name. */
  readonly filters: ReadonlyMap<string, BgpFilter>;
  /** Subnets of this node's own interfaces. */
  readonly connected: readonly Prefix[];
  /** The same with our addresses there, ignored ones included. */
  readonly subnets: readonly { readonly prefix: Prefix; readonly address: Address }[];
  readonly linkNeighbours: LinkNeighbours;
  /** Where pods dial us; absent: at our own addresses. */
  readonly peering: { readonly ipv4?: Ipv4; readonly ipv6?: Ipv6 };
}

export interface Explicit {
  readonly peers: readonly PeerConfig[];
  readonly dynamic: readonly DynamicPeers[];
  readonly problems: readonly Problem[];
  /** What is in force, for the mesh and for a look at the other ends. */
  readonly claims: readonly Claim[];
}

export function explicitSessions(peers: readonly BgpPeer[], request: ExplicitRequest): Explicit {
  const { own, filters: known } = request;
  const { inForce, contests, unmet } = claimsOf(own, peers, request.around);
  const filters = new Map(inForce.map(({ peer }) => [peer.meta.name, filtersOf(peer, known)]));
  const configs: PeerConfig[] = [];
  const dynamic: DynamicPeers[] = [];
  for (const claim of inForce) {
    const found = filters.get(claim.peer.meta.name)?.filters;
    const more = found === undefined ? {} : { filters: found };
    if (claim.to.kind === 'range')
      dynamic.push({
        ...dynamicOf(claim, claim.to, request),
        template: { ...rangeTemplate(claim, claim.to, request), ...more },
      });
    else configs.push({ ...configOf(claim, claim.to, request), ...more });
  }
  const unseen = inForce.filter(({ to }) => to.kind === 'link' && !request.linkNeighbours.has(to.interface));
  return {
    peers: configs,
    dynamic,
    claims: inForce,
    problems: [
      ...unmet.map((one) => unmetProblem(one, own)),
      ...[...filters.values()].flatMap(({ problems }) => problems),
      ...contests.map(conflict),
      ...unseen.map(({ peer }) => nobodyThere(peer, own)),
    ],
  };
}

const originOf = ({ peer, isReverse }: Claim): 'global' | 'node specific' =>
  isGlobal(peer) && !isReverse ? 'global' : 'node specific';

/** RFC 4456 as Calico has it: inside the AS, and not with a reflector of our own cluster. */
const isClient = (own: Router, { localAsn, peerAsn }: Claim, other: Router | undefined): boolean =>
  own.clusterId !== undefined && localAsn === peerAsn && other?.clusterId !== own.clusterId;

function configOf(
  claim: Claim,
  to: Exclude<Target, { readonly kind: 'range' }>,
  request: ExplicitRequest,
): PeerConfig {
  const { own } = request;
  const { peer, localAsn, peerAsn = asn(0), options } = claim;
  const place = to.kind === 'link' ? onLink(to.interface, request) : { address: to.address, port: to.port };
  const { address, port, own: localAddress, ...waiting } = place;
  const origin = originOf(claim);
  const isConnected = to.kind === 'link' || request.connected.some((one) => containsAddress(one, address));
  const bfd = bfdOf(options.bfd, isConnected);
  return {
    ...sessionOf(own, {
      origin,
      resource: peer.meta.name,
      address,
      port,
      peerAsn,
      localAsn,
      name: describeSession(claim, place),
      ...(to.kind === 'link' ? { interface: to.interface } : {}),
      ...(to.kind === 'address' && to.workload !== undefined ? { workload: to.workload } : {}),
      ...(isClient(own, claim, to.kind === 'link' ? undefined : to.node) ? { isClient: true } : {}),
      options,
    }),
    ...(claim.peerAsn === undefined ? { peerAsns: [] } : {}),
    ...(localAddress === undefined ? {} : { localAddress }),
    ...(to.kind === 'address' && to.workload !== undefined
      ? dialledAt(address, request)
      : sharedWith(address, options, request)),
    ...(bfd === undefined ? {} : { bfd }),
    ...waiting,
  };
}

/** Where the kernel chooses the source: what it will be, if the neighbour is on a network of ours. */
function sharedWith(
  remote: Address,
  { sourceAddress }: SessionOptions,
  { subnets }: ExplicitRequest,
): Pick<PeerConfig, 'sharedAddress'> {
  if (sourceAddress !== 'None') return {};
  const sharedAddress = subnets.find(({ prefix }) => containsAddress(prefix, remote))?.address;
  return sharedAddress === undefined ? {} : { sharedAddress };
}

/** A pod knows us by the address it dials. */
function dialledAt(
  remote: Address,
  { peering: { ipv4, ipv6 } }: ExplicitRequest,
): Pick<PeerConfig, 'sharedAddress'> {
  const sharedAddress = isIpv4(remote) ? ipv4 : ipv6;
  return sharedAddress === undefined ? {} : { sharedAddress };
}

function describeSession(claim: Claim, { address, port, key }: Place): string {
  const { remote } = claim.peer;
  const kind = originOf(claim) === 'global' ? 'Global' : 'Node';
  if (remote.kind === 'link' && key !== undefined) return `${kind}_${remote.interface}`;
  if (remote.kind === 'workloads') return nameOf('Local_Workload', address);
  const isWritten = remote.kind === 'address' && remote.port !== undefined && !claim.isReverse;
  return isWritten ? `${nameOf(kind, address)}_port_${port}` : nameOf(kind, address);
}

const bgpPort = 179;

/** Where a neighbour is. */
interface Place {
  readonly address: Address;
  readonly port: number;
  /** Our end. */
  readonly own?: Address;
  /** These two while nobody has been seen on its link. */
  readonly key?: string;
  readonly blocked?: string;
}

function onLink(link: string, { linkNeighbours }: ExplicitRequest): Place {
  const found = linkNeighbours.get(link);
  if (found === undefined) {
    const blocked = `no router has been seen on ${link} yet`;
    return { address: ipv6(0n), port: bgpPort, key: `${link} ${bgpPort}`, blocked };
  }
  return {
    address: scoped(found.address, found.ifindex),
    ...(found.own === undefined ? {} : { own: scoped(found.own, found.ifindex) }),
    port: bgpPort,
  };
}

function bfdOf(bfd: PeerBfd | undefined, isConnected: boolean): BfdConfig | undefined {
  if (bfd === undefined) return undefined;
  const { ifConnected, ...config } = bfd;
  return ifConnected === true && !isConnected ? undefined : config;
}

type Range = Extract<Target, { readonly kind: 'range' }>;

const dynamicOf = (
  { peer, peerAsn }: Claim,
  { range, limit }: Range,
  _: ExplicitRequest,
): Omit<DynamicPeers, 'template'> => ({
  key: peer.meta.name,
  range,
  peerAsns: peerAsn === undefined ? [] : [peerAsn],
  limit,
});

function rangeTemplate(claim: Claim, { range }: Range, request: ExplicitRequest): DynamicPeers['template'] {
  const { own, connected } = request;
  const { peer, localAsn, peerAsn, options } = claim;
  const origin = originOf(claim);
  const remote = networkOf(range);
  const bfd = bfdOf(
    options.bfd,
    connected.some((one) => containsAddress(one, remote)),
  );
  return {
    origin,
    resource: peer.meta.name,
    ...templateOf(own, { origin, localAsn, ...(peerAsn === undefined ? {} : { peerAsn }), options, remote }),
    ...(isClient(own, claim, undefined) ? { isClient: true } : {}),
    ...sharedWith(remote, options, request),
    ...(bfd === undefined ? {} : { bfd }),
  };
}

function conflict({ winner, loser }: Contest): Problem {
  const [kept, other] = [`BGPPeer/${winner.peer.meta.name}`, `BGPPeer/${loser.peer.meta.name}`];
  const where = other;
  if (winner.to.kind === 'range' && winner.key !== loser.key)
    return {
      where,
      what: `Its peerRange ${describeTarget(loser.to)} overlaps ${describeTarget(winner.to)} of ${kept}, so a neighbour could be of either; ${kept} counts.`,
      fix: 'Delete one of the two, or give them ranges that do not overlap.',
    };
  return {
    where,
    what: `It and ${kept} describe the same neighbour, ${describeTarget(winner.to)}, differently; ${kept} counts.`,
    fix: 'Delete one of the two, or make them agree in all but node and nodeSelector.',
  };
}

function unmetProblem({ peer, other, workload }: Unmet, own: Router): Problem {
  if (workload !== undefined)
    return {
      where: `BGPPeer/${peer.meta.name} spec.localWorkloadSelector`,
      what: `It selects Pod/${workload}, which has no address that Node/${own.name} could peer with: none of an IP version the node has, or only a node's.`,
      fix: 'Give the node an address of the IP version of the pod.',
    };
  if (other !== undefined) {
    const { what, fix } = cannotMeet(own, other);
    return {
      where: `BGPPeer/${peer.meta.name} spec.peerSelector`,
      what: `It selects Node/${other.name}. ${what}`,
      fix,
    };
  }
  const { remote } = peer;
  const [field, text, version] =
    remote.kind === 'range'
      ? ['peerRange', describeTarget(remote), versionOf(remote.range)]
      : remote.kind === 'address'
        ? ['peerIP', formatAddress(remote.ip), isIpv4(remote.ip) ? 4 : 6]
        : ['interface', '', 6];
  return {
    where: `BGPPeer/${peer.meta.name} spec.${field}`,
    what: `${text} cannot be reached from Node/${own.name}, which has no IPv${version} address.`,
    fix: `Give the node an IPv${version} address, or use another address of the neighbour.`,
  };
}

const nobodyThere = (peer: BgpPeer, own: Router): Problem => ({
  where: `BGPPeer/${peer.meta.name} spec.interface`,
  what: `No router has been seen on that link of Node/${own.name} yet, so there is no session.`,
  fix: 'See that the link is up and has IPv6, and that the router sends router advertisements there.',
});
