import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type SendState, watchStall } from '../../../bgp/transport/stall.ts';
import { millis } from '../../../src/lib/net.ts';
import { virtualClock } from '../../support/clock.ts';

const after = 480_000;

/** Runs a history of what the socket says and tells when the stall was noticed, if it was. */
function noticed(
  history: readonly { readonly forMs: number; readonly state: SendState }[],
): number | undefined {
  const clock = virtualClock();
  let state: SendState = { isWaiting: false, taken: 0 };
  let at: number | undefined;
  watchStall({
    clock,
    after: millis(after),
    look: () => state,
    onStalled: () => {
      at = clock.now();
    },
  });
  for (const { forMs, state: next } of history) {
    state = next;
    clock.advance(forMs);
  }
  return at;
}

test('RFC 9687 §3.2: bytes that wait the whole time while nothing is taken are noticed, soon after', () => {
  const at = noticed([
    { forMs: 1_000_000, state: { isWaiting: false, taken: 10 } },
    { forMs: 10 * after, state: { isWaiting: true, taken: 10 } },
  ]);
  expect(at).toBeGreaterThanOrEqual(1_000_000 + after);
  expect(at).toBeLessThanOrEqual(1_000_000 + after * 1.25);
});

test('RFC 9687 §3.2: a neighbour that takes something now and then, or for which nothing waits, is never one that stalls', () => {
  const spell = fc.record({
    forMs: fc.integer({ min: 1, max: after - after / 4 }),
    state: fc.record({ isWaiting: fc.boolean(), taken: fc.integer({ min: 0, max: 3 }) }),
  });
  fc.assert(
    fc.property(fc.array(spell), (spells) => {
      let taken = 0;
      const moving = spells.map(({ forMs, state }) => {
        taken += 1 + state.taken;
        return { forMs, state: { isWaiting: state.isWaiting, taken } };
      });
      expect(noticed(moving)).toBeUndefined();
    }),
  );
});

test('it is said once, and nothing runs afterwards; stopped before, it is never said', () => {
  const clock = virtualClock();
  let times = 0;
  const start = () =>
    watchStall({
      clock,
      after: millis(after),
      look: () => ({ isWaiting: true, taken: 0 }),
      onStalled: () => {
        times += 1;
      },
    });
  start();
  clock.advance(10 * after);
  expect([times, clock.pending]).toEqual([1, 0]);
  start()();
  clock.advance(10 * after);
  expect([times, clock.pending]).toEqual([1, 0]);
});
