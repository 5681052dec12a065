/** What policy makes of paths as words, and what the wire makes of those, against the same paths as objects. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { PeerConfig, SpeakerConfig } from '../../../bgp/config.ts';
import { compileExport } from '../../../bgp/policy/export.ts';
import { compileGuard, compileImport } from '../../../bgp/policy/import.ts';
import { pack } from '../../../bgp/rib/pack.ts';
import { type Path, pathOf } from '../../../bgp/rib/path.ts';
import { Paths } from '../../../bgp/rib/paths.ts';
import { AttributeView, plainOf } from '../../../bgp/rib/view.ts';
import type { AsPathSegment, CodecContext, PathAttributes } from '../../../bgp/wire/message.ts';
import { encodeAnnouncement } from '../../../bgp/wire/update-encode.ts';
import { asn, ipv4, ipv6 } from '../../../src/lib/net.ts';
import type { Result } from '../../../src/lib/result.ts';
import { configOf, peerOf, sourceOf } from '../../support/routes.ts';
import { context, prefix, v4 } from '../../support/wire.ts';

const few = { maxLength: 3 };
const plain = { noNullPrototype: true };
const u32 = fc.oneof(fc.nat(3), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
/** Of ours, of the neighbours', a private one, and others. */
const someAs = fc
  .oneof(fc.constantFrom(64_512, 64_999, 65_001, 7), fc.integer({ min: 1, max: 2 ** 32 - 1 }))
  .map(asn);
const community = fc.oneof(
  fc.constantFrom(0xffff_ff01, 0xffff_ff02, 0xffff_ff03, 0xffff_0000, 0xffff_0006, 0xffff_029a),
  u32,
);
const segment = fc.record(
  {
    kind: fc.constantFrom<AsPathSegment['kind']>('sequence', 'sequence', 'sequence', 'set', 'confedSequence'),
    asns: fc.oneof(
      fc.array(someAs, few),
      fc.constantFrom(254, 255, 256).map((length) => new Array<number>(length).fill(7).map(asn)),
    ),
  },
  plain,
);
const six = fc.constantFrom(
  ipv6((0x2001_0db8n << 96n) | 7n),
  ipv6((0xfe80n << 112n) | 9n),
  ipv6((0xfe80n << 112n) | (3n << 64n) | 9n), // on a link
);

const attributes: fc.Arbitrary<PathAttributes> = fc.record(
  {
    origin: fc.constantFrom('igp' as const, 'egp' as const, 'incomplete' as const),
    asPath: fc.array(segment, few),
    nextHop: fc.oneof(
      fc.constantFrom(v4('192.0.2.1'), v4('10.0.0.2'), ipv4(0xdf00_0001), v4('127.0.0.1')),
      six,
    ),
    linkLocal: six,
    med: u32,
    localPref: u32,
    atomicAggregate: fc.constant(true as const),
    aggregator: fc.record({ asn: someAs, address: u32.map(ipv4) }, plain),
    communities: fc.array(community, few),
    originatorId: fc.constantFrom(1, 2, 0x0a00_0001).map(ipv4),
    clusterList: fc.array(fc.constantFrom(1, 2, 77).map(ipv4), few),
    extendedCommunities: fc.array(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), few),
    largeCommunities: fc.array(fc.tuple(u32, u32, u32), few),
    otc: someAs,
    unknown: fc.array(
      fc.record(
        {
          flags: fc.constantFrom(0xc0, 0xe0, 0x80),
          code: fc.constantFrom(40, 100),
          body: fc.uint8Array({ maxLength: 9 }),
        },
        plain,
      ),
      { maxLength: 1 },
    ),
  },
  { requiredKeys: ['origin', 'asPath', 'nextHop'], noNullPrototype: true },
);
/** Nothing that is out of the ordinary, as most are. */
const usual = attributes.map(
  ({ origin, asPath, nextHop, med, localPref, aggregator, communities, extendedCommunities }) => ({
    origin,
    asPath: asPath
      .filter(({ kind }) => kind === 'sequence')
      .map(({ kind, asns }) => ({ kind, asns: asns.filter((one) => one !== 64_999) })),
    nextHop,
    ...(med === undefined ? {} : { med }),
    ...(localPref === undefined ? {} : { localPref }),
    ...(aggregator === undefined ? {} : { aggregator }),
    ...(extendedCommunities === undefined ? {} : { extendedCommunities }),
    ...(communities === undefined ? {} : { communities: communities.filter((one) => one < 0xffff_0000) }),
  }),
);
const any = fc.oneof(attributes, usual, usual);

const viewOf = (one: PathAttributes): AttributeView => new AttributeView(pack(one).slice(), 0);

