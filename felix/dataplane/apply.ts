/**
 * Brings the ruleset of the graph into the kernel: the only writer of table `inet tortie`.
 *
 * Nothing is written before `start`, which comes at in-sync. The first write replaces the whole table in one transaction,
 * in place, so what an earlier life left goes without a moment in between; after that each tick is one transaction of
 * what changed.
 * A refused transaction leaves the kernel as it was, stays pending with backoff and ends in a full replacement; so does a
 * change of the table by somebody else, at a bounded rate. While a transaction runs, changes gather in the graph, keyed.
 *
 * Owns: which generation of wishes the kernel has. A generation is a call of `wake`.
 */
import type { Clock } from '../../src/host/clock.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { type Backoff, backoffDelay } from '../../src/lib/backoff.ts';
import { type Millis, millis } from '../../src/lib/net.ts';
import type { Random } from '../../src/lib/random.ts';
import { type Graph, rulesetOf, tick } from '../calc/graph.ts';
import { tableName } from '../rules/model.ts';
import { renderChange, renderRuleset } from '../rules/text.ts';
import { encodeChange } from './batch.ts';
import { presentContents } from './present.ts';

export interface PolicySyncStatus {
  readonly state: 'waiting' | 'in-sync' | 'failing';
  /** Accepted transactions. */
  readonly transactions: number;
  /** Wishes the kernel does not have yet. */
  readonly pending: boolean;
  /** nft's words for the last refusal; absent if the last write was accepted. */
  readonly lastError?: string;
}

export interface PolicySyncOptions {
  readonly graph: Graph;
  readonly kernel: Pick<Kernel, 'nft' | 'nftBatch' | 'nftList' | 'watchNft'>;
  readonly clock: Clock;
  readonly random: Random;
  /** Kernels before 6.2: see renderChange. */
  readonly chainsFreedLate: boolean;
  readonly observe: PolicySyncObserver;
}

interface Written {
  /** The whole table was replaced. */
  readonly full: boolean;
  /** 0 if nothing had changed. */
  readonly transactions: number;
  readonly tookMs: number;
}

/** Told what happened, for log and metrics. */
export interface PolicySyncObserver {
  readonly written: (what: Written) => void;
  readonly refused: (why: string, retryInMs: number) => void;
  readonly foreign: () => void;
}

interface Waiter {
  readonly generation: number;
  readonly holds: () => boolean;
  readonly resolve: (held: boolean) => void;
}

const retry: Backoff = { firstMs: 100, lastMs: 30_000 };
/** Somebody who keeps editing the table gets it put back once in so long, not more. */
const foreignIntervalMs = 1000;

export class PolicySync {
  readonly #options: PolicySyncOptions;
  readonly #waiters = new Set<Waiter>();
  #started = false;
  #working = false;
  #workingSince = 0;
  #mustReplace = true;
  #mustDelete = false;
  #isForeign = false;
  #fullNotBefore = Number.NEGATIVE_INFINITY;
  #wished = 0;
  #written = 0;
  #transactions = 0;
  #failures = 0;
  #lastError: string | undefined;
  #timer: { readonly at: number; readonly cancel: () => void } | undefined;
  #unwatch: (() => void) | undefined;

  constructor(options: PolicySyncOptions) {
    this.#options = options;
  }

