/**
 * BGPFilter: a person's own rules, asked before the policy that holds by default. Of all rules of all filters of a
 * neighbour, in order, the first that matches decides; where none does, the default policy does.
 *
 * A rule sees the route as our RIBs have it: on its way out before our own AS goes in front.
 */
import { type Asn, contains, formatPrefix, lengthOf, overlaps, type Prefix } from '../../src/lib/net.ts';
import type { Community, FilterRule, Operation, PrefixMatch } from '../../src/model/bgp-filter.ts';
import type { Filters, PeerConfig } from '../config.ts';
import type { Path } from '../rib/path.ts';
import type { PathAttributes } from '../wire/message.ts';
import { prepend } from './outgoing.ts';

export type SessionType = 'ibgp' | 'ebgp';

export const sessionTypeOf = ({
  peerAsn,
  localAsn,
}: Pick<PeerConfig, 'peerAsn' | 'localAsn'>): SessionType => (peerAsn === localAsn ? 'ibgp' : 'ebgp');

/** Of a neighbour for which there are none. */
export const noFilters: Filters = { importV4: [], importV6: [], exportV4: [], exportV6: [] };

/** The rule that decides; undefined: none does. None of them asks for a link. */
export function firstMatch<Rule extends FilterRule>(
  rules: readonly Rule[],
  prefix: Prefix,
  path: Path,
  session: SessionType,
): Rule | undefined {
  for (let index = 0; index < rules.length; index += 1) {
    const rule = rules[index];
    if (rule !== undefined && matches(rule, prefix, path, session)) return rule;
  }
  return undefined;
}

/** It matches whatever there is, and rejects it. */
export const rejectsAll = (rule: FilterRule | undefined): boolean =>
  rule?.action === 'Reject' &&
  rule.prefix === undefined &&
  rule.source === undefined &&
  rule.peerType === undefined &&
  rule.community === undefined &&
  rule.asPathPrefix === undefined &&
  rule.priority === undefined &&
  rule.link === undefined;

/** But for the link that it asks for (by-link.ts). */
export function matches(rule: FilterRule, prefix: Prefix, path: Path, session: SessionType): boolean {
  return (
    (rule.prefix === undefined || matchesPrefix(rule.prefix, prefix)) &&
    (rule.source === undefined || path.source.type !== 'local') &&
    (rule.peerType === undefined || rule.peerType.toLowerCase() === session) &&
    (rule.community === undefined || carries(path.attributes, rule.community)) &&
    (rule.asPathPrefix === undefined || beginsWith(path.attributes, rule.asPathPrefix)) &&
    (rule.priority === undefined || priorityOf(path.attributes) === rule.priority)
  );
}

/** Bounds below the length of `cidr` take in what holds it, as in BIRD's prefix sets. */
function matchesPrefix({ cidr, operator, least, most }: PrefixMatch, prefix: Prefix): boolean {
  if (operator === 'Equal') return prefix === cidr;
  if (operator === 'NotEqual') return prefix !== cidr;
  const length = lengthOf(prefix);
  const isIn = overlaps(cidr, prefix) && length >= least && length <= most;
  return isIn === (operator === 'In');
}

function carries({ communities, largeCommunities }: PathAttributes, community: Community): boolean {
  if (community.kind === 'standard') return communities?.includes(community.value) ?? false;
  return largeCommunities?.some((one) => isSameLarge(one, community.parts)) ?? false;
}

const isSameLarge = (a: readonly number[], b: readonly number[]): boolean =>
  a.every((part, index) => part === b[index]);

/** Members of a set stand in no order, so a path that reaches one has no further beginning. */
function beginsWith({ asPath }: PathAttributes, asns: readonly Asn[]): boolean {
  const isOther = asPath.findIndex(({ kind }) => kind !== 'sequence');
  const start = (isOther < 0 ? asPath : asPath.slice(0, isOther)).flatMap((segment) => segment.asns);
  return asns.every((asn, index) => asn === start[index]);
}

/** Calico carries the metric of a route through its AS as what LOCAL_PREF lacks of this. */
const worstPriority = 2_147_483_647;
const usualPriority = 1024;
const defaultLocalPref = 100;

const priorityOf = ({ localPref = defaultLocalPref }: PathAttributes): number =>
  localPref === defaultLocalPref ? usualPriority : worstPriority - localPref;

/** In order. The value is not interned. */
export const operate = (attributes: PathAttributes, operations: readonly Operation[]): PathAttributes =>
  operations.reduce(operateOnce, attributes);

function operateOnce(attributes: PathAttributes, operation: Operation): PathAttributes {
  switch (operation.kind) {
    case 'addCommunity':
      return addCommunity(attributes, operation.community);
    case 'prependAsPath':
      return { ...attributes, asPath: operation.asns.toReversed().reduce(prependOne, attributes.asPath) };
    case 'setLocalPref':
      return { ...attributes, localPref: operation.value };
    case 'setMed':
      return { ...attributes, med: operation.value };
    default:
      return { ...attributes, localPref: worstPriority - operation.priority };
  }
}

const prependOne = (asPath: PathAttributes['asPath'], asn: Asn): PathAttributes['asPath'] =>
  prepend(asn, asPath);

/** Once: what is there already is not added again. */
export function addCommunity(attributes: PathAttributes, community: Community): PathAttributes {
  if (carries(attributes, community)) return attributes;
  return community.kind === 'standard'
    ? { ...attributes, communities: [...(attributes.communities ?? []), community.value] }
    : { ...attributes, largeCommunities: [...(attributes.largeCommunities ?? []), community.parts] };
}

/** With a well-known community beside its own. */
export const marked = (attributes: PathAttributes, value: number): PathAttributes =>
  addCommunity(attributes, { kind: 'standard', value });

/**
 * Does the rule speak of this space itself? What is dangerous by default is not let in by a rule that lets in
 * everything, or all of some larger network.
 */
export function speaksOf({ prefix: match }: FilterRule, space: Prefix): boolean {
  if (match === undefined) return false;
  if (lengthOf(space) === 0) return match.operator === 'Equal' && match.cidr === space;
  return (match.operator === 'Equal' || match.operator === 'In') && contains(space, match.cidr);
}

export const explain = (space: Prefix): string =>
  lengthOf(space) === 0
    ? `only a rule with matchOperator Equal and cidr ${formatPrefix(space)} lets it in`
    : `only a rule with a cidr inside ${formatPrefix(space)} lets it in`;
