import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parseOptions } from '../../../felix/options.ts';

test('what is not said has the documented default', () => {
  expect(parseOptions(['--datastore', 'kubernetes', '--node', 'n1'])).toEqual({
    datastore: 'kubernetes',
    ipam: 'pod-cidrs',
    cniConfName: '10-tortie.conflist',
    set: [],
    cniExclusive: false,
    node: 'n1',
    socket: '/run/tortie/felix.sock',
    stateDir: '/var/lib/tortie',
    metrics: '127.0.0.1:9091',
    logLevel: 'info',
  });
});

describe('tortie felix', () => {
  const launcher = new URL('../../../src/tortie.ts', import.meta.url).pathname;
  const directory = mkdtempSync(join(tmpdir(), 'tortie-felix-'));
  const given = ['--node', 'n1', '--socket', join(directory, 's'), '--state-dir', directory];
  afterAll(() => rmSync(directory, { recursive: true }));

  const run = (...argv: readonly string[]): Promise<{ readonly code: number; readonly said: string }> =>
    new Promise((resolve) => {
      execFile(process.execPath, [launcher, 'felix', ...argv], (error, stdout, stderr) => {
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, said: stdout + stderr });
      });
    });

  test.each([
    ['--help says what there is', ['--help'], 0, '--state-dir <path>'],
    ['an option without its value is named', ['--datastore', 'kubernetes', '--node'], 2, "'--node <name>'"],
    ['a missing option is named', ['--node', 'n1'], 2, "'--datastore <where>'"],
    ['an unknown datastore is refused', ['--datastore', 'etcd', ...given], 2, 'dir:PATH or kubernetes'],
    [
      'a health port that is none ends it',
      ['--datastore', `dir:${directory}`, '--metrics', 'nonsense', ...given],
      1,
      'is not ADDR:PORT',
    ],
  ])('%s', async (_, argv, code, sentence) => {
    const ran = await run(...argv);
    expect(ran.said).toContain(sentence);
    expect(ran.code).toBe(code);
  });
});
