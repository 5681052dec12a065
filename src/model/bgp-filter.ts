/** projectcalico.org/v3 BGPFilter: what may come from a neighbour and what may go to it, as a person rules. */
import type { Asn, Prefix } from '../lib/net.ts';
import type { Meta } from './meta.ts';

export type Community =
  /** RFC 1997: asn*65536+value. */
  | { readonly kind: 'standard'; readonly value: number }
  /** RFC 8092. */
  | { readonly kind: 'large'; readonly parts: readonly [number, number, number] };

/** In: inside `cidr` or the same, its length within the bounds. The other three follow from their names. */
export type MatchOperator = 'Equal' | 'NotEqual' | 'In' | 'NotIn';

export interface PrefixMatch {
  readonly cidr: Prefix;
  readonly operator: MatchOperator;
  /** Bounds of the prefix length, for In and NotIn: by default those of what lies in `cidr`. */
  readonly least: number;
  readonly most: number;
}

export type Operation =
  | { readonly kind: 'addCommunity'; readonly community: Community }
  /** The path begins with these afterwards. */
  | { readonly kind: 'prependAsPath'; readonly asns: readonly Asn[] }
  | { readonly kind: 'setPriority'; readonly priority: number }
  /** LOCAL_PREF, 0..4294967295. */
  | { readonly kind: 'setLocalPref'; readonly value: number }
  /** MULTI_EXIT_DISC, 0..4294967295. */
  | { readonly kind: 'setMed'; readonly value: number };

/** A rule matches where all that it names matches; one that names nothing always does. */
export interface FilterRule {
  readonly action: 'Accept' | 'Reject';
  readonly prefix?: PrefixMatch;
  /** Only what was learned by BGP; what comes from a neighbour always was. */
  readonly source?: 'RemotePeers';
  readonly peerType?: 'eBGP' | 'iBGP';
  readonly community?: Community;
  readonly asPathPrefix?: readonly Asn[];
  /** 1..2147483646, the smaller the better: 2147483647 less LOCAL_PREF; 1024 where that is absent or 100, the default. */
  readonly priority?: number;
  /** A link by which the next hop is reached: its name, in which * stands for anything. What this node originates has none. */
  readonly link?: string;
  /** In order; only where the rule accepts. */
  readonly operations: readonly Operation[];
}

/** What a rule says; undefined: it does not name that. */
export type RuleParts = Pick<FilterRule, 'action' | 'operations'> & {
  readonly [Part in Exclude<keyof FilterRule, 'action' | 'operations'>]?: FilterRule[Part] | undefined;
};

const noOperations: readonly Operation[] = [];

/** All rules are made here: what is made in one way has one form, and V8 compiles for the forms that it has seen. */
export function oneRule(parts: RuleParts): FilterRule {
  const { action, prefix, source, peerType, community, asPathPrefix, priority, link, operations } = parts;
  return {
    action,
    ...(prefix === undefined ? {} : { prefix }),
    ...(source === undefined ? {} : { source }),
    ...(peerType === undefined ? {} : { peerType }),
    ...(community === undefined ? {} : { community }),
    ...(asPathPrefix === undefined ? {} : { asPathPrefix }),
    ...(priority === undefined ? {} : { priority }),
    ...(link === undefined ? {} : { link }),
    operations: operations.length === 0 ? noOperations : operations,
  };
}

/** Of each list the first rule that matches decides. */
export interface FilterRules {
  readonly exportV4: readonly FilterRule[];
  readonly importV4: readonly FilterRule[];
  readonly exportV6: readonly FilterRule[];
  readonly importV6: readonly FilterRule[];
}

export interface BgpFilter extends FilterRules {
  readonly kind: 'BGPFilter';
  readonly meta: Meta;
}
