/**
 * The nftables objects of the one table `inet tortie`, as data: never text.
 *
 * `rules/` builds these values, `calc/` owns the desired ones, `text.ts` renders them for nft and for people,
 * `trace.ts` walks them. Objects are told apart by name, elements by `elementKey`, so a difference is a set
 * of strings. A verdict map is a set whose members carry a chain, as it is in the kernel.
 */
import { type Address, formatAddress, type IpVersion, type Prefix } from '../../src/lib/net.ts';

export const tableName = 'tortie';

export type SetKind =
  /** type ipv4_addr or ipv6_addr: a hash of single addresses. */
  | 'address'
  /** The same type with flags interval. Its ranges never overlap or touch, so auto-merge is not needed. */
  | 'range'
  /** type ipv4_addr . inet_proto . inet_service (or ipv6_addr …): a named port on each address that has it. */
  | 'port'
  /** type inet_service with flags interval: port numbers of one protocol. Ranges never overlap or touch. */
  | 'portRange'
  /** type ifname: interfaces by their whole name. */
  | 'interface'
  /** A map, type ifname : verdict: which chain judges an interface. */
  | 'dispatch'
  /** A map, ipv4_addr : ipv4_addr (or ipv6): one address for another, for floating IPs. */
  | 'translation';

export interface SetDecl {
  readonly name: string;
  readonly kind: SetKind;
  /** Of kinds that hold addresses. */
  readonly version?: IpVersion;
  /** What the members are, for people; at most 128 bytes. */
  readonly comment?: string;
}

export type Element =
  | { readonly kind: 'address'; readonly address: Address }
  /** Both ends inclusive, of one family. */
  | { readonly kind: 'range'; readonly first: Address; readonly last: Address }
  /** `protocol` is an IANA number: 6, 17, 132. */
  | { readonly kind: 'port'; readonly address: Address; readonly protocol: number; readonly port: number }
  /** Both ends inclusive. */
  | { readonly kind: 'portRange'; readonly first: number; readonly last: number }
  | { readonly kind: 'interface'; readonly interface: string }
  | { readonly kind: 'dispatch'; readonly interface: string; readonly chain: string }
  | { readonly kind: 'translation'; readonly from: Address; readonly to: Address };

/** Canonical text of an element, which nft reads too: equal elements of a set have equal keys. */
export function elementKey(element: Element): string {
  switch (element.kind) {
    case 'address':
      return formatAddress(element.address);
    case 'range':
      return element.first === element.last
        ? formatAddress(element.first) // nft refuses a range of one
        : `${formatAddress(element.first)}-${formatAddress(element.last)}`;
    case 'port':
      return `${formatAddress(element.address)} . ${protocolText(element.protocol)} . ${element.port}`;
    case 'portRange':
      return element.first === element.last ? `${element.first}` : `${element.first}-${element.last}`;
    case 'interface':
      return `"${element.interface}"`;
    case 'dispatch':
      return `"${element.interface}" : jump ${element.chain}`;
    case 'translation':
      return `${formatAddress(element.from)} : ${formatAddress(element.to)}`;
  }
}

const protocolNames: Readonly<Record<number, string>> = {
  1: 'icmp',
  6: 'tcp',
  17: 'udp',
  58: 'ipv6-icmp',
  132: 'sctp',
  136: 'udplite',
};

/** As nft reads and prints it. */
export const protocolText = (protocol: number): string => protocolNames[protocol] ?? String(protocol);

export type CtState = 'new' | 'established' | 'related' | 'invalid' | 'untracked';
/** Which end of the packet a match looks at. */
export type Side = 'source' | 'destination';

/** Inclusive. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/**
 * All matches of a rule must hold; `not` turns the one it stands in around. A match that names a family (by `version`, a prefix
 * or an ICMP) never holds of a packet of the other family, turned around or not.
 */
export type Match =
  /** iifname or oifname; `name` may end in `*`. With `not`, everything else. */
  | { readonly kind: 'interface'; readonly way: 'in' | 'out'; readonly name: string; readonly not?: boolean }
  /** iifname or oifname is in a set of kind 'interface'. */
  | {
      readonly kind: 'interfaceSet';
      readonly way: 'in' | 'out';
      readonly set: string;
      readonly not?: boolean;
    }
  | { readonly kind: 'ctState'; readonly states: readonly CtState[] }
  /** Its destination was translated (DNAT), by whomever. Neither way does it hold of a packet that is not tracked. */
  | { readonly kind: 'ctDnat'; readonly not?: boolean }
  | { readonly kind: 'version'; readonly version: IpVersion }
  | { readonly kind: 'prefix'; readonly side: Side; readonly prefix: Prefix; readonly not?: boolean }
  /** The address of that side is in a set of kind 'address' or 'range'. */
  | {
      readonly kind: 'addressSet';
      readonly side: Side;
      readonly version: IpVersion;
      readonly set: string;
      readonly not?: boolean;
    }
  /** Address, protocol and port of that side are in a set of kind 'port'. */
  | {
      readonly kind: 'portSet';
      readonly side: Side;
      readonly version: IpVersion;
      readonly set: string;
      readonly not?: boolean;
    }
  /** IANA number. */
  | { readonly kind: 'protocol'; readonly protocol: number; readonly not?: boolean }
  /**
   * The protocol is this one and the port of that side is in one of the ranges, which never overlap or touch. With `not` the
   * protocol still has to be this one, and the port is in none.
   */
  | {
      readonly kind: 'ports';
      readonly side: Side;
      readonly protocol: number;
      readonly ranges: readonly PortRange[];
      readonly not?: boolean;
    }
  /** ICMP (version 4) or ICMPv6 (6) of one of these types, and of this code if there is one. With `not` it is ICMP still. */
  | {
      readonly kind: 'icmp';
      readonly version: IpVersion;
      readonly types: readonly number[];
      readonly code?: number;
      readonly not?: boolean;
    }
  /** packet mark & mask == value. */
  | { readonly kind: 'mark'; readonly mask: number; readonly value: number; readonly not?: boolean }
  /** That side's address is one of this host's (fib type local). */
  | { readonly kind: 'local'; readonly side: Side; readonly not?: boolean }
  /** At most so many a second get past; the rest do not match. */
  | { readonly kind: 'limit'; readonly perSecond: number; readonly burst: number; readonly over?: true }
  /** More connections than this are in the rule's own count: it matches the one too many. */
  | { readonly kind: 'connectionsOver'; readonly count: number }
  /** The reverse-path check fails: no route to the source leaves by the interface the packet came in. */
  | { readonly kind: 'noReturnPath' };

