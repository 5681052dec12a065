import { expect, test } from 'vitest';
import type { SpeakerTimer } from '../../../bgp/speaker/event.ts';
import { createTimers } from '../../../bgp/timers.ts';
import { millis } from '../../../src/lib/net.ts';
import { virtualClock } from '../../support/clock.ts';

const hold: SpeakerTimer = { owner: 'peer', peer: 'a', name: 'hold-outgoing' };

function bench() {
  const clock = virtualClock();
  const inbox: SpeakerTimer[] = [];
  const timers = createTimers(clock, (timer) => inbox.push(timer));
  return { clock, inbox, timers };
}

test('a timer expires once, at its time, and is taken once', () => {
  const { clock, inbox, timers } = bench();
  timers.start(hold, millis(100));
  expect(timers.take(hold)).toBe(false);
  clock.advance(99);
  expect(inbox).toEqual([]);
  clock.advance(1000);
  expect(inbox).toEqual([hold]);
  expect([timers.take(hold), timers.take(hold)]).toEqual([true, false]);
});

test('starting a timer again replaces it', () => {
  const { clock, inbox, timers } = bench();
  timers.start(hold, millis(100));
  clock.advance(60);
  timers.start(hold, millis(100));
  clock.advance(60);
  expect(inbox).toEqual([]);
  clock.advance(40);
  expect(inbox).toEqual([hold]);
});

test('an expiry that waits in the inbox is out of date once its timer was started again or stopped', () => {
  const { clock, timers } = bench();
  timers.start(hold, millis(100));
  clock.advance(100);
  timers.start(hold, millis(100)); // a KEEPALIVE was heard first
  expect(timers.take(hold)).toBe(false);
  clock.advance(100);
  timers.stop(hold);
  expect(timers.take(hold)).toBe(false);
});

test('timers of different peers and names do not touch each other', () => {
  const { clock, inbox, timers } = bench();
  const other: SpeakerTimer = { owner: 'peer', peer: 'b', name: 'hold-outgoing' };
  timers.start(hold, millis(10));
  timers.start(other, millis(10));
  timers.stop(hold);
  clock.advance(10);
  expect(inbox).toEqual([other]);
  timers.start(hold, millis(10));
  timers.stopAll();
  expect(clock.pending).toBe(0);
});
