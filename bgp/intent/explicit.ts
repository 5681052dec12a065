/** The BGPPeer resources that apply to a node: global ones, and those that name or select it. */
import { type Address, type Asn, formatAddress, isIpv4 } from '../../src/lib/net.ts';
import type { BgpFilter } from '../../src/model/bgp-filter.ts';
import type { Problem } from '../../src/model/problem.ts';
import type { BgpPeer } from '../../src/model/resource.ts';
import { matchesSelector } from '../../src/model/selector.ts';
import type { PeerConfig } from '../config.ts';
import { sameData } from '../speaker/same.ts';
import { filtersOf } from './filters.ts';
import type { Sessions } from './mesh.ts';
import { addressesOf, type Router, sourceFor } from './router.ts';
import { BGP_PORT, nameOf, sessionOf } from './session.ts';

const isGlobal = (peer: BgpPeer): boolean => peer.node === undefined && peer.nodeSelector === undefined;

const appliesTo = (peer: BgpPeer, own: Router): boolean =>
  isGlobal(peer) ||
  peer.node === own.name ||
  (peer.nodeSelector !== undefined && matchesSelector(peer.nodeSelector, own.labels));

interface Claim {
  readonly peer: BgpPeer;
  readonly config: PeerConfig;
}

export interface ExplicitRequest {
  readonly own: Router;
  readonly asn: Asn;
  /** Where the cluster's nodes listen, for a peer that is one of them. */
  readonly listenPort: number;
  readonly nodeAddresses: ReadonlySet<Address>;
  /** By name. */
  readonly filters: ReadonlyMap<string, BgpFilter>;
}

/** Where two BGPPeers claim one address and port, a global one wins, as in Calico, then the first by name. */
export function explicitSessions(peers: readonly BgpPeer[], request: ExplicitRequest): Sessions {
  const claims = new Map<string, Claim>();
  const problems: Problem[] = [];
  const ownAddresses = addressesOf(request.own);
  const byPrecedence = peers
    .filter((peer) => appliesTo(peer, request.own) && !ownAddresses.includes(peer.peerIp))
    .sort((a, b) => Number(isGlobal(b)) - Number(isGlobal(a)) || (a.meta.name < b.meta.name ? -1 : 1));
  for (const peer of byPrecedence) {
    if (sourceFor(request.own, peer.peerIp) === undefined) {
      problems.push(noSource(peer, request.own));
      continue;
    }
    const { filters, problems: missing } = filtersOf(peer, request.filters);
    problems.push(...missing);
    const config = { ...configOf(peer, request), ...(filters === undefined ? {} : { filters }) };
    const winner = claims.get(config.key);
    if (winner === undefined) claims.set(config.key, { peer, config });
    else if (!agree(winner.config, config)) problems.push(conflict(winner, peer));
  }
  return { peers: [...claims.values()].map(({ config }) => config), problems };
}

function configOf(peer: BgpPeer, { own, asn, listenPort, nodeAddresses }: ExplicitRequest): PeerConfig {
  const { peerIp, peerPort, keepaliveTimeMs, maxRestartTimeMs } = peer;
  const name = nameOf(isGlobal(peer) ? 'Global' : 'Node', peerIp);
  const localAsn = peer.localAsNumber ?? asn;
  const nextHopMode = nextHopModeOf(peer, localAsn);
  const session = sessionOf(own, localAsn, {
    origin: isGlobal(peer) ? 'global' : 'node specific',
    resource: peer.meta.name,
    address: peerIp,
    port: peerPort ?? (nodeAddresses.has(peerIp) ? listenPort : BGP_PORT),
    peerAsn: peer.asNumber,
    name: peerPort === undefined ? name : `${name}_port_${peerPort}`,
    ...(keepaliveTimeMs === undefined ? {} : { keepaliveTimeMs }),
    ...(maxRestartTimeMs === undefined ? {} : { restartTimeMs: maxRestartTimeMs }),
    ...(peer.password === undefined ? {} : { password: peer.password }),
    ...(peer.ttlSecurity === undefined ? {} : { ttlSecurity: peer.ttlSecurity }),
    ...(peer.numAllowedLocalAsNumbers === undefined ? {} : { allowedOwnAs: peer.numAllowedLocalAsNumbers }),
    ...(nextHopMode === undefined ? {} : { nextHopMode }),
  });
  if (peer.sourceAddress !== 'None') return session;
  const { localAddress: _, ...anySource } = session;
  return anySource;
}

function nextHopModeOf(peer: BgpPeer, localAsn: Asn): PeerConfig['nextHopMode'] {
  if (peer.nextHopMode !== undefined) return peer.nextHopMode === 'Self' ? 'self' : 'keep';
  return peer.keepOriginalNextHop === true && peer.asNumber !== localAsn ? 'keep' : undefined;
}

/** All but who asks for it and by what name. */
function agree(a: PeerConfig, b: PeerConfig): boolean {
  const [{ name: _1, origin: _2, resource: _3, ...one }, { name: _4, origin: _5, resource: _6, ...other }] = [
    a,
    b,
  ];
  return sameData(one, other);
}

function conflict(winner: Claim, loser: BgpPeer): Problem {
  const { address, port } = winner.config;
  return {
    where: `BGPPeer/${loser.meta.name}`,
    what: `It and BGPPeer/${winner.peer.meta.name} describe the same neighbour, ${formatAddress(address)} port ${port}, differently; BGPPeer/${winner.peer.meta.name} counts.`,
    fix: 'Delete one of the two, or make them agree in all but node and nodeSelector.',
  };
}

function noSource(peer: BgpPeer, own: Router): Problem {
  const version = isIpv4(peer.peerIp) ? 'IPv4' : 'IPv6';
  return {
    where: `BGPPeer/${peer.meta.name} spec.peerIP`,
    what: `${formatAddress(peer.peerIp)} cannot be reached from Node/${own.name}, which has no ${version} address.`,
    fix: `Give the node an ${version} address, or use another address of the neighbour.`,
  };
}
