/** What waits in a ledger: each entry is one promise somebody holds, settled once, by an answer or by running out of time. */
import type { Clock } from '../host/clock.ts';
import type { AssignJob, ReleaseJob } from '../ipam/turn.ts';
import { type Address, millis } from '../lib/net.ts';
import type { Result } from '../lib/result.ts';
import type { Assigned, LedgerRefusal } from './ledger.ts';

export type Entry = AssignEntry | ReleaseEntry | LookEntry;

interface Waits<T> {
  readonly settle: (result: Result<T, LedgerRefusal>) => void;
  /** How often a turn with it failed. */
  tries: number;
}

export interface AssignEntry extends Waits<readonly Assigned[]>, Omit<AssignJob, 'borrows'> {
  borrows: boolean;
}

export interface ReleaseEntry extends Waits<readonly Address[]>, ReleaseJob {
  /** Taken back so far. */
  readonly found: Set<Address>;
  /** "It holds nothing" is believed of blocks read as late as that (Table.loads). */
  readonly freshAt: number;
}

/** Wants nothing but that everything is read. */
export interface LookEntry extends Waits<undefined> {
  readonly kind: 'look';
  readonly freshAt: number;
}

interface Alarm<E> {
  readonly afterMs: number;
  readonly ring: (entry: E) => void;
}

export class Entries {
  readonly #clock: Clock;
  readonly #waiting = new Set<Entry>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#waiting.size;
  }

  all(): readonly Entry[] {
    return [...this.#waiting];
  }

  has(entry: Entry): boolean {
    return this.#waiting.has(entry);
  }

  /**
   * @param make  gets `settle`, which ends the wait; later calls of it do nothing
   * @param alarms  each rings if it still waits by then; the last one settles it
   */
  add<E extends Entry, T>(
    make: (settle: (result: Result<T, LedgerRefusal>) => void) => E,
    alarms: readonly Alarm<E>[],
  ): Promise<Result<T, LedgerRefusal>> {
    return new Promise((resolve) => {
      const entry: E = make((result) => {
        if (!this.#waiting.delete(entry)) return;
        for (const cancel of cancels) cancel();
        resolve(result);
      });
      const cancels = alarms.map(({ afterMs, ring }) =>
        this.#clock.after(millis(afterMs), () => {
          if (this.#waiting.has(entry)) ring(entry);
        }),
      );
      this.#waiting.add(entry);
    });
  }

  /** The jobs of one turn: of each handle only the one that came first, so that they happen in order. */
  turn(): readonly (AssignEntry | ReleaseEntry)[] {
    const first = new Map<string, AssignEntry | ReleaseEntry>();
    for (const entry of this.#waiting)
      if (entry.kind !== 'look' && !first.has(entry.handle)) first.set(entry.handle, entry);
    return [...first.values()];
  }
}
