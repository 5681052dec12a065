/** Sessions and routes held against what the topology asks for. Pure: from what was observed to rows and sentences. */
import type { PeerStatus } from '../model/status.ts';
import type { Observed } from './observe.ts';
import type { LabNode, Topology } from './topology.ts';

export interface SessionRow {
  readonly node: string;
  readonly peer: string;
  readonly type: string;
  /** How the node sees it, and how the other side does. */
  readonly nodeSees: string;
  readonly peerSees: string;
  readonly families: readonly string[];
  readonly prefixesIn: number;
  readonly prefixesOut: number;
  readonly ok: boolean;
}

export interface RouteRow {
  readonly at: string;
  readonly prefix: string;
  readonly expectedVia: string;
  /** What the ToR's BGP table says; absent on nodes. */
  readonly bgpVia?: string;
  readonly kernelVia: string;
  readonly ok: boolean;
}

const up = 'Established';
const both = ['ipv4', 'ipv6'] as const;

/** One row a session of a node: with the ToR, and with every other node if they mesh. */
export function judgeSessions(topology: Topology, mesh: boolean, seen: Observed): readonly SessionRow[] {
  return topology.nodes.flatMap((node) => {
    const others = mesh ? topology.nodes.filter(({ name }) => name !== node.name) : [];
    return [torSession(topology, node, seen), ...others.map((other) => meshSession(node, other, seen))];
  });
}

const peerOf = (seen: Observed, node: string, address: string): PeerStatus | undefined =>
  seen.bgp.get(node)?.peers.find((peer) => peer.address === address);

function row(
  node: LabNode,
  peer: string,
  mine: PeerStatus | undefined,
  peerSees: string,
): Omit<SessionRow, 'ok'> {
  return {
    node: node.name,
    peer,
    type: mine?.type ?? 'not configured',
    nodeSees: mine?.state ?? 'does not answer',
    peerSees,
    families: (mine?.families ?? []).map((family) => family.replace('-unicast', '')),
    prefixesIn: mine?.prefixesAccepted ?? 0,
    prefixesOut: mine?.prefixesAdvertised ?? 0,
  };
}

function torSession(topology: Topology, node: LabNode, seen: Observed): SessionRow {
  const mine = peerOf(seen, node.name, topology.tor.address.v4);
  const its = seen.torSessions.find(({ neighbour }) => neighbour === node.address.v4);
  const ok =
    mine?.state === up && its?.established === true && both.every((family) => its.families.includes(family));
  return { ...row(node, 'tor', mine, its?.state ?? 'does not know it'), families: its?.families ?? [], ok };
}

function meshSession(node: LabNode, other: LabNode, seen: Observed): SessionRow {
  const mine = peerOf(seen, node.name, other.address.v4);
  const its = peerOf(seen, other.name, node.address.v4);
  return {
    ...row(node, other.name, mine, its?.state ?? 'does not answer'),
    ok: mine?.state === up && its?.state === up,
  };
}

const familyOf = (prefix: string): 'v4' | 'v6' => (prefix.includes(':') ? 'v6' : 'v4');

/** One row a pod CIDR of a node: on the ToR, and on every other node if they mesh. */
export function judgeRoutes(topology: Topology, mesh: boolean, seen: Observed): readonly RouteRow[] {
  const places = [
    { name: 'tor', netns: topology.tor.netns },
    ...(mesh ? topology.nodes.map(({ name, netns }) => ({ name, netns })) : []),
  ];
  return places.flatMap((place) =>
    topology.nodes
      .filter(({ name }) => name !== place.name)
      .flatMap((node) => node.podCidrs.map((prefix) => routeRow(place, node, prefix, seen))),
  );
}

function routeRow(
  place: { readonly name: string; readonly netns: string },
  node: LabNode,
  prefix: string,
  seen: Observed,
): RouteRow {
  const expectedVia = node.address[familyOf(prefix)];
  const route = seen.kernel.get(place.netns)?.find((one) => one.prefix === prefix);
  const kernelVia = route?.via.join(', ') ?? '';
  if (place.name !== 'tor')
    return { at: place.name, prefix, expectedVia, kernelVia, ok: kernelVia === expectedVia };
  const bgpVia = seen.torRoutes.find((one) => one.prefix === prefix)?.nextHop ?? '';
  return {
    at: 'tor',
    prefix,
    expectedVia,
    bgpVia,
    kernelVia,
    ok: kernelVia === expectedVia && bgpVia === expectedVia,
  };
}

export const sessionText = ({ node, peer, nodeSees, peerSees }: SessionRow): string =>
  `The session ${node} - ${peer} is not as it should be: ${node} says ${nodeSees}, ${peer} says ${peerSees}.`;

export function routeText({ at, prefix, expectedVia, bgpVia, kernelVia }: RouteRow): string {
  const kernel = kernelVia === '' ? 'has no route to it' : `goes via ${kernelVia}`;
  const bgp =
    bgpVia === undefined || bgpVia === expectedVia
      ? ''
      : `; its BGP table says ${bgpVia === '' ? 'nothing' : bgpVia}`;
  return `${prefix} on ${at}: should go via ${expectedVia}, the kernel ${kernel}${bgp}.`;
}
