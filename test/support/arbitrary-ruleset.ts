/** Arbitrary rulesets that a kernel takes: every match, statement, verdict and kind of set the model has, in hooks that allow it. */
import fc from 'fast-check';
import {
  type BaseHook,
  type Chain,
  type Element,
  elementKey,
  type Match,
  type NamedSet,
  type PortRange,
  type Rule,
  type Ruleset,
  type SetDecl,
  type SetKind,
  type Statement,
  type Verdict,
} from '../../felix/rules/model.ts';
import { type Address, type IpVersion, ipv4, ipv6, type Prefix, prefixOf } from '../../src/lib/net.ts';

const version: fc.Arbitrary<IpVersion> = fc.constantFrom(4, 6);
const side = fc.constantFrom('source' as const, 'destination' as const);
const way = fc.constantFrom('in' as const, 'out' as const);
const not = fc.constantFrom({}, { not: true as const });
const protocol = fc.constantFrom(6, 17, 132, 1, 58, 136, 99, 47);
const withPorts = fc.constantFrom(6, 17, 132, 136);
const nat32 = fc.integer({ min: 0, max: 0xffff_ffff });
const octet = fc.integer({ min: 0, max: 255 });

const addressOf = (family: IpVersion): fc.Arbitrary<Address> =>
  family === 4
    ? fc.oneof(nat32, fc.constantFrom(0x0a00_0001, 0x0aff_ffff)).map(ipv4)
    : fc.bigInt({ min: 1n << 64n, max: (1n << 128n) - 1n }).map(ipv6);

/** nft itself knows no prefix of length 0 by its listing. */
const prefix: fc.Arbitrary<Prefix> = version.chain((family) =>
  fc
    .tuple(addressOf(family), fc.integer({ min: 1, max: family === 4 ? 32 : 128 }))
    .map(([address, length]) => prefixOf(address, length)),
);

/** Neither overlapping nor touching, in order. */
const spans = (max: number, most: number): fc.Arbitrary<readonly PortRange[]> =>
  fc
    .uniqueArray(fc.integer({ min: 0, max }), { minLength: 2, maxLength: 2 * most })
    .map((ends) => ends.sort((a, b) => a - b))
    .map((ends) =>
      Array.from({ length: Math.floor(ends.length / 2) }, (_, index) => ({
        first: ends[2 * index] ?? 0,
        last: ends[2 * index + 1] ?? 0,
      })).filter(({ first }, index, all) => index === 0 || first > (all[index - 1]?.last ?? 0) + 1),
    );
const single = (ranges: readonly PortRange[]): readonly PortRange[] =>
  ranges.map(({ first }) => ({ first, last: first }));
const ranges = fc.oneof(spans(65_535, 4), spans(65_535, 4).map(single));

/** Sets there are, by what looks into them. */
const names = { address: 'addresses', range: 'ranges', port: 'ports', translation: 'floating' } as const;
const nameOf = (kind: keyof typeof names, family: IpVersion): string => `${names[kind]}-${family}`;

const anyMatch: fc.Arbitrary<Match> = fc.oneof(
  fc
    .tuple(way, fc.constantFrom('eth0', 'cali*', 'cali0123456789a'), not)
    .map(([each, name, turned]) => ({ kind: 'interface' as const, way: each, name, ...turned })),
  fc
    .tuple(way, not)
    .map(([each, turned]) => ({ kind: 'interfaceSet' as const, way: each, set: 'interfaces', ...turned })),
  fc
    .subarray(['new', 'established', 'related', 'invalid', 'untracked'] as const, { minLength: 1 })
    .map((states) => ({ kind: 'ctState' as const, states })),
  not.map((turned) => ({ kind: 'ctDnat' as const, ...turned })),
  version.map((family) => ({ kind: 'version' as const, version: family })),
  fc
    .tuple(side, prefix, not)
    .map(([each, net, turned]) => ({ kind: 'prefix' as const, side: each, prefix: net, ...turned })),
  fc
    .tuple(side, version, fc.constantFrom('address' as const, 'range' as const), not)
    .map(([each, family, kind, turned]) => ({
      kind: 'addressSet' as const,
      side: each,
      version: family,
      set: nameOf(kind, family),
      ...turned,
    })),
  fc.tuple(side, version, not).map(([each, family, turned]) => ({
    kind: 'portSet' as const,
    side: each,
    version: family,
    set: nameOf('port', family),
    ...turned,
  })),
  fc.tuple(protocol, not).map(([each, turned]) => ({ kind: 'protocol' as const, protocol: each, ...turned })),
  fc.tuple(side, withPorts, ranges, not).map(([each, of, some, turned]) => ({
    kind: 'ports' as const,
    side: each,
    protocol: of,
    ranges: some,
    ...turned,
  })),
  fc
    .tuple(
      version,
      fc.uniqueArray(octet, { minLength: 1, maxLength: 4 }),
      fc.option(octet, { nil: undefined }),
      not,
    )
    .map(([family, types, code, turned]) => ({
      kind: 'icmp' as const,
      version: family,
      types,
      ...(code === undefined ? {} : { code }),
      ...turned,
    })),
  fc.tuple(nat32, nat32, not).map(([mask, value, turned]) => ({
    kind: 'mark' as const,
    mask,
    value: (value & mask) >>> 0,
    ...turned,
  })),
  fc.tuple(side, not).map(([each, turned]) => ({ kind: 'local' as const, side: each, ...turned })),
  fc
    .tuple(
      fc.integer({ min: 1, max: 10_000 }),
      fc.integer({ min: 1, max: 1000 }),
      fc.constantFrom({}, { over: true as const }),
    )
    .map(([perSecond, burst, over]) => ({ kind: 'limit' as const, perSecond, burst, ...over })),
  fc.integer({ min: 1, max: 100_000 }).map((count) => ({ kind: 'connectionsOver' as const, count })),
);

