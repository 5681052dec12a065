/** What stands in the place of what iptables or ipset refused: the rest goes on without it, closed rather than open. */
import type { IpVersion } from '../../../src/lib/net.ts';
import { failsafeNames } from '../failsafe.ts';
import { refusedEnd } from '../refused.ts';
import type { RulesSettings } from '../settings.ts';
import { type MatchContext, waysOf } from './match.ts';
import { modelName, xtChainName } from './name.ts';
import type { XtTable } from './place.ts';
import { type XtRule, xtRule } from './rule.ts';
import type { Xtables, XtTableRules } from './tables.ts';
import { statementTarget } from './target.ts';

export interface XtRefused {
  /** Names of chains; closed in each table they are in. */
  readonly chains: ReadonlySet<string>;
  /** Names of sets: they are left out, and what asks them is closed. */
  readonly sets: ReadonlySet<string>;
  /** `keptKey` of chains that could not be removed: they stay, empty. */
  readonly kept: ReadonlySet<string>;
}

const programOf = (version: IpVersion): string => (version === 4 ? 'iptables' : 'ip6tables');

export const keptKey = (version: IpVersion, table: string, chain: string): string =>
  `${programOf(version)} ${table} ${chain}`;

const comment = 'iptables refused this chain: it is closed';

/** What reports has no verdict, and what drops matches nothing. */
const endOf = (name: string, denied: RulesSettings['denied']): readonly XtRule[] =>
  refusedEnd(modelName(name), denied, comment).map(({ matches, statements: [said] = [] }) =>
    said === undefined
      ? xtRule('-j DROP', comment)
      : xtRule(`${waysOf(matches, nothing).join('')} ${statementTarget(said)}`, comment),
  );
const nothing: MatchContext = { version: 4, interfacesOf: () => [], portSet: () => '' };

const failsafe: ReadonlySet<string> = new Set(
  failsafeNames.flatMap((name) => [xtChainName(name, true), xtChainName(name, false)]),
);
const isToFailsafe = ({ text }: XtRule): boolean => failsafe.has(/-j (\S+)$/.exec(text)?.[1] ?? '');

/** A host endpoint's lets failsafe ports through all the same; failsafe ports themselves are left to policy then. */
const closedOf = (
  name: string,
  rules: readonly XtRule[],
  denied: RulesSettings['denied'],
): readonly XtRule[] => (failsafe.has(name) ? [] : [...rules.filter(isToFailsafe), ...endOf(name, denied)]);

/**
 * Drops where it would judge; where it would translate, a drop would take the host's own connections.
 * @param denied  where what is dropped is reported
 * @returns  undefined: a chain that everybody's packets go through would drop them all
 */
export function withoutRefused(
  tables: Xtables,
  refused: XtRefused,
  denied?: RulesSettings['denied'],
): Xtables | undefined {
  const isHit = (name: string, rules: readonly XtRule[]): boolean =>
    refused.chains.has(name) || rules.some(({ text }) => asks(text, refused.sets));
  const all = ([4, 6] as const).flatMap((version) => [...tables.families[version].values()]);
  if (all.some(({ chains, trunk }) => [...trunk].some((name) => isHit(name, chains.get(name) ?? [])))) {
    return undefined;
  }
  const rulesIn = (version: IpVersion, table: XtTable, rules: XtTableRules): XtTableRules => {
    const closed = [...rules.chains].map(
      ([name, own]) =>
        [name, isHit(name, own) ? (table === 'nat' ? [] : closedOf(name, own, denied)) : own] as const,
    );
    return { ...rules, chains: new Map([...keptIn(version, table, refused.kept), ...closed]) };
  };
  const family = (version: IpVersion): Xtables['families'][IpVersion] =>
    new Map([...tables.families[version]].map(([table, rules]) => [table, rulesIn(version, table, rules)]));
  return {
    families: { 4: family(4), 6: family(6) },
    sets: new Map([...tables.sets].filter(([name]) => !refused.sets.has(name))),
  };
}

const asks = (text: string, sets: ReadonlySet<string>): boolean =>
  [...text.matchAll(/--match-set (\S+)/g)].some(([, name = '']) => sets.has(name));

function keptIn(
  version: IpVersion,
  table: string,
  kept: ReadonlySet<string>,
): readonly (readonly [string, []])[] {
  const head = keptKey(version, table, '');
  return [...kept].filter((key) => key.startsWith(head)).map((key) => [key.slice(head.length), []]);
}
