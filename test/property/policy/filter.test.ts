/** What ships against the obvious evaluation: prefixes as text of bits, rules asked one by one in the words of the API. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Filters, NamedRule } from '../../../bgp/config.ts';
import { compileExport } from '../../../bgp/policy/export.ts';
import { compileGuard, compileImport } from '../../../bgp/policy/import.ts';
import type { Path } from '../../../bgp/rib/path.ts';
import type { AsPath, PathAttributes } from '../../../bgp/wire/message.ts';
import { asn, formatPrefix, type Prefix } from '../../../src/lib/net.ts';
import type { Community, FilterRule, Operation, PrefixMatch } from '../../../src/model/bgp-filter.ts';
import { configOf, peerOf, routeOf } from '../../support/routes.ts';
import { prefix, v4 } from '../../support/wire.ts';

/** Few values, so that rules often match. */
const somePrefix = fc.constantFrom(
  ...['10.0.0.0/8', '10.2.0.0/16', '10.2.0.0/24', '10.2.0.128/25', '10.3.0.0/16', '10.2.0.7/32'],
  ...['203.0.113.0/24', '203.0.113.64/26', '198.51.0.0/16'],
);
const someAs = fc.constantFrom(64_999, 65_001, 65_002);
const community: fc.Arbitrary<Community> = fc.constantFrom(
  { kind: 'standard', value: 64_999 * 65_536 + 1 },
  { kind: 'standard', value: 64_999 * 65_536 + 2 },
  { kind: 'large', parts: [1, 2, 3] },
  { kind: 'large', parts: [1, 2, 4] },
);
const somePriority = fc.constantFrom(1024, 7, 2_147_483_446);
const operation: fc.Arbitrary<Operation> = fc.oneof(
  community.map((one): Operation => ({ kind: 'addCommunity', community: one })),
  fc
    .array(someAs, { minLength: 1, maxLength: 3 })
    .map((numbers): Operation => ({ kind: 'prependAsPath', asns: numbers.map(asn) })),
  somePriority.map((priority): Operation => ({ kind: 'setPriority', priority })),
);
const prefixMatch: fc.Arbitrary<PrefixMatch> = fc
  .record({
    cidr: somePrefix,
    operator: fc.constantFrom('Equal', 'NotEqual', 'In', 'NotIn'),
    least: fc.constantFrom(undefined, 8, 16, 24, 26),
    most: fc.constantFrom(undefined, 16, 24, 32),
  })
  .map(({ cidr, operator, least, most }) => ({
    cidr: prefix(cidr),
    operator,
    least: least ?? Number(cidr.split('/')[1]),
    most: most ?? 32,
  }));
const rule: fc.Arbitrary<FilterRule> = fc
  .record(
    {
      action: fc.constantFrom('Accept', 'Reject'),
      prefix: prefixMatch,
      source: fc.constant('RemotePeers'),
      peerType: fc.constantFrom('eBGP', 'iBGP'),
      community,
      asPathPrefix: fc.array(someAs.map(asn), { minLength: 1, maxLength: 2 }),
      priority: somePriority,
      link: fc.constantFrom('eth0', 'eth*', '*.calico', '*1', 'e*0'),
      operations: fc.array(operation, { maxLength: 3 }),
    },
    { requiredKeys: ['action', 'operations'] },
  )
  .map((one): FilterRule => (one.action === 'Reject' ? { ...one, operations: [] } : one));
const filters = fc.array(fc.array(rule, { maxLength: 3 }), { maxLength: 3 });
const asPath: fc.Arbitrary<AsPath> = fc.array(
  fc.record({
    kind: fc.constantFrom('sequence', 'sequence', 'set'),
    asns: fc.array(someAs.map(asn), { minLength: 1, maxLength: 2 }),
  }),
  { maxLength: 2 },
);
const attributes = fc
  .record({
    asPath,
    standard: fc.subarray([1, 2]),
    large: fc.subarray([3, 4]),
    localPref: fc.constantFrom(undefined, 100, 201, 2_147_483_640),
  })
  .map(
    ({ asPath: path, standard, large, localPref }): Partial<PathAttributes> => ({
      asPath: path,
      nextHop: v4('192.0.2.1'),
      ...(standard.length > 0 && { communities: standard.map((one) => 64_999 * 65_536 + one) }),
      ...(large.length > 0 && { largeCommunities: large.map((one) => [1, 2, one] as const) }),
      ...(localPref !== undefined && { localPref }),
    }),
  );

