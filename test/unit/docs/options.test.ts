/** What a daemon can be told, and what it is made of, is in the documents. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const root = new URL('../../..', import.meta.url).pathname;
const textOf = (path: string): string => readFileSync(`${root}${path}`, 'utf8');

const optionsOf = (...words: readonly string[]): readonly string[] =>
  [
    ...execFileSync(`${root}src/tortie.sh`, [...words, '--help'], { encoding: 'utf8' }).matchAll(
      /^ {2}(?:-\w, )?(--[a-z-]+)/gm,
    ),
  ]
    .map(([, option = '']) => option)
    .filter((option) => option !== '--help');

test.each([
  ['bgp', 'docs/RUNNING.md'],
  ['felix', 'docs/RUNNING.md'],
  ['controller', 'docs/CONTROLLER.md'],
  ['cni install', 'docs/CNI.md'],
  ['cni uninstall', 'docs/CNI.md'],
])('every option of tortie %s is in %s', (command, page) => {
  const options = optionsOf(...command.split(' '));
  expect(options.length).toBeGreaterThan(1);
  const text = textOf(page);
  expect(options.filter((option) => !new RegExp(`\`${option}[\`= ]|[ \`]${option} `).test(text))).toEqual([]);
});

test('the packages of package.json, and no others, are in docs/DEPENDENCIES.md', () => {
  const { dependencies, devDependencies } = JSON.parse(textOf('package.json')) as Readonly<
    Record<'dependencies' | 'devDependencies', Readonly<Record<string, string>>>
  >;
  const sections = textOf('docs/DEPENDENCIES.md').split(/^## /m);
  const named = (title: string): readonly string[] =>
    [...(sections.find((one) => one.startsWith(title)) ?? '').matchAll(/^\| `([^`]+)`/gm)].map(
      ([, name = '']) => name,
    );
  expect([...named('At run time')].sort()).toEqual(Object.keys(dependencies).sort());
  expect([...named('For development')].sort()).toEqual(Object.keys(devDependencies).sort());
});
