/**
 * A node that is to be emptied of traffic: what it announces is first marked as about to go (GRACEFUL_SHUTDOWN, RFC 8326), so
 * that others choose other ways while this one still works, and after a wait withdrawn. Whoever changes his mind gets it back.
 */
import type { Clock } from '../../src/host/clock.ts';
import { millis } from '../../src/lib/net.ts';
import type { SpeakerConfig } from '../config.ts';

export type DrainPhase = SpeakerConfig['drain'];

/** So long others have to choose other ways: a few rounds of UPDATEs through a fabric, and the minimum of RFC 4271 §9.2.1.1. */
export const drainWaitMs = 10_000;

export class Drain {
  readonly #clock: Clock;
  readonly #onChange: () => void;
  #phase: DrainPhase;
  #cancel: (() => void) | undefined;
  #isLeaving = false;

  /** @param onChange  the phase changed by itself */
  constructor(clock: Clock, onChange: () => void) {
    this.#clock = clock;
    this.#onChange = onChange;
  }

  get phase(): DrainPhase {
    return this.#phase;
  }

  /**
   * @param isFresh  nobody has been told anything yet, and nobody has anything of an earlier life: there is nothing to
   *                 mark, so nothing is announced to begin with
   */
  want(isWanted: boolean, isFresh: boolean): void {
    if (this.#isLeaving) return;
    if (!isWanted) this.stop();
    else if (this.#phase === undefined && isFresh) this.#phase = 'withdrawn';
    else if (this.#phase === undefined) this.#begin();
  }

  /** The speaker is about to end, whoever wants what: from now on it is as its end has it. */
  leave(phase: DrainPhase): void {
    this.#isLeaving = true;
    if (this.#phase !== 'withdrawn') this.#phase = phase ?? this.#phase;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** Undone; and the timer with it. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#phase = undefined;
  }

  #begin(): void {
    this.#phase = 'shutdown';
    this.#cancel = this.#clock.after(millis(drainWaitMs), () => {
      this.#cancel = undefined;
      this.#phase = 'withdrawn';
      this.#onChange();
    });
  }
}
