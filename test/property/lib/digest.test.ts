import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/lib/digest.ts';

const leaf = fc.oneof(
  fc.string(),
  fc.constantFrom('', 'a', '1', 'null', '0'),
  fc.integer({ min: -5, max: 5 }),
  fc.double({ noNaN: true }).filter((value) => !Object.is(value, -0)),
  fc.bigInt({ min: 0n, max: 2n ** 128n }),
  fc.boolean(),
  fc.constantFrom(null, undefined),
);
const plain = fc.letrec((tie) => ({
  value: fc.oneof({ depthSize: 'small', withCrossShrink: true }, leaf, tie('list'), tie('fields')),
  list: fc.array(tie('value'), { maxLength: 4 }),
  fields: fc.dictionary(fc.constantFrom('a', 'b', 'ab', 'kind', '__x'), tie('value'), {
    maxKeys: 4,
    noNullPrototype: true,
  }),
})).value;

/** The same, with the keys of every object in the opposite order. */
function turned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(turned);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, field]) => [key, turned(field)]),
  );
}

const seed = fc.integer({ min: 0, max: 0xffff_ffff });

describe('digests', () => {
  test('are equal for equal values, whatever the order of the keys', () => {
    fc.assert(
      fc.property(plain, seed, (value, by) => {
        expect(digestOf(turned(value), by)).toBe(digestOf(value, by));
      }),
      { numRuns: 500 },
    );
  });

  test('differ for values that differ', () => {
    fc.assert(
      fc.property(plain, plain, seed, (one, other, by) => {
        expect(digestOf(one, by) === digestOf(other, by)).toBe(isDeepStrictEqual(one, other));
      }),
      { numRuns: 3000 },
    );
  });

  test('tell apart what is alike', () => {
    const alike: readonly unknown[] = [
      ...[1, '1', 1n, true, [1], ['1'], { 1: 1 }, 2 ** 32 + 1, 1.5, -1, 0xffff_ffff],
      ...[null, undefined, 'null', [], {}, '', [[]], [{}], { a: undefined }, { a: null }, { a: {} }],
      ...[['ab', 'c'], ['a', 'bc'], [['a'], 'bc'], { a: 1, b: 2 }, { a: 2, b: 1 }, { ab: 12 }],
      ...[{ a: { b: 1 } }, { b: { a: 1 } }, { a: { b: 1 }, b: 1 }, { a: [1, 2] }, { a: [2, 1] }],
    ];
    expect(new Set(alike.map((value) => digestOf(value, 7))).size).toBe(alike.length);
  });

  test('are whole numbers of 53 bits, and use all of them', () => {
    const digests = Array.from({ length: 200 }, (_, index) => digestOf({ name: `pod-${index}` }, 1));
    expect(digests.every((digest) => Number.isSafeInteger(digest) && digest >= 0)).toBe(true);
    const seen = (bit: number): number =>
      digests.filter((one) => Math.floor(one / 2 ** bit) % 2 === 1).length;
    for (let bit = 0; bit < 53; bit += 1) expect(seen(bit)).toBeGreaterThan(50);
  });
});
