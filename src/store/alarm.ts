/** One timer that goes off at the soonest time asked for. */
import type { Clock } from '../host/clock.ts';
import { millis } from '../lib/net.ts';

export interface Alarm {
  /** Goes off within so many ms, or sooner if that was asked before. */
  readonly within: (afterMs: number) => void;
  /** Never goes off again. */
  readonly stop: () => void;
}

export function openAlarm(clock: Clock, run: () => void): Alarm {
  let dueAt = Number.POSITIVE_INFINITY;
  let cancel = (): void => undefined;
  let stopped = false;
  const ring = (): void => {
    dueAt = Number.POSITIVE_INFINITY;
    run();
  };
  return {
    within: (afterMs) => {
      const due = clock.now() + afterMs;
      if (stopped || due >= dueAt) return;
      cancel();
      dueAt = due;
      cancel = clock.after(millis(afterMs), ring);
    },
    stop: () => {
      stopped = true;
      cancel();
    },
  };
}
