/** projectcalico.org/v3 BGPFilter. Strict; what has no meaning here is refused by name. */
import type { z } from 'zod';
import { formatPrefix, type IpVersion, lengthOf, type Prefix, versionOf, widthOf } from '../../lib/net.ts';
import { ok, type Result } from '../../lib/result.ts';
import {
  type BgpFilter,
  type FilterRule,
  type Operation,
  oneRule,
  type PrefixMatch,
} from '../../model/bgp-filter.ts';
import type { Meta } from '../../model/resource.ts';
import { asNumber, prefix } from './addresses.ts';
import { isPrefix, type Rule, withRules } from './cel.ts';
import { community } from './community.ts';
import { list, maybe, oneOf, parseText, wholeNumber } from './fields.ts';
import { describe, type Flaw, type Wrong, wrong } from './flaw.ts';
import { check, field, manifest, read, strict } from './read.ts';

const priority = wholeNumber('a priority', 1, 2_147_483_646);

const unions = ['addCommunity', 'prependASPath', 'setPriority', 'setLocalPref', 'setMED'] as const;
/** What 32 bits can say: LOCAL_PREF and MULTI_EXIT_DISC (RFC 4271 §5.1.4, §5.1.5). */
const attribute = (what: string) => strict({ value: wholeNumber(what, 0, 4_294_967_295) });

const operation = withRules(
  strict({
    addCommunity: maybe(strict({ value: community }).describe('The route carries this community too.')),
    prependASPath: maybe(
      strict({
        prefix: list(asNumber)
          .describe('The AS path begins with these afterwards.')
          .meta({ minItems: 1, maxItems: 10 }),
      }),
    ),
    setPriority: maybe(strict({ value: priority }).describe('LOCAL_PREF becomes 2147483647 less this.')),
    setLocalPref: maybe(
      attribute('a LOCAL_PREF').describe('LOCAL_PREF becomes this: the higher, the better, in our own AS.'),
    ),
    setMED: maybe(attribute('a MED').describe('MED becomes this: the lower, the better, to one other AS.')),
  }).superRefine(
    check((given) => {
      const count = unions.filter((one) => given[one] !== undefined).length;
      if (count !== 1)
        return {
          at: [],
          wrong: { what: `has ${count} operations.`, fix: `Give exactly one of ${unions.join(', ')}.` },
        };
      return lengthFlaw(given.prependASPath?.prefix, ['prependASPath', 'prefix'], 10);
    }),
  ),
  [
    {
      rule: `${unions.map((one) => `(has(self.${one}) ? 1 : 0)`).join(' + ')} == 1`,
      message: `has to be exactly one of ${unions.join(', ')}`,
    },
  ],
);

/** Lists that the API server bounds by minItems and maxItems. */
const lengthFlaw = (
  given: readonly unknown[] | undefined,
  at: readonly string[],
  most: number,
): { readonly at: readonly string[]; readonly wrong: Wrong } | undefined =>
  given === undefined || (given.length >= 1 && given.length <= most)
    ? undefined
    : { at, wrong: { what: `has ${given.length} elements.`, fix: `Give from 1 to ${most}.` } };

const isOfVersion = (version: IpVersion): Rule => ({
  rule: `!isCIDR(self) || cidr(self).ip().family() == ${version}`,
  message: `must be an IPv${version} prefix like ${version === 4 ? '10.0.0.0/16' : 'fd00::/64'}`,
});

const ruleRules: readonly Rule[] = [
  {
    rule: 'has(self.cidr) == has(self.matchOperator)',
    message: 'cidr and matchOperator go together: give both or neither',
  },
  {
    rule: "!has(self.prefixLength) || (has(self.matchOperator) && self.matchOperator in ['In', 'NotIn'])",
    message: 'prefixLength goes with a cidr and the matchOperator In or NotIn',
  },
  {
    rule: '!has(self.prefixLength) || !has(self.prefixLength.min) || !has(self.prefixLength.max) || self.prefixLength.min <= self.prefixLength.max',
    message: 'prefixLength.min must not be greater than prefixLength.max',
  },
  {
    rule: "!has(self.operations) || self.action == 'Accept'",
    message: 'operations go with the action Accept',
  },
];

