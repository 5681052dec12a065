/** projectcalico.org/v3 BGPPeer: which nodes have which neighbour, and how they speak with it. */
import type { Address, Asn, IpVersion, Prefix } from '../lib/net.ts';
import type { SecretKey } from './bgp-configuration.ts';
import type { Meta } from './meta.ts';
import type { Selector } from './selector.ts';

/** Neither `node` nor `nodeSelector`: a global peer, for every node. */
export interface BgpPeer extends SessionOptions {
  readonly kind: 'BGPPeer';
  readonly meta: Meta;
  /** metadata.creationTimestamp; one that does not say it is the eldest. */
  readonly created?: string;
  readonly node?: string;
  readonly nodeSelector?: Selector;
  readonly remote: Remote;
  /** Absent: with `nodes` that of each node; with `range` and `link` any but ours. */
  readonly asNumber?: Asn;
  /** Manual: the other side, where it is a node, has a BGPPeer of its own. Absent: it is made up from this one. */
  readonly reversePeering?: 'Manual';
}

/** Who is at the other end. */
export type Remote =
  /** peerIP; without a port 179, or that node's listenPort if the address is a node's. */
  | { readonly kind: 'address'; readonly ip: Address; readonly port?: number }
  /** peerSelector: nodes of this cluster. */
  | { readonly kind: 'nodes'; readonly selector: Selector }
  /** peerRange: whoever dials from there, `limit` at most at one time. */
  | { readonly kind: 'range'; readonly range: Prefix; readonly limit: number }
  /** interface: the router found on that link. */
  | { readonly kind: 'link'; readonly interface: string }
  /** localWorkloadSelector: pods of the same node, by the labels that policies see; they dial. */
  | { readonly kind: 'workloads'; readonly selector: Selector };

/** All that two BGPPeers of one neighbour must agree in. Times are in ms, whole seconds but for BFD's. */
export interface SessionOptions {
  /** The hold time asked for is three times this, where `holdTimeMs` does not say it. */
  readonly keepaliveTimeMs?: number;
  /** 0 (no keepalives), or 3000 and more. */
  readonly holdTimeMs?: number;
  readonly connectRetryMs?: number;
  /** Absent: both. */
  readonly connectMode?: 'Passive' | 'Active';
  /** How long routes are kept while one of the two restarts. Absent: 120 s. */
  readonly maxRestartTimeMs?: number;
  /** Long-lived graceful restart (RFC 9494), for so long; absent: not. */
  readonly longLivedMs?: number;
  /** Routes are kept after a NOTIFICATION and after silence too (RFC 8538); `longLivedMs` implies it. */
  readonly notificationRestart?: true;
  /** Sessions are signed with it (RFC 2385). */
  readonly password?: SecretKey;
  /** 1 to 255: the peer is at most so many hops away (RFC 5082). Absent: not checked. */
  readonly ttlSecurity?: number;
  /** Our AS towards this peer; absent: that of the node. */
  readonly localAsNumber?: Asn;
  /** So many times our own AS may stand in the path of a route; absent: never. */
  readonly numAllowedLocalAsNumbers?: number;
  /** What is told as next hop; absent: as the kind of session has it. */
  readonly nextHopMode?: 'Self' | 'Keep';
  /** As Keep, towards another AS only. */
  readonly keepOriginalNextHop?: true;
  /** None: the kernel chooses the source address of the session; absent: the node's own. */
  readonly sourceAddress?: 'None';
  /** A host route to the peer via this gateway, of the same IP version, is kept in the kernel. */
  readonly reachableBy?: Address;
  /** Names of BGPFilters, in the order in which they are asked. */
  readonly filters: readonly string[];
  /** Absent: those the node has an address of; both on a link. */
  readonly families?: readonly IpVersion[];
  /** Ours in the session (RFC 9234). */
  readonly role?: { readonly own: PeerRole; readonly isStrict?: true };
  readonly addPath?: { readonly receive?: true; readonly send?: number | 'all' };
  readonly maxPrefix?: ByVersion<PrefixMaximum>;
  readonly prefixLimit?: ByVersion<number>;
  /** Of another AS no route is taken whose AS path begins with a third. */
  readonly enforceFirstAs?: true;
  readonly gracefulShutdown?: true;
  /** Private AS numbers in paths told to another AS; absent: kept. */
  readonly privateAs?: 'remove' | 'replace';
  readonly bfd?: PeerBfd;
}

export interface ByVersion<T> {
  readonly ipv4?: T;
  readonly ipv6?: T;
}

/** RFC 9234 §3.1. */
export const peerRoles = ['provider', 'rs', 'rs-client', 'customer', 'peer'] as const;
export type PeerRole = (typeof peerRoles)[number];

export interface PrefixMaximum {
  readonly most: number;
  /** 1 to 100. */
  readonly warnPercent: number;
  readonly action: 'cease' | 'discard' | 'warn';
  readonly restartMs?: number;
}

export interface PeerBfd {
  readonly minTxMs: number;
  readonly minRxMs: number;
  readonly multiplier: number;
  readonly isMultihop?: true;
  readonly isStrict?: true;
  /** Only where the neighbour is on a network of the node's own (failureDetectionMode BFDIfDirectlyConnected). */
  readonly ifConnected?: true;
}
