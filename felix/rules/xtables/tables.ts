/** Rules of iptables and sets of ipset, as they should be. */
import type { IpVersion } from '../../../src/lib/net.ts';
import type { Builtin, XtTable } from './place.ts';
import type { XtRule } from './rule.ts';
import type { XtSet } from './set.ts';

/** A rule of a chain that is not ours, which leads to one that is. */
export interface XtHook {
  readonly builtin: Builtin;
  readonly rule: XtRule;
  readonly at: 'first' | 'last';
}

export interface XtTableRules {
  readonly chains: ReadonlyMap<string, readonly XtRule[]>;
  /** In order. */
  readonly hooks: readonly XtHook[];
  /** Chains that everybody's packets go through: if one of these dropped all, the host would be cut off. */
  readonly trunk: ReadonlySet<string>;
}

export interface Xtables {
  readonly families: Readonly<Record<IpVersion, ReadonlyMap<XtTable, XtTableRules>>>;
  readonly sets: ReadonlyMap<string, XtSet>;
}

export interface XtOptions {
  /** maxIpsetSize */
  readonly maxSetSize: number;
  /** chainInsertMode: where our rules stand in the chains of all. */
  readonly insert: 'first' | 'last';
  readonly workloadPrefixes: readonly string[];
  /** A bit of the packet mark that is ours alone; 0: none. */
  readonly rejectedMark: number;
}

/** Of a chain of ours in a table of the older iptables, as the kernel counts them. @param rules  undefined: it is not there */
export const entriesOf = (rules: number | undefined): number => (rules === undefined ? 0 : rules + 2);

/** Of all of ours. */
export const entriesIn = ({ chains, hooks }: Pick<XtTableRules, 'chains' | 'hooks'>): number =>
  [...chains.values()].reduce((sum, rules) => sum + entriesOf(rules.length), hooks.length);
