/**
 * Who peers with whom: what each BGPPeer asks of each node, the other end of a session between two nodes, and which of
 * two that describe one neighbour differently stays in force. The speakers and the controller say the same by it.
 *
 *   of one neighbour of a node, in this order      a BGPPeer of this node before the other side of another node's
 *                                                  a global one before one for some nodes, as in Calico
 *                                                  the longer-standing (metadata.creationTimestamp), then the name
 */
import {
  type Address,
  type Asn,
  formatAddress,
  formatPrefix,
  networkOf,
  overlaps,
  type Prefix,
  versionOf,
} from '../lib/net.ts';
import { same } from '../lib/same.ts';
import { BGP_PORT } from './bgp-configuration.ts';
import type { BgpPeer, PeerRole, SessionOptions } from './bgp-peer.ts';
import type { Labels } from './meta.ts';
import { addressesOf, meetingAddress, type Router, sourceFor } from './router.ts';
import { matchesSelector, type Selector } from './selector.ts';

/** What a BGPPeer asks of one node. */
export interface Claim {
  readonly peer: BgpPeer;
  /** Of two claims of a node with one key only one can be in force. */
  readonly key: string;
  readonly to: Target;
  readonly localAsn: Asn;
  /** Absent: any but ours. */
  readonly peerAsn?: Asn;
  /** It is the other side of what the BGPPeer says of another node. */
  readonly isReverse: boolean;
  /** As this end has them. */
  readonly options: SessionOptions;
}

export type Target =
  /** `node`: that of this cluster which has the address. `workload`: the pod of this node that has it, "namespace/name". */
  | {
      readonly kind: 'address';
      readonly address: Address;
      readonly port: number;
      readonly node?: Router;
      readonly workload?: string;
    }
  | { readonly kind: 'range'; readonly range: Prefix; readonly limit: number }
  | { readonly kind: 'link'; readonly interface: string };

/** The nodes, so that peers are found among them. */
export interface Neighbourhood {
  /** By name. */
  readonly routers: readonly Router[];
  readonly byAddress: ReadonlyMap<Address, Router>;
  /** The pods of the one node that is asked for, in order; absent where nobody looks at pods. */
  readonly workloads?: readonly Workload[];
}

/** A pod of this node, as far as it can be a neighbour of its node. */
export interface Workload {
  /** "namespace/name". */
  readonly name: string;
  /** As selectors of policies see them. */
  readonly labels: Labels;
  readonly addresses: readonly Address[];
}

/** Of two nodes with one address the first by name counts. */
export function neighbourhoodOf(routers: readonly Router[]): Neighbourhood {
  const byName = [...routers].sort((a, b) => (a.name < b.name ? -1 : 1));
  const byAddress = new Map<Address, Router>();
  for (const router of byName)
    for (const address of addressesOf(router)) if (!byAddress.has(address)) byAddress.set(address, router);
  return { routers: byName, byAddress };
}

export const isGlobal = (peer: BgpPeer): boolean =>
  peer.node === undefined && peer.nodeSelector === undefined;

export const appliesTo = (peer: BgpPeer, node: Pick<Router, 'name' | 'labels'>): boolean =>
  isGlobal(peer) ||
  peer.node === node.name ||
  (peer.nodeSelector !== undefined && matchesSelector(peer.nodeSelector, node.labels));

/** Two nodes that the mesh, while it is enabled, holds together; whether they can meet is another question. */
export const areMeshed = (own: Router, other: Router): boolean =>
  own.clusterId === undefined && other.clusterId === undefined;

/** Whom a BGPPeer picks is the same for all nodes that ask: gone through once for each list of routers. */
const picked = new WeakMap<readonly Router[], Map<unknown, readonly Router[]>>();

function pick(routers: readonly Router[], by: unknown, isIn: (router: Router) => boolean): readonly Router[] {
  const known = picked.get(routers) ?? new Map<unknown, readonly Router[]>();
  picked.set(routers, known);
  const found = known.get(by) ?? routers.filter(isIn);
  known.set(by, found);
  return found;
}

/** A claim that was not made, and the node or the pod it would have been with. */
export interface Unmet {
  readonly peer: BgpPeer;
  readonly other?: Router;
  readonly workload?: string;
}

export interface Claims {
  /** The one in force by key, in order of precedence. */
  readonly inForce: readonly Claim[];
  readonly contests: readonly Contest[];
  /** Peers that this node cannot reach for want of an address of the IP version. */
  readonly unmet: readonly Unmet[];
}

/** Two BGPPeers say different things of one neighbour of one node. */
export interface Contest {
  readonly winner: Claim;
  readonly loser: Claim;
}

/** All that `own` is asked for. */
export function claimsOf(own: Router, peers: readonly BgpPeer[], around: Neighbourhood): Claims {
  const unmet: Unmet[] = [];
  const claims = peers.flatMap((peer) => claimsBy(peer, own, around, unmet));
  return { ...decide(claims), unmet };
}

