import { describe, expect, test } from 'vitest';
import { type Duty, openDuty } from '../../../src/controller/duty.ts';
import { virtualClock } from '../../support/clock.ts';
import { settled } from '../../support/settled.ts';

function world(run: () => Promise<number | undefined>) {
  const clock = virtualClock();
  const failures: string[] = [];
  const duty: Duty = openDuty({
    ...{ clock, run, gapMs: 100, everyMs: 10_000, random: () => 0 },
    onFailure: (why, inARow) => failures.push(`${why} ${inARow}`),
  });
  return {
    duty,
    failures,
    pass: async (ms: number) => {
      // In steps, for a run ends between them.
      for (let passed = 0; passed < ms; passed += 50) {
        clock.advance(50);
        await settled();
      }
    },
  };
}

describe('a duty', () => {
  test('begins at the first word, and makes one run of all that comes within its gap', async () => {
    let runs = 0;
    const { duty, pass } = world(async () => {
      runs += 1;
      return undefined;
    });
    await pass(1000);
    expect(runs).toBe(0);
    duty.wake();
    await pass(50);
    expect(runs).toBe(1);
    for (let n = 0; n < 5; n += 1) duty.wake();
    await settled();
    expect(runs).toBe(1);
    await pass(100);
    expect(runs).toBe(2);
    await pass(5000);
    expect(runs).toBe(2);
  });

  test('is looked after now and then without a word', async () => {
    let runs = 0;
    const { duty, pass } = world(async () => {
      runs += 1;
      return undefined;
    });
    duty.wake();
    await pass(30_500);
    expect(runs).toBe(4);
  });

  test('never runs twice at a time, and what was said meanwhile is a run after', async () => {
    let inside = 0;
    let most = 0;
    let runs = 0;
    let finish = (): void => undefined;
    const { duty, pass } = world(async () => {
      runs += 1;
      inside += 1;
      most = Math.max(most, inside);
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      inside -= 1;
      return undefined;
    });
    duty.wake();
    await pass(50);
    duty.wake();
    await pass(20_000);
    expect(runs).toBe(1);
    finish();
    await pass(200);
    expect(runs).toBe(2);
    expect(most).toBe(1);
  });

  test('that fails is tried again ever more slowly, whatever is said, and tells it each time', async () => {
    let runs = 0;
    const { duty, failures, pass } = world(async () => {
      runs += 1;
      if (runs < 4) throw new Error('away');
      return undefined;
    });
    duty.wake();
    await pass(50);
    duty.wake();
    await pass(900);
    expect(runs).toBe(1);
    await pass(200);
    expect(runs).toBe(2);
    await pass(2100);
    expect(runs).toBe(3);
    await pass(4100);
    expect(runs).toBe(4);
    expect(failures).toEqual(['away 1', 'away 2', 'away 3']);
  });

  test('that is stopped runs no more', async () => {
    let runs = 0;
    const { duty, pass } = world(async () => {
      runs += 1;
      return 200;
    });
    duty.wake();
    await pass(1000);
    expect(runs).toBeGreaterThan(2);
    duty.stop();
    const before = runs;
    duty.wake();
    await pass(60_000);
    expect(runs).toBe(before);
  });
});
