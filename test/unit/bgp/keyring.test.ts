/** Passwords as the speaker holds them: read, changed, gone, unreadable, and what a peer's configuration makes of it. */
import { expect, test } from 'vitest';
import { Keyring } from '../../../bgp/follow/keyring.ts';
import { err, ok, type Result } from '../../../src/lib/result.ts';
import type { SecretData } from '../../../src/store/secrets.ts';
import { virtualClock } from '../../support/clock.ts';
import { eventually } from '../../support/eventually.ts';

const tor = { name: 'passwords', key: 'tor' };

function bench() {
  const clock = virtualClock();
  let answer: Result<SecretData | undefined> = ok(undefined);
  let reads = 0;
  let changes = 0;
  const keyring = new Keyring({
    clock,
    secrets: {
      everyMs: 15_000,
      place: (name) => `Secret tortie/${name}`,
      read: async () => {
        reads += 1;
        return answer;
      },
    },
    onChange: () => {
      changes += 1;
    },
  });
  return {
    keyring,
    clock,
    changes: () => changes,
    /** The next reading, now or when its time comes, answers so. */
    async reads(next: typeof answer): Promise<void> {
      answer = next;
      const before = reads;
      keyring.want([tor]);
      clock.advance(15_000);
      await eventually(() => expect(reads).toBeGreaterThan(before), { within: 15_000, every: 1 });
      await eventually(() => expect(clock.pending).toBe(1), { within: 15_000, every: 1 });
    },
  };
}

const holding = (text: string): Result<SecretData> => ok(new Map([['tor', Buffer.from(text)]]));

test('before its Secret is read, a key is unread and has no value', () => {
  const { keyring } = bench();
  keyring.want([tor]);
  expect(keyring.known(tor)).toEqual({ kind: 'unread' });
  expect(keyring.value(tor)).toBeUndefined();
});

test('each value gets a revision of its own, and the same value keeps it', async () => {
  const { keyring, reads, changes } = bench();
  await reads(holding('one'));
  expect(keyring.known(tor)).toEqual({ kind: 'found', revision: 1 });
  await reads(holding('one'));
  expect(changes()).toBe(1);
  await reads(holding('two'));
  expect(keyring.known(tor)).toEqual({ kind: 'found', revision: 2 });
  await reads(ok(undefined));
  expect(keyring.value(tor)).toBeUndefined();
  await reads(holding('one'));
  expect(keyring.known(tor)).toEqual({ kind: 'found', revision: 3 });
});

test('a key that was read stays while its Secret cannot be read', async () => {
  const { keyring, reads } = bench();
  await reads(err('the API server is away.'));
  expect(keyring.known(tor)).toMatchObject({
    what: 'Secret tortie/passwords cannot be read: the API server is away.',
  });
  await reads(holding('one'));
  await reads(err('the API server is away.'));
  expect(keyring.known(tor)).toEqual({ kind: 'found', revision: 1 });
  expect(Buffer.from(keyring.value(tor) ?? []).toString()).toBe('one');
});

test.each([
  [ok(undefined), 'Secret tortie/passwords is not there.'],
  [ok(new Map()), 'Secret tortie/passwords has no key tor.'],
  [holding(''), 'Secret tortie/passwords has an empty tor.'],
  [holding('x'.repeat(81)), 'Secret tortie/passwords has 81 octets in tor, and TCP MD5 takes 80 at most.'],
  [holding('one\n'), 'Secret tortie/passwords has a line break in tor, which no neighbour can be given.'],
])('what cannot be used is said: case %#', async (answer, what) => {
  const { keyring, reads } = bench();
  await reads(answer);
  expect(keyring.known(tor)).toMatchObject({ kind: 'unusable', what });
  expect(keyring.value(tor)).toBeUndefined();
});

test('after the end nothing is held, and nothing is read any more', async () => {
  const { keyring, reads, clock } = bench();
  await reads(holding('one'));
  keyring.stop();
  expect(keyring.value(tor)).toBeUndefined();
  expect(clock.pending).toBe(0);
});
