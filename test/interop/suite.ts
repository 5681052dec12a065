/** One column of the table: every row tried with one foreign speaker, and the column of docs/INTEROP.md compared with what ran. */
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import type { DaemonName } from './foreign.ts';
import { rows } from './rows.ts';
import { cell, columnOf } from './table.ts';

const page = new URL('../../docs/INTEROP.md', import.meta.url);

export function interop(daemon: DaemonName): void {
  const tried = rows.filter(({ cannot }) => cannot?.[daemon] === undefined);
  const ran = new Set<string>();
  const passed = new Set<string>();
  describe(`beside ${daemon}`, () => {
    for (const row of tried)
      test(`${row.rfc}: ${row.title}`, async () => {
        ran.add(row.title);
        await row.run(daemon);
        passed.add(row.title);
      });
  });
  afterAll(() => {
    // Where only some were asked for (-t), there is nothing to compare.
    if (ran.size < tried.length) return;
    expect(columnOf(readFileSync(page, 'utf8'), daemon)).toEqual(
      rows.map((row) => cell(row, daemon, passed.has(row.title))),
    );
  });
}
