/**
 * Gives addresses back to the cluster, whenever that is possible: what DEL owes is on disk first, then paid here, again
 * and again with backoff while the API is away, in the order it came.
 *
 * Owner of the journal. A handle stands in it exactly as long as the cluster may still hold its addresses for us.
 */
import type { Journal, Owed } from '../src/cni/journal.ts';
import type { Clock } from '../src/host/clock.ts';
import type { Logger } from '../src/host/log.ts';
import { type Backoff, backoffDelay } from '../src/lib/backoff.ts';
import { millis } from '../src/lib/net.ts';
import type { Random } from '../src/lib/random.ts';
import { err, type Result } from '../src/lib/result.ts';
import type { Problem } from '../src/model/problem.ts';

export interface ReleaseOptions {
  readonly journal: Journal;
  /** Gives back all that stands under the handle; nothing there is fine. Fails with a sentence. */
  readonly pay: (owed: Owed) => Promise<Result<undefined>>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

const retry: Backoff = { firstMs: 1000, lastMs: 60_000 };
/** So many at a time: more only run into each other in the same blocks. */
const atOnce = 4;
/** Said so often at most while the API stays away: at the first failure. */
const firstFailure = 1;

export class Releases {
  readonly #options: ReleaseOptions;
  readonly #owed = new Map<string, Owed>();
  /** Being paid now. */
  readonly #paying = new Set<string>();
  #isStarted = false;
  #failures = 0;
  #lastError: string | undefined;
  #cancel: (() => void) | undefined;

  constructor(options: ReleaseOptions) {
    this.#options = options;
  }

  /** Addresses that are owed still; a metric. */
  get size(): number {
    return this.#owed.size;
  }

  has(handle: string): boolean {
    return this.#owed.has(handle);
  }

  async load(): Promise<readonly Problem[]> {
    const { owed, problems } = await this.#options.journal.load();
    for (const one of owed) this.#owed.set(one.handle, one);
    return problems;
  }

  start(): void {
    this.#isStarted = true;
    this.#payAll();
  }

  stop(): void {
    this.#isStarted = false;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** On disk when it resolves, and paid later; paid, if the disk cannot take it. Throws what the disk said if neither can be. */
  async put(owed: Owed): Promise<void> {
    try {
      await this.#options.journal.put(owed);
    } catch (error) {
      if (this.#isStarted && (await this.#pay(owed)).ok) return;
      throw error;
    }
    this.#owed.set(owed.handle, owed);
    if (this.#failures === 0) this.#payAll(); // else the retry comes by itself
  }

  #payAll(): void {
    if (!this.#isStarted || this.#cancel !== undefined) return;
    for (const owed of this.#owed.values()) {
      if (this.#paying.size >= atOnce) return;
      if (!this.#paying.has(owed.handle)) void this.#payOne(owed);
    }
  }

  async #payOne(owed: Owed): Promise<void> {
    const { journal, log } = this.#options;
    this.#paying.add(owed.handle);
    const paid = await this.#pay(owed);
    if (!paid.ok) {
      this.#paying.delete(owed.handle);
      this.#owed.delete(owed.handle);
      this.#owed.set(owed.handle, owed);
      return this.#failed(paid.error);
    }
    if (this.#failures > 0) log.info('addresses of deleted pods are given back again');
    this.#failures = 0;
    this.#lastError = undefined;
    // A note that outlives its payment is paid twice: harmless while nobody can get anything under the handle again.
    await journal.remove(owed.handle).catch((error: unknown) => {
      log.warn('the note of a released address cannot be removed', { why: String(error) });
    });
    this.#owed.delete(owed.handle);
    this.#paying.delete(owed.handle);
    this.#payAll();
  }

  #pay(owed: Owed): Promise<Result<undefined>> {
    return this.#options
      .pay(owed)
      .catch((error: unknown) => err(error instanceof Error ? error.message : String(error)));
  }

  #failed(why: string): void {
    const { clock, random, log } = this.#options;
    this.#lastError = why;
    if (this.#cancel !== undefined) return; // another one failed just now
    this.#failures += 1;
    if (this.#failures === firstFailure) {
      log.warn('addresses of deleted pods cannot be given back yet; they stay allocated until then', { why });
    }
    if (!this.#isStarted) return;
    this.#cancel = clock.after(millis(backoffDelay(retry, this.#failures, random)), () => {
      this.#cancel = undefined;
      this.#payAll();
    });
  }

  /** In words, while something cannot be paid. */
  problems(): readonly Problem[] {
    if (this.#lastError === undefined || this.#owed.size === 0) return [];
    return [
      {
        where: `${this.#owed.size} ${this.#owed.size === 1 ? 'address' : 'addresses'} of deleted pods`,
        what: `They cannot be given back yet: ${this.#lastError}`,
        fix: 'Nothing to do: they stay allocated, and are given back when the datastore answers.',
      },
    ];
  }
}
