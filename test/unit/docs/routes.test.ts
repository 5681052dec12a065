/** docs/ROUTES.md has every reason of both policies, as the code gives it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { exportReasons, importReasons, type Reason } from '../../../bgp/policy/reasons.ts';

const file = new URL('../../../docs/ROUTES.md', import.meta.url);

const table = (reasons: readonly Reason[]): string =>
  [
    '| code | begins with | means | what to do |',
    '|---|---|---|---|',
    ...reasons.map(
      ({ code, begins, has, meaning, remedy }) =>
        `| ${code} | ${begins === '' ? 'the prefix itself' : `\`${begins.trim()}${has === undefined ? '' : ` …${has}`}\``} | ${meaning} | ${remedy} |`,
    ),
  ].join('\n');

const withTable = (text: string, name: string, reasons: readonly Reason[]): string =>
  text.replace(
    new RegExp(`(<!-- ${name} -->\n)(?:\n?\\|[^\n]*)*`),
    (_, mark: string) => `${mark}\n${table(reasons)}`,
  );

test('the tables of reasons are those of the code; UPDATE_GOLDEN=1 writes them', () => {
  const text = readFileSync(file, 'utf8');
  const expected = withTable(
    withTable(text, 'import reasons', importReasons),
    'export reasons',
    exportReasons,
  );
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, expected);
  else expect(text).toBe(expected);
  expect(expected).toContain('| as-loop | `loop: our own AS` |');
});

test('each reason has a code of its own', () => {
  for (const reasons of [importReasons, exportReasons])
    expect(new Set(reasons.map(({ code }) => code)).size).toBe(reasons.length);
});
