import fc from 'fast-check';
import { expect, test } from 'vitest';
import { attributesKey } from '../../../bgp/rib/key.ts';
import { type Path, pathOf } from '../../../bgp/rib/path.ts';
import { Paths } from '../../../bgp/rib/paths.ts';
import { Sets } from '../../../bgp/rib/sets.ts';
import type { PathAttributes } from '../../../bgp/wire/message.ts';
import { asn, ipv4, ipv6 } from '../../../src/lib/net.ts';
import { arbitraryAttributes, attributesOf, sequence, sourceOf } from '../../support/routes.ts';

test('attributes of the same content have one number, and of different content two', () => {
  fc.assert(
    fc.property(arbitraryAttributes, arbitraryAttributes, (a, b) => {
      const table = new Sets();
      const first = table.hold(a);
      expect(table.hold(structuredClone(a))).toBe(first);
      const isSame = JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
      expect(table.hold(b) === first).toBe(isSame);
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
  const table = new Sets();
  const numbers = Object.values(lookAlikes).map((part) => table.hold(attributesOf(part)));
  expect(new Set(numbers).size).toBe(keys.length);
});

test('a source has one Path for each attribute set, and so has another session of the same neighbour', () => {
  const table = new Paths();
  const source = sourceOf();
  const first = table.hold(pathOf(source, attributesOf({ med: 1 })));
  expect(table.hold(pathOf(source, attributesOf({ med: 1 })))).toBe(first);
  expect(table.hold(pathOf(sourceOf(), attributesOf({ med: 1 })))).not.toBe(first);
});

const marksOf = ({
  asPathLength,
  neighbourAs,
  nextHop,
  med,
  originatorId,
  clusters,
  rank,
  isStale,
  isBlackhole,
  traits,
}: Path): unknown => ({
  ...{ asPathLength, neighbourAs, nextHop, med, originatorId, clusters },
  ...{ rank, isStale, isBlackhole, traits },
});

test('a path of the table has the marks of what was put in, and still has them once nothing refers to it and its words are used again', () => {
  const wellKnown = fc.constantFrom([], [0xffff_0006], [0xffff_029a], [7, 0xffff_ff01]);
  fc.assert(
    fc.property(arbitraryAttributes, arbitraryAttributes, wellKnown, (attributes, other, communities) => {
      const table = new Paths();
      const path = pathOf(sourceOf(), { ...attributes, communities });
      const id = table.hold(path);
      const kept = table.get(id);
      expect(marksOf(kept)).toEqual(marksOf(path));
      table.drop(id);
      table.hold(pathOf(sourceOf(), other));
      expect(marksOf(kept)).toEqual(marksOf(path));
      expect(attributesKey(kept.attributes)).toBe(attributesKey(path.attributes));
      expect(marksOf(table.get(table.hold(kept)))).toEqual(marksOf(path));
    }),
  );
});

/** A table beside the plainest model: which path is held, by its MED and whose it is, and how often. */
class Both {
  readonly table = new Paths();
  readonly sources = [sourceOf(), sourceOf()];
  readonly held = new Map<number, { readonly id: number; readonly count: number; readonly path: Path }>();

  pathOf(value: number): Path {
    const communities = Array.from({ length: value % 40 }, () => value); // of many lengths
    return pathOf(this.sources[value % 2] ?? sourceOf(), attributesOf({ med: value, communities }));
  }

  hold(value: number, isAsKnown: boolean): void {
    const known = this.held.get(value);
    const id = this.table.hold(isAsKnown && known !== undefined ? known.path : this.pathOf(value));
    if (known !== undefined) expect(id).toBe(known.id);
    this.held.set(value, { id, count: (known?.count ?? 0) + 1, path: this.table.get(id) });
  }

  drop(value: number): void {
    const known = this.held.get(value);
    if (known === undefined) return;
    this.table.drop(known.id);
    if (known.count === 1) this.held.delete(value);
    else this.held.set(value, { ...known, count: known.count - 1 });
    expect(known.path.attributes).toEqual(this.pathOf(value).attributes); // though it may be gone
  }

  expectSame(): void {
    const { table, held } = this;
    expect(new Set(table.items())).toEqual(new Set([...held.values()].map(({ path }) => path)));
    for (const [value, { id, path }] of held) {
      expect(table.get(id)).toBe(path);
      expect(table.known(this.pathOf(value))).toBe(path);
      const { source, attributes, rank } = this.pathOf(value);
      expect([path.source, path.attributes, path.rank]).toEqual([source, attributes, rank]);
    }
  }
}

test('after any history of holding and dropping, what is referred to has its number, and nothing else is there', () => {
  const act = fc.record({ isHeld: fc.boolean(), isAsKnown: fc.boolean(), value: fc.nat(200) });
  fc.assert(
    fc.property(fc.array(act, { maxLength: 500 }), (history) => {
      const both = new Both();
      for (const { isHeld, isAsKnown, value } of history) {
        if (isHeld) both.hold(value, isAsKnown);
        else both.drop(value);
        expect(both.table.size).toBe(both.held.size);
      }
      both.expectSame();
    }),
  );
});

test('what a neighbour was told is as it was when it is asked for again, however much was told meanwhile', () => {
  const set = fc.oneof(arbitraryAttributes, fc.constantFrom(...Object.values(lookAlikes).map(attributesOf)));
  fc.assert(
    fc.property(fc.array(set, { minLength: 1, maxLength: 300 }), (all) => {
      const table = new Sets();
      const ids = all.map((attributes) => table.hold(structuredClone(attributes)));
      for (const [index, attributes] of all.entries()) {
        expect(table.get(ids[index] ?? 0)).toEqual(attributes);
        expect(table.idOf(attributes)).toBe(ids[index]);
      }
      for (const id of ids) table.drop(id);
      expect(table.size).toBe(0);
    }),
  );
});

test('a set that nobody is told any more has its number again if it is told again, and others take it if not', () => {
  const table = new Sets();
  const [one, two, three] = [1, 2, 3].map((med) => attributesOf({ med }));
  if (one === undefined || two === undefined || three === undefined) throw new Error('there are three');
  const [first, second] = [table.hold(one), table.hold(two)];
  table.drop(first);
  expect([table.size, table.hold(structuredClone(one)), table.size]).toEqual([1, first, 2]);
  table.drop(second);
  expect([table.hold(three), table.get(second)]).toEqual([second, three]);
  expect([table.idOf(two), table.idOf(one), table.size]).toEqual([0, first, 2]);
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