  /** The graph was changed: a tick is due. */
  wake(): void {
    this.#wished += 1;
    if (this.#lastError === undefined) this.#schedule(this.#due);
  }

  /** In-sync: from now on the kernel is written to. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#unwatch = this.#options.kernel.watchNft(tableName, () => this.#onForeignChange());
    this.#schedule(0);
  }

  /** Stops writing; the table stays as it is. */
  stop(): void {
    this.#started = false;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#unwatch?.();
    for (const waiter of [...this.#waiters]) waiter.resolve(false);
  }

  /**
   * Resolves with true once a write that contains every wish up to now was accepted and `holds` is true of it, with false
   * after `within`.
   */
  until(holds: () => boolean, within: Millis): Promise<boolean> {
    if (this.#started && !this.status().pending && holds()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const waiter: Waiter = {
        generation: this.#wished,
        holds,
        resolve: (held) => {
          cancel();
          this.#waiters.delete(waiter);
          resolve(held);
        },
      };
      const cancel = this.#options.clock.after(within, () => waiter.resolve(false));
      this.#waiters.add(waiter);
    });
  }

  status(): PolicySyncStatus {
    const settled = this.#transactions === 0 ? 'waiting' : 'in-sync';
    return {
      state: this.#lastError === undefined ? settled : 'failing',
      transactions: this.#transactions,
      pending: this.#working || this.#mustReplace || this.#wished > this.#written,
      ...(this.#lastError === undefined ? {} : { lastError: this.#lastError }),
    };
  }

  /** How long the transaction under way has taken by now; 0 if none is. */
  workingForMs(): number {
    return this.#working ? this.#options.clock.now() - this.#workingSince : 0;
  }

  /** Runs a round in `afterMs`, or earlier if one is due earlier. */
  #schedule(afterMs: number): void {
    if (!this.#started || this.#working) return;
    const { clock } = this.#options;
    const at = clock.now() + afterMs;
    if (this.#timer !== undefined && this.#timer.at <= at) return;
    this.#timer?.cancel();
    const cancel = clock.after(millis(afterMs), () => {
      this.#timer = undefined;
      void this.#round();
    });
    this.#timer = { at, cancel };
  }

  async #round(): Promise<void> {
    const { clock, random, observe } = this.#options;
    this.#working = true;
    const generation = this.#wished;
    const full = this.#mustReplace;
    const begun = clock.now();
    this.#workingSince = begun;
    if (this.#isForeign) this.#fullNotBefore = begun + foreignIntervalMs;
    this.#isForeign = false;
    try {
      const transactions = await this.#write(full);
      this.#working = false;
      this.#failures = 0;
      this.#lastError = undefined;
      this.#written = generation;
      observe.written({ full, transactions, tookMs: clock.now() - begun });
      this.#tellWaiters();
      if (this.#wished > generation || this.#mustReplace) this.#schedule(this.#due);
    } catch (error) {
      this.#working = false;
      this.#mustReplace = true;
      this.#failures += 1;
      this.#lastError = error instanceof Error ? error.message : String(error);
      const retryInMs = backoffDelay(retry, this.#failures, random);
      observe.refused(this.#lastError, retryInMs);
      this.#schedule(retryInMs);
    }
  }

  /** Returns how many transactions it took. The tick is lost if one is refused, hence the full replacement then. */
  async #write(full: boolean): Promise<number> {
    const { graph, kernel, chainsFreedLate } = this.#options;
    const present = full && !this.#mustDelete ? await presentContents(kernel) : undefined;
    const change = tick(graph);
    this.#mustReplace = false;
    const batches =
      full || kernel.nftBatch === undefined ? undefined : encodeChange(change, { chainsFreedLate });
    if (batches !== undefined) {
      for (const batch of batches) {
        await kernel.nftBatch?.(batch);
        this.#transactions += 1;
      }
      return batches.length;
    }
    const scripts = full
      ? [renderRuleset(rulesetOf(graph), present)]
      : renderChange(change, { chainsFreedLate });
    // In place first; if the kernel refuses that, the next attempt deletes the table.
    this.#mustDelete = full && present !== undefined;
    for (const script of scripts) {
      await kernel.nft(script);
      this.#transactions += 1;
    }
    this.#mustDelete = false;
    return scripts.length;
  }

  #tellWaiters(): void {
    for (const waiter of [...this.#waiters]) {
      if (waiter.generation <= this.#written && waiter.holds()) waiter.resolve(true);
    }
  }

  #onForeignChange(): void {
    this.#mustReplace = true;
    this.#isForeign = true;
    this.#options.observe.foreign();
    this.#schedule(this.#due);
  }

  /** How long a round waits: not at all, unless somebody else makes us replace the table again and again. */
  get #due(): number {
    return this.#mustReplace ? Math.max(0, this.#fullNotBefore - this.#options.clock.now()) : 0;
  }
}
