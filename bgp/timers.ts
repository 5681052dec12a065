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

/** Of the speaker itself, which no key of a peer is. */
const own = '';

const ownerOf = (timer: SpeakerTimer): string => (timer.owner === 'speaker' ? own : timer.peer);

export function createTimers(clock: Clock, onExpiry: (timer: SpeakerTimer) => void): Timers {
  /** By peer and name: a name put together for each message that puts off a hold timer would cost more than all the rest. */
  const timers = new Map<string, Map<string, Running>>();

  const find = (timer: SpeakerTimer): Running | undefined => timers.get(ownerOf(timer))?.get(timer.name);

  function keep(running: Running): void {
    const owner = ownerOf(running.timer);
    const owned = timers.get(owner) ?? new Map<string, Running>();
    timers.set(owner, owned.set(running.timer.name, running));
  }

  function forget(timer: SpeakerTimer): void {
    const owned = timers.get(ownerOf(timer));
    owned?.delete(timer.name);
    if (owned?.size === 0) timers.delete(ownerOf(timer));
  }

  function stop(timer: SpeakerTimer): void {
    find(timer)?.cancel();
    forget(timer);
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
      const due = clock.now() + after;
      const known = find(timer);
      if (known !== undefined && !known.isExpired && known.callAt <= due) {
        known.due = due;
        return;
      }
      known?.cancel();
      const running: Running = { timer, due, callAt: due, cancel: () => {}, isExpired: false };
      keep(running);
      arm(running);
    },
    stop,
    take: (timer) => {
      const isDue = find(timer)?.isExpired === true;
      if (isDue) forget(timer);
      return isDue;
    },
    running: (peer) =>
      [...(timers.get(peer)?.values() ?? [])].flatMap(({ timer, due }) =>
        timer.owner === 'peer' ? [{ name: timer.name, ms: due - clock.now() }] : [],
      ),
    stopAll: () => {
      for (const owned of timers.values()) for (const { cancel } of owned.values()) cancel();
      timers.clear();
    },
  };
}
