/** How a speaker is started by src/tortie.sh: with what its memory and its loop were measured with. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';

const launcher = new URL('../../src/tortie.sh', import.meta.url).pathname;
const directory = mkdtempSync(join(tmpdir(), 'tortie-launcher-'));
const spy = join(directory, 'spy.cjs');
let speaker: ChildProcess | undefined;
let said = '';

beforeAll(() => {
  writeFileSync(
    spy,
    `const { gc } = globalThis;
     if (gc && require('node:worker_threads').isMainThread)
       globalThis.gc = () => { gc(); process.stderr.write('collected\\n'); };`,
  );
  const words = [
    '--datastore',
    `dir:${join(directory, 'store')}`,
    '--node',
    'node1',
    '--state-dir',
    directory,
  ];
  speaker = spawn(
    launcher,
    [
      'bgp',
      ...words,
      '--socket',
      join(directory, 'bgp.sock'),
      '--no-fib',
      '--rehearse',
      '--log-level',
      'debug',
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NODE_OPTIONS: `--require ${spy}` } },
  );
  for (const stream of [speaker.stdout, speaker.stderr])
    stream?.on('data', (bytes: Buffer) => {
      said += bytes.toString();
    });
});
afterAll(async () => {
  const ended = new Promise((resolve) => speaker?.once('close', resolve));
  speaker?.kill('SIGKILL');
  await ended;
  rmSync(directory, { recursive: true, force: true });
});

test('what a rehearsal leaves behind is collected when it has ended', async () => {
  await eventually(() => expect(said).toContain('"rehearsed"'), { within: 30_000, every: 50 });
  await eventually(() => expect(said.match(/^collected$/gm)).toHaveLength(1), { within: 5000, every: 50 });
});

test('a speaker has one arena, and large tables are mapped each by itself', () => {
  const environment = readFileSync(`/proc/${speaker?.pid}/environ`, 'utf8').split('\0');
  expect(environment).toContain('MALLOC_ARENA_MAX=1');
  expect(environment.some((one) => /^MALLOC_MMAP_THRESHOLD_=\d{7,}$/.test(one))).toBe(true);
});
