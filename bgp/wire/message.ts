/**
 * What a BGP message says, once decoded: the vocabulary of the whole wing.
 *
 * RFC 4271 §4 (messages), RFC 4760 (multiprotocol), RFC 5492 (capabilities), RFC 2918 (route refresh). An UPDATE
 * is flattened: whatever field or attribute carried a prefix, it is either withdrawn, or announced with attributes
 * that already hold its next hop.
 */
import type { Address, Asn, IpVersion, Ipv4, Ipv6, Prefix } from '../../src/lib/net.ts';

/** AFI/SAFI 1/1 and 2/1. */
export type Family = 'ipv4-unicast' | 'ipv6-unicast';

export type Origin = 'igp' | 'egp' | 'incomplete';

/** RFC 4271 §4.3 b and RFC 5065 §3. */
export interface AsPathSegment {
  readonly kind: 'set' | 'sequence' | 'confedSequence' | 'confedSet';
  readonly asns: readonly Asn[];
}
export type AsPath = readonly AsPathSegment[];

/** An attribute we do not know, kept as it came; propagated only if transitive, then with Partial set (RFC 4271 §5). */
export interface RawAttribute {
  readonly flags: number;
  readonly code: number;
  readonly body: Uint8Array;
}

/**
 * The path attributes of one announced route, next hop included; what an attribute is absent for is an absent field.
 * Treat as immutable: these objects are interned and shared by all routes that carry the same.
 */
export interface PathAttributes {
  readonly origin: Origin;
  readonly asPath: AsPath;
  /** NEXT_HOP, or the global next hop of MP_REACH_NLRI. */
  readonly nextHop: Address;
  /** The second, link-local next hop of MP_REACH_NLRI (RFC 2545 §3). */
  readonly linkLocal?: Ipv6;
  readonly med?: number;
  readonly localPref?: number;
  readonly atomicAggregate?: true;
  readonly aggregator?: { readonly asn: Asn; readonly address: Ipv4 };
  /** RFC 1997, each as asn*65536+value. */
  readonly communities?: readonly number[];
  readonly originatorId?: Ipv4;
  readonly clusterList?: readonly Ipv4[];
  /** RFC 4360, each eight octets. */
  readonly extendedCommunities?: readonly bigint[];
  /** RFC 8092. */
  readonly largeCommunities?: readonly (readonly [number, number, number])[];
  /** Only to Customer (RFC 9234 §5): the AS that said so first; the route may go down to customers only. */
  readonly otc?: Asn;
  /** Unrecognised optional attributes, by ascending code. */
  readonly unknown?: readonly RawAttribute[];
}

export interface Announcement {
  /** Of the prefixes; the next hop may be of the other IP version (RFC 8950). */
  readonly family: Family;
  readonly attributes: PathAttributes;
  readonly prefixes: readonly Prefix[];
  /** Path Identifiers (RFC 7911 §3), 0..2^32-1, one for each of `prefixes`; absent: the family has none, all count as 0. */
  readonly pathIds?: readonly number[];
}

/** What we are to the other side (RFC 9234 §3.1). */
export type Role = 'provider' | 'rs' | 'rs-client' | 'customer' | 'peer';

export type Capability =
  | { readonly kind: 'multiprotocol'; readonly family: Family }
  | { readonly kind: 'routeRefresh' }
  | ExtendedNextHop
  | { readonly kind: 'extendedMessage' }
  | { readonly kind: 'role'; readonly role: Role }
  | GracefulRestart
  | { readonly kind: 'fourOctetAs'; readonly asn: Asn }
  | AddPathCapability
  | { readonly kind: 'enhancedRouteRefresh' }
  | LongLivedGracefulRestart
  | { readonly kind: 'unknown'; readonly code: number; readonly body: Uint8Array };

/** Every capability by its kind, so that a table can have a row for each. */
export type CapabilityOf = { readonly [C in Capability as C['kind']]: C };

/** RFC 8950 §4: prefixes of `family` may have next hops of IP version `nextHop`. */
export interface ExtendedNextHop {
  readonly kind: 'extendedNextHop';
  readonly families: readonly { readonly family: Family; readonly nextHop: IpVersion }[];
}

/** RFC 7911 §4, as its sender sees it: it can receive several paths of a prefix, it would like to send them. */
export interface AddPathCapability {
  readonly kind: 'addPath';
  readonly families: readonly {
    readonly family: Family;
    readonly receive: boolean;
    readonly send: boolean;
  }[];
}

