/** Giving addresses back, with a journal in memory and a payer that says what it likes. */
import { expect, test } from 'vitest';
import { Releases } from '../../../felix/releases.ts';
import type { Journal, Owed } from '../../../src/cni/journal.ts';
import { millis } from '../../../src/lib/net.ts';
import { err, ok, type Result } from '../../../src/lib/result.ts';
import { virtualClock } from '../../support/clock.ts';

const owed = (handle: string): Owed => ({ handle, addresses: [] });

function world(pay: (handle: string) => Result<undefined>) {
  const clock = virtualClock();
  const notes = new Set<string>();
  const disk = { isFull: false };
  const journal: Journal = {
    load: async () => ({ owed: [...notes].map(owed), problems: [] }),
    put: async ({ handle }) => {
      if (disk.isFull) throw new Error('ENOSPC: no space left on device');
      notes.add(handle);
    },
    remove: async (handle) => void notes.delete(handle),
  };
  const releases = new Releases({
    journal,
    pay: async ({ handle }) => pay(handle),
    clock,
    random: () => 0,
    log: { info: () => {}, warn: () => {} },
  });
  const pass = async (ms: number): Promise<void> => {
    for (let at = 0; at < ms; at += 100) {
      clock.advance(millis(100));
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { releases, notes, disk, pass };
}

test('what can never be paid holds up nothing that came after it', async () => {
  const { releases, notes, pass } = world((handle) => (handle.startsWith('bad') ? err('no') : ok(undefined)));
  releases.start();
  for (let n = 0; n < 8; n++) await releases.put(owed(`bad${n}`));
  for (let n = 0; n < 8; n++) await releases.put(owed(`good${n}`));
  await pass(300_000);
  expect([...notes].filter((handle) => handle.startsWith('good'))).toEqual([]);
  expect(releases.size).toBe(8);
});

test('with a full disk it is paid at once instead of noted, so that a pod can go', async () => {
  const paid: string[] = [];
  const { releases, disk } = world((handle) => {
    paid.push(handle);
    return ok(undefined);
  });
  releases.start();
  disk.isFull = true;
  await releases.put(owed('one'));
  expect(paid).toEqual(['one']);
  expect(releases.size).toBe(0);
});

test('with a full disk and nobody to pay it says what the disk said', async () => {
  const { releases, disk } = world(() => err('away'));
  releases.start();
  disk.isFull = true;
  await expect(releases.put(owed('one'))).rejects.toThrow('ENOSPC');
  expect(releases.has('one')).toBe(false);
});
