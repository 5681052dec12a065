/** Moments of the monotonic clock as dates for people: the same moment is the same date each time it is asked for. */
import type { Clock } from '../src/host/clock.ts';
import type { Millis } from '../src/lib/net.ts';

/** The two clocks tick apart by fractions of a millisecond; more than this and somebody set the wall clock. */
const toleranceMs = 1000;

/** @param dateNow  the wall clock, in ms since 1970 */
export function createWallClock(clock: Clock, dateNow: () => number): (moment: Millis) => Date {
  const measure = (): number => dateNow() - clock.now();
  let offset = measure();
  return (moment) => {
    const measured = measure();
    if (Math.abs(measured - offset) > toleranceMs) offset = measured;
    return new Date(offset + moment);
  };
}
