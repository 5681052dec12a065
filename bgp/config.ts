/**
 * What the speaker is told to be: the output of `intent.ts`, the input of `speaker.ts`. Plain data, compared whole.
 * A BGP speaker's own words; nothing here knows Kubernetes.
 */
import type { Address, Asn, Ipv4, Ipv6, Prefix } from '../src/lib/net.ts';
import type { Community, FilterRule } from '../src/model/bgp-filter.ts';
import type { Problem } from '../src/model/problem.ts';
import type { SecretKey } from '../src/model/resource.ts';
import type { Family, Role } from './wire/message.ts';

export type { Role } from './wire/message.ts';

export interface SpeakerConfig {
  readonly asn: Asn;
  /** BGP Identifier (RFC 6286: any non-zero number, unique within the AS). */
  readonly routerId: Ipv4;
  readonly listenPort: number;
  /**
   * Next hop of what we originate, per family. Without an IPv4 one IPv4 prefixes have the IPv6 one, for neighbours that can
   * read that (RFC 8950); without an IPv6 one IPv6 prefixes are not originated.
   */
  readonly ownAddress: { readonly ipv4?: Ipv4; readonly ipv6?: Ipv6 };
  /** Prefixes this node originates: its pod CIDRs or blocks, borrowed pod addresses, addresses of Services. */
  readonly origins: readonly Prefix[];
  /** Of these, the ones whose unused addresses end at this node: its pod CIDRs or blocks. Absent: all. */
  readonly held?: readonly Prefix[];
  /**
   * Whether packets go on while we are away, which decides what neighbours may do meanwhile (RFC 4724). preserved: our
   * routes of an earlier life are in the kernel; fresh: this is the first life. Absent: we have no kernel routes.
   */
  readonly forwarding?: 'preserved' | 'fresh';
  /** By `PeerConfig.key`, unique. */
  readonly peers: readonly PeerConfig[];
  readonly importPolicy: ImportPolicy;
  /** Export nothing inside these (IPPool.disableBGPExport). */
  readonly exportDeny: readonly Prefix[];
  /** What is told inside a prefix carries these too, where no filter decided; absent: nothing. */
  readonly communities?: readonly PrefixCommunities[];
  /**
   * Subnets of this node's own interfaces. Where a route's next hop and the eBGP neighbour share one, the next hop is
   * kept (RFC 4271 §5.1.3 2); absent or elsewhere we name ourselves.
   */
  readonly connected?: readonly Prefix[];
  /** Route reflection (RFC 4456): our CLUSTER_ID; absent: nothing is reflected. */
  readonly clusterId?: Ipv4;
  /** Addresses the speaker listens on; absent: all (BGPConfiguration.bindMode). */
  readonly bind?: readonly Address[];
  readonly decision?: DecisionOptions;
  /** eBGP neighbours without a filter in a direction exchange nothing in it (RFC 8212). */
  readonly requirePolicy?: true;
  /** Node is being drained: what we originate carries GRACEFUL_SHUTDOWN (RFC 8326), then is withdrawn. */
  readonly drain?: 'shutdown' | 'withdrawn';
  /** Addresses that this node answers for beside its own, to its pods alone (BGPConfiguration.localWorkloadPeeringIPV4); absent: none. */
  readonly peeringAddresses?: readonly Address[];
  /** Neighbours that are not known by address but may dial us. */
  readonly dynamic?: readonly DynamicPeers[];
  /** Metric of the routes we write to the kernel, per family; absent: 1024. */
  readonly routePriority?: { readonly ipv4?: number; readonly ipv6?: number };
  /**
   * What is learned inside these is told on but not written to the kernel: addresses of Services at a route reflector, or
   * everything (BGPConfiguration.programClusterRoutes Disabled).
   */
  readonly unprogrammed?: readonly Prefix[];
}

/** Departures from RFC 4271 §9.1.2.2, and how many equal paths are used. */
export interface DecisionOptions {
  /** MED of different neighbouring ASes is compared too. */
  readonly alwaysCompareMed?: true;
  /** A route without MED counts as the worst, not as 0. */
  readonly missingMedWorst?: true;
  /** Paths may differ in their ASes, though not in length, and be used beside each other. */
  readonly relaxAsPath?: true;
  /** Most equal paths learned by eBGP that are used at once; absent: 64. 1: no multipath. */
  readonly ebgpPaths?: number;
  readonly ibgpPaths?: number;
}

