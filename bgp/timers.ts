/**
 * Named timers: starting one replaces the running one of its name, so no handle can leak.
 *
 * An expiry waits in an inbox before it is heard. `take` asks whether it still counts: a timer stopped or started again
 * meanwhile has not expired.
 */
import type { Clock } from '../src/host/clock.ts';
import type { Millis } from '../src/lib/net.ts';
import type { SpeakerTimer } from './speaker/event.ts';

export interface Timers {
  start(timer: SpeakerTimer, after: Millis): void;
  stop(timer: SpeakerTimer): void;
  /** The expiry's turn has come. False: it is out of date and must not be heard. */
  take(timer: SpeakerTimer): boolean;
  /** Of this peer: those that run, and in how many ms each expires. */
  running(peer: string): readonly { readonly name: string; readonly ms: number }[];
  stopAll(): void;
}

interface Running {
  readonly timer: SpeakerTimer;
  readonly due: number;
  readonly cancel: () => void;
  isExpired: boolean;
}

const nameOf = (timer: SpeakerTimer): string =>
  timer.owner === 'speaker' ? timer.name : `${timer.peer} ${timer.name}`;

export function createTimers(clock: Clock, onExpiry: (timer: SpeakerTimer) => void): Timers {
  const timers = new Map<string, Running>();

  function stop(timer: SpeakerTimer): void {
    timers.get(nameOf(timer))?.cancel();
    timers.delete(nameOf(timer));
  }

  return {
    start: (timer, after) => {
      stop(timer);
      const cancel = clock.after(after, () => {
        running.isExpired = true;
        onExpiry(timer);
      });
      const running: Running = { timer, due: clock.now() + after, cancel, isExpired: false };
      timers.set(nameOf(timer), running);
    },
    stop,
    take: (timer) => timers.get(nameOf(timer))?.isExpired === true && timers.delete(nameOf(timer)),
    running: (peer) =>
      [...timers.values()].flatMap(({ timer, due }) =>
        timer.owner === 'peer' && timer.peer === peer ? [{ name: timer.name, ms: due - clock.now() }] : [],
      ),
    stopAll: () => {
      for (const { cancel } of timers.values()) cancel();
      timers.clear();
    },
  };
}
