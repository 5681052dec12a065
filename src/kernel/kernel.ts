/**
 * The kernel port: what the rooms above may ask of Linux networking, as plain data.
 *
 * The real one is `linux.ts` (netlink, nft, procfs) and acts in the network namespace the process was started in;
 * the fake lives in `test/support`. Both are held to `test/contract/kernel.ts`.
 */
import type { Address, IpVersion, Prefix } from '../lib/net.ts';
import type { NftBatch } from './netlink/nft/batch.ts';
import type { ChainSeen, CounterSeen, ElementSeen } from './netlink/nft/read.ts';
import type { NftTable } from './nft-dump.ts';

/** rtm_type: what happens to a packet that matches. */
export type RouteType = 'unicast' | 'unreachable' | 'blackhole' | 'prohibit' | 'local' | 'other';

export interface NextHop {
  /** Gateway; absent: the destination is on the link. */
  readonly via?: Address;
  /** Interface index; may be absent in a request with `via`: the kernel then resolves it. */
  readonly ifindex?: number;
  /** Share in a multipath route, 1..256; absent, and so reported: 1. */
  readonly weight?: number;
  /** RTNH_F_ONLINK: `via` need not be covered by an address of the interface. */
  readonly onlink?: boolean;
}

export interface Route {
  readonly dst: Prefix;
  /** Routing table id; 254 is main. */
  readonly table: number;
  /** rtm_protocol: who owns it. 80 is `tortie bgp`, 81 is `tortie felix`. */
  readonly protocol: number;
  /** RTA_PRIORITY; lower wins. IPv6 routes given 0 get 1024 from the kernel, and are reported so. */
  readonly metric: number;
  readonly type: RouteType;
  /** One, or several for multipath; empty unless type is unicast. A local one is of the loopback interface. */
  readonly nextHops: readonly NextHop[];
  /** Absent, and so reported: the usual one, for IPv4 link if on the link, host if local, else global; IPv6 has none. */
  readonly scope?: 'global' | 'link' | 'host';
  readonly prefSrc?: Address;
}

/** What the kernel allows one of at a time: IPv4 by (table, dst, metric); IPv6 likewise, next hops merged. */
export const routeKey = (route: Pick<Route, 'dst' | 'table' | 'metric'>): string =>
  `${route.table} ${route.dst} ${route.metric}`;

export interface Link {
  readonly ifindex: number;
  readonly name: string;
  /** IFLA_INFO_KIND, e.g. 'veth'; absent for physical links and loopback. */
  readonly kind?: string;
  readonly mtu: number;
  /** IFF_UP: an operator wants it up. */
  readonly up: boolean;
  /** IFF_LOWER_UP: it has a carrier. */
  readonly carrier: boolean;
  /** Lower-case hex with colons. */
  readonly mac: string;
}

export interface LinkAddress {
  readonly ifindex: number;
  readonly address: Address;
  readonly length: number;
  readonly scope: 'global' | 'link' | 'host' | 'other';
}

export interface Neighbour {
  readonly ifindex: number;
  readonly address: Address;
  readonly mac?: string;
  readonly state: number;
}

export type RouteOp =
  /** Adds (NLM_F_CREATE|NLM_F_EXCL): fails with EEXIST if anybody has a route of this key. */
  | { readonly kind: 'add'; readonly route: Route }
  /** Adds or replaces (NLM_F_CREATE|NLM_F_REPLACE) the route of this key. */
  | { readonly kind: 'set'; readonly route: Route }
  | { readonly kind: 'delete'; readonly route: Route };

/** Index into the ops given, errno name ("ENETUNREACH") and the kernel's own words if it had any. */
export interface OpFailure {
  readonly index: number;
  readonly errno: string;
  readonly why: string;
}

