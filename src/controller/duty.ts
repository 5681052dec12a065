/**
 * One thing the controller keeps doing: run when woken, run now and then anyway, run later when it failed.
 *
 * Runs never overlap, and never begin within `gapMs` of each other: what happens meanwhile is one run.
 */
import type { Clock } from '../host/clock.ts';
import { type Backoff, backoffDelay } from '../lib/backoff.ts';
import { type Millis, millis } from '../lib/net.ts';
import type { Random } from '../lib/random.ts';

export interface DutyOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly gapMs: number;
  /** The longest time between two runs, up to a tenth less. */
  readonly everyMs: number;
  /** Resolves to how soon it wants to run again, in ms, if sooner than usual. Throws what went wrong, in words. */
  readonly run: () => Promise<number | undefined>;
  /** @param inARow  1 for the first */
  readonly onFailure: (why: string, inARow: number) => void;
}

export interface Duty {
  wake(): void;
  /** A run that is under way goes on to its end; none begins. */
  stop(): void;
}

const retry: Backoff = { firstMs: 1000, lastMs: 60_000 };

export function openDuty({ clock, random, gapMs, everyMs, run, onFailure }: DutyOptions): Duty {
  let running = false;
  let stopped = false;
  let woken = false;
  let failures = 0;
  let startedAt = Number.NEGATIVE_INFINITY;
  let dueAt = Number.POSITIVE_INFINITY;
  let cancel = (): void => undefined;

  function within(ms: number): void {
    const due = clock.now() + Math.max(0, ms);
    if (stopped || running || due >= dueAt) return;
    cancel();
    dueAt = due;
    cancel = clock.after(millis(Math.max(0, ms)), () => void start());
  }

  async function start(): Promise<void> {
    dueAt = Number.POSITIVE_INFINITY;
    if (stopped) return;
    running = true;
    woken = false;
    startedAt = clock.now();
    const soonerMs = await attempt();
    running = false;
    within(soonerMs ?? everyMs * (1 - random() / 10));
    if (woken) wake();
  }

  async function attempt(): Promise<Millis | number | undefined> {
    try {
      const again = await run();
      failures = 0;
      return again === undefined ? undefined : Math.max(again, gapMs);
    } catch (error) {
      failures += 1;
      if (!stopped) onFailure(error instanceof Error ? error.message : String(error), failures);
      return backoffDelay(retry, failures, random);
    }
  }

  function wake(): void {
    woken = true;
    // After a failure the pause stands: the world saying more does not make it answer.
    if (failures === 0) within(startedAt + gapMs - clock.now());
  }

  return {
    wake,
    stop: () => {
      stopped = true;
      cancel();
    },
  };
}
