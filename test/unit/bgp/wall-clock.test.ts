import { expect, test } from 'vitest';
import { createWallClock } from '../../../bgp/wall-clock.ts';
import { millis } from '../../../src/lib/net.ts';
import { virtualClock } from '../../support/clock.ts';

test('a moment is the same date whenever it is asked for, though the two clocks tick apart', () => {
  const clock = virtualClock(500);
  let wall = 1_000_000;
  const dateOf = createWallClock(clock, () => wall);
  const date = dateOf(millis(500)).getTime();
  for (const drift of [0.4, 1, -3, 900]) {
    clock.advance(1000);
    wall = 1_000_000 + clock.now() - 500 + drift;
    expect(dateOf(millis(500)).getTime()).toBe(date);
  }
});

test('when somebody sets the wall clock, moments are told by the new one', () => {
  const clock = virtualClock(0);
  let wall = 0;
  const dateOf = createWallClock(clock, () => wall);
  clock.advance(1000);
  wall = 5_000_000;
  expect(dateOf(millis(500)).getTime()).toBe(4_999_500);
});
