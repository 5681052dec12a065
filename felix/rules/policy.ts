/**
 * One policy in one direction → one chain, and the sets it looks into.
 *
 * The chain knows the policy and nothing of whom it selects, so all of them share it: who is meant is in sets. A packet that no
 * rule decides goes on to the next policy. A rule comes once for both families unless something in it names one; nets become
 * one interval, many ports one set. What can match nothing is not there.
 */
import type { IpVersion } from '../../src/lib/net.ts';
import { same } from '../../src/lib/same.ts';
import type { Direction } from '../../src/model/policy.ts';
import { formatSelector, type Selector } from '../../src/model/selector.ts';
import type { Policy, Rule as PolicyRule } from '../../src/policy/policy.ts';
import { allowance, denial, logging, logPrefix } from './action.ts';
import { allOf, type Choice, everything, type Piece, piece } from './choice.ts';
import { type Door, doorsOf } from './doors.ts';
import { type EntityContext, entityChoice } from './entity.ts';
import type { Chain, Match, Rule } from './model.ts';
import { commentOf, objectName } from './name.ts';
import { defaultRulesSettings, type RulesSettings } from './settings.ts';
import type { SetSpec } from './spec.ts';
import { type Origins, type TagMeaning, tagOf } from './tag.ts';

export type { Direction } from '../../src/model/policy.ts';
export const directions: readonly Direction[] = ['Ingress', 'Egress'];
const versions: readonly IpVersion[] = [4, 6];

/** What has rules: a policy, or a profile said as one (`id` "Profile NAME", stage 'normal', no tier's name: ''). */
export type RuleSource = Pick<
  Policy,
  'id' | 'namespace' | 'name' | 'tier' | 'ingress' | 'egress' | 'stage' | 'onForward'
> & { readonly kind: string };

export interface CompiledPolicy {
  readonly chain: Chain;
  /** Each at most once. */
  readonly sets: readonly SetSpec[];
  /** A rule may pass, which in the chain is `return`: so it is copied into the chain of its tier and not jumped to. */
  readonly passes: boolean;
  /** See doors.ts. */
  readonly doors?: readonly Door[];
  /** Those whose having wider networks, or not, changes the chain. Each at most once. */
  readonly selectors: readonly Selector[];
  /** What the rules report themselves as. */
  readonly tags: readonly TagMeaning[];
  /** What each rule of the chain stands for: for who reads counters. */
  readonly origins: Origins;
}

const policyChainName = (
  direction: Direction,
  { id, namespace, name }: Pick<RuleSource, 'id' | 'namespace' | 'name'>,
): string => objectName(direction.toLowerCase(), namespace === undefined ? name : `${namespace}/${name}`, id);

/** @param hasNetworks  some network set with prefixes wider than one address satisfies the selector */
export function compilePolicy(
  policy: RuleSource,
  direction: Direction,
  hasNetworks: (selector: Selector) => boolean,
  settings: RulesSettings = defaultRulesSettings,
): CompiledPolicy {
  const asked = new Map<string, Selector>();
  const noting = (selector: Selector): boolean => {
    asked.set(formatSelector(selector), selector);
    return hasNetworks(selector);
  };
  const rules: Rule[] = [];
  const sets = new Map<string, SetSpec>();
  const tags = new Map<string, TagMeaning>();
  const origins = new Map<Rule, TagMeaning>();
  for (const rule of direction === 'Ingress' ? policy.ingress : policy.egress) {
    const pieces = piecesOf(rule, policy, direction, noting, settings);
    if (pieces.length === 0) continue;
    const tag = tagOf({
      direction,
      action: rule.action,
      tier: policy.tier,
      policy: policy.id,
      rule: rule.number,
    });
    tags.set(tag.tag, tag);
    for (const each of pieces) {
      const made = rulesFor(each.matches, rule, policy, direction, tag.tag, settings);
      rules.push(...made);
      for (const one of made) origins.set(one, tag);
      for (const spec of each.sets) sets.set(spec.decl.name, spec);
    }
  }
  const doors = doorsOf(rules);
  return {
    chain: { name: policyChainName(direction, policy), rules },
    ...(doors === undefined ? {} : { doors }),
    sets: [...sets.values()],
    passes: rules.some(({ verdict }) => verdict?.kind === 'return'),
    selectors: [...asked.values()],
    tags: [...tags.values()],
    origins,
  };
}

function rulesFor(
  matches: readonly Match[],
  { action, number, name }: PolicyRule,
  policy: RuleSource,
  direction: Direction,
  tag: string,
  settings: RulesSettings,
): readonly Rule[] {
  const called = name === undefined ? '' : ` (${name.slice(0, 40)})`;
  const comment = commentOf(policy.id, ` ${direction.toLowerCase()} rule ${number}${called}`);
  switch (action) {
    case 'Allow':
      return [allowance(matches, policy.stage, settings, comment)];
    case 'Deny':
      return denial(
        matches,
        policy.stage === 'normal' ? settings : { ...settings, deny: 'Drop' }, // before routing nobody can be told
        tag,
        comment,
      );
    case 'Pass':
      return [{ matches, verdict: { kind: 'return' }, counted: true, comment }];
    case 'Log':
      return [logging(matches, logPrefix(policy, settings), settings, comment)];
  }
}