/** Whoever dials from inside `range` becomes a neighbour by this template, is never dialled, and is forgotten when it goes. */
export interface DynamicPeers {
  /** Stable: metadata.name of the BGPPeer. */
  readonly key: string;
  readonly range: Prefix;
  /** Any of these is taken; empty: any AS but ours. */
  readonly peerAsns: readonly Asn[];
  /** Most at one time. */
  readonly limit: number;
  readonly template: Omit<
    PeerConfig,
    'key' | 'name' | 'address' | 'port' | 'peerAsn' | 'peerAsns' | 'dynamic'
  >;
}

export interface PeerConfig {
  /** Stable identity over configuration changes: "address port". */
  readonly key: string;
  /** What people call it: "Mesh_172_30_0_12", "Global_172_30_0_1", "Node_172_30_0_1", "Local_Workload_10_244_1_5". */
  readonly name: string;
  readonly origin: 'node-to-node mesh' | 'global' | 'node specific';
  /** metadata.name of the BGPPeer it comes from, or of the other Node. */
  readonly resource?: string;
  readonly address: Address;
  readonly port: number;
  readonly peerAsn: Asn;
  readonly localAsn: Asn;
  /** Source address of the session; absent: the kernel chooses. */
  readonly localAddress?: Address;
  /** Where the kernel chooses: our address on the network we share with the neighbour, named as next hop there. */
  readonly sharedAddress?: Address;
  /** Proposed, in ms, whole seconds: 0, or 3000 and more. */
  readonly holdTimeMs: number;
  /** Own interval, in ms; the smaller of it and a third of the negotiated hold time counts. */
  readonly keepaliveTimeMs?: number;
  readonly connectRetryMs: number;
  /** How long the neighbour should keep our routes while we restart, in ms, whole seconds to 4095 s; absent: not at all. */
  readonly restartTimeMs?: number;
  /** Both sides sign what they send (RFC 2385) with the key of a Secret. The key itself never comes here. */
  readonly password?: Password;
  /** The neighbour is at most so many hops away, 1 to 255 (RFC 5082); absent: not checked. */
  readonly ttlSecurity?: number;
  /** Why it must not be started, a sentence without a full stop; absent: it may. */
  readonly blocked?: string;
  /** Families offered in OPEN. */
  readonly families: readonly Family[];
  /** So often our own AS may stand in an AS path; absent: never (RFC 4271 §9.1.2). */
  readonly allowedOwnAs?: number;
  /** An eBGP neighbour's routes must have its own AS as the first of their AS path (RFC 4271 §6.3). */
  readonly enforceFirstAs?: true;
  /** Self: we always name ourselves; keep: what it was; absent: RFC 4271 §5.1.3. */
  readonly nextHopMode?: 'self' | 'keep';
  /** Asked before the policy that holds by default; absent: none. */
  readonly filters?: Filters;
  /** passive: never dialled; active: never accepted; absent: both. */
  readonly connect?: 'passive' | 'active';
  /**
   * The name of the link that `address`, a link-local one, is on; such addresses are scoped (src/lib/net.ts). While nobody
   * has been seen there the neighbour is `blocked`, its address is ::, and its key has the link's name instead.
   */
  readonly interface?: string;
  /**
   * The pod of this node that it is, "namespace/name". Nobody but this node reaches it, so what it tells goes on with ourselves as
   * next hop.
   */
  readonly workload?: string;
  /** Its AS is learned from its OPEN: one of these, or any but ours if empty; `peerAsn` is 0 until then. Absent: `peerAsn` it is. */
  readonly peerAsns?: readonly Asn[];
  /** It came from this range (DynamicPeers.key) and is forgotten when it goes. */
  readonly dynamic?: string;
  /** IPv6 next hops of IPv4 prefixes (RFC 8950) are offered over an IPv4 session too; no resource asks for it yet. */
  readonly extendedNextHop?: true;
  /** So long bytes may wait for a neighbour that reads nothing, in ms (RFC 9687); absent, as no resource sets it: 8 minutes or twice the hold time. */
  readonly sendHoldMs?: number;
  /** Its routes are kept after a NOTIFICATION and after silence too, if it does the same (RFC 8538); `longLivedMs` implies it. */
  readonly notificationRestart?: true;
  /** This iBGP neighbour is our client: we reflect to and from it (RFC 4456). */
  readonly isClient?: true;
  /** Our role in the session (RFC 9234); strict: the neighbour must state its own. */
  readonly role?: { readonly own: Role; readonly isStrict?: true };
  readonly addPath?: AddPath;
  /** Routes of a family the neighbour may have told us at once, before import policy. */
  readonly maxPrefix?: Readonly<Partial<Record<Family, PrefixLimit>>>;
  /** At most so many prefixes of a family are told to the neighbour; the lowest by address, and the rest is logged. */
  readonly prefixLimit?: Readonly<Partial<Record<Family, number>>>;
  /** Long-lived graceful restart (RFC 9494): how long stale routes are kept after `restartTimeMs`, in ms; absent: not at all. */
  readonly longLivedMs?: number;
  /** Everything told to and taken from it is marked GRACEFUL_SHUTDOWN (RFC 8326): this session is about to be shut down. */
  readonly gracefulShutdown?: true;
  /** Private AS numbers (RFC 6996) in paths told to an eBGP neighbour: left out, or replaced by our own. */
  readonly privateAs?: 'remove' | 'replace';
  readonly bfd?: BfdConfig;
  /** Route to this gateway is kept in the kernel for the neighbour's sake (BGPPeer.reachableBy). */
  readonly reachableBy?: Address;
}

