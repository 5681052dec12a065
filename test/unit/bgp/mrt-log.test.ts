/** Files of --mrt-updates on a disk, which may be full. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import type { Wire } from '../../../bgp/monitor/mrt.ts';
import { MrtLog } from '../../../bgp/watch/mrt-log.ts';
import { eventually } from '../../support/eventually.ts';
import { as, v4 } from '../../support/wire.ts';

const directory = mkdtempSync(join(tmpdir(), 'tortie-mrt-'));
afterAll(() => rmSync(directory, { recursive: true }));

const wire: Wire = {
  peerAsn: as(65000),
  localAsn: as(64512),
  peerAddress: v4('172.30.0.1'),
  localAddress: v4('172.30.0.11'),
};
const recordOctets = 12 + 20 + 4;

function logged(where: string, options: { readonly fileOctets?: number; readonly files?: number } = {}) {
  const warnings: string[] = [];
  const time = { now: Date.parse('2026-01-01T00:00:00Z') };
  const log = new MrtLog({
    directory: where,
    log: { warn: (text) => warnings.push(text) },
    now: () => time.now,
    ...options,
  });
  const write = (): void => {
    time.now += 1;
    log.state(wire, 'Idle', 'Active', time.now);
  };
  return { log, warnings, time, write };
}

const octetsOf = (where: string): readonly number[] =>
  readdirSync(where)
    .sort()
    .map((file) => statSync(join(where, file)).size);

test('a file that is full gives way to the next, and the oldest goes; whole records in each', async () => {
  const where = join(directory, 'rotated');
  const { log, write } = logged(where, { fileOctets: recordOctets * 3, files: 2 });
  mkdirSync(where);
  writeFileSync(join(where, 'notes.txt'), 'of somebody else');
  for (let index = 0; index < 10; index += 1) write();
  await log.stop();
  expect(log.dropped).toBe(0);
  expect(readFileSync(join(where, 'notes.txt'), 'utf8')).toBe('of somebody else');
  rmSync(join(where, 'notes.txt'));
  expect(octetsOf(where)).toEqual([recordOctets * 3, recordOctets]);
});

test('a full disk costs records, which are counted, and one warning; room is used when it is there again', async () => {
  const where = join(directory, 'full');
  mkdirSync(where);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', where]);
  onTestFinished(() => void execFileSync('umount', [where]));
  const ballast = join(where, 'ballast');
  writeFileSync(ballast, new Uint8Array(64 * 1024));
  const { log, warnings, time, write } = logged(where);
  for (let index = 0; index < 5; index += 1) write();
  await eventually(() => expect(log.dropped).toBe(5), { within: 30_000 });
  for (let index = 0; index < 5; index += 1) write();
  expect(log.dropped).toBe(10);
  expect(readdirSync(where)).toEqual(['ballast']);
  expect(warnings).toEqual([
    expect.stringMatching(/^updates are not recorded: ENOSPC.*; make room, or name/),
  ]);
  rmSync(ballast);
  time.now += 10_000;
  for (let index = 0; index < 5; index += 1) write();
  await log.stop();
  expect(log.dropped).toBe(10);
  expect(octetsOf(where)).toEqual([recordOctets * 5]);
  expect(warnings).toHaveLength(1);
});

test('a directory that cannot be is said once, and tried again', async () => {
  const where = join(directory, 'file', 'updates');
  writeFileSync(join(directory, 'file'), '');
  const { log, warnings, time, write } = logged(where);
  write();
  write();
  expect(warnings).toEqual([expect.stringContaining('ENOTDIR')]);
  expect(log.dropped).toBe(2);
  rmSync(join(directory, 'file'));
  time.now += 10_000;
  write();
  await log.stop();
  expect(octetsOf(where)).toEqual([recordOctets]);
});
