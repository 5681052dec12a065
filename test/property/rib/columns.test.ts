import fc from 'fast-check';
import { expect, test } from 'vitest';
import { grown8, grown16, grown32, grownDoubles, grownRows, grownWords } from '../../../bgp/rib/columns.ts';

const word = fc.integer({ min: 0, max: 200 });
/** Sparse, so that some end in zeros and some are nothing else. */
const words = fc.array(fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, word), { maxLength: 80 });

const growths = {
  '8 bits': (from: readonly number[], least: number) => grown8(Uint8Array.from(from), least),
  '16 bits': (from: readonly number[], least: number) => grown16(Uint16Array.from(from), least),
  '32 bits': (from: readonly number[], least: number) => grown32(Int32Array.from(from), least),
  words: (from: readonly number[], least: number) => grownWords(Uint32Array.from(from), least),
  doubles: (from: readonly number[], least: number) => grownDoubles(Float64Array.from(from), least),
};

test.each(Object.entries(growths))(
  'a column of %s that has grown is longer, at least as long as asked, and holds what it held, then zeros',
  (_, grow) => {
    fc.assert(
      fc.property(words, fc.nat(3000), (from, least) => {
        const column = grow(from, least);
        expect(column.length).toBeGreaterThan(from.length);
        expect(column.length).toBeGreaterThanOrEqual(least);
        expect([...column.subarray(0, from.length)]).toEqual(from);
        expect(column.subarray(from.length).every((one) => one === 0)).toBe(true);
      }),
    );
  },
);

test('rows that have grown stand where they stood, and so many more are whole', () => {
  fc.assert(
    fc.property(words, (from) => {
      const table = Int32Array.from({ length: 80 }, (_, index) => from[index] ?? 0);
      const bigger = grownRows(table, 2);
      expect(bigger.length % 4).toBe(0);
      expect(bigger.length).toBeGreaterThan(table.length);
      expect([...bigger.subarray(0, table.length)]).toEqual([...table]);
    }),
  );
});

test('what columns reserve is nothing that V8 would collect garbage for', () => {
  const kept: Int32Array[] = [];
  const before = process.memoryUsage().external;
  for (let index = 0; index < 4; index += 1) kept.push(grown32(new Int32Array(0), 1 << 22));
  expect(kept.every(({ byteLength }) => byteLength === 1 << 24)).toBe(true);
  expect(process.memoryUsage().external - before).toBeLessThan(1 << 20);
});

test('a column is copied four times until it has four million rows', () => {
  let column = grown32(new Int32Array(0));
  const lengths = [column.length];
  while (column.length < 1 << 22) {
    column = grown32(column);
    lengths.push(column.length);
  }
  expect(lengths).toEqual([256, 4096, 65_536, 1 << 22]);
});
