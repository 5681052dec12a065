import { expect, test } from 'vitest';
import { Pace } from '../../../bgp/follow/pace.ts';
import { virtualClock } from '../../support/clock.ts';

function bench(takes: number) {
  const clock = virtualClock();
  const at: number[] = [];
  const pace = new Pace(clock, () => {
    at.push(clock.now());
    clock.advance(takes);
  });
  return { clock, at, pace };
}

test('what takes no time is done whenever it is asked for', () => {
  const { clock, at, pace } = bench(0);
  for (let times = 0; times < 3; times += 1) pace.ask();
  expect([at, clock.pending]).toEqual([[0, 0, 0], 0]);
});

test('a burst is answered at once, and once more when the rest is over', () => {
  const { clock, at, pace } = bench(100);
  for (let times = 0; times < 50; times += 1) pace.ask();
  clock.advance(400);
  expect(at).toEqual([0, 500]);
  clock.advance(10_000);
  expect([at, clock.pending]).toEqual([[0, 500], 0]);
});

test('changes that never end take a fifth of the time', () => {
  const { clock, at, pace } = bench(100);
  while (clock.now() < 10_000) {
    pace.ask();
    clock.advance(10);
  }
  expect(at.length).toBeGreaterThan(15);
  expect(at.length).toBeLessThanOrEqual(21);
});

test('the end does not wait for a rest, and nothing is done after it', () => {
  const { clock, at, pace } = bench(100);
  pace.ask();
  pace.now();
  pace.ask();
  pace.stop();
  pace.now();
  clock.advance(10_000);
  expect([at, clock.pending]).toEqual([[0, 100], 0]);
});