/** What `own` is asked for that is with the node `other`. */
export function claimsBetween(
  own: Router,
  other: Router,
  peers: readonly BgpPeer[],
  { byAddress }: Neighbourhood,
): readonly Claim[] {
  const around = { routers: [other], byAddress };
  return decide(
    peers.flatMap((peer) => claimsBy(peer, own, around, [])).filter((claim) => isWith(claim, other)),
  ).inForce;
}

const isWith = ({ to }: Claim, other: Router): boolean =>
  to.kind === 'address' && to.node?.name === other.name;

/** Those that can be with a node of this cluster, which mostly are few. */
export const amongNodes = (peers: readonly BgpPeer[], { byAddress }: Neighbourhood): readonly BgpPeer[] =>
  peers.filter(
    ({ remote }) => remote.kind === 'nodes' || (remote.kind === 'address' && byAddress.has(remote.ip)),
  );

function claimsBy(peer: BgpPeer, own: Router, around: Neighbourhood, unmet: Unmet[]): readonly Claim[] {
  const direct = appliesTo(peer, own) ? directClaims(peer, own, around, unmet) : [];
  return [...direct, ...reverseClaims(peer, own, around)];
}

function directClaims(peer: BgpPeer, own: Router, around: Neighbourhood, unmet: Unmet[]): readonly Claim[] {
  const { remote } = peer;
  const localAsn = peer.localAsNumber ?? own.asn;
  const common = { peer, localAsn, isReverse: false, options: optionsOf(peer) };
  const asked = peer.asNumber === undefined ? {} : { peerAsn: peer.asNumber };
  if (remote.kind === 'link') return [{ ...common, ...asked, key: `link ${remote.interface}`, to: remote }];
  if (remote.kind === 'range') {
    if (sourceFor(own, networkOf(remote.range)) !== undefined)
      return [{ ...common, ...asked, key: `range ${formatPrefix(remote.range)}`, to: remote }];
    unmet.push({ peer });
    return [];
  }
  if (remote.kind === 'workloads')
    return (around.workloads ?? [])
      .filter(({ labels }) => matchesSelector(remote.selector, labels))
      .flatMap((workload) => workloadClaims(peer, own, workload, around, unmet));
  if (remote.kind === 'nodes')
    return othersOf(own, around, remote.selector).flatMap((other): readonly Claim[] => {
      const address = meetingAddress(own, other);
      if (address !== undefined) return [{ ...common, peerAsn: other.asn, ...at(address, other) }];
      unmet.push({ peer, other });
      return [];
    });
  if (addressesOf(own).includes(remote.ip)) return [];
  if (sourceFor(own, remote.ip) === undefined) {
    unmet.push({ peer });
    return [];
  }
  const node = around.byAddress.get(remote.ip);
  const isItsPort = node !== undefined && (remote.port ?? node.port) === node.port;
  if (isItsPort) return [{ ...common, ...asked, ...at(remote.ip, node) }];
  return [{ ...common, ...asked, ...at(remote.ip, undefined, remote.port) }];
}

/** One session for each address of the pod. The pod dials, and at which address of ours it does is its own choice. */
function workloadClaims(
  peer: BgpPeer,
  own: Router,
  { name, addresses }: Workload,
  { byAddress }: Neighbourhood,
  unmet: Unmet[],
): readonly Claim[] {
  const usable = addresses.filter(
    (address) => sourceFor(own, address) !== undefined && !byAddress.has(address),
  );
  if (usable.length === 0 && addresses.length > 0) unmet.push({ peer, workload: name });
  return usable.map((address): Claim => {
    const { key, to } = at(address, undefined);
    return {
      peer,
      key,
      to: { ...to, workload: name },
      localAsn: peer.localAsNumber ?? own.asn,
      ...(peer.asNumber === undefined ? {} : { peerAsn: peer.asNumber }),
      isReverse: false,
      options: {
        families: [versionOf(address)],
        ...optionsOf(peer),
        connectMode: 'Passive',
        sourceAddress: 'None',
      },
    };
  });
}

const at = (
  address: Address,
  node: Router | undefined,
  port: number = node?.port ?? BGP_PORT,
): Pick<Claim, 'key'> & { readonly to: Extract<Target, { readonly kind: 'address' }> } => ({
  key: `${formatAddress(address)} ${port}`,
  to: { kind: 'address', address, port, ...(node === undefined ? {} : { node }) },
});

/** One that has an address of ours cannot be told from us. */
function othersOf(own: Router, { routers }: Neighbourhood, selector: Selector): readonly Router[] {
  const ours = addressesOf(own);
  return pick(routers, selector, ({ labels }) => matchesSelector(selector, labels)).filter(
    (other) => other.name !== own.name && !addressesOf(other).some((address) => ours.includes(address)),
  );
}