/** RFC 7911; best-only where absent. */
export interface AddPath {
  readonly receive?: true;
  /** How many paths of a prefix it is told, the best first. */
  readonly send?: number | 'all';
}

export interface PrefixLimit {
  readonly most: number;
  /** A warning from this share on, 1 to 100. */
  readonly warnPercent: number;
  /** cease: NOTIFICATION 6/1 and the session ends; discard: what is above is not taken; warn: only said. */
  readonly action: 'cease' | 'discard' | 'warn';
  /** After a cease the session is tried again after so long, in ms; absent: when someone resets it. */
  readonly restartMs?: number;
}

/** RFC 5880, asynchronous mode. Intervals in ms. */
export interface BfdConfig {
  readonly minTxMs: number;
  readonly minRxMs: number;
  readonly multiplier: number;
  /** RFC 5883: more than one hop away, udp/4784; absent: single hop, TTL 255 both ways (RFC 5881). */
  readonly isMultihop?: true;
  /** BGP does not come up before BFD does (RFC 9384 has the way down). */
  readonly isStrict?: true;
}

/** BGPConfiguration.prefixAdvertisements. */
export interface PrefixCommunities {
  readonly cidr: Prefix;
  readonly communities: readonly Community[];
}

/** By direction and family, in order: the first rule that matches decides. */
export type Filters = Readonly<
  Record<'exportV4' | 'importV4' | 'exportV6' | 'importV6', readonly NamedRule[]>
>;

/** What it is called in reasons: "BGPFilter/tor importV4[0]". */
export type NamedRule = FilterRule & { readonly name: string };

export interface Password extends SecretKey {
  /** Which of the values it has had since the start; absent: it has none, so the peer is blocked. */
  readonly revision?: number;
}

/** What may enter the Loc-RIB at all; the default guard of DESIGN §7. */
export interface ImportPolicy {
  /** Accept a prefix that lies inside one of these: IP pools and other nodes' pod CIDRs. */
  readonly within: readonly Prefix[];
  /** Never accept a prefix that lies inside one of these: our own pod CIDRs. */
  readonly never: readonly Prefix[];
  /** Inside these accept single addresses only, which other nodes have borrowed: our own allocation blocks. */
  readonly blocks?: readonly Prefix[];
  /** Never accept what lies inside these, unless a prefix of `within` says so more closely: addresses of Services. */
  readonly services?: readonly Prefix[];
  /**
   * Never accept one of these or what lies inside it, unless a filter speaks of it: the addresses of the API server, which
   * this node must reach to be told anything at all. A wider route that holds one is judged as any other.
   */
  readonly protected?: readonly Prefix[];
}

export interface Intent {
  /** Undefined while this node cannot speak at all (no Node object, no address): see problems. */
  readonly config: SpeakerConfig | undefined;
  /** What is logged (BGPConfiguration.logSeverityScreen); absent: what the command line says. */
  readonly logLevel?: 'debug' | 'info' | 'warn' | 'error';
  /** Links on which a neighbour is looked for, by name (BGPPeer.interface); absent: none. */
  readonly links?: readonly string[];
  readonly problems: readonly Problem[];
}
