/**
 * What the daemons say of themselves over their Unix sockets, and what the CLI and the lab print: one shape for all.
 * JSON-safe: addresses and prefixes are text here.
 */
import type { BgpState } from './bgp-state.ts';
import type { Problem } from './problem.ts';

export type { BgpState };

/** GET /status of bgp.sock. */
export interface BgpStatus {
  readonly node: string;
  readonly version: string;
  /** Absent until there is a configuration. */
  readonly asn?: number;
  readonly routerId?: string;
  readonly inSync: boolean;
  readonly peers: readonly PeerStatus[];
  /** Routes of ours the kernel has, and how many changes it has still to take. */
  readonly kernel: { readonly installed: number; readonly pending: number };
  readonly problems: readonly Problem[];
}

export interface PeerStatus {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly type: 'node-to-node mesh' | 'global' | 'node specific';
  /** metadata.name of the BGPPeer, or of the other Node. */
  readonly resource?: string;
  /** The pod of this node that it is, "namespace/name". */
  readonly workload?: string;
  /** The range it came from by itself, by its BGPPeer; absent: it is configured by address. */
  readonly dynamic?: string;
  readonly state: BgpState;
  /** Wall-clock time of the last change of state, ISO 8601. */
  readonly since: string;
  readonly localAsn: number;
  readonly peerAsn: number;
  readonly peerId?: string;
  readonly families: readonly string[];
  readonly holdTimeSeconds?: number;
  readonly prefixesReceived: number;
  readonly prefixesAccepted: number;
  readonly prefixesAdvertised: number;
  /** Routes of its last session that are kept while it restarts (RFC 4724); absent: none. */
  readonly keptRoutes?: number;
  /** One sentence; absent if there never was one. */
  readonly lastError?: string;
  /** What to do about it, a sentence; only while the session is down. */
  readonly remedy?: string;
}

/** GET /peers of bgp.sock, all of them; with ?name= one, by its name, its BGPPeer or Node, its address or "address port". */
export interface PeerDetail extends PeerStatus {
  readonly localAddress?: string;
  /** "Secret/key" that signs its sessions (RFC 2385); never what it holds. */
  readonly password?: string;
  /** Hops (RFC 5082). */
  readonly ttlSecurity?: number;
  readonly proposed: {
    readonly holdTimeSeconds: number;
    readonly connectRetrySeconds: number;
    readonly restartTimeSeconds?: number;
  };
  /** Agreed, and only while the session is up; its hold time is `holdTimeSeconds`. */
  readonly keepaliveSeconds?: number;
  /** That run now, and what each has still to run. */
  readonly timers: readonly { readonly name: string; readonly seconds: number }[];
  /** By kind, since the neighbour was configured. */
  readonly messages: { readonly sent: MessageCounts; readonly received: MessageCounts };
  /** Messages that ended a connection because they could not be read, by "code/subcode" of our NOTIFICATION. */
  readonly refused: Readonly<Record<string, number>>;
  /** UPDATEs of this session that RFC 7606 had us repair. */
  readonly repaired: number;
  /** What both OPENs came to, each a phrase; only while the session is up. */
  readonly inForce?: readonly string[];
  /** How far each limit of prefixes is used, each a phrase; absent: there is none. */
  readonly limits?: readonly string[];
  readonly connections: { readonly made: number; readonly lost: number };
  /** The last of each. */
  readonly openSent?: OpenStatus;
  readonly openReceived?: OpenStatus;
  readonly notificationSent?: NotedStatus;
  readonly notificationReceived?: NotedStatus;
  /** Absent: it has none. */
  readonly bfd?: BfdStatus;
}

/** The BFD session (RFC 5880) of a neighbour; several neighbours can share one. Times in ms. */
export interface BfdStatus {
  readonly state: BfdStateName;
  /** ISO 8601. */
  readonly since: string;
  readonly kind: 'single hop' | 'multihop';
  /** BGP does not come up before it. */
  readonly strict: boolean;
  /** Why it was last taken out of Up, as it is told to the neighbour. */
  readonly diagnostic: string;
  readonly configured: BfdTimes;
  /** What it said last; absent: nothing was heard of it, or not for its detection time. */
  readonly neighbour?: BfdTimes & { readonly state: BfdStateName; readonly diagnostic: string };
  /** Agreed: at most so much between two packets of ours; absent: none are wanted. */
  readonly transmitMs?: number;
  /** Agreed: so long a silence is a failure. */
  readonly detectionMs?: number;
  readonly packets: { readonly sent: number; readonly received: number; readonly discarded: number };
  /** Times it was taken out of Up. */
  readonly downs: number;
  readonly lastDown?: NotedStatus;
  /** Why it is not up, a sentence without a full stop. */
  readonly hint?: string;
}

export type BfdStateName = 'AdminDown' | 'Down' | 'Init' | 'Up';

export interface BfdTimes {
  readonly minTxMs: number;
  readonly minRxMs: number;
  readonly multiplier: number;
}

export type MessageCounts = Readonly<
  Record<'open' | 'update' | 'notification' | 'keepalive' | 'routeRefresh', number>
>;

export interface OpenStatus {
  readonly asn: number;
  readonly routerId: string;
  readonly holdTimeSeconds: number;
  /** Each a phrase. */
  readonly capabilities: readonly string[];
}

