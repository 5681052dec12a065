import { expect, test } from 'vitest';
import { watchLoopDelay } from '../../../bgp/status/loop-delay.ts';
import type { Clock } from '../../../src/host/clock.ts';
import { millis } from '../../../src/lib/net.ts';

test('a loop that comes late says by how much, until it is ended', () => {
  let now = 0;
  let due: (() => void) | undefined;
  const clock: Clock = {
    now: () => millis(now),
    after: (_, run) => {
      due = run;
      return () => {
        due = undefined;
      };
    },
  };
  const seen: number[] = [];
  const end = watchLoopDelay(clock, (seconds) => seen.push(seconds));
  for (const took of [50, 80, 49, 1050]) {
    now += took;
    due?.();
  }
  expect(seen).toEqual([0, 0.03, 0, 1]);
  end();
  expect(due).toBeUndefined();
});
