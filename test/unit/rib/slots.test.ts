import { expect, test } from 'vitest';
import { SlotTable } from '../../../bgp/rib/slots.ts';
import { seededRandom } from '../../../src/lib/random.ts';

const limit = 4000;
const random = seededRandom(7);
/** Few lines, so that many a row stands where another belongs, and of many rows one hash. */
const hashes = Int32Array.from({ length: limit }, () => Math.floor(random() * 2 ** 12) * 2 ** 20);

function has(table: SlotTable, row: number): boolean {
  const hash = hashes[row] ?? 0;
  for (let one = table.first(hash); one !== 0; one = table.next(hash)) if (one === row) return true;
  return false;
}

test('who comes and goes for long finds a table as large as its rows ask for, and the last leaves nothing in it', () => {
  const table = new SlotTable(0);
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
  expect(table.slots).toBeLessThan((1500 / 0.35 / 0.875) * 2 + 32 * 32);
  expect(table.taken).toBeGreaterThanOrEqual(rows.length);
  for (const row of rows) table.remove(row, hashes);
  expect([table.size, table.taken]).toEqual([0, 0]);
});