export interface NotedStatus {
  /** ISO 8601. */
  readonly at: string;
  readonly what: string;
}

/** GET /routes of bgp.sock; with ?received=PEER or ?advertised=PEER one neighbour's view. */
export interface RouteStatus {
  readonly prefix: string;
  readonly nextHop: string;
  /** Neighbour's name, or 'local'. */
  readonly from: string;
  readonly best: boolean;
  /** Installed next to the best one as an equal path. */
  readonly multipath: boolean;
  readonly origin: string;
  readonly asPath: string;
  readonly localPref?: number;
  readonly med?: number;
  readonly communities: readonly string[];
  /** Why it is best or not, or why it was not accepted. */
  readonly reason: string;
  /** Extended communities (RFC 4360). */
  readonly extendedCommunities?: readonly string[];
  /** RFC 4456. */
  readonly originatorId?: string;
  readonly clusterList?: readonly string[];
  /** Only to customer (RFC 9234): who said so first. */
  readonly otc?: number;
  /** "AS ADDRESS" (RFC 4271 §5.1.7). */
  readonly aggregator?: string;
  readonly atomicAggregate?: true;
  /** As who tells it numbers its paths (RFC 7911); absent: 0, or one path of a prefix is told. */
  readonly pathId?: number;
  /** Codes of attributes that we do not know and pass on. */
  readonly unknownAttributes?: readonly number[];
}

/** One line of GET /rib of bgp.sock: a route, or that there are more than were asked for. */
export type RibLine = RouteStatus | { readonly more: true };

/** GET /services of bgp.sock: what of the Services' addresses this node announces, and why or why not. */
export interface ServicesStatus {
  /** False: BGPConfiguration asks for none, so no Service is even looked at. */
  readonly followed: boolean;
  readonly ranges: readonly ServiceRangeStatus[];
  readonly services: readonly ServiceAddressStatus[];
}

export type ServiceAddressKind = 'cluster IP' | 'external IP' | 'load balancer IP';

export interface ServiceRangeStatus {
  readonly kind: ServiceAddressKind;
  readonly range: string;
  readonly advertised: boolean;
  readonly reason: string;
}

export interface ServiceAddressStatus {
  readonly namespace: string;
  readonly name: string;
  readonly kind: ServiceAddressKind;
  readonly address: string;
  /** By a route of its own, not only as part of a range. */
  readonly advertised: boolean;
  readonly reason: string;
}

/** GET /status of felix.sock. */
export interface FelixStatus {
  readonly node: string;
  readonly version: string;
  readonly inSync: boolean;
  /** Number of completed kernel writes; grows by one for each transaction. */
  readonly transactions: number;
  /** Changes heard of are not in the kernel yet. */
  readonly pending?: boolean;
  readonly dataplane: 'waiting' | 'in-sync' | 'failing';
  readonly lastError?: string;
  readonly endpoints: readonly EndpointStatus[];
  readonly problems: readonly Problem[];
}

export interface EndpointStatus {
  readonly namespace: string;
  readonly pod: string;
  readonly interface: string;
  readonly addresses: readonly string[];
  /** Its policy is in the kernel. */
  readonly ready: boolean;
}

/** GET /policy?namespace=…&pod=… of felix.sock: what applies to a pod, in the order it is evaluated. */
export interface PodPolicyStatus {
  readonly namespace: string;
  readonly pod: string;
  readonly interface: string;
  readonly ingress: DirectionStatus;
  readonly egress: DirectionStatus;
}

/** GET /policy of felix.sock: what applies to each host endpoint of the node, by interface. */
export interface HostPolicyStatus {
  /** metadata.name of the HostEndpoint. */
  readonly name: string;
  /** '*': all that have none of their own. */
  readonly interface: string;
  /** Asked in order after the last tier, and after them everything is denied. */
  readonly profiles: readonly string[];
  /** In the order of a packet's way. */
  readonly stages: readonly (DirectionStatus & {
    readonly stage: 'untracked' | 'preDnat' | 'normal' | 'forward';
    readonly direction: 'Ingress' | 'Egress';
  })[];
}

export interface DirectionStatus {
  /** False: no policy in force selects the endpoint in this direction; a pod then is open. */
  readonly isolated: boolean;
  /** Those with a policy that selects the endpoint, in order. */
  readonly tiers: readonly TierStatus[];
}

export interface TierStatus {
  readonly name: string;
  /** Absent: last. */
  readonly order?: number;
  /** False: policies name it and there is no such Tier. */
  readonly defined: boolean;
  /** What becomes of a packet that no rule of the tier decides. */
  readonly end: 'deny' | 'pass';
  /** In order. */
  readonly policies: readonly {
    /** As in "KubernetesNetworkPolicy", "GlobalNetworkPolicy", "StagedNetworkPolicy". */
    readonly kind: string;
    readonly namespace?: string;
    readonly name: string;
    /** Absent: last. */
    readonly order?: number;
    /** Present: only told of, never enforced. */
    readonly staged?: string;
    /** Each rule in words, e.g. "allow TCP 80, 443 from pods in namespace shop with app == "web"". */
    readonly rules: readonly string[];
  }[];
}
