/**
 * The nftables objects of the one table `inet tortie`, as data: never text.
 *
 * `rules/` builds these values, `calc/` owns the desired ones, `text.ts` renders them for nft and for people,
 * `trace.ts` walks them. Objects are told apart by name, elements by `elementKey`, so a difference is a set
 * of strings. A verdict map is a set whose members carry a chain, as it is in the kernel.
 */
import { type Address, formatAddress, type IpVersion, type Prefix } from '../../src/lib/net.ts';
import type { Protocol } from '../../src/model/resource.ts';

export const tableName = 'tortie';

type SetKind =
  /** type ipv4_addr or ipv6_addr: a hash of single addresses. */
  | 'address'
  /** The same type with flags interval. Its ranges never overlap or touch, so auto-merge is not needed. */
  | 'range'
  /** type ipv4_addr . inet_proto . inet_service (or ipv6_addr …): a named port on each address that has it. */
  | 'port'
  /** type ifname: interfaces by their whole name. */
  | 'interface'
  /** A map, type ifname : verdict: which chain judges an interface. */
  | 'dispatch';

export interface SetDecl {
  readonly name: string;
  readonly kind: SetKind;
  /** Absent for 'interface' and 'dispatch'. */
  readonly version?: IpVersion;
  /** What the members are, for people; at most 128 bytes. */
  readonly comment?: string;
}

export type Element =
  | { readonly kind: 'address'; readonly address: Address }
  /** Both ends inclusive, of one family. */
  | { readonly kind: 'range'; readonly first: Address; readonly last: Address }
  | { readonly kind: 'port'; readonly address: Address; readonly protocol: Protocol; readonly port: number }
  | { readonly kind: 'interface'; readonly interface: string }
  | { readonly kind: 'dispatch'; readonly interface: string; readonly chain: string };

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
      return `${formatAddress(element.address)} . ${element.protocol.toLowerCase()} . ${element.port}`;
    case 'interface':
      return `"${element.interface}"`;
    case 'dispatch':
      return `"${element.interface}" : jump ${element.chain}`;
  }
}

export type CtState = 'established' | 'related' | 'invalid';
/** Which end of the packet a match looks at. */
export type Side = 'source' | 'destination';

/** Inclusive. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** All matches of a rule must hold. */
export type Match =
  /** iifname or oifname; `name` may end in `*`. With `not`, everything else. */
  | { readonly kind: 'interface'; readonly way: 'in' | 'out'; readonly name: string; readonly not?: boolean }
  /** iifname or oifname is not in a set of kind 'interface'. */
  | { readonly kind: 'interfaceNotIn'; readonly way: 'in' | 'out'; readonly set: string }
  | { readonly kind: 'ctState'; readonly states: readonly CtState[] }
  | { readonly kind: 'version'; readonly version: IpVersion }
  | { readonly kind: 'prefix'; readonly side: Side; readonly prefix: Prefix }
  /** The address of that side is in a set of kind 'address' or 'range'. */
  | { readonly kind: 'addressSet'; readonly side: Side; readonly version: IpVersion; readonly set: string }
  /** Destination address, protocol and destination port are in a set of kind 'port'. */
  | { readonly kind: 'portSet'; readonly version: IpVersion; readonly set: string }
  | { readonly kind: 'protocol'; readonly protocol: Protocol }
  /** The destination port is in one of the ranges, which never overlap or touch. */
  | { readonly kind: 'ports'; readonly protocol: Protocol; readonly ranges: readonly PortRange[] }
  | { readonly kind: 'icmp6'; readonly types: readonly number[] }
  /** The reverse-path check fails: no route to the source leaves by the interface the packet came in. */
  | { readonly kind: 'noReturnPath' };

export type Verdict =
  /** Ends this base chain only: later base chains, ours and others', still judge the packet. */
  | { readonly kind: 'accept' }
  | { readonly kind: 'drop' }
  | { readonly kind: 'jump'; readonly chain: string }
  /** Looks the interface up in a 'dispatch' map and jumps; goes on with the next rule if it is not in there. */
  | { readonly kind: 'dispatch'; readonly way: 'in' | 'out'; readonly map: string };

export interface Rule {
  readonly matches: readonly Match[];
  readonly verdict: Verdict;
  /** For people: "shop/allow-web ingress rule 1"; at most 128 bytes. */
  readonly comment?: string;
}

export type Hook = 'prerouting' | 'input' | 'forward';

export interface Chain {
  readonly name: string;
  /** Present: a base chain, always with policy accept, for traffic that is not a pod's is not ours to judge. */
  readonly base?: { readonly hook: Hook; readonly priority: number };
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