const familyOfMatch = (match: Match): readonly IpVersion[] => {
  if (match.kind === 'prefix') return [typeof match.prefix === 'number' ? 4 : 6];
  return 'version' in match ? [match.version] : [];
};

const protocolKinds: readonly string[] = ['protocol', 'ports', 'icmp', 'portSet'];
const count = (matches: readonly Match[], ...kinds: readonly string[]): number =>
  matches.filter(({ kind }) => kinds.includes(kind)).length;

/**
 * nft refuses a rule that contradicts itself, leaves out what it says twice, and what it makes of two looks at the protocol it
 * cannot always list (an assertion of its own fails). What is looked at twice is merged.
 */
function isConsistent(matches: readonly Match[]): boolean {
  const families = new Set(matches.flatMap(familyOfMatch));
  const places = matches.map((match) => `${match.kind} ${'side' in match ? match.side : ''}`);
  const isAlone = count(matches, 'version') === 0 || matches.length === 1;
  const isLast = matches.slice(0, -1).every(({ kind }) => kind !== 'connectionsOver');
  const isOneProtocol = count(matches, ...protocolKinds) <= 1;
  return families.size <= 1 && isOneProtocol && isAlone && isLast && new Set(places).size === places.length;
}

const anyMatches = fc.array(anyMatch, { maxLength: 4 }).filter(isConsistent);
const words = fc.constantFrom('shop/allow-web ingress rule 1', 'Deny: ü', 'x'.repeat(120));
const tag = fc.constantFrom('D|i|0123456789abcdef', 'calico-packet');
const familyOf = (matches: readonly Match[]): IpVersion | undefined => matches.flatMap(familyOfMatch)[0];

const anyStatement: fc.Arbitrary<Statement> = fc.oneof(
  tag.map((text) => ({ kind: 'log' as const, prefix: text })),
  fc
    .tuple(fc.integer({ min: 0, max: 65_535 }), tag)
    .map(([group, text]) => ({ kind: 'nflog' as const, group, prefix: text })),
  fc
    .tuple(nat32, nat32)
    .map(([mask, value]) => ({ kind: 'mark' as const, mask, value: (value & mask) >>> 0 })),
);

interface Place {
  readonly verdicts: fc.Arbitrary<Verdict>;
  readonly matches?: (match: Match) => boolean;
  readonly statements?: fc.Arbitrary<Statement>;
}

const anyRule = ({ verdicts, matches: allowed, statements = anyStatement }: Place): fc.Arbitrary<Rule> =>
  fc
    .tuple(
      anyMatches.filter((matches) => allowed === undefined || matches.every(allowed)),
      fc.array(statements, { maxLength: 2 }),
      fc.option(verdicts, { nil: undefined }),
      fc.constantFrom({}, { counted: true as const }),
      fc.option(words, { nil: undefined }),
    )
    .map(([matches, some, verdict, counted, comment]) => ({
      matches,
      ...(some.length === 0 ? {} : { statements: some }),
      ...(verdict === undefined ? {} : { verdict }),
      ...counted,
      ...(comment === undefined ? {} : { comment }),
    }))
    .filter(
      ({ statements: some, verdict, counted }) =>
        some !== undefined || verdict !== undefined || counted === true,
    );

