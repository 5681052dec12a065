/** The tables of rights in the pages name every resource that the chart's roles grant: who binds by hand goes by them. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { agentRoles, controllerRules } from '../../support/cluster-objects.ts';

const tableRows = (page: string): string =>
  readFileSync(new URL(`../../../docs/${page}`, import.meta.url), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .join('\n');

test.each([
  ['CONTROLLER.md', controllerRules()],
  ['RUNNING.md', agentRoles().flatMap(({ rules }) => rules)],
])('%s names every resource of the roles that are installed', (page, rules) => {
  const granted = rules.flatMap(({ resources }) => resources).map((name) => name.replace(/\/status$/, ''));
  expect(granted.length).toBeGreaterThan(0);
  const rows = tableRows(page);
  expect([...new Set(granted)].filter((name) => !rows.includes(`\`${name}`))).toEqual([]);
});