/** Which packets the rule is for, in the fewest pieces. */
function piecesOf(
  rule: PolicyRule,
  policy: RuleSource,
  direction: Direction,
  hasNetworks: (selector: Selector) => boolean,
  settings: RulesSettings,
): readonly Piece[] {
  const [four = [], six = []] = versions.map((version) =>
    rule.version === undefined || rule.version === version
      ? choiceFor(rule, policy, direction, version, hasNetworks, settings)
      : [],
  );
  const isNeutral = !four.some(({ matches }) => matches.some(namesFamily)) && same(four, six);
  if (isNeutral) return four;
  return [...four.map((each) => ofFamily(each, 4)), ...six.map((each) => ofFamily(each, 6))];
}

const namesFamily = (match: Match): boolean => match.kind === 'prefix' || 'version' in match;

const ofFamily = (each: Piece, version: IpVersion): Piece =>
  each.matches.some(namesFamily) ? each : piece([{ kind: 'version', version }, ...each.matches], each.sets);

function choiceFor(
  rule: PolicyRule,
  policy: RuleSource,
  direction: Direction,
  version: IpVersion,
  hasNetworks: (selector: Selector) => boolean,
  { families = versions }: RulesSettings,
): Choice {
  const { protocol, source, destination } = rule;
  if (protocol !== undefined && protocol === rule.notProtocol) return [];
  // At its own end a policy meets endpoints of this node only; a host's may also meet what is on its way elsewhere.
  const endsHere = policy.stage === 'normal' && !policy.onForward;
  const context = (side: EntityContext['side']): EntityContext => ({
    side,
    version,
    ...(protocol === undefined ? {} : { protocol }),
    isOwn: endsHere && (side === 'destination') === (direction === 'Ingress'),
    once: rule.action === 'Log',
    hasNetworks,
    hasEndpoints: families.includes(version),
  });
  const choice = allOf([
    entityChoice(source, context('source')),
    entityChoice(destination, context('destination')),
    icmpChoice(rule, version),
    notIcmpChoice(rule, version),
  ]);
  return choice
    .map((each) => withProtocol(each, rule))
    .filter(({ matches }) => isPossible(matches))
    .map((each) => piece(cheapestFirst(each.matches), each.sets));
}

/** What a match costs: most rules are for other packets, and a number is compared sooner than an address is found in a set. */
const dear: Readonly<Partial<Record<Match['kind'], number>>> = { prefix: 1, addressSet: 2, portSet: 2 };
const cost = ({ kind }: Match): number => dear[kind] ?? 0;
const cheapestFirst = (matches: readonly Match[]): readonly Match[] =>
  matches.toSorted((a, b) => cost(a) - cost(b));

/** Of the protocols that matches ask for and refuse: one at most, and not refused. */
function isPossible(matches: readonly Match[]): boolean {
  const asked = new Set(
    matches.flatMap((match) => {
      if (match.kind === 'icmp') return [icmpOf[match.version]];
      return match.kind === 'ports' || (match.kind === 'protocol' && match.not !== true)
        ? [match.protocol]
        : [];
    }),
  );
  const refused = matches.flatMap((match) =>
    match.kind === 'protocol' && match.not === true ? [match.protocol] : [],
  );
  return asked.size <= 1 && !refused.some((each) => asked.has(each));
}

/** Something else may have asked for the protocol already. */
function withProtocol(each: Piece, { protocol, notProtocol }: PolicyRule): Piece {
  // Its members are of the rule's protocol.
  const isNamedPort = (set: string): boolean =>
    each.sets.some(({ decl, content }) => decl.name === set && content.kind === 'namedPort');
  const asksFor = (wanted: number): boolean =>
    each.matches.some(
      (match) =>
        ((match.kind === 'ports' || (match.kind === 'protocol' && match.not !== true)) &&
          match.protocol === wanted) ||
        (match.kind === 'icmp' && icmpOf[match.version] === wanted) ||
        (match.kind === 'portSet' && match.not !== true && isNamedPort(match.set)),
    );
  const more: readonly Match[] = [
    ...(protocol === undefined || asksFor(protocol) ? [] : [{ kind: 'protocol' as const, protocol }]),
    ...(notProtocol === undefined || protocol !== undefined
      ? []
      : [{ kind: 'protocol' as const, protocol: notProtocol, not: true }]),
  ];
  return more.length === 0 ? each : piece([...each.matches, ...more], each.sets);
}

const icmpOf: Readonly<Record<IpVersion, number>> = { 4: 1, 6: 58 };

/** An ICMP type without its protocol means either family's. */
function icmpChoice({ protocol, icmp }: PolicyRule, version: IpVersion): Choice {
  if (icmp === undefined) return everything;
  if (protocol !== undefined && protocol !== icmpOf[version]) return [];
  return [piece([icmpMatch(icmp, version, false)])];
}

/** What is no ICMP at all is not that ICMP either. The ICMP of the other family is in no packet of this one. */
function notIcmpChoice({ protocol, notIcmp }: PolicyRule, version: IpVersion): Choice {
  if (notIcmp === undefined) return everything;
  const other = icmpMatch(notIcmp, version, true);
  if (protocol === icmpOf[version]) return [piece([other])];
  if (protocol === icmpOf[version === 4 ? 6 : 4]) return [];
  if (protocol !== undefined) return everything;
  return [piece([other]), piece([{ kind: 'protocol', protocol: icmpOf[version], not: true }])];
}

const icmpMatch = (
  { type, code }: NonNullable<PolicyRule['icmp']>,
  version: IpVersion,
  not: boolean,
): Match => ({
  kind: 'icmp',
  version,
  types: [type],
  ...(code === undefined ? {} : { code }),
  ...(not ? { not } : {}),
});