interface Plain {
  readonly communities: readonly string[];
  readonly asPath: readonly string[];
  readonly localPref: number;
}

const textOf = (one: Community): string =>
  one.kind === 'standard' ? String(one.value) : one.parts.join(':');

/** The path as its members, a set as one text. */
const plain = (
  given: Pick<PathAttributes, 'asPath' | 'communities' | 'largeCommunities' | 'localPref'>,
): Plain => ({
  communities: [
    ...(given.communities ?? []).map(String),
    ...(given.largeCommunities ?? []).map((parts) => parts.join(':')),
  ].sort(),
  asPath: given.asPath.flatMap(({ kind, asns }) => (kind === 'set' ? [`{${asns}}`] : asns.map(String))),
  localPref: given.localPref ?? 100,
});

function bitsOf(text: string): string {
  const [address = '', length] = text.split('/');
  const bits = address.split('.').map((part) => Number(part).toString(2).padStart(8, '0'));
  return bits.join('').slice(0, Number(length));
}

function isIn({ cidr, least, most }: PrefixMatch, where: Prefix): boolean {
  const [own, other] = [bitsOf(formatPrefix(cidr)), bitsOf(formatPrefix(where))];
  return (own.startsWith(other) || other.startsWith(own)) && other.length >= least && other.length <= most;
}

const operators = {
  Equal: (match: PrefixMatch, where: Prefix) => formatPrefix(match.cidr) === formatPrefix(where),
  NotEqual: (match: PrefixMatch, where: Prefix) => formatPrefix(match.cidr) !== formatPrefix(where),
  In: isIn,
  NotIn: (match: PrefixMatch, where: Prefix) => !isIn(match, where),
};

/** Letter by letter. */
function isNamed(pattern: string, name: string): boolean {
  const [first] = pattern;
  if (first === undefined) return name === '';
  if (first !== '*') return name.startsWith(first) && isNamed(pattern.slice(1), name.slice(1));
  return isNamed(pattern.slice(1), name) || (name !== '' && isNamed(pattern, name.slice(1)));
}

const someLinks = fc.constantFrom(undefined, ['eth0'], ['eth1'], ['eth0', 'eth1'], ['vxlan.calico']);

interface Case {
  readonly where: Prefix;
  readonly route: Plain;
  readonly isLocal: boolean;
  readonly links: readonly string[] | undefined;
  readonly session: 'eBGP' | 'iBGP';
}

const priorityOf = ({ localPref }: Plain): number => (localPref === 100 ? 1024 : 2_147_483_647 - localPref);

/** One question for each field a rule can have. */
const questions: readonly ((rule: FilterRule, at: Case) => boolean | undefined)[] = [
  ({ prefix: match }, { where }) => match && operators[match.operator](match, where),
  ({ source }, { isLocal }) => source && !isLocal,
  ({ peerType }, { session: type }) => peerType && peerType === type,
  ({ community: one }, { route }) => one && route.communities.includes(textOf(one)),
  ({ asPathPrefix }, { route }) =>
    asPathPrefix && `${route.asPath.join(' ')} `.startsWith(`${asPathPrefix.join(' ')} `),
  ({ priority }, { route }) => (priority === undefined ? undefined : priority === priorityOf(route)),
  ({ link }, { isLocal, links }) =>
    link === undefined ? undefined : !isLocal && (links?.some((name) => isNamed(link, name)) ?? true),
];

/** Undefined: no rule decides. */
function obvious(
  all: readonly (readonly FilterRule[])[],
  where: Prefix,
  path: Path,
  type: 'eBGP' | 'iBGP',
  links: readonly string[] | undefined,
): 'Reject' | Plain | undefined {
  const isLocal = path.source.type === 'local';
  const at = { where, route: plain(path.attributes), isLocal, session: type, links };
  for (const rules of all)
    for (const one of rules)
      if (questions.every((matches) => matches(one, at) !== false))
        return one.action === 'Reject' || (one.link !== undefined && links === undefined)
          ? 'Reject'
          : one.operations.reduce(done, at.route);
  return undefined;
}