/** "" is absent. */
const linkPattern = field(
  (json) => {
    const pattern = parseText(json);
    return !pattern.ok || /^[a-zA-Z0-9_.*:-]{0,15}$/.test(pattern.value)
      ? pattern
      : wrong(
          `must be the name of a link, or one with * in it, but is ${describe(json)}.`,
          'Write for example eth0 or *.calico.',
        );
  },
  { type: 'string', pattern: '^[a-zA-Z0-9_.*:-]{0,15}$', maxLength: 15 },
);

const bound = (version: IpVersion) => maybe(wholeNumber('a prefix length', 0, version === 4 ? 32 : 128));

const fieldsOf = (version: IpVersion) => ({
  action: oneOf('Accept', 'Reject').describe('What happens where all that is given here matches.'),
  cidr: maybe(
    withRules(prefix, [isPrefix, isOfVersion(version)], { maxLength: version === 4 ? 18 : 43 }).describe(
      'What the prefix of the route is compared with.',
    ),
  ),
  matchOperator: maybe(
    oneOf('Equal', 'NotEqual', 'In', 'NotIn').describe('How: In is inside cidr or equal to it.'),
  ),
  prefixLength: maybe(
    strict({ min: bound(version), max: bound(version) }).describe(
      'Of In and NotIn: bounds of the length of the prefix of the route.',
    ),
  ),
  source: maybe(
    oneOf('RemotePeers').describe('Only what was learned by BGP, as all is that a neighbour tells.'),
  ),
  peerType: maybe(oneOf('eBGP', 'iBGP').describe('Only on sessions with another AS, or within ours.')),
  communities: maybe(
    strict({
      values: list(community).meta({ minItems: 1, maxItems: 1 }),
    }).describe('The route carries this community.'),
  ),
  asPathPrefix: maybe(
    list(asNumber).describe('The AS path begins with these.').meta({ minItems: 1, maxItems: 64 }),
  ),
  priority: maybe(priority.describe('2147483647 less LOCAL_PREF; 1024 where that is absent or 100.')),
  interface: maybe(
    linkPattern.describe('The name of a link by which the next hop is reached; * stands for anything.'),
  ),
  operations: maybe(
    list(operation)
      .describe('Done in order before the route is accepted.')
      .meta({ minItems: 1, maxItems: 10 }),
  ),
});

const strictRule = (version: IpVersion) => strict(fieldsOf(version));
type Given = z.output<ReturnType<typeof strictRule>>;

const filterRule = (version: IpVersion) =>
  withRules(
    strictRule(version)
      .superRefine(check((rule) => flawOf(rule, version)))
      .transform(ruleOf),
    ruleRules,
  );

type Misplaced = { readonly at: readonly string[]; readonly wrong: Wrong };
const misplaced = (at: readonly string[], what: string, fix: string): Misplaced => ({
  at,
  wrong: { what, fix },
});

