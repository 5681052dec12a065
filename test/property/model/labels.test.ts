import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  canonicalLabels,
  everything,
  type LabelRequirement,
  type LabelSelector,
  matchesLabels,
} from '../../../src/model/labels.ts';

const key = fc.constantFrom('a', 'b', 'constructor');
const value = fc.constantFrom('', 'x', 'y', 'z');
const requirement: fc.Arbitrary<LabelRequirement> = fc.oneof(
  fc.record({
    key,
    operator: fc.constantFrom('In', 'NotIn'),
    values: fc.array(value, { minLength: 1, maxLength: 3 }),
  }),
  fc.record({ key, operator: fc.constantFrom('Exists', 'DoesNotExist') }),
);
const selector: fc.Arbitrary<LabelSelector> = fc.record({
  matchLabels: fc.dictionary(key, value, { maxKeys: 2 }),
  matchExpressions: fc.array(requirement, { maxLength: 3 }),
});
const labels = fc.dictionary(key, value, { maxKeys: 3 });

describe('matching', () => {
  test.each([
    // requirement, label a = x, label a = z, label a missing
    [{ key: 'a', operator: 'In', values: ['x', 'y'] }, true, false, false],
    [{ key: 'a', operator: 'NotIn', values: ['x', 'y'] }, false, true, true],
    [{ key: 'a', operator: 'Exists' }, true, true, false],
    [{ key: 'a', operator: 'DoesNotExist' }, false, false, true],
  ] as const)('%j', (one, x, z, missing) => {
    const given = { matchLabels: {}, matchExpressions: [one] };
    expect(
      [{ a: 'x' }, { a: 'z' }, {}].map((pod) => matchesLabels(given, pod as Record<string, string>)),
    ).toEqual([x, z, missing]);
  });

  test('all requirements must hold, and none at all hold for everything', () => {
    fc.assert(
      fc.property(selector, labels, (given, pod) => {
        const each = [
          ...Object.entries(given.matchLabels).map(([name, wanted]) => ({
            ...everything,
            matchLabels: { [name]: wanted },
          })),
          ...given.matchExpressions.map((one) => ({ ...everything, matchExpressions: [one] })),
        ];
        expect(matchesLabels(given, pod)).toBe(each.every((one) => matchesLabels(one, pod)));
        expect(matchesLabels(everything, pod)).toBe(true);
      }),
    );
  });

  test('a matchLabels entry means the same as In with that one value', () => {
    fc.assert(
      fc.property(key, value, labels, (name, wanted, pod) => {
        expect(matchesLabels({ matchLabels: { [name]: wanted }, matchExpressions: [] }, pod)).toBe(
          matchesLabels(
            { matchLabels: {}, matchExpressions: [{ key: name, operator: 'In', values: [wanted] }] },
            pod,
          ),
        );
      }),
    );
  });
});

describe('canonical text', () => {
  test('order and repetition make no difference to it', () => {
    fc.assert(
      fc.property(selector, ({ matchLabels, matchExpressions }) => {
        const reversed = matchExpressions.map((one) =>
          'values' in one ? { ...one, values: [...one.values, ...one.values].reverse() } : one,
        );
        const other = {
          matchLabels: Object.fromEntries(Object.entries(matchLabels).reverse()),
          matchExpressions: [...reversed, ...matchExpressions].reverse(),
        };
        expect(canonicalLabels(other)).toBe(canonicalLabels({ matchLabels, matchExpressions }));
      }),
    );
  });

  test('selectors with the same text select the same', () => {
    fc.assert(
      fc.property(selector, selector, labels, (a, b, pod) => {
        if (canonicalLabels(a) === canonicalLabels(b))
          expect(matchesLabels(a, pod)).toBe(matchesLabels(b, pod));
      }),
      { numRuns: 2000 },
    );
  });

  test('no key or value can be mistaken for the punctuation between them', () => {
    const one = (values: readonly string[]): string =>
      canonicalLabels({ matchLabels: {}, matchExpressions: [{ key: 'a', operator: 'In', values }] });
    expect(one(['x', 'y'])).not.toBe(one(['x","y']));
    expect(one(['x&y'])).not.toBe(one(['x', 'y']));
  });
});
