/**
 * Kinds that are followed only while somebody needs them: Services and their endpoints, the pods of this node. They are many and
 * change all the time.
 */
import type { Clock } from '../../src/host/clock.ts';
import type { Logger } from '../../src/host/log.ts';
import { millis } from '../../src/lib/net.ts';
import type { Problem } from '../../src/model/problem.ts';
import type { Batch, Store, Watched } from '../../src/store/store.ts';

export interface Sometimes {
  readonly kinds: readonly Watched[];
  /** What is logged once they have been waited for long enough. */
  readonly without: string;
}

export interface SometimesOptions {
  readonly store: Pick<Store, 'watch'>;
  readonly clock: Clock;
  readonly log: Pick<Logger, 'warn'>;
  readonly onBatch: (batch: Batch) => void;
  /** They are read, or have been waited for long enough. */
  readonly onRead: () => void;
}

export interface SometimesFollower {
  /** Begins or ends to follow them. */
  attend(isWanted: boolean): void;
  /** False only while they are wanted, not yet read, and not yet waited for long enough. */
  readonly isRead: boolean;
  readonly problems: readonly Problem[];
}

/** A speaker without these routes is better than none: so long it waits for them to be read, e.g. if a right is missing. */
const waitMs = 20_000;

export function followSometimes(
  { kinds, without }: Sometimes,
  { store, clock, log, onBatch, onRead }: SometimesOptions,
): SometimesFollower {
  let problems: readonly Problem[] = [];
  let isRead = true;
  let stop: (() => void) | undefined;

  function begin(): void {
    isRead = false;
    const cancelWait = clock.after(millis(waitMs), () => {
      if (isRead) return;
      log.warn(without);
      isRead = true;
      onRead();
    });
    const unwatch = store.watch(kinds, (batch) => {
      problems = batch.problems;
      if (batch.inSync) cancelWait();
      isRead ||= batch.inSync;
      onBatch(batch);
    });
    stop = () => {
      cancelWait();
      unwatch();
    };
  }

  return {
    attend: (isWanted) => {
      if (isWanted === (stop !== undefined)) return;
      stop?.();
      stop = undefined;
      problems = [];
      isRead = true;
      if (isWanted) begin();
    },
    get isRead() {
      return isRead;
    },
    get problems() {
      return problems;
    },
  };
}