/** The sessions that other nodes are asked to have with `own`, seen from here. */
function reverseClaims(peer: BgpPeer, own: Router, { routers }: Neighbourhood): readonly Claim[] {
  const meet = meetingPlace(peer, own);
  if (meet === undefined) return [];
  const ours = addressesOf(own);
  return pick(routers, peer, (other) => appliesTo(peer, other)).flatMap((other): readonly Claim[] => {
    if (other.name === own.name) return [];
    const address = meet(other);
    if (address === undefined || addressesOf(other).some((one) => ours.includes(one))) return [];
    return [
      {
        peer,
        localAsn: own.asn,
        peerAsn: peer.localAsNumber ?? other.asn,
        isReverse: true,
        options: mirrored(optionsOf(peer)),
        ...at(address, other),
      },
    ];
  });
}

/** Where another node that `peer` applies to is met from here; undefined: its sessions are not with us, or not made up. */
function meetingPlace(peer: BgpPeer, own: Router): ((other: Router) => Address | undefined) | undefined {
  const { remote } = peer;
  if (peer.reversePeering === 'Manual') return undefined;
  if (remote.kind === 'nodes')
    return matchesSelector(remote.selector, own.labels) ? (other) => meetingAddress(own, other) : undefined;
  if (remote.kind !== 'address' || !addressesOf(own).includes(remote.ip)) return undefined;
  // As Calico has it: with another AS or port it is not this node that is meant.
  const isUs = (remote.port ?? own.port) === own.port && peer.asNumber === own.asn;
  return isUs ? (other) => sourceFor(other, remote.ip) : undefined;
}

const optionsOf = (peer: BgpPeer): SessionOptions => {
  const { kind: _, meta: _1, created: _2, node: _3, nodeSelector: _4, ...asked } = peer;
  const { remote: _5, asNumber: _6, reversePeering: _7, ...options } = asked;
  return options;
};

/** RFC 9234 §4.2: what the other end must be. */
export const otherRole: Readonly<Record<PeerRole, PeerRole>> = {
  provider: 'customer',
  customer: 'provider',
  rs: 'rs-client',
  'rs-client': 'rs',
  peer: 'peer',
};

/** What is of one direction is turned round; how the session is made and what passes is for both ends. */
function mirrored(options: SessionOptions): SessionOptions {
  const { localAsNumber: _, reachableBy: _1, role, connectMode, addPath, ...same } = options;
  return {
    ...same,
    ...(role === undefined ? {} : { role: { ...role, own: otherRole[role.own] } }),
    ...(connectMode === undefined
      ? {}
      : { connectMode: connectMode === 'Passive' ? 'Active' : ('Passive' as const) }),
    ...(addPath === undefined
      ? {}
      : {
          addPath: {
            ...(addPath.send === undefined ? {} : { receive: true as const }),
            ...(addPath.receive === undefined ? {} : { send: 'all' as const }),
          },
        }),
  };
}

/** See the top of this file. */
function byPrecedence(a: BgpPeer, b: BgpPeer): number {
  const ages = [a.created ?? '', b.created ?? ''] as const;
  return (
    Number(isGlobal(b)) - Number(isGlobal(a)) ||
    (ages[0] === ages[1] ? 0 : ages[0] < ages[1] ? -1 : 1) ||
    (a.meta.name < b.meta.name ? -1 : Number(a.meta.name > b.meta.name))
  );
}

function decide(claims: readonly Claim[]): Pick<Claims, 'inForce' | 'contests'> {
  const winners = new Map<string, Claim>();
  const contests: Contest[] = [];
  const inOrder = [...claims].sort(
    (a, b) => Number(a.isReverse) - Number(b.isReverse) || byPrecedence(a.peer, b.peer),
  );
  for (const claim of inOrder) {
    const winner = winners.get(claim.key) ?? overlapping(claim, winners);
    if (winner === undefined) winners.set(claim.key, claim);
    else if (isContested(winner, claim)) contests.push({ winner, loser: claim });
  }
  return { inForce: [...winners.values()], contests };
}

/** A node's own BGPPeer says how its end is; that the other end would have it otherwise is no contest. */
const isContested = (winner: Claim, loser: Claim): boolean =>
  winner.peer !== loser.peer && winner.isReverse === loser.isReverse && !agree(winner, loser);

const agree = (a: Claim, b: Claim): boolean => a.key === b.key && same(said(a), said(b));
const said = ({ to, localAsn, peerAsn, options }: Claim) => ({
  limit: to.kind === 'range' ? to.limit : undefined,
  localAsn,
  peerAsn,
  options,
});

/** Whoever dials from inside two ranges could be a neighbour by either. */
function overlapping({ to }: Claim, winners: ReadonlyMap<string, Claim>): Claim | undefined {
  if (to.kind !== 'range') return undefined;
  return [...winners.values()].find(({ to: one }) => one.kind === 'range' && overlaps(one.range, to.range));
}

/** "10.0.0.1 port 179", "eth1", "10.0.0.0/24": what a claim is with, for people. */
export function describeTarget(to: Target): string {
  if (to.kind === 'link') return `the router on ${to.interface}`;
  if (to.kind === 'range') return formatPrefix(to.range);
  if (to.workload !== undefined) return `Pod/${to.workload} at ${formatAddress(to.address)}`;
  return `${formatAddress(to.address)} port ${to.port}`;
}
