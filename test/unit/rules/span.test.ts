import fc from 'fast-check';
import { expect, test } from 'vitest';
import { merged, prefixOfSpan, type Span, spanOf, without } from '../../../felix/rules/span.ts';
import { parsePrefix } from '../../../src/lib/net.ts';

const span: fc.Arbitrary<Span> = fc
  .tuple(fc.nat(30), fc.nat(6))
  .map(([first, more]) => ({ first: BigInt(first), last: BigInt(first + more) }));

const values = (spans: readonly Span[]): ReadonlySet<bigint> =>
  new Set(
    spans.flatMap(({ first, last }) =>
      Array.from({ length: Number(last - first) + 1 }, (_, index) => first + BigInt(index)),
    ),
  );

test('merging keeps the values, and leaves nothing that overlaps or touches', () => {
  fc.assert(
    fc.property(fc.array(span), (spans) => {
      const result = merged(spans);
      expect(values(result)).toEqual(new Set([...values(spans)].sort((a, b) => Number(a - b))));
      for (const [index, { first }] of result.entries()) {
        if (index > 0) expect(first).toBeGreaterThan((result[index - 1]?.last ?? 0n) + 1n);
      }
    }),
  );
});

test('what is taken out is out, and nothing else is', () => {
  fc.assert(
    fc.property(span, fc.array(span), (whole, holes) => {
      const left = values(without(whole, holes));
      const taken = values(holes);
      for (const value of values([whole])) expect(left.has(value)).toBe(!taken.has(value));
      for (const value of left) expect(values([whole]).has(value)).toBe(true);
    }),
  );
});

test.each(['0.0.0.0/0', '10.0.0.0/8', '10.1.2.3/32', '::/0', 'fd00::/8', '::1/128'])(
  '%s is a span and back',
  (text) => {
    const prefix = parsePrefix(text) ?? expect.unreachable(text);
    expect(prefixOfSpan(text.includes(':') ? 6 : 4, spanOf(prefix))).toBe(prefix);
  },
);

test('a span that is no prefix is none, though its size is a power of two', () => {
  expect(prefixOfSpan(4, { first: 2n, last: 5n })).toBe(undefined);
  expect(prefixOfSpan(4, { first: 4n, last: 6n })).toBe(undefined);
});