function flawOf(rule: Given, version: IpVersion): Misplaced | undefined {
  const { cidr, matchOperator, prefixLength, operations, action, communities, asPathPrefix } = rule;
  if (cidr === undefined && matchOperator !== undefined)
    return misplaced(['matchOperator'], 'has no cidr to compare with.', 'Give a cidr, or remove it.');
  if (cidr !== undefined && matchOperator === undefined)
    return misplaced(
      ['cidr'],
      'stands without matchOperator.',
      'Add matchOperator: In, NotIn, Equal or NotEqual.',
    );
  if (cidr !== undefined && versionOf(cidr) !== version)
    return misplaced(
      ['cidr'],
      `must be an IPv${version} prefix, but is ${formatPrefix(cidr)}.`,
      `Move the rule to the list for IPv${versionOf(cidr)}.`,
    );
  if (prefixLength !== undefined && matchOperator !== 'In' && matchOperator !== 'NotIn')
    return misplaced(
      ['prefixLength'],
      'has a meaning with the matchOperator In or NotIn only.',
      'Remove it, or compare with In.',
    );
  if ((prefixLength?.min ?? 0) > (prefixLength?.max ?? 128))
    return misplaced(
      ['prefixLength'],
      `has a min of ${prefixLength?.min}, greater than its max of ${prefixLength?.max}.`,
      'Exchange the two.',
    );
  if (operations !== undefined && action === 'Reject')
    return misplaced(['operations'], 'are for rules that accept.', 'Remove them.');
  return (
    lengthFlaw(communities?.values, ['communities', 'values'], 1) ??
    lengthFlaw(asPathPrefix, ['asPathPrefix'], 64) ??
    lengthFlaw(operations, ['operations'], 10)
  );
}

function ruleOf(given: Given): FilterRule {
  const { action, cidr, matchOperator, prefixLength, source, peerType, communities, asPathPrefix } = given;
  const { priority, interface: link } = given;
  return oneRule({
    action,
    prefix:
      cidr === undefined || matchOperator === undefined
        ? undefined
        : prefixMatch(cidr, matchOperator, prefixLength),
    source,
    peerType,
    community: communities?.values[0],
    asPathPrefix,
    priority,
    // As in BIRD, * is said of what has no link, too.
    link: link === undefined || /^\**$/.test(link) ? undefined : link,
    operations: (given.operations ?? []).flatMap(operationsOf),
  });
}

const prefixMatch = (
  cidr: Prefix,
  operator: PrefixMatch['operator'],
  bounds: Given['prefixLength'],
): PrefixMatch => ({
  cidr,
  operator,
  least: bounds?.min ?? lengthOf(cidr),
  most: bounds?.max ?? widthOf(cidr),
});

const operationsOf = ({
  addCommunity,
  prependASPath,
  setPriority,
  setLocalPref,
  setMED,
}: z.output<typeof operation>): readonly Operation[] => [
  ...(addCommunity === undefined ? [] : [{ kind: 'addCommunity' as const, community: addCommunity.value }]),
  ...(prependASPath === undefined ? [] : [{ kind: 'prependAsPath' as const, asns: prependASPath.prefix }]),
  ...(setPriority === undefined ? [] : [{ kind: 'setPriority' as const, priority: setPriority.value }]),
  ...(setLocalPref === undefined ? [] : [{ kind: 'setLocalPref' as const, value: setLocalPref.value }]),
  ...(setMED === undefined ? [] : [{ kind: 'setMed' as const, value: setMED.value }]),
];

/** So that the API server can reckon what the rules of a whole object may cost. */
const mostRules = 100;

const rulesOf = (version: IpVersion, which: string) =>
  maybe(
    list(filterRule(version))
      .describe(`Of IPv${version} routes ${which} the first rule that matches decides.`)
      .meta({ maxItems: mostRules }),
  );

export const bgpFilterSchema = manifest(
  maybe(
    strict({
      exportV4: rulesOf(4, 'to the neighbour'),
      importV4: rulesOf(4, 'from the neighbour'),
      exportV6: rulesOf(6, 'to the neighbour'),
      importV6: rulesOf(6, 'from the neighbour'),
    }),
  ),
);

export function readBgpFilter(meta: Meta, json: unknown): Result<BgpFilter, readonly Flaw[]> {
  const parsed = read(bgpFilterSchema, json);
  if (!parsed.ok) return parsed;
  const { exportV4 = [], importV4 = [], exportV6 = [], importV6 = [] } = parsed.value.spec ?? {};
  return ok({ kind: 'BGPFilter', meta, exportV4, importV4, exportV6, importV6 });
}
