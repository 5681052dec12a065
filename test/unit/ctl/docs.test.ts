/**
 * docs/CLI.md against the program: a section for every command, with what `--help` says of it.
 * `UPDATE_GOLDEN=1` writes the help into the sections; what stands around it is written by people.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

const script = new URL('../../../src/tortie.sh', import.meta.url).pathname;
const file = new URL('../../../docs/CLI.md', import.meta.url);

const help = (...words: readonly string[]): string =>
  execFileSync(script, ['ctl', ...words, '--help'], {
    encoding: 'utf8',
    env: { ...process.env, COLUMNS: '80' },
  });

/** The words below "Commands:"; none for a command of its own. */
const below = (text: string): readonly string[] =>
  [...(text.split('\nCommands:\n')[1] ?? '').matchAll(/^ {2}([a-z][\w-]*)/gm)]
    .map(([, word = '']) => word)
    .filter((word) => word !== 'help');

const commands = below(help()).flatMap((word) => {
  const inner = below(help(word));
  return inner.length === 0 ? [word] : inner.map((one) => `${word} ${one}`);
});

/** What is the same for every command is told once, at the top of the page. */
const own = (text: string): string =>
  text
    .replace(/\nGlobal Options:\n[\s\S]*?(?=\nExamples:)/, '')
    .replace(/^ {2}-h, --help .*\n/m, '')
    .replace(/\nOptions:\n(?=\n)/, '')
    .trim();

const sectionOf = (page: string, name: string): string =>
  page.split(/^### /m).find((section) => section.startsWith(`\`tortiectl ${name}\`\n`)) ?? '';

const block = (text: string): string => `\`\`\`text\n${text}\n\`\`\``;

function withHelp(page: string): string {
  return commands.reduce((text, name) => {
    const section = sectionOf(text, name);
    const helped = section.replace(/```text\nUsage: [\s\S]*?\n```/, () =>
      block(own(help(...name.split(' ')))),
    );
    return text.replace(section, () => helped);
  }, page);
}

if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, withHelp(readFileSync(file, 'utf8')));
const page = readFileSync(file, 'utf8');

test('the page has a section for every command, and for none that is not there', () => {
  const sections = [...page.matchAll(/^### `tortiectl ([^`]+)`$/gm)].map(([, name]) => name);
  expect([...sections].sort()).toEqual([...commands].sort());
});

describe('the section of', () => {
  test.each(commands)('tortiectl %s says what --help says', (name) => {
    expect(sectionOf(page, name)).toContain(block(own(help(...name.split(' ')))));
  });
});

test.each(commands)('the help of tortiectl %s has examples of it and exit codes', (name) => {
  const text = help(...name.split(' '));
  const [, examples = '', exits = ''] = /\nExamples:\n([\s\S]*)\nExit codes:\n([\s\S]*)$/.exec(text) ?? [];
  expect(examples).toContain(`tortiectl ${name}`);
  expect(exits).toMatch(/^ {2}0 {2}\S/);
});

test('help comes in an instant', () => {
  help(); // what was compiled is kept for the next time
  const fastest = Math.min(
    ...Array.from({ length: 5 }, () => {
      const start = performance.now();
      help();
      return performance.now() - start;
    }),
  );
  // 50 ms as a rule; the limit allows for a machine that does much else.
  expect(fastest).toBeLessThan(1000);
});
