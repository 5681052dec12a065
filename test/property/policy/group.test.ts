import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { NamedRule, PeerConfig, SpeakerConfig } from '../../../bgp/config.ts';
import { compileExport } from '../../../bgp/policy/export.ts';
import { memberOf, type Settled } from '../../../bgp/policy/group.ts';
import { type Path, pathOf } from '../../../bgp/rib/path.ts';
import { Replica } from '../../../bgp/rib/update-group.ts';
import type { Family, PathAttributes } from '../../../bgp/wire/message.ts';
import { asn, ipv4, scoped } from '../../../src/lib/net.ts';
import { configOf, peerOf, sequence, sourceOf } from '../../support/routes.ts';
import { address, context, prefix, v6 } from '../../support/wire.ts';

const both: readonly Family[] = ['ipv4-unicast', 'ipv6-unicast'];
const one = <T>(...values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);

const rule = (part: Partial<NamedRule>): NamedRule => ({
  name: 'BGPFilter/one',
  action: 'Accept',
  operations: [],
  ...part,
});
const filters = (...exported: readonly NamedRule[]): NonNullable<PeerConfig['filters']> => ({
  exportV4: exported,
  exportV6: exported,
  importV4: [],
  importV6: [],
});

/** Every field that export policy reads, each of few values, so that two neighbours are often the same but for one. */
const peer: fc.Arbitrary<PeerConfig> = fc
  .record(
    {
      address: one('192.0.2.1', '192.0.2.2', '198.51.100.1', '2001:db8::1').map(address),
      peerAsn: one(64_512, 64_999, 65_001).map(asn),
      localAsn: one(64_512, 64_512, 64_512, 65_100).map(asn),
      localAddress: one(address('192.0.2.100'), scoped(v6('fe80::1'), 3)),
      sharedAddress: one('192.0.2.77').map(address),
      interface: one('eth1'),
      nextHopMode: one('self' as const, 'keep' as const),
      filters: one(
        filters(),
        filters(rule({})),
        filters(rule({ action: 'Reject', peerType: 'iBGP' }), rule({})),
        filters(rule({ operations: [{ kind: 'setMed', value: 7 }] as NamedRule['operations'] })),
      ),
      isClient: one(true as const),
      role: one({ own: 'provider' as const }, { own: 'customer' as const }),
      gracefulShutdown: one(true as const),
      privateAs: one('remove' as const, 'replace' as const),
    },
    { requiredKeys: ['address', 'peerAsn', 'localAsn'], noNullPrototype: true },
  )
  .map((part) => peerOf(part));

const settled: fc.Arbitrary<Settled> = fc.record(
  {
    families: one<readonly Family[]>(both, both, ['ipv4-unicast']),
    codec: one(context(), context({ extendedNextHop: new Set<Family>(['ipv4-unicast']) })),
    longLived: fc.constant([]),
  },
  { requiredKeys: ['families', 'codec'], noNullPrototype: true },
);

const config: fc.Arbitrary<SpeakerConfig> = fc
  .record(
    {
      connected: one([prefix('192.0.2.0/24')], [prefix('192.0.2.0/30'), prefix('198.51.100.0/24')]),
      clusterId: one(ipv4(1)),
      requirePolicy: fc.constant(true as const),
      drain: one('shutdown' as const, 'withdrawn' as const),
      exportDeny: one([prefix('10.2.0.0/16')]),
      communities: one([
        { cidr: prefix('10.0.0.0/8'), communities: [{ kind: 'standard' as const, value: 1 }] },
      ]),
    },
    { noNullPrototype: true },
  )
  .map((part) => configOf(part));

const path: fc.Arbitrary<Path> = fc
  .record({
    source: fc.record({
      key: one(...['192.0.2.1', '192.0.2.9'].map((text) => peerOf({ address: address(text) }).key), 'local'),
      type: one('ebgp' as const, 'ibgp' as const),
      isClient: one(undefined, true as const),
    }),
    asPath: one(sequence(), sequence(65_010), sequence(65_001, 64_520), sequence(64_999)),
    nextHop: one('192.0.2.1', '192.0.2.3', '198.51.100.7', '2001:db8::1').map(address),
    more: one<Partial<PathAttributes>>(
      {},
      { med: 5, localPref: 200 },
      { communities: [0xffff_ff01] },
      { communities: [0xffff_0006] },
    ),
  })
  .map(({ source: { key, type, isClient }, asPath, nextHop, more }) =>
    pathOf(
      sourceOf({
        key,
        type: key === 'local' ? 'local' : type,
        ...(isClient === undefined ? {} : { isClient }),
      }),
      { origin: 'igp', asPath, nextHop, ...more },
    ),
  );

const where = one('10.2.0.0/24', '10.9.0.0/24', '198.18.0.0/24', 'fd00::/64').map(prefix);

interface Given {
  readonly config: SpeakerConfig;
  readonly peer: PeerConfig;
  readonly settled: Settled;
}
const given = fc.record({ config, peer, settled });

/** The other one of some parts, one at a time. */
const variants = <T extends object>(from: T, other: T): readonly T[] =>
  [...new Set([...Object.keys(from), ...Object.keys(other)])].map((field) => {
    const { [field as keyof T]: _, ...rest } = from;
    const value = other[field as keyof T];
    return { ...rest, ...(value === undefined ? {} : { [field]: value }) } as T;
  });

/** Somebody else, of whom all is the same; or all but one field of anything. */
function othersThan(from: Given, other: Given): readonly Given[] {
  const { address: at, key, peerAsn } = other.peer;
  const who = { ...from, peer: { ...from.peer, address: at, key, peerAsn } };
  return [
    who,
    ...variants(who.peer, other.peer).map((changed) => ({ ...who, peer: changed })),
    ...variants(who.config, other.config).map((changed) => ({ ...who, config: changed })),
    ...variants(who.settled, other.settled).map((changed) => ({ ...who, settled: changed })),
  ];
}

function concerns(path: Path, given: Given): boolean {
  const member = memberOf(given.config, given.peer, given.settled);
  const replica = new Replica({ at: 0 }, member?.asn !== undefined);
  replica.weigh(path);
  return member !== undefined && replica.concerns(member);
}

test('neighbours of one group are told the same of every path that concerns neither of them', () => {
  let [alike, apart] = [0, 0];
  fc.assert(
    fc.property(
      given,
      given,
      fc.array(fc.tuple(path, where), { minLength: 5, maxLength: 20 }),
      (a, other, routes) => {
        const rule = compileExport(a.config, a.peer, a.settled);
        for (const b of othersThan(a, other)) {
          const another = compileExport(b.config, b.peer, b.settled);
          if (rule.member === undefined || rule.member.group() !== another.member?.group()) {
            apart += 1;
            continue;
          }
          alike += 1;
          for (const [told, at] of routes)
            if (!concerns(told, a) && !concerns(told, b)) expect(another(at, told)).toEqual(rule(at, told));
        }
      },
    ),
    { numRuns: 1000 },
  );
  expect(Math.min(alike, apart)).toBeGreaterThan(1000);
});

test('a neighbour whose filter asks for a link is of no group, as what it is told changes with the links', () => {
  const asking = peerOf({ filters: filters(rule({ link: 'eth*' })) });
  expect(memberOf(configOf(), asking, { families: both })).toBeUndefined();
  expect(compileExport(configOf(), asking, { families: both }).member).toBeUndefined();
});

test('a configuration that is read again, and says the same, makes the same groups', () => {
  const read = () => memberOf(configOf(), peerOf(), { families: both, codec: context() })?.group();
  expect(read()).toBe(read());
});
