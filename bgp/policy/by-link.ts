/**
 * BGPFilter rules that name an interface: they match where the next hop of the path is reached by such a link, as the
 * kernel's routes say; of several links one is enough. What this node originates is reached by none.
 *
 * By which link a next hop is reached may not be known: nobody has answered yet, or nothing leads there. Then such a rule,
 * where all else that it names matches, rejects: neither what it would let in nor what it would keep out is let in by accident.
 */
import { globOf } from '../../src/lib/glob.ts';
import type { Address, Prefix } from '../../src/lib/net.ts';
import type { FilterRule } from '../../src/model/bgp-filter.ts';
import type { NamedRule } from '../config.ts';
import type { Path } from '../rib/path.ts';
import { firstMatch, matches, type SessionType } from './filter.ts';

/** Names of the links by which a next hop is reached; undefined: that is not known. */
export type LinksOf = (nextHop: Address) => readonly string[] | undefined;

export const asksForLink = (rules: readonly FilterRule[] = []): boolean =>
  rules.some(({ link }) => link !== undefined);

type FirstMatch = (
  rules: readonly NamedRule[],
  prefix: Prefix,
  path: Path,
  session: SessionType,
) => NamedRule | undefined;

interface LinkRule {
  readonly names: RegExp;
  /** What it is while the link is not known. */
  readonly unknown: NamedRule;
}

/** `firstMatch` for these lists of rules; itself where none of them asks for a link. */
export function firstMatchOf(
  lists: readonly (readonly NamedRule[] | undefined)[],
  linksOf: LinksOf,
): FirstMatch {
  const asking = new Map(lists.flatMap((rules = []) => rules.flatMap(asLinkRule)));
  if (asking.size === 0) return firstMatch;
  return (rules, prefix, path, session) => {
    for (const rule of rules) {
      if (!matches(rule, prefix, path, session)) continue;
      const asked = asking.get(rule);
      const decider = asked === undefined ? rule : byLink(rule, asked, path, linksOf);
      if (decider !== undefined) return decider;
    }
    return undefined;
  };
}

function byLink(rule: NamedRule, asked: LinkRule, path: Path, linksOf: LinksOf): NamedRule | undefined {
  if (path.source.type === 'local') return undefined;
  const links = linksOf(path.nextHop);
  if (links === undefined) return asked.unknown;
  return links.some((link) => asked.names.test(link)) ? rule : undefined;
}

const asLinkRule = (rule: NamedRule): readonly (readonly [NamedRule, LinkRule])[] =>
  rule.link === undefined ? [] : [[rule, { names: globOf(rule.link), unknown: unknownOf(rule) }]];

const unknownOf = ({ name }: NamedRule): NamedRule => ({
  name: `${name}, which asks for the link of its next hop, and no link is known`,
  action: 'Reject',
  operations: [],
});