/** What a rule does beside its verdict, in order, before it. */
export type Statement =
  /** To the kernel's log. */
  | { readonly kind: 'log'; readonly prefix: string }
  /** To whoever listens at an nfnetlink_log group; `prefix` at most 63 bytes. */
  | { readonly kind: 'nflog'; readonly group: number; readonly prefix: string }
  /** mark = mark & ~mask | value. */
  | { readonly kind: 'mark'; readonly mask: number; readonly value: number }
  | { readonly kind: 'notrack' }
  /** DSCP 0..63. */
  | { readonly kind: 'dscp'; readonly value: number }
  /** TCP maximum segment size of a SYN, never raised: a number, or what the route to there allows. */
  | { readonly kind: 'clampMss'; readonly mss: number | 'route' };

export type Verdict =
  /** Ends this base chain only: later base chains, ours and others', still judge the packet. */
  | { readonly kind: 'accept' }
  | { readonly kind: 'drop' }
  /** Drops, and says so to the sender: ICMP or ICMPv6 "administratively prohibited" (icmpx). Never in prerouting or postrouting. */
  | { readonly kind: 'reject' }
  | { readonly kind: 'return' }
  | { readonly kind: 'jump'; readonly chain: string }
  /** Looks the interface up in a 'dispatch' map and jumps; goes on with the next rule if it is not in there. */
  | { readonly kind: 'dispatch'; readonly way: 'in' | 'out'; readonly map: string }
  /** Looks protocol and destination port up and jumps; goes on with the next rule if they are not among these, each of which is there once. */
  | { readonly kind: 'portJump'; readonly ports: readonly PortJump[] }
  /** Only in chains of type nat. */
  | { readonly kind: 'masquerade'; readonly ports?: PortRange; readonly fullyRandom?: boolean }
  | { readonly kind: 'snat'; readonly to: Address; readonly ports?: PortRange }
  /** The side's address is looked up in a 'translation' map; goes on with the next rule if it is not in there. */
  | { readonly kind: 'dnatMap' | 'snatMap'; readonly version: IpVersion; readonly map: string };

export interface PortJump {
  /** IANA number of a protocol with ports. */
  readonly protocol: number;
  readonly port: number;
  readonly chain: string;
}

export interface Rule {
  readonly matches: readonly Match[];
  readonly statements?: readonly Statement[];
  /** Absent: goes on with the next rule. */
  readonly verdict?: Verdict;
  /** Packets and bytes that matched are counted. A rewritten chain keeps the counts of rules that stay (by `comment`) in userspace, not in the kernel. */
  readonly counted?: true;
  /** For people: "shop/allow-web ingress rule 1"; at most 128 bytes. */
  readonly comment?: string;
}

export type Hook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';

export interface BaseHook {
  readonly hook: Hook;
  readonly priority: number;
  /** Default filter. */
  readonly type?: 'filter' | 'nat';
}

export interface Chain {
  readonly name: string;
  /** Present: a base chain, always with policy accept, for traffic that is not a pod's is not ours to judge. */
  readonly base?: BaseHook;
  readonly rules: readonly Rule[];
}

export interface NamedSet {
  readonly decl: SetDecl;
  readonly elements: ReadonlyMap<string, Element>;
}

/** Everything that should be in the table. */
export interface Ruleset {
  readonly chains: ReadonlyMap<string, Chain>;
  /** Sets and verdict maps. */
  readonly sets: ReadonlyMap<string, NamedSet>;
}

export interface ElementChange {
  readonly decl: SetDecl;
  readonly added: readonly Element[];
  readonly removed: readonly Element[];
}

/** What turns one ruleset into the next. Each name occurs at most once in each list. */
export interface RulesetChange {
  /** Declared now, empty: their first elements are in `elements`. */
  readonly sets: readonly SetDecl[];
  /** Removed with all their elements, which `elements` does not repeat. */
  readonly removedSets: readonly SetDecl[];
  readonly elements: readonly ElementChange[];
  /** New, or with other rules than before: each whole. */
  readonly chains: readonly Chain[];
  readonly removedChains: readonly string[];
}
