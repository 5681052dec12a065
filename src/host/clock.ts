/** Time as a doer hands it to deciders: a monotonic now, and named timers that replace each other. */
import { type Millis, millis } from '../lib/net.ts';

export interface Clock {
  /** Monotonic milliseconds since some start of its own. */
  now(): Millis;
  /** Runs `run` once after `after` ms. Call the result to cancel; cancelling twice is harmless. */
  after(after: Millis, run: () => void): () => void;
}

export const realClock: Clock = {
  now: () => millis(performance.now()),
  after: (after, run) => {
    // A timer takes a millisecond at least, which a pod would wait for several times.
    if (after <= 0) {
      const soon = setImmediate(run);
      return () => clearImmediate(soon);
    }
    const handle = setTimeout(run, after);
    return () => clearTimeout(handle);
  },
};
