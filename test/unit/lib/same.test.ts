import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { same } from '../../../src/lib/same.ts';

const data = fc.anything({ withBigInt: true, maxDepth: 2, maxKeys: 3, withNullPrototype: false });

test('plain data is the same exactly if node finds it deeply equal', () => {
  fc.assert(
    fc.property(data, data, (a, b) => {
      expect(same(a, b)).toBe(isDeepStrictEqual(a, b));
      expect(same(a, structuredClone(a))).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

test('an absent field is not an undefined one, and an array is not an object', () => {
  expect(same({ a: undefined }, {})).toBe(false);
  expect(same({ a: undefined }, { b: undefined })).toBe(false);
  expect(same([], {})).toBe(false);
  expect(same(null, {})).toBe(false);
});
