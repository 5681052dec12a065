import { expect, test } from 'vitest';
import { connectRetryDelay, idleHoldDelay, jittered, keepaliveDelay } from '../../../bgp/session/delays.ts';
import { seededRandom } from '../../../src/lib/random.ts';

const samples = (draw: () => number): readonly number[] => Array.from({ length: 10_000 }, draw);

test('RFC 4271 §10: ten thousand jittered intervals lie within 0.75 and 1.0 of the base and use the whole band', () => {
  const random = seededRandom(7);
  const drawn = samples(() => jittered(1000, random));
  expect(Math.min(...drawn)).toBeGreaterThanOrEqual(750);
  expect(Math.max(...drawn)).toBeLessThanOrEqual(1000);
  expect(Math.min(...drawn)).toBeLessThan(760);
  expect(Math.max(...drawn)).toBeGreaterThan(990);
});

test('RFC 4271 §4.4: KEEPALIVEs come at most once a second, jitter or not', () => {
  const random = seededRandom(7);
  expect(Math.min(...samples(() => keepaliveDelay(1000, random)))).toBe(1000);
  expect(Math.max(...samples(() => keepaliveDelay(30_000, random)))).toBeLessThanOrEqual(30_000);
});

test('ConnectRetry keeps its base for the first failure, doubles twice and then stays', () => {
  const latest = () => 1;
  expect([0, 1, 2, 3, 4, 50].map((failures) => connectRetryDelay(5000, failures, latest))).toEqual([
    5000, 5000, 10_000, 20_000, 20_000, 20_000,
  ]);
});

test('the idle hold doubles from five seconds and is bounded by five minutes', () => {
  const latest = () => 1;
  const delays = [1, 2, 3, 4, 5, 6, 7, 8, 1000].map((penalties) => idleHoldDelay(penalties, latest));
  expect(delays).toEqual([5000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000]);
});
