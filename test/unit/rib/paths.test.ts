import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PathTable, pathOf } from '../../../bgp/rib/path.ts';
import { AttributeTable, attributesKey } from '../../../bgp/rib/paths.ts';
import type { PathAttributes } from '../../../bgp/wire/message.ts';
import { asn, ipv4, ipv6 } from '../../../src/lib/net.ts';
import { arbitraryAttributes, attributesOf, sequence, sourceOf } from '../../support/routes.ts';

test('attributes of the same content are one object, and of different content are two', () => {
  fc.assert(
    fc.property(arbitraryAttributes, arbitraryAttributes, (a, b) => {
      const table = new AttributeTable();
      const first = table.intern(a);
      expect(table.intern(structuredClone(a))).toBe(first);
      const isSame = JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
      expect(table.intern(b) === first).toBe(isSame);
    }),
    { numRuns: 1000 },
  );
});

const sorted = (attributes: PathAttributes): unknown =>
  Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1));

/** Each differs from the plain one, and from every other, in one thing that is easy to confuse. */
const lookAlikes: Readonly<Record<string, Partial<PathAttributes>>> = {
  plain: { nextHop: ipv4(1) },
  'the IPv6 address of equal number': { nextHop: ipv6(1n) },
  'a link-local next hop beside it': { nextHop: ipv4(1), linkLocal: ipv6(1n) },
  'MED 0, which is not an absent MED': { nextHop: ipv4(1), med: 0 },
  'LOCAL_PREF 0': { nextHop: ipv4(1), localPref: 0 },
  ATOMIC_AGGREGATE: { nextHop: ipv4(1), atomicAggregate: true },
  'an aggregator': { nextHop: ipv4(1), aggregator: { asn: asn(1), address: ipv4(2) } },
  'an empty list of communities': { nextHop: ipv4(1), communities: [] },
  'a community': { nextHop: ipv4(1), communities: [1] },
  'two communities': { nextHop: ipv4(1), communities: [1, 2] },
  'an originator': { nextHop: ipv4(1), originatorId: ipv4(1) },
  'a cluster': { nextHop: ipv4(1), clusterList: [ipv4(1)] },
  'an extended community': { nextHop: ipv4(1), extendedCommunities: [1n] },
  'a large community': { nextHop: ipv4(1), largeCommunities: [[1, 2, 3]] },
  'an AS that said Only to Customer': { nextHop: ipv4(1), otc: asn(1) },
  'an unknown attribute': {
    nextHop: ipv4(1),
    unknown: [{ code: 99, flags: 0xc0, body: Uint8Array.of(1, 2) }],
  },
  'its body as one octet': {
    nextHop: ipv4(1),
    unknown: [{ code: 99, flags: 0xc0, body: Uint8Array.of(12) }],
  },
  'its Partial bit': { nextHop: ipv4(1), unknown: [{ code: 99, flags: 0xe0, body: Uint8Array.of(1, 2) }] },
  'an AS path of two': { nextHop: ipv4(1), asPath: sequence(1, 2) },
  'the same in two segments': { nextHop: ipv4(1), asPath: [...sequence(1), ...sequence(2)] },
  'the same as a set': { nextHop: ipv4(1), asPath: [{ kind: 'set', asns: [asn(1), asn(2)] }] },
};

test('no two attribute sets that differ share a key, however alike they look', () => {
  const keys = Object.values(lookAlikes).map((part) => attributesKey(attributesOf(part)));
  expect(new Set(keys).size).toBe(keys.length);
  const table = new AttributeTable();
  const interned = Object.values(lookAlikes).map((part) => table.intern(attributesOf(part)));
  expect(new Set(interned).size).toBe(keys.length);
});

test('a source has one Path for each attribute set', () => {
  const table = new AttributeTable();
  const paths = new PathTable(sourceOf());
  const attributes = table.intern(attributesOf({ med: 1 }));
  expect(paths.of(attributes)).toBe(paths.of(table.intern(attributesOf({ med: 1 }))));
  expect(paths.of(attributes)).not.toBe(new PathTable(sourceOf({ key: 'other' })).of(attributes));
});

test('the table does not grow with what nothing refers to, and never gives a second object for what something does', () => {
  const used = new Set<PathAttributes>();
  const table = new AttributeTable(() => used);
  for (let med = 0; med < 20_000; med += 1) {
    const attributes = table.intern(attributesOf({ med }));
    if (med % 100 === 0) used.add(attributes);
    expect(table.size).toBeLessThanOrEqual(2048);
  }
  for (const attributes of used) expect(table.intern(structuredClone(attributes))).toBe(attributes);
});

test('a source forgets the paths that no table refers to', () => {
  const used = new Set<unknown>();
  const paths = new PathTable(sourceOf(), (path) => used.has(path));
  const kept = attributesOf({ med: 7 });
  used.add(paths.of(kept));
  const lost = attributesOf({ med: 8 });
  const before = paths.of(lost);
  for (let med = 0; med < 1000; med += 1) paths.of(attributesOf({ med }));
  expect(used.has(paths.of(kept))).toBe(true);
  expect(paths.of(lost)).not.toBe(before);
});

test('RFC 4271 §9.1.2.2 a: a set counts one; RFC 5065 §5.3: confederation segments count nothing', () => {
  const asns = [asn(1), asn(2)];
  const { asPathLength } = pathOf(
    sourceOf(),
    attributesOf({
      asPath: [
        { kind: 'confedSequence', asns },
        { kind: 'confedSet', asns },
        { kind: 'sequence', asns },
        { kind: 'set', asns },
      ],
    }),
  );
  expect(asPathLength).toBe(3);
});
