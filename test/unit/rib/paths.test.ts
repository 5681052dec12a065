import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Counted } from '../../../bgp/rib/counted.ts';
import { alikePaths, pathOf } from '../../../bgp/rib/path.ts';
import { alikeAttributes, attributesKey } from '../../../bgp/rib/paths.ts';
import type { PathAttributes } from '../../../bgp/wire/message.ts';
import { asn, ipv4, ipv6 } from '../../../src/lib/net.ts';
import { arbitraryAttributes, attributesOf, sequence, sourceOf } from '../../support/routes.ts';

test('attributes of the same content have one number, and of different content two', () => {
  fc.assert(
    fc.property(arbitraryAttributes, arbitraryAttributes, (a, b) => {
      const table = new Counted(alikeAttributes);
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
  const table = new Counted(alikeAttributes);
  const numbers = Object.values(lookAlikes).map((part) => table.hold(attributesOf(part)));
  expect(new Set(numbers).size).toBe(keys.length);
});

test('a source has one Path for each attribute set, and so has another session of the same neighbour', () => {
  const table = new Counted(alikePaths);
  const source = sourceOf();
  const first = table.hold(pathOf(source, attributesOf({ med: 1 })));
  expect(table.hold(pathOf(source, attributesOf({ med: 1 })))).toBe(first);
  expect(table.hold(pathOf(sourceOf(), attributesOf({ med: 1 })))).not.toBe(first);
});

interface Value {
  readonly value: number;
}

/** A table beside the plainest model: who is held, and how often. */
class Both {
  readonly table = new Counted<Value>({
    hash: ({ value }) => value % 7, // many meet in one place
    same: (a, b) => a.value === b.value,
  });
  readonly held = new Map<number, { readonly id: number; readonly count: number }>();

  hold(value: number): void {
    const known = this.held.get(value);
    const id = this.table.hold({ value });
    if (known !== undefined) expect(id).toBe(known.id);
    this.held.set(value, { id, count: (known?.count ?? 0) + 1 });
  }

  drop(value: number): void {
    const known = this.held.get(value);
    if (known === undefined) return;
    this.table.drop(known.id);
    if (known.count === 1) this.held.delete(value);
    else this.held.set(value, { ...known, count: known.count - 1 });
  }

  expectSame(): void {
    const { table, held } = this;
    expect(new Set([...table.items()].map(({ value }) => value))).toEqual(new Set(held.keys()));
    for (const [value, { id }] of held) {
      expect(table.get(id)).toEqual({ value });
      expect(table.known({ value })).toBe(table.get(id));
    }
  }
}

test('after any history of holding and dropping, what is referred to has its number, and nothing else is there', () => {
  const act = fc.record({ isHeld: fc.boolean(), value: fc.nat(200) });
  fc.assert(
    fc.property(fc.array(act, { maxLength: 500 }), (history) => {
      const both = new Both();
      for (const { isHeld, value } of history) {
        expect(both.table.idOf({ value })).toBe(both.held.get(value)?.id ?? 0);
        if (isHeld) both.hold(value);
        else both.drop(value);
        expect(both.table.size).toBe(both.held.size);
      }
      both.expectSame();
    }),
  );
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
