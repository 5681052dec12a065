import { expect, test } from 'vitest';
import { homeOf, SlotTable } from '../../../bgp/rib/slots.ts';
import { seededRandom } from '../../../src/lib/random.ts';

const limit = 4000;
const random = seededRandom(7);
/** Few lines, so that many a row stands where another belongs. */
const hashes = Int32Array.from({ length: limit }, () => Math.floor(random() * 2 ** 12) * 2 ** 20);

function has(table: SlotTable, row: number): boolean {
  const hash = hashes[row] ?? 0;
  const slots = table.part(hash);
  const mask = slots.length - 1;
  for (let slot = homeOf(hash, mask); slots[slot] !== 0; slot = (slot + 1) & mask)
    if (slots[slot] === row + 1) return true;
  return false;
}

const slotsOf = (table: SlotTable): readonly number[] =>
  Array.from({ length: 32 }, (_, part) => [...table.part(part << 27)]).flat();

test('who comes and goes for long finds a table as large as its rows ask for, and the last leaves nothing in it', () => {
  const table = new SlotTable();
  const rows: number[] = [];
  const others = Array.from({ length: limit - 1 }, (_, index) => index + 1);
  for (let turn = 0; turn < 200_000; turn += 1) {
    const isComing = rows.length < 1000 || (rows.length < 1500 && random() < 0.5);
    const [from, to] = isComing ? [others, rows] : [rows, others];
    const at = Math.floor(random() * from.length);
    const row = from[at] ?? 0;
    from[at] = from.at(-1) ?? 0;
    from.pop();
    to.push(row);
    if (isComing) table.add(row, hashes);
    else table.remove(row, hashes);
  }
  expect(table.size).toBe(rows.length);
  expect(rows.filter((row) => !has(table, row))).toEqual([]);
  expect(others.filter((row) => has(table, row))).toEqual([]);
  expect(slotsOf(table).length).toBeLessThanOrEqual((1500 / 0.35 / 0.875) * 2 + 32 * 32);
  for (const row of rows) table.remove(row, hashes);
  expect([table.size, slotsOf(table).filter((slot) => slot !== 0)]).toEqual([0, []]);
});
