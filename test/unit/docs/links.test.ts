/** What the pages point at is there: pages, headings, and files of this repository that they name. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = new URL('../../..', import.meta.url).pathname;
const pagesIn = (directory: string, recursive: boolean): readonly string[] =>
  readdirSync(join(root, directory), { recursive, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => normalize(join(directory, name)));

const pages = [...pagesIn('.', false), ...pagesIn('docs', true)];
const textOf = (page: string): string => readFileSync(join(root, page), 'utf8');

/** What stands in fences is for machines and people elsewhere. */
const proseOf = (page: string): string => textOf(page).replace(/^```[\s\S]*?^```/gm, '');

/** As GitHub makes them. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
const anchorsOf = (page: string): readonly string[] =>
  [...proseOf(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading.trim()));

const exists = (path: string): boolean => existsSync(join(root, path));

/** Broken ones among the links of a page. */
function broken(page: string): readonly string[] {
  const targets = [...proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  return targets.filter((target) => {
    if (/^[a-z]+:/.test(target)) return false;
    const [path = '', anchor] = target.split('#');
    const file = path === '' ? page : normalize(join(dirname(page), path));
    if (!exists(file)) return true;
    return anchor !== undefined && !anchorsOf(file).includes(anchor);
  });
}

const rooms = ['src', 'bgp', 'felix', 'test', 'docs', 'deploy'];
/** Files and folders that a page names in code: "src/lib/net.ts", "bgp/wire". With `*`, HOST and the like they stand for others. */
const namedIn = (page: string): readonly string[] =>
  [...proseOf(page).matchAll(/`([\w./-]+)`/g)]
    .map(([, name = '']) => name)
    .filter((name) => rooms.includes(name.split('/')[0] ?? '') && name.includes('/'));

/** A page may leave out the ending: `felix/cni`, `bgp/intent`. */
const isThere = (name: string): boolean => exists(name) || exists(`${name}.ts`);

test('there are pages to look at', () => {
  expect(pages).toContain('README.md');
  expect(pages).toContain('docs/CLI.md');
  expect(pages.length).toBeGreaterThan(20);
  expect(pages.every((page) => statSync(join(root, page)).isFile())).toBe(true);
});

describe.each(pages)('%s', (page) => {
  test('points at no page and no heading that is not there', () => {
    expect(broken(page)).toEqual([]);
  });

  test('names no file of this repository that is not there', () => {
    expect(namedIn(page).filter((name) => !isThere(name))).toEqual([]);
  });
});
