/** Objects that programs write in a dir: datastore: several processes at once, and people's files beside them. */
import { spawn } from 'node:child_process';
import { mkdir, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parsePrefix } from '../../../src/lib/net.ts';
import { append, latest } from '../../../src/store/dir/versions.ts';
import type { Manifest } from '../../../src/store/objects.ts';
import { eventually } from '../../support/eventually.ts';
import { follow } from '../../support/follower.ts';
import { dirWorld } from '../../support/store-worlds.ts';

let world: Awaited<ReturnType<typeof dirWorld>>;
beforeEach(async () => {
  world = await dirWorld();
});
afterEach(() => world.close());

const soon = { within: 15_000 };
const counter = { kind: 'Lease', namespace: 'default', name: 'counter' } as const;
const lease = (holderIdentity: string): Manifest => ({
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name: 'counter', namespace: 'default' },
  spec: { holderIdentity },
});
const pool = (cidr: string): Manifest => ({
  apiVersion: 'projectcalico.org/v3',
  kind: 'IPPool',
  metadata: { name: 'pods' },
  spec: { cidr },
});

function swapper(name: string, times: number): Promise<string> {
  const script = new URL('../../support/swapper.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, world.path, name, String(times)]);
  let output = '';
  child.stdout.on('data', (chunk) => (output += String(chunk)));
  child.stderr.on('data', (chunk) => (output += String(chunk)));
  return new Promise((resolve, reject) =>
    child.on('close', (code) => (code === 0 ? resolve(output) : reject(new Error(output)))),
  );
}

test('of processes that raise one counter each version has one winner, and no count is lost', async () => {
  await world.objects.create(lease('0'));
  const outputs = await Promise.all(['a', 'b', 'c'].map((name) => swapper(name, 100)));
  const versions = outputs.flatMap((output) =>
    output
      .trim()
      .split('\n')
      .map((line) => Number(line.split(' ')[0])),
  );
  expect(versions.sort((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, n) => n + 2));
  const last = await world.objects.get(counter);
  expect(last).toMatchObject({
    ok: true,
    value: { version: '301', manifest: { spec: { holderIdentity: '300' } } },
  });
}, 300_000);

test('a version that is there cannot be made again, and who took long does not know', async () => {
  const directory = join(world.path, 'versions');
  const at = performance.now();
  for (let number = 0; number < 3; number++)
    expect(await append(directory, { number, at }, String(number + 1))).toBe('done');
  expect(await append(directory, { number: 2, at }, 'again')).toBe('taken');
  expect(await append(directory, { number: 3, at: at - 60_000 }, '4')).toBe('unknown');
  expect(await latest(directory)).toMatchObject({ number: 4, text: '4' });
});

test('old versions are removed, but neither young ones nor the newest', async () => {
  const directory = join(world.path, 'versions');
  const at = performance.now();
  for (let number = 0; number < 20; number++) await append(directory, { number, at }, String(number + 1));
  expect(await readdir(directory)).toHaveLength(20);
  const longAgo = new Date(Date.now() - 3_600_000);
  for (const name of await readdir(directory)) await utimes(join(directory, name), longAgo, longAgo);
  await append(directory, { number: 20, at }, '21');
  expect(await readdir(directory)).toHaveLength(17);
  expect(await latest(directory)).toMatchObject({ number: 21, text: '21' });
});

test('a draft that a dying process left is nobody’s version', async () => {
  const directory = join(world.path, '.objects/Lease/default/counter');
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, '.1.1.draft'), '{"half');
  expect(await world.objects.get(counter)).toEqual({ ok: true, value: undefined });
  expect(await world.objects.create(lease('1'))).toMatchObject({ ok: true, value: { version: '1' } });
});

test('a person’s file of the same name wins over a written object, and is a problem as long as both are there', async () => {
  const follower = follow(world.store, ['IPPool']);
  await world.objects.create(pool('10.1.0.0/16'));
  await eventually(() => expect(follower.keys()).toEqual(['IPPool/pods']), soon);
  await world.put(pool('10.2.0.0/16'));
  await eventually(() => expect(follower.problems).toHaveLength(1), soon);
  expect(follower.problems[0]?.where).toMatch(/^\.objects\/IPPool\/_\/pods\/1\.json:1 IPPool\/pods$/);
  expect(follower.problems[0]?.what).toBe('is also in IPPool-pods.yaml:1, which is the one that counts.');
  expect(follower.get('IPPool/pods')).toMatchObject({ cidr: parsePrefix('10.2.0.0/16') });
  await rm(join(world.path, 'IPPool-pods.yaml'));
  await eventually(() => expect(follower.problems).toEqual([]), soon);
  expect(follower.get('IPPool/pods')).toMatchObject({ cidr: parsePrefix('10.1.0.0/16') });
  follower.stop();
});

test('an object in a person’s file can be read, and is refused to be made, changed or deleted', async () => {
  await world.put(pool('10.2.0.0/16'));
  await world.store.putStatus({ kind: 'IPPool', name: 'pods' }, { conditions: [] });
  const read = await world.objects.get({ kind: 'IPPool', name: 'pods' });
  expect(read).toMatchObject({
    ok: true,
    value: { manifest: { ...pool('10.2.0.0/16'), status: { conditions: [] } } },
  });
  const version = read.ok ? (read.value?.version ?? '') : '';
  expect(await world.objects.list('IPPool')).toMatchObject({ ok: true, value: [{ version }] });
  const forbidden = {
    ok: false,
    error: { kind: 'forbidden', what: expect.stringMatching(/manifest file.*Change it there\.$/) },
  };
  expect(await world.objects.update(pool('10.3.0.0/16'), version)).toMatchObject(forbidden);
  expect(await world.objects.delete({ kind: 'IPPool', name: 'pods' })).toMatchObject(forbidden);
  expect(await world.objects.create(pool('10.3.0.0/16'))).toMatchObject({
    ok: false,
    error: { kind: 'exists' },
  });
});

test('a directory that cannot be written is away, in words', async () => {
  await writeFile(join(world.path, '.objects'), '');
  expect(await world.objects.create(lease('1'))).toMatchObject({
    ok: false,
    error: { kind: 'away', what: expect.stringMatching(/cannot be used: .*\.$/) },
  });
});
