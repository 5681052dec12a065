/** Packed attributes and the slab they lie in, against the plainest there is. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { attributesKey } from '../../../bgp/rib/key.ts';
import { lengthOf, pack, unpack } from '../../../bgp/rib/pack.ts';
import { offsetOf, Slab, type Words } from '../../../bgp/rib/slab.ts';
import { AttributeView } from '../../../bgp/rib/view.ts';
import type { AsPathSegment, PathAttributes } from '../../../bgp/wire/message.ts';
import { asn, ipv4, ipv6 } from '../../../src/lib/net.ts';

const u32 = fc.oneof(fc.nat(3), fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.constant(2 ** 32 - 1));
const six = fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }).map(ipv6);
const few = { maxLength: 3 };

const plain = { noNullPrototype: true };

const segment = fc.record(
  {
    kind: fc.constantFrom<AsPathSegment['kind']>('set', 'sequence', 'confedSequence', 'confedSet'),
    asns: fc.oneof(
      fc.array(u32.map(asn), few),
      fc.constant(new Array<number>(1100).fill(7).map(asn)), // more than there is room for at first
    ),
  },
  plain,
);

/** Whatever a field may hold. */
const attributes: fc.Arbitrary<PathAttributes> = fc.record(
  {
    origin: fc.constantFrom('igp' as const, 'egp' as const, 'incomplete' as const),
    asPath: fc.array(segment, few),
    nextHop: fc.oneof(u32.map(ipv4), six),
    linkLocal: six,
    med: u32,
    localPref: u32,
    atomicAggregate: fc.constant(true as const),
    aggregator: fc.record({ asn: u32.map(asn), address: u32.map(ipv4) }, plain),
    communities: fc.array(u32, few),
    originatorId: u32.map(ipv4),
    clusterList: fc.array(u32.map(ipv4), few),
    extendedCommunities: fc.array(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), few),
    largeCommunities: fc.array(fc.tuple(u32, u32, u32), few),
    otc: u32.map(asn),
    unknown: fc.array(
      fc.record({ flags: fc.nat(255), code: fc.nat(255), body: fc.uint8Array({ maxLength: 9 }) }, plain),
      few,
    ),
  },
  { requiredKeys: ['origin', 'asPath', 'nextHop'], noNullPrototype: true },
);

const fields = Object.keys({
  origin: true,
  asPath: true,
  nextHop: true,
  linkLocal: true,
  med: true,
  localPref: true,
  atomicAggregate: true,
  aggregator: true,
  communities: true,
  originatorId: true,
  clusterList: true,
  extendedCommunities: true,
  largeCommunities: true,
  otc: true,
  unknown: true,
} satisfies Record<keyof PathAttributes, true>) as readonly (keyof PathAttributes)[];

const packed = (one: PathAttributes): Words => {
  const words = pack(one);
  return words.slice(0, lengthOf(words[0] ?? 0));
};

test('attributes come back from words as they went, absent fields too, and leave nothing behind for the next', () => {
  fc.assert(
    fc.property(attributes, attributes, (a, b) => {
      const words = new Uint32Array([9, ...packed(a)]);
      packed(b);
      expect(unpack(words, 1)).toStrictEqual(a);
    }),
    { numRuns: 500 },
  );
});

test('words are the same exactly when the attributes are', () => {
  const pair = fc.oneof(
    fc.tuple(attributes, attributes),
    attributes.map((one) => [one, structuredClone(one)] as const),
  );
  fc.assert(
    fc.property(pair, ([a, b]) => {
      const isSame = JSON.stringify([...packed(a)]) === JSON.stringify([...packed(b)]);
      expect(isSame).toBe(attributesKey(a) === attributesKey(b));
    }),
    { numRuns: 300 },
  );
});

test('a view says of each attribute what the words say, and of one that is absent nothing', () => {
  fc.assert(
    fc.property(attributes, (one) => {
      const view = new AttributeView(packed(one), 0);
      const said = Object.fromEntries(fields.map((field) => [field, view[field]]));
      expect(said).toEqual(Object.fromEntries(fields.map((field) => [field, one[field]])));
    }),
  );
});

test('records in a slab are what was put there, whatever was given back between, and what is given back is taken again', () => {
  const length = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(30_000, 65_536));
  const act = fc.record({ length, given: fc.nat(30) });
  fc.assert(
    fc.property(fc.array(act, { maxLength: 60 }), (history) => {
      const slab = new Slab();
      const records: { readonly place: number; readonly words: Words }[] = [];
      for (const [stamp, { length: many, given }] of history.entries()) {
        const words = new Uint32Array(many).fill(stamp * 1000 + many);
        records.push({ place: slab.take(words, many), words });
        const [gone] = records.splice(given, 1);
        if (gone !== undefined) slab.give(gone.place, gone.words.length);
      }
      for (const { place, words } of records) {
        const at = offsetOf(place);
        expect(slab.chunk(place).subarray(at, at + words.length)).toEqual(words);
        expect(slab.same(place, words, words.length)).toBe(true);
        expect(
          slab.same(
            place,
            words.map((word) => word + 1),
            words.length,
          ),
        ).toBe(false);
      }
      const { chunks } = slab;
      for (const { place, words } of records) slab.give(place, words.length);
      for (const { words } of records) slab.take(words, words.length);
      expect(slab.chunks).toBe(chunks);
    }),
  );
});
