/** Putting the configuration on the node, on a virtual clock. */
import { expect, test } from 'vitest';
import type { Installed } from '../../../src/cni/install.ts';
import { keepTrying } from '../../../src/cni/setup.ts';
import { millis } from '../../../src/lib/net.ts';
import { err, ok, type Result } from '../../../src/lib/result.ts';
import { virtualClock } from '../../support/clock.ts';

const place: Installed = { path: '/etc/cni/net.d/10-tortie.conflist', before: [] };

function world(answers: Result<Installed>[]) {
  const clock = virtualClock();
  const failed: string[] = [];
  const done: Installed[] = [];
  const stop = keepTrying(clock, async () => answers.shift() ?? ok(place), {
    failed: (why) => failed.push(why),
    done: (installed) => done.push(installed),
  });
  const pass = async (ms: number): Promise<void> => {
    clock.advance(millis(ms));
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { clock, failed, done, stop, pass };
}

test('a configuration that cannot be written is tried until it can, and each reason is told once', async () => {
  const { clock, failed, done, pass } = world([err('full'), err('full'), err('no portmap'), ok(place)]);
  for (let round = 0; round < 5; round++) await pass(30_000);
  expect(failed).toEqual(['full', 'no portmap']);
  expect(done).toEqual([place]);
  expect(clock.pending).toBe(0);
});

test('whoever stops it waits for nothing', async () => {
  const { clock, done, stop, pass } = world([err('full')]);
  await pass(1000);
  stop();
  await pass(60_000);
  expect(done).toEqual([]);
  expect(clock.pending).toBe(0);
});