/** RFC 9494 §3.1. */
export interface LongLivedGracefulRestart {
  readonly kind: 'longLivedGracefulRestart';
  readonly families: readonly {
    readonly family: Family;
    readonly isForwarding: boolean;
    /** Long-Lived Stale Time in seconds, 0..2^24-1. */
    readonly staleTime: number;
  }[];
}

/** RFC 4724 §3. */
export interface GracefulRestart {
  readonly kind: 'gracefulRestart';
  /** R: it has just restarted, so nobody should wait for its End-of-RIB before sending their own. */
  readonly isRestarting: boolean;
  /** N: routes are kept after a NOTIFICATION and an expired hold timer too (RFC 8538 §2). */
  readonly isNotification: boolean;
  /** Seconds it takes to be back, 0..4095. */
  readonly restartTime: number;
  /** Those whose routes should be kept meanwhile; F: its forwarding state of this family has been preserved. */
  readonly families: readonly { readonly family: Family; readonly isForwarding: boolean }[];
}

export interface OpenMessage {
  readonly kind: 'open';
  readonly version: number;
  /** My Autonomous System field as sent: 23456 (AS_TRANS) when the real one needs four octets. */
  readonly asField: number;
  /** In seconds; 0, or 3 and more. */
  readonly holdTime: number;
  readonly bgpId: Ipv4;
  readonly capabilities: readonly Capability[];
}

export interface UpdateMessage {
  readonly kind: 'update';
  readonly withdrawn: readonly Prefix[];
  /** Path Identifiers, one for each of `withdrawn`, 0 where its family has none; absent: all are 0 (RFC 7911 §3). */
  readonly withdrawnIds?: readonly number[];
  readonly announced: readonly Announcement[];
  /** End-of-RIB marker for this family (RFC 4724 §2). */
  readonly endOfRib?: Family;
  /** What RFC 7606 had us repair, each with its remedy; empty for a clean message. */
  readonly flaws: readonly Flaw[];
  /** Of one that several neighbours of one codec are told: its octets, once they are known. */
  readonly once?: { frames: readonly Uint8Array[] | undefined } | undefined;
}

/** RFC 7606 §2, mildest first. */
export type Remedy = 'attribute-discard' | 'treat-as-withdraw' | 'session-reset';

export interface Flaw {
  readonly remedy: Remedy;
  /** One sentence: which attribute, what is wrong, which clause. */
  readonly why: string;
}

export interface NotificationMessage {
  readonly kind: 'notification';
  readonly code: number;
  readonly subcode: number;
  readonly data: Uint8Array;
}

export interface KeepaliveMessage {
  readonly kind: 'keepalive';
}

export interface RouteRefreshMessage {
  readonly kind: 'routeRefresh';
  /** begin and end stand around what answers a request (BoRR and EoRR, RFC 7313 §3.2). */
  readonly subtype: 'request' | 'begin' | 'end';
  /** Undefined: ignore it. A family we do not speak (RFC 2918 §4), or a subtype that nobody knows (RFC 7313 §5). */
  readonly family: Family | undefined;
}

export type Message =
  | OpenMessage
  | UpdateMessage
  | NotificationMessage
  | KeepaliveMessage
  | RouteRefreshMessage;

/** What the two OPENs settled that bytes depend on. An optional field left out means: not negotiated. */
export interface CodecContext {
  /** Both sides sent the four-octet AS capability (RFC 6793). */
  readonly fourOctetAs: boolean;
  readonly peerType: 'ebgp' | 'ibgp';
  readonly families: ReadonlySet<Family>;
  /** Families in which the neighbour sends Path Identifiers, and in which we do (RFC 7911 §5); absent: none. */
  readonly addPathReceive?: ReadonlySet<Family>;
  readonly addPathSend?: ReadonlySet<Family>;
  /** The neighbour takes messages up to 65535 octets (RFC 8654): so long may be what we write. */
  readonly extendedMessages?: boolean;
  /** We said that we take such messages: so long may be what we read. */
  readonly extendedReceive?: boolean;
  /** Families whose prefixes may have IPv6 next hops (RFC 8950), both ways; ipv6-unicast need not be named. */
  readonly extendedNextHop?: ReadonlySet<Family>;
  /** Both sides sent the capability of RFC 7313: a ROUTE-REFRESH has a subtype. */
  readonly enhancedRefresh?: boolean;
}

/** Bytes that cannot be a message: the NOTIFICATION to answer with, and why in words. */
export interface WireError {
  readonly notification: NotificationMessage;
  readonly why: string;
}