function done(route: Plain, one: Operation): Plain {
  if (one.kind === 'prependAsPath') return { ...route, asPath: [...one.asns.map(String), ...route.asPath] };
  if (one.kind === 'setPriority') return { ...route, localPref: 2_147_483_647 - one.priority };
  if (one.kind === 'setLocalPref') return { ...route, localPref: one.value };
  if (one.kind === 'setMed') return route;
  return { ...route, communities: [...new Set([...route.communities, textOf(one.community)])].sort() };
}

const named = (all: readonly (readonly FilterRule[])[], list: keyof Filters): Filters => {
  const rules = all.flat().map((one, index): NamedRule => ({ ...one, name: `rule ${index}` }));
  return { exportV4: [], importV4: [], exportV6: [], importV6: [], [list]: rules };
};

const session = fc.constantFrom('eBGP' as const, 'iBGP' as const);
const neighbour = (type: 'eBGP' | 'iBGP', given: Filters) =>
  peerOf({ peerAsn: asn(type === 'eBGP' ? 65_100 : 64_512), filters: given });

test('import: the first rule of all filters that matches decides, and else the pools do', () => {
  const config = configOf({ importPolicy: { within: [prefix('10.0.0.0/8')], never: [] } });
  fc.assert(
    fc.property(filters, somePrefix, attributes, session, someLinks, (all, text, given, type, links) => {
      const where = prefix(text);
      const path = routeOf({ type: type === 'eBGP' ? 'ebgp' : 'ibgp' }, given);
      const peer = neighbour(type, named(all, 'importV4'));
      const shipped = compileImport(config, peer, compileGuard(config), () => links);
      const verdict = shipped(where, path);
      const expected = obvious(all, where, path, type, links);
      if (given.asPath?.some(({ kind }) => kind === 'set'))
        expect(verdict).toMatchObject({ ok: false, error: expect.stringContaining('AS_SET') });
      else if (expected === 'Reject')
        expect(verdict).toMatchObject({ ok: false, error: expect.stringMatching(/^rejected by rule/) });
      else if (expected !== undefined) {
        expect(verdict.ok && plain(verdict.value.attributes)).toEqual(expected);
        expect(verdict.ok && verdict.value.source).toBe(path.source);
      } else if (text.startsWith('10.')) expect(verdict).toEqual({ ok: true, value: path });
      else expect(verdict.ok).toBe(false);
      expect(shipped(where, path)).toEqual(verdict);
    }),
    { numRuns: 3000 },
  );
});

test('export: likewise, and else what is disabled for export or lies in no pool is kept back', () => {
  const config = configOf({ exportDeny: [prefix('10.2.0.0/16')] });
  const from = fc.record({ source: fc.constantFrom('local' as const, 'ebgp' as const), links: someLinks });
  fc.assert(
    fc.property(filters, somePrefix, attributes, session, from, (all, text, given, type, of) => {
      const { source, links } = of;
      const where = prefix(text);
      const path = routeOf({ key: 'another', type: source }, given);
      const peer = neighbour(type, named(all, 'exportV4'));
      const shipped = compileExport(config, peer, { families: ['ipv4-unicast'] }, () => links);
      const verdict = shipped(where, path);
      const expected = obvious(all, where, path, type, links);
      const ours = type === 'eBGP' ? ['64512'] : [];
      const isKept = text.startsWith('10.2.') || (source !== 'local' && !text.startsWith('10.'));
      if (expected === 'Reject')
        expect(verdict).toMatchObject({ ok: false, error: expect.stringMatching(/^rejected by rule/) });
      else if (expected === undefined && isKept) expect(verdict.ok).toBe(false);
      else {
        const told = expected ?? plain(path.attributes);
        expect(verdict.ok && plain(verdict.value)).toEqual({
          ...told,
          asPath: [...ours, ...told.asPath],
          ...(type === 'eBGP' && { localPref: 100 }),
        });
      }
    }),
    { numRuns: 3000 },
  );
});
