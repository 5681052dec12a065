/** A cluster that does not answer: said, never taken for a good one. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

const script = new URL('../../../src/tortie.sh', import.meta.url).pathname;
const nowhere = 'dir:/nowhere-at-all';
const tortiectl = (...words: readonly string[]) =>
  spawnSync(script, ['ctl', '--datastore', nowhere, ...words], { encoding: 'utf8' });

test('doctor of a silent cluster exits with 2, and with 1 if it could look at the node', () => {
  const cluster = tortiectl('doctor', '--scope', 'cluster');
  expect(cluster).toMatchObject({
    status: 2,
    stdout: expect.stringContaining('Nothing could be looked at.'),
  });
  // What it may find of the names of protocols is a note, which alone exits with 0.
  const both = tortiectl('doctor', '--scope', 'all', '--only', 'reports', '--only', 'rt-protos');
  expect(both).toMatchObject({ status: 1, stdout: expect.stringContaining('Not checked: reports.') });
});

test('status of a silent cluster says whom to ask instead', () => {
  expect(tortiectl('status')).toMatchObject({
    status: 2,
    stdout: '',
    stderr: expect.stringContaining('Without it each node can still be asked, there: tortiectl node status.'),
  });
});