const plain: readonly Verdict[] = [{ kind: 'accept' }, { kind: 'drop' }, { kind: 'return' }];
const jump: Verdict = { kind: 'jump', chain: 'leaf' };
const portJump = (...chains: readonly string[]): fc.Arbitrary<Verdict> =>
  fc
    .uniqueArray(
      fc.record({
        protocol: fc.constantFrom(6, 17, 132),
        port: fc.oneof(fc.integer({ min: 79, max: 82 }), fc.integer({ min: 0, max: 65_535 })),
        chain: fc.constantFrom(...chains),
      }),
      { minLength: 1, maxLength: 6, selector: ({ protocol, port: number }) => `${protocol} ${number}` },
    )
    .map((ports) => ({ kind: 'portJump', ports }));
const isNot =
  (...kinds: readonly Match['kind'][]) =>
  (match: Match): boolean =>
    !kinds.includes(match.kind);
const outgoing = (match: Match): boolean => !('way' in match) || match.way === 'in';

const dscpRule = fc
  .tuple(anyMatches, fc.integer({ min: 0, max: 63 }))
  .filter(([matches]) => familyOf(matches) !== undefined && count(matches, 'portSet') === 0)
  .map(([matches, value]): Rule => ({ matches, statements: [{ kind: 'dscp', value }] }));
const mssRule = fc
  .constantFrom<number | 'route'>(1400, 536, 'route')
  .map((mss): Rule => ({ matches: [], statements: [{ kind: 'clampMss', mss }] }));

const port = fc.integer({ min: 1, max: 65_535 });
const portsOf = fc.tuple(port, port).map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) }));
const masquerade = fc.tuple(fc.boolean(), fc.option(portsOf, { nil: undefined })).map(
  ([random, some]): Rule => ({
    matches: [{ kind: 'protocol', protocol: 6 }],
    verdict: {
      kind: 'masquerade',
      ...(random ? { fullyRandom: true } : {}),
      ...(some === undefined ? {} : { ports: some }),
    },
  }),
);
const snat = version
  .chain((family) => fc.tuple(addressOf(family), fc.option(portsOf, { nil: undefined })))
  .map(
    ([to, some]): Rule => ({
      matches: [{ kind: 'protocol', protocol: 17 }],
      verdict: { kind: 'snat', to, ...(some === undefined ? {} : { ports: some }) },
    }),
  );
const translated = (kind: 'dnatMap' | 'snatMap'): fc.Arbitrary<Rule> =>
  version.map(
    (family): Rule => ({
      matches: [],
      verdict: { kind, version: family, map: nameOf('translation', family) },
    }),
  );

const chainOf = (
  name: string,
  rule: fc.Arbitrary<Rule>,
  base?: BaseHook,
  maxLength = 4,
): fc.Arbitrary<Chain> =>
  fc.array(rule, { maxLength }).map((rules) => ({ name, rules, ...(base === undefined ? {} : { base }) }));

const dispatch = way.map(
  (each): Rule => ({ matches: [], verdict: { kind: 'dispatch', way: each, map: 'dispatch' } }),
);
const reject: Rule = { matches: [], verdict: { kind: 'reject' } };
const noReturnPath: Rule = { matches: [{ kind: 'noReturnPath' }], verdict: { kind: 'drop' }, counted: true };
const notrack: Rule = { matches: [], statements: [{ kind: 'notrack' }] };

const anyChains = fc.tuple(
  chainOf(
    'leaf',
    fc.oneof(anyRule({ verdicts: fc.constantFrom(...plain) }), fc.constant(reject)),
    undefined,
    8,
  ),
  chainOf(
    'branch',
    anyRule({ verdicts: fc.oneof(fc.constantFrom(...plain, jump), portJump('leaf')) }),
    undefined,
    8,
  ),
  chainOf(
    'forward',
    fc.oneof(
      anyRule({
        verdicts: fc.oneof(
          fc.constantFrom<Verdict>(...plain.slice(0, 2), { kind: 'jump', chain: 'branch' }),
          portJump('branch', 'leaf'),
        ),
      }),
      dispatch,
      mssRule,
    ),
    { hook: 'forward', priority: 0 },
  ),
  chainOf('input', anyRule({ verdicts: fc.constantFrom(...plain), matches: outgoing }), {
    hook: 'input',
    priority: 1,
  }),
  chainOf(
    'raw',
    fc.oneof(
      fc.constantFrom(noReturnPath, notrack),
      anyRule({
        verdicts: fc.constantFrom(...plain),
        matches: (match) => outgoing(match) && isNot('connectionsOver')(match),
      }),
    ),
    { hook: 'prerouting', priority: -300 },
  ),
  chainOf('mangle', dscpRule, { hook: 'postrouting', priority: -150 }),
  chainOf('nat-out', fc.oneof(masquerade, snat, translated('snatMap')), {
    hook: 'postrouting',
    priority: 110,
    type: 'nat',
  }),
  chainOf('nat-in', translated('dnatMap'), { hook: 'prerouting', priority: -100, type: 'nat' }),
);

