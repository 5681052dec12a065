import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Nets } from '../../../bgp/rib/nets.ts';
import { ipv4, ipv6, type Prefix, prefixOf } from '../../../src/lib/net.ts';

/** From so few addresses that many are alike but for their length, and that tables are full of neighbours. */
const anyPrefix: fc.Arbitrary<Prefix> = fc.oneof(
  fc
    .tuple(fc.constantFrom(0, 0x0a00_0000, 0x0a00_1000, 0xffff_0000), fc.nat(40), fc.nat(32))
    .map(([base, index, length]) => prefixOf(ipv4(base + index), length)),
  fc
    .tuple(fc.constantFrom(0n, 0xfd00n << 112n), fc.nat(40), fc.nat(128))
    .map(([base, index, length]) => prefixOf(ipv6(base + (BigInt(index) << 60n)), length)),
);

test('after any history each prefix has one number, no two have the same, and removed ones are found no more', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(anyPrefix, fc.boolean()), { maxLength: 600 }), (history) => {
      const nets = new Nets();
      const model = new Map<Prefix, number>();
      for (const [prefix, isAdded] of history) {
        const known = model.get(prefix);
        expect(nets.find(prefix)).toBe(known ?? 0);
        if (isAdded && known === undefined) model.set(prefix, nets.add(prefix));
        else if (!isAdded && known !== undefined) {
          nets.remove(known);
          model.delete(prefix);
        }
      }
      expect(nets.size).toBe(model.size);
      expect(new Set(model.values()).size).toBe(model.size);
      for (const [prefix, net] of model) {
        expect([nets.find(prefix), nets.prefix(net), nets.has(net)]).toEqual([net, prefix, true]);
        expect(nets.isIpv6(net)).toBe(typeof prefix === 'bigint');
        expect(net).toBeLessThan(nets.limit);
      }
    }),
    { numRuns: 300 },
  );
});

const many = (base: number): readonly Prefix[] =>
  Array.from({ length: 100_000 }, (_, index) => prefixOf(ipv4(base + index), 32));

test.each([
  ['the same', 0x0a00_0000],
  ['others', 0x0b00_0000],
])('a hundred thousand come and go, and %s that come then are given their numbers', (_, base) => {
  const nets = new Nets();
  for (const prefix of many(0x0a00_0000)) nets.add(prefix);
  const { limit } = nets;
  for (const prefix of many(0x0a00_0000)) nets.remove(nets.find(prefix));
  expect(nets.size).toBe(0);
  for (const prefix of many(base)) nets.add(prefix);
  expect(nets.size).toBe(100_000);
  expect(nets.limit).toBeLessThan(limit + 10);
  for (const prefix of many(0x0a00_0000)) expect(nets.find(prefix) > 0).toBe(base === 0x0a00_0000);
});

test('where one here and there comes and another goes, the table grows by a tenth at most', () => {
  const nets = new Nets();
  const present = [...many(0x0a00_0000)];
  for (const prefix of present) nets.add(prefix);
  const { limit } = nets;
  for (const [turn, prefix] of many(0x0b00_0000).entries()) {
    const gone = Math.imul(turn, 0x9e37_79b1) >>> 0;
    nets.remove(nets.find(present[gone % present.length] as Prefix));
    present[gone % present.length] = prefix;
    nets.add(prefix);
  }
  expect(nets.size).toBe(100_000);
  expect(nets.limit).toBeLessThan(limit * 1.1);
});
