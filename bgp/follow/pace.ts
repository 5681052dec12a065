/**
 * Work that is asked for often and takes long: done at once, but not again before a rest. Who asks meanwhile, however often,
 * is answered by one run at its end, so a burst of changes costs two runs and the newest state counts.
 */
import type { Clock } from '../../src/host/clock.ts';
import { millis } from '../../src/lib/net.ts';

/** The rest, in times of what the last run took: work goes on for a fifth of the time at most. */
const rests = 4;

export class Pace {
  readonly #clock: Clock;
  readonly #run: () => void;
  #cancel: (() => void) | undefined;
  #isAsked = false;
  #isStopped = false;

  constructor(clock: Clock, run: () => void) {
    this.#clock = clock;
    this.#run = run;
  }

  /** The run comes now, or when the rest is over. */
  ask(): void {
    this.#isAsked = true;
    if (this.#cancel === undefined) this.now();
  }

  /** Whatever the rest. */
  now(): void {
    if (this.#isStopped) return;
    this.#isAsked = false;
    const since = this.#clock.now();
    this.#run();
    this.#rest((this.#clock.now() - since) * rests);
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** Less than a millisecond is none. */
  #rest(ms: number): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (ms < 1 || this.#isStopped) return;
    this.#cancel = this.#clock.after(millis(ms), () => {
      this.#cancel = undefined;
      if (this.#isAsked) this.now();
    });
  }
}
