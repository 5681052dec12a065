/** Time that moves only when a test says so: an implementation of the Clock port, for simulations without sleeping. */
import type { Clock } from '../../src/host/clock.ts';
import { type Millis, millis } from '../../src/lib/net.ts';

export interface VirtualClock extends Clock {
  /** Runs what falls due within the next `ms`, in order of time, first set first; also what that sets meanwhile. */
  advance(ms: number): void;
  /** Moves to the next thing due and runs it; false if nothing is. */
  next(): boolean;
  /** How many runs are still due. */
  readonly pending: number;
}

export function virtualClock(start = 0): VirtualClock {
  let now = start;
  let lastId = 0;
  const due = new Map<number, { readonly at: number; readonly run: () => void }>();

  // Ids grow and the Map keeps their order, so among equal times the first set is found first.
  const earliest = (): number | undefined => {
    let found: number | undefined;
    let at = Number.POSITIVE_INFINITY;
    for (const [id, one] of due) {
      if (one.at < at) [found, at] = [id, one.at];
    }
    return found;
  };

  const runNext = (until: number): boolean => {
    const id = earliest();
    const one = id === undefined ? undefined : due.get(id);
    if (id === undefined || one === undefined || one.at > until) return false;
    due.delete(id);
    now = Math.max(now, one.at);
    one.run();
    return true;
  };

  return {
    now: () => millis(now),
    after(after: Millis, run) {
      lastId += 1;
      const id = lastId;
      due.set(id, { at: now + Math.max(0, after), run });
      return () => due.delete(id);
    },
    advance(ms) {
      const end = now + ms;
      while (runNext(end));
      now = end;
    },
    next: () => runNext(Number.POSITIVE_INFINITY),
    get pending() {
      return due.size;
    },
  };
}