const rangeOf = (family: IpVersion): fc.Arbitrary<readonly Element[]> =>
  fc
    .uniqueArray(addressOf(family), { minLength: 2, maxLength: 12 })
    .map((ends) => [...ends].sort((a, b) => (a < b ? -1 : 1)))
    .map((ends) =>
      Array.from({ length: Math.floor(ends.length / 2) }, (_, index): Element => {
        const [first = ends[0], last = first] = ends.slice(2 * index, 2 * index + 2);
        return { kind: 'range', first: first ?? ipv4(0), last: last ?? ipv4(0) };
      }).filter(
        (one, index, all) => index === 0 || (one.kind === 'range' && isApart(all[index - 1], one.first)),
      ),
    );
const isApart = (before: Element | undefined, first: Address): boolean =>
  before?.kind === 'range' && BigInt(first) > BigInt(before.last) + 1n;

const elementsOf = (kind: SetKind, family: IpVersion): fc.Arbitrary<readonly Element[]> => {
  const address = addressOf(family);
  const some = <T>(one: fc.Arbitrary<T>) => fc.array(one, { maxLength: 6 });
  const each: Readonly<Record<SetKind, fc.Arbitrary<readonly Element[]>>> = {
    address: some(address.map((one): Element => ({ kind, address: one }) as Element)),
    range: rangeOf(family),
    port: some(
      fc
        .tuple(address, fc.constantFrom(6, 17, 132), port)
        .map(([one, of, number]): Element => ({ kind: 'port', address: one, protocol: of, port: number })),
    ),
    portRange: spans(65_535, 5).map((all) => all.map((one): Element => ({ kind: 'portRange', ...one }))),
    interface: some(
      fc
        .constantFrom('eth0', 'caliabcdef01234', 'x')
        .map((name): Element => ({ kind: 'interface', interface: name })),
    ),
    dispatch: some(
      fc
        .tuple(fc.constantFrom('cali1', 'cali2', 'cali3'), fc.constantFrom('leaf', 'branch'))
        .map(([name, chain]): Element => ({ kind: 'dispatch', interface: name, chain })),
    ).map((all) => all.filter((one, index) => all.findIndex((other) => isSameKey(one, other)) === index)),
    translation: some(
      fc.tuple(address, address).map(([from, to]): Element => ({ kind: 'translation', from, to })),
    ).map((all) => all.filter((one, index) => all.findIndex((other) => isSameKey(one, other)) === index)),
  };
  return each[kind];
};

function isSameKey(a: Element, b: Element): boolean {
  if (a.kind === 'dispatch' && b.kind === 'dispatch') return a.interface === b.interface;
  return a.kind === 'translation' && b.kind === 'translation' && a.from === b.from;
}

const declared: readonly SetDecl[] = [
  ...([4, 6] as const).flatMap((family) =>
    (['address', 'range', 'port', 'translation'] as const).map((kind) => ({
      name: nameOf(kind, family),
      kind,
      version: family,
      comment: `what ${kind} holds`,
    })),
  ),
  { name: 'port-ranges', kind: 'portRange' },
  { name: 'interfaces', kind: 'interface' },
  { name: 'dispatch', kind: 'dispatch', comment: 'interface to chain' },
];

const anySets = fc.tuple(
  ...declared.map((decl) =>
    elementsOf(decl.kind, decl.version ?? 4).map(
      (elements): NamedSet => ({ decl, elements: new Map(elements.map((one) => [elementKey(one), one])) }),
    ),
  ),
);

export const anyRuleset: fc.Arbitrary<Ruleset> = fc.tuple(anyChains, anySets).map(([chains, sets]) => ({
  chains: new Map(chains.map((chain) => [chain.name, chain])),
  sets: new Map(sets.map((set) => [set.decl.name, set])),
}));
