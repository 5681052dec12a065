/** The Dockerfile, read: there is no container engine here to build it. What it holds is run in rootfs.test.ts. */
import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { rootfs } from './contain.ts';
import { root } from './tools.ts';

interface Instruction {
  readonly word: string;
  readonly rest: string;
}

const instructions: readonly Instruction[] = readFileSync(`${root}deploy/Dockerfile`, 'utf8')
  .replace(/^#.*\n/gm, '')
  .replace(/\\\n\s*/g, '')
  .split('\n')
  .filter((line) => line.trim() !== '')
  .map((line) => {
    const [word = '', ...rest] = line.split(' ');
    return { word, rest: rest.join(' ') };
  });
const all = (word: string): readonly string[] =>
  instructions.filter((one) => one.word === word).map(({ rest }) => rest);
const last = instructions.slice(instructions.findLastIndex(({ word }) => word === 'FROM'));

test('the image is built from a base that can be pinned, by stages that are there', () => {
  expect(new Set(instructions.map(({ word }) => word))).toEqual(
    new Set(['ARG', 'FROM', 'RUN', 'WORKDIR', 'COPY', 'ENV', 'LABEL', 'USER', 'ENTRYPOINT']),
  );
  expect(instructions[0]).toEqual({ word: 'ARG', rest: 'BASE=debian:bookworm-slim' });
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of the Dockerfile
  expect(all('FROM')).toEqual(['${BASE} AS build', 'scratch']);
  for (const rest of all('COPY').filter((one) => one.startsWith('--from=')))
    expect(rest).toBe('--from=build /rootfs /');
});

test('what it copies and runs is in the tree, and nothing is fetched but packages by name', () => {
  const sources = all('COPY').filter((rest) => !rest.startsWith('--from='));
  const ignored = readFileSync(`${root}deploy/Dockerfile.dockerignore`, 'utf8').split('\n');
  for (const path of sources.flatMap((rest) => rest.split(' ').slice(0, -1))) {
    expect(existsSync(join(root, path)), path).toBe(true);
    expect(ignored, path).toContain(`!${path}`);
  }
  const scripts = all('RUN').flatMap((rest) =>
    [...rest.matchAll(/sh (\S+\.sh)/g)].map(([, path = '']) => path),
  );
  expect(scripts).toEqual(['src/kernel/native/build.sh', 'src/cni/build.sh', 'deploy/rootfs.sh']);
  for (const path of scripts) expect(existsSync(join(root, path)), path).toBe(true);
  expect(all('RUN').join('\n')).not.toMatch(/curl|wget|https?:|latest/);
});

test('the image is the root filesystem and no more, is not root unless told so, and starts tortie', () => {
  expect(last.map(({ word }) => word)).toEqual(['FROM', 'COPY', 'ENV', 'LABEL', 'USER', 'ENTRYPOINT']);
  expect(all('USER')).toEqual(['65532:65532']);
  const [entry = ''] = JSON.parse(all('ENTRYPOINT')[0] ?? '[]') as readonly string[];
  expect(lstatSync(join(rootfs, entry)).isSymbolicLink()).toBe(true);
  expect(readFileSync(join(rootfs, 'etc/passwd'), 'utf8')).toContain('nonroot:x:65532:65532:');
});
