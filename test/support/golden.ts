/** Golden files: small texts a person reviews. `UPDATE_GOLDEN=1` writes them; a test only compares. */
import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'vitest';

/** @param what  first line of the file: what to look for in it */
export function expectGolden(name: string, what: string, text: string): void {
  const file = new URL(`../golden/${name}`, import.meta.url);
  const whole = `# ${what}\n${text}`;
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, whole);
  expect(whole).toBe(readFileSync(file, 'utf8'));
}