const source = fc
  .record(
    {
      type: fc.constantFrom('ebgp' as const, 'ebgp' as const, 'ibgp' as const),
      isClient: fc.constant(true as const),
      isWorkload: fc.constant(true as const),
    },
    { requiredKeys: ['type'], noNullPrototype: true },
  )
  .map((part) => sourceOf({ key: 'from', bgpId: ipv4(5), ...part }));
const peer: fc.Arbitrary<PeerConfig> = fc
  .record(
    {
      peerAsn: fc.constantFrom(64_512, 64_999).map(asn),
      isClient: fc.constant(true as const),
      gracefulShutdown: fc.constant(true as const),
      nextHopMode: fc.constantFrom('self' as const, 'keep' as const),
      enforceFirstAs: fc.constant(true as const),
      allowedOwnAs: fc.constantFrom(1, 2),
      role: fc
        .constantFrom('provider' as const, 'customer' as const, 'peer' as const)
        .map((own) => ({ own })),
      privateAs: fc.constantFrom('remove' as const, 'replace' as const),
    },
    { requiredKeys: ['peerAsn'], noNullPrototype: true },
  )
  .map(peerOf);
const plainPeer = fc.constantFrom(64_512, 64_999).map((number) => peerOf({ peerAsn: asn(number) }));
const config: fc.Arbitrary<SpeakerConfig> = fc
  .record(
    { clusterId: fc.constant(ipv4(77)), drain: fc.constant('shutdown' as const) },
    { requiredKeys: [], noNullPrototype: true },
  )
  .map(configOf);
const setting = fc.record({ config, peer: fc.oneof(peer, plainPeer, plainPeer), source });

const where = prefix('10.244.1.0/26');

/** All there is of it, without the words themselves. */
const seen = (path: Path): unknown => ({
  source: path.source,
  attributes: plainOf(path.attributes),
  asPathLength: path.asPathLength,
  neighbourAs: path.neighbourAs,
  nextHop: path.nextHop,
  med: path.med,
  originatorId: path.originatorId,
  clusters: path.clusters,
  rank: path.rank,
  isStale: path.isStale,
  isBlackhole: path.isBlackhole,
  traits: path.traits,
});
const told = <T>(said: Result<T>, show: (value: T) => unknown): unknown =>
  said.ok ? { ok: true, value: show(said.value) } : said;

/** The same path as it comes from words, and as the tables have it. */
function asWords(path: Path): readonly Path[] {
  const fresh = pathOf(path.source, viewOf(path.attributes));
  const paths = new Paths();
  return [fresh, paths.get(paths.hold(fresh)), paths.get(paths.hold(path))];
}

test('a path that comes from words is the path that comes from the same attributes', () => {
  fc.assert(
    fc.property(source, any, (from, one) => {
      const path = pathOf(from, one);
      for (const other of asWords(path)) expect(seen(other)).toStrictEqual(seen(path));
    }),
    { numRuns: 300 },
  );
});

test('import policy says the same of a path that is words as of its attributes', () => {
  fc.assert(
    fc.property(setting, any, ({ config: own, peer: from, source: by }, one) => {
      const path = pathOf(by, one);
      const rule = compileImport(own, from, compileGuard(own));
      const expected = told(rule(where, path), seen);
      for (const other of asWords(path)) expect(told(rule(where, other), seen)).toStrictEqual(expected);
    }),
    { numRuns: 600 },
  );
});

const codecs: readonly CodecContext[] = (['ebgp', 'ibgp'] as const).flatMap((peerType) => [
  context({ peerType, extendedNextHop: new Set(['ipv4-unicast']) }),
  context({ peerType, fourOctetAs: false }),
]);

test('export policy makes of a path that is words what it makes of its attributes, and the wire the same octets', () => {
  let views = 0;
  fc.assert(
    fc.property(setting, any, ({ config: own, peer: to, source: by }, one) => {
      const path = pathOf(by, one);
      const rule = compileExport(own, to, { families: ['ipv4-unicast'] });
      const expected = rule(where, path);
      for (const other of asWords(path)) {
        const said = rule(where, other);
        expect(told(said, plainOf)).toStrictEqual(told(expected, plainOf));
        if (!said.ok || !(said.value instanceof AttributeView)) continue;
        views += 1;
        for (const ctx of codecs)
          for (const family of ['ipv4-unicast', 'ipv6-unicast'] as const) {
            const announcement = { family, prefixes: [where] };
            expect(encodeAnnouncement({ ...announcement, attributes: said.value }, ctx)).toEqual(
              encodeAnnouncement({ ...announcement, attributes: said.value.plain }, ctx),
            );
          }
      }
    }),
    { numRuns: 800 },
  );
  expect(views).toBeGreaterThan(20);
});
