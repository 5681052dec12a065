/** When a file is read: looks follow each other here without time between them, so each step is certain. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { DirReader, type Look } from '../../../src/store/dir/reader.ts';
import { podManifest } from '../../support/manifests.ts';

let root: string;
let reader: DirReader;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'tortie-reader-'));
  reader = new DirReader(root);
});
afterEach(() => rm(root, { recursive: true, force: true }));

const write = (name: string, text: string) => writeFile(join(root, name), text);
const pods = (...names: string[]): string => names.map((name) => stringify(podManifest(name))).join('---\n');
const seen = (look: Look | undefined): readonly string[] | undefined =>
  look?.manifests.flatMap(({ documents }) => documents.map(({ ref }) => ref?.name ?? '?'));

test('the first look reads all there is at once', async () => {
  await write('a.yaml', pods('a'));
  const look = await reader.look();
  expect([seen(look), look?.again]).toEqual([['a'], false]);
});

test('a file that changed is read at the second look that sees it the same', async () => {
  await reader.look();
  await write('a.yaml', pods('a'));
  const moving = await reader.look();
  expect([seen(moving), moving?.again]).toEqual([[], true]);
  await write('a.yaml', pods('a', 'b'));
  const stillMoving = await reader.look();
  expect([seen(stillMoving), stillMoving?.again]).toEqual([[], true]);
  const atRest = await reader.look();
  expect([seen(atRest), atRest?.again]).toEqual([['a', 'b'], false]);
});

test('a file that is gone counts so at the second look, and not if it came back', async () => {
  await write('a.yaml', pods('a'));
  await reader.look();
  await rm(join(root, 'a.yaml'));
  const first = await reader.look();
  expect([seen(first), first?.again]).toEqual([['a'], true]);
  await write('a.yaml', pods('b'));
  expect(seen(await reader.look())).toEqual(['a']);
  expect(seen(await reader.look())).toEqual(['b']);
  await rm(join(root, 'a.yaml'));
  await reader.look();
  const gone = await reader.look();
  expect([seen(gone), gone?.again]).toEqual([[], false]);
});

test('a file renamed in the middle of a look is held until its new name is read', async () => {
  await write('a.yaml', pods('a'));
  await reader.look();
  await rm(join(root, 'a.yaml'));
  expect(seen(await reader.look())).toEqual(['a']); // this look saw neither name
  await write('b.yaml', pods('a'));
  const moving = await reader.look();
  expect([seen(moving), moving?.manifests.map(({ path }) => path)]).toEqual([['a'], ['a.yaml']]);
  const moved = await reader.look();
  expect([moved?.manifests.map(({ path }) => path), moved?.again]).toEqual([['b.yaml'], false]);
});

test('a vanished file does not wait for ever for one that never comes to rest', async () => {
  await write('a.yaml', pods('a'));
  await reader.look();
  await rm(join(root, 'a.yaml'));
  let looks = 0;
  for (let left = seen(await reader.look()); left?.length === 1; left = seen(await reader.look())) {
    looks += 1;
    await write('busy.yaml', `# ${'x'.repeat(looks)}\n`);
  }
  expect(looks).toBeGreaterThan(1);
  expect(looks).toBeLessThan(30);
});

test('a file that is not YAML asks for another look, but not for ever', async () => {
  await write('a.yaml', 'kind: [');
  const looks = [await reader.look(), await reader.look(), await reader.look(), await reader.look()];
  expect(looks.map((look) => look?.again)).toEqual([true, true, false, false]);
  expect(looks.map((look) => look?.manifests[0]?.broken.length)).toEqual([1, 1, 1, 1]);
});

test('a status document is read at once, and gone at once', async () => {
  await reader.look();
  await write('a.yaml', pods('a'));
  await mkdir(join(root, '.status'));
  await write('.status/x.yaml', pods('x'));
  expect((await reader.look())?.statuses.map(({ path }) => path)).toEqual(['.status/x.yaml']);
  await rm(join(root, '.status/x.yaml'));
  expect((await reader.look())?.statuses).toEqual([]);
});

test('a directory that is away yields nothing at all, not emptiness', async () => {
  expect(await new DirReader(join(root, 'nowhere')).look()).toBeUndefined();
  await write('file', 'x');
  expect(await new DirReader(join(root, 'file')).look()).toBeUndefined();
});

test('a file that is written again before each look is read all the same, after twenty of them', async () => {
  await reader.look();
  const heard: (readonly string[] | undefined)[] = [];
  for (let round = 0; round < 25; round += 1) {
    await write('a.yaml', `${pods('a')}# ${'x'.repeat(round)}\n`);
    heard.push(seen(await reader.look()));
  }
  expect(heard[19]).toEqual([]);
  expect(heard[20]).toEqual(['a']);
});
