import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Ranges } from '../../../felix/calc/ranges.ts';
import { merged, type Span, spanOf } from '../../../felix/rules/span.ts';
import { ipv4, ipv6, parsePrefix, prefixOf } from '../../../src/lib/net.ts';

const prefixes = (version: 4 | 6): fc.Arbitrary<Span> =>
  fc
    .record({ index: fc.nat(63), short: fc.constantFrom(0, 0, 1, 2, 3, 4, 5, 6, 16) })
    .map(({ index, short }) =>
      spanOf(
        version === 4
          ? prefixOf(ipv4(0x0a000000 + index), 32 - short)
          : prefixOf(ipv6((0xfd00n << 112n) + BigInt(index)), 128 - short),
      ),
    );

const text = ({ first, last }: Span): string => `${first}-${last}`;

const minus = (all: ReadonlySet<string>, some: ReadonlySet<string>): ReadonlySet<string> =>
  new Set([...all].filter((each) => !some.has(each)));

type Step = readonly { readonly span: Span; readonly add: boolean }[];

const history = (version: 4 | 6): fc.Arbitrary<readonly Step[]> =>
  fc.array(fc.array(fc.record({ span: prefixes(version), add: fc.boolean() }), { maxLength: 12 }), {
    maxLength: 12,
  });

for (const version of [4, 6] as const) {
  test(`IPv${version} ranges are what merging all prefixes gives, and each change is the least there is`, () => {
    fc.assert(
      fc.property(history(version), (steps) => {
        const ranges = new Ranges(version === 4 ? 32 : 128);
        const held: Span[] = [];
        let told = new Set<string>();
        for (const step of steps) {
          for (const { span, add } of step) {
            const at = held.findIndex((each) => text(each) === text(span));
            if (add) {
              held.push(span);
              ranges.add(span);
            } else if (at >= 0) {
              held.splice(at, 1);
              ranges.remove(span);
            }
          }
          const { added, removed } = ranges.settle();
          const wanted = new Set(merged(held).map(text));
          expect(new Set(added.map(text))).toEqual(minus(wanted, told));
          expect(new Set(removed.map(text))).toEqual(minus(told, wanted));
          told = wanted;
        }
      }),
      { numRuns: 1000 },
    );
  });
}

test('one prefix among a hundred thousand is not a matter of all of them', () => {
  const ranges = new Ranges(32);
  const spans = Array.from({ length: 100_000 }, (_, index) => spanOf(prefixOf(ipv4(index * 512), 24)));
  for (const span of spans) ranges.add(span);
  expect(ranges.settle().added.length).toBe(100_000);
  const hole = spans[50_000] ?? expect.unreachable();
  const all = spanOf(parsePrefix('0.0.0.0/0') ?? expect.unreachable());
  ranges.remove(hole);
  expect(ranges.settle()).toEqual({ added: [], removed: [hole] });
  ranges.add(all);
  expect(ranges.settle().added).toEqual([all]);
  ranges.remove(all);
  ranges.add(hole);
  expect(ranges.settle().removed).toEqual([all]);
});
