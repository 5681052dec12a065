/**
 * What a BGP message says, once decoded: the vocabulary of the whole wing.
 *
 * RFC 4271 §4 (messages), RFC 4760 (multiprotocol), RFC 5492 (capabilities), RFC 2918 (route refresh). An UPDATE
 * is flattened: whatever field or attribute carried a prefix, it is either withdrawn, or announced with attributes
 * that already hold its next hop.
 */
import type { Address, Asn, Ipv4, Ipv6, Prefix } from '../../src/lib/net.ts';

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
  /** Unrecognised optional attributes, by ascending code. */
  readonly unknown?: readonly RawAttribute[];
}

export interface Announcement {
  readonly family: Family;
  readonly attributes: PathAttributes;
  readonly prefixes: readonly Prefix[];
}

export type Capability =
  | { readonly kind: 'multiprotocol'; readonly family: Family }
  | { readonly kind: 'routeRefresh' }
  | { readonly kind: 'fourOctetAs'; readonly asn: Asn }
  | GracefulRestart
  | { readonly kind: 'unknown'; readonly code: number; readonly body: Uint8Array };

/** RFC 4724 §3. */
export interface GracefulRestart {
  readonly kind: 'gracefulRestart';
  /** R: it has just restarted, so nobody should wait for its End-of-RIB before sending their own. */
  readonly isRestarting: boolean;
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
  readonly announced: readonly Announcement[];
  /** End-of-RIB marker for this family (RFC 4724 §2). */
  readonly endOfRib?: Family;
  /** What RFC 7606 had us repair, each with its remedy; empty for a clean message. */
  readonly flaws: readonly Flaw[];
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
  /** Undefined for a family we do not speak: ignored (RFC 2918 §4). */
  readonly family: Family | undefined;
}

export type Message =
  | OpenMessage
  | UpdateMessage
  | NotificationMessage
  | KeepaliveMessage
  | RouteRefreshMessage;

/** What the two OPENs settled that bytes depend on. */
export interface CodecContext {
  /** Both sides sent the four-octet AS capability (RFC 6793). */
  readonly fourOctetAs: boolean;
  readonly peerType: 'ebgp' | 'ibgp';
  readonly families: ReadonlySet<Family>;
}

/** Bytes that cannot be a message: the NOTIFICATION to answer with, and why in words. */
export interface WireError {
  readonly notification: NotificationMessage;
  readonly why: string;
}
