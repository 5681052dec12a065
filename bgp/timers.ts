/**
 * Named timers: starting one replaces the running one of its name, so no handle can leak.
 *
 * An expiry waits in an inbox before it is heard. `take` asks whether it still counts: a timer stopped or started again
 * meanwhile has not expired.
 *
 * A hold timer starts anew with every message. To put one off costs a number: the clock is asked again only when the
 * moment it was asked for first has come.
 */
import type { Clock } from '../src/host/clock.ts';
import { type Millis, millis } from '../src/lib/net.ts';
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
  due: number;
  /** When the clock will call; `due` or earlier. */
  callAt: number;
  cancel: () => void;
  isExpired: boolean;
}

const nameOf = (timer: SpeakerTimer): string =>
  timer.owner === 'speaker' ? timer.name : `${timer.peer} ${timer.name}`;

export function createTimers(clock: Clock, onExpiry: (timer: SpeakerTimer) => void): Timers {
  const timers = new Map<string, Running>();

  function stop(timer: SpeakerTimer): void {
    const name = nameOf(timer);
    timers.get(name)?.cancel();
    timers.delete(name);
  }

  function arm(running: Running): void {
    running.callAt = running.due;
    running.cancel = clock.after(millis(Math.max(0, running.due - clock.now())), () => {
      if (running.due > running.callAt) {
        arm(running);
        return;
      }
      running.isExpired = true;
      onExpiry(running.timer);
    });
  }

  return {
    start: (timer, after) => {
      const name = nameOf(timer);
      const due = clock.now() + after;
      const known = timers.get(name);
      if (known !== undefined && !known.isExpired && known.callAt <= due) {
        known.due = due;
        return;
      }
      known?.cancel();
      const running: Running = { timer, due, callAt: due, cancel: () => {}, isExpired: false };
      timers.set(name, running);
      arm(running);
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