export type KernelEvent =
  | { readonly kind: 'route'; readonly change: 'set' | 'delete'; readonly route: Route }
  | { readonly kind: 'link'; readonly change: 'set' | 'delete'; readonly link: Link }
  | { readonly kind: 'address'; readonly change: 'set' | 'delete'; readonly address: LinkAddress }
  | { readonly kind: 'neighbour'; readonly change: 'set' | 'delete'; readonly neighbour: Neighbour }
  /** Events were lost (ENOBUFS): everything must be dumped again. */
  | { readonly kind: 'overrun' };

export interface RouteFilter {
  readonly version: IpVersion;
  readonly protocol?: number;
  readonly table?: number;
  /** Without next hops whose link is down, and routes that have no other. */
  readonly isAlive?: true;
}

/** Told the sets that were made, removed or changed in their elements; undefined: nobody knows, events were lost. */
export type OnForeignChange = (sets: ReadonlySet<string> | undefined) => void;

/** Told the chains that were touched, and in which rules were, of tables such as iptables makes; undefined: nobody knows. */
export type OnOtherChange = (chains: ReadonlySet<string> | undefined) => void;

export interface Kernel {
  routes(filter: RouteFilter): Promise<readonly Route[]>;
  links(): Promise<readonly Link[]>;
  addresses(): Promise<readonly LinkAddress[]>;
  neighbours(): Promise<readonly Neighbour[]>;
  /** Applies in order, in as few sends as it can; resolves with what failed (empty: nothing). */
  applyRoutes(ops: readonly RouteOp[]): Promise<readonly OpFailure[]>;
  /** The kernel's own choice for a destination, as `ip route get`; undefined if unreachable. */
  routeTo(address: Address): Promise<{ readonly ifindex: number; readonly via?: Address } | undefined>;
  /**
   * The route that the kernel would go by for a destination, as it stands in its table, with those of its next hops that are
   * alive; undefined if there is none. refused: it is an unreachable, blackhole or prohibit route, whoever's. A scoped address is
   * looked for over its own link.
   */
  match(address: Address): Promise<Route | 'refused' | undefined>;
  /**
   * Events come in the order the kernel made them. Call the result to stop.
   * Route changes made by `applyRoutes` of this port are not told: its answer is all there is to know of them.
   * IPv4 routes that vanish with their link or its address are not told: look again after a link or address event.
   */
  watch(onEvent: (event: KernelEvent) => void): () => void;
  /** Runs one nftables transaction, all or nothing. Fails with nft's words. */
  nft(script: string): Promise<void>;
  /**
   * The same of a transaction as netlink messages. Fails with an NftRefusal (nft-batch.ts), which tells of which objects. One that
   * is more than the socket takes goes in parts. Returns how many transactions it took; 0 for an empty one. With `check` nothing
   * is taken: the kernel only says what it would say.
   */
  nftWrite(batch: NftBatch, options?: { readonly check?: true }): Promise<number>;
  /** What an inet table holds; undefined if there is none. */
  nftTable(table: string): Promise<NftTable | undefined>;
  /** The elements of a set or map of an inet table; none if there is no such set. */
  nftElements(table: string, set: string): Promise<readonly ElementSeen[]>;
  /** Of the counted rules of an inet table, or of one of its chains, in order. */
  nftCounters(table: string, chain?: string): Promise<readonly CounterSeen[]>;
  /** The base chains of all tables of all families: whoever else looks at packets. */
  nftHooks(): Promise<readonly ChainSeen[]>;
  /** `nft -j list …`; undefined if there is no such object. */
  nftList(what: string): Promise<unknown>;
  /**
   * Tells when someone else (not a transaction nor a program of ours) changed the named inet table, or events were lost; and, to
   * `onOtherChange`, when they changed another table. At most one call of each a burst. Call the result to stop.
   */
  watchNft(table: string, onForeignChange: OnForeignChange, onOtherChange?: OnOtherChange): () => void;
  /** Writes under /proc/sys, e.g. ("net/ipv4/conf/eth0/proxy_arp", "1"). */
  sysctl(path: string, value: string): Promise<void>;
  close(): void;
}
