/**
 * Brings the ruleset of the graph into the kernel: the only writer of table `inet tortie`.
 *
 * Nothing is written before `start`, which comes at in-sync. The first write is the difference between the table there is and the
 * one there should be (difference.ts), in one transaction; after that each tick is one transaction of what changed. The difference
 * is taken again when somebody else changed the table, when events of that were lost, after a refusal, and now and then because
 * nothing is perfect.
 *
 * A refused transaction leaves the kernel as it was. If the kernel tells of which object, or it can be found, the rest is written
 * with that object closed (quarantine.ts), and it is tried again with growing patience. If not, nft is asked to write the text form.
 * If nothing helps for too long, whoever started us is told, and ends: a new start may find another kernel, and the table stays.
 *
 * Owns: which generation of wishes the kernel has. A generation is a call of `wake`.
 */
import type { Clock } from '../../src/host/clock.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { isKernelError, kernelError } from '../../src/kernel/kernel-error.ts';
import { type Backoff, backoffDelay } from '../../src/lib/backoff.ts';
import { type Millis, millis } from '../../src/lib/net.ts';
import type { Random } from '../../src/lib/random.ts';
import type { Problem } from '../../src/model/problem.ts';
import { type Graph, tick } from '../calc/graph.ts';
import { tableName } from '../rules/model.ts';
import { Others } from './others.ts';
import { type RulesetWriter, Writer } from './write.ts';

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
  readonly kernel: Pick<Kernel, 'nft' | 'nftWrite' | 'nftTable' | 'nftElements' | 'nftHooks' | 'watchNft'>;
  readonly clock: Clock;
  readonly random: Random;
  /** Kernels before 6.2: see write.ts. */
  readonly chainsFreedLate: boolean;
  /** Absent: by nftables. */
  readonly writer?: RulesetWriter;
  readonly observe: PolicySyncObserver;
  /** How often the table is compared with the ruleset though nobody touched it; 0: never. Absent: every 90 s. */
  readonly refreshMs?: () => number;
  /** The kernel refused everything for too long; absent: it is tried for ever. */
  readonly onFatal?: (error: Error) => void;
  /** `problems` has another answer. */
  readonly onProblems?: () => void;
}

interface Written {
  /** The whole table was read and compared. */
  readonly full: boolean;
  /** 0 if nothing had changed. */
  readonly transactions: number;
  readonly tookMs: number;
  /** Of that, the calculation. */
  readonly tickMs: number;
  /** Since the first wish that it grants; absent: none was open. */
  readonly waitedMs?: number;
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
/** Of what was refused, while the rest is in the kernel. */
const retryRefused: Backoff = { firstMs: 1_000, lastMs: 300_000 };
/** Somebody who keeps editing the table gets it put back once in so long, not more. */
const foreignIntervalMs = 1000;
const defaultRefreshMs = 90_000;
/** So often in a row before nft is asked. */
const refusalsBeforeText = 3;
/** How long nothing may work before the process ends: long, unless it is a right that only a new start can give. */
const patienceMs = (code: string): number => (code === 'EPERM' ? 10_000 : 60_000);

export class PolicySync {
  readonly #options: PolicySyncOptions;
  readonly #waiters = new Set<Waiter>();
  readonly #writer: RulesetWriter;
  readonly #others: Others;
  #started = false;
  /** The kernel had everything once, be it that it had it before us. */
  #isSettled = false;
  #working = false;
  #workingSince = 0;
  #mustCompare = true;
  #isForeign = false;
  #isSuspected = false;
  /** Sets somebody else touched since all was right; undefined: nobody knows. */
  #touched: Set<string> | undefined;
  #fullNotBefore = Number.NEGATIVE_INFINITY;
  #wished = 0;
  /** When the first wish came that no round has taken up. */
  #wishedAt: number | undefined;
  #tickMs = 0;
  #written = 0;
  #transactions = 0;
  #failures = 0;
  #failingSince: number | undefined;
  #refusals = 0;
  #lastError: string | undefined;
  #isForbidden = false;
  #timer: { readonly at: number; readonly cancel: () => void } | undefined;
  #cancelRefresh: (() => void) | undefined;
  #cancelRetry: (() => void) | undefined;
  #unwatch: (() => void) | undefined;
  #unwatchOwn: (() => void) | undefined;

  constructor(options: PolicySyncOptions) {
    const { kernel, clock, onProblems } = options;
    this.#options = options;
    this.#writer = options.writer ?? new Writer(options);
    this.#others = new Others({ kernel, clock, onChange: () => onProblems?.() });
  }

  /** The graph was changed: a tick is due. */
  wake(): void {
    this.#wished += 1;
    this.#wishedAt ??= this.#options.clock.now();
    if (this.#lastError === undefined) this.#schedule(this.#due);
  }

  /** In-sync: from now on the kernel is written to. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#others.wake();
    this.#schedule(0);
  }

  /**
   * Only once the table was written: for whoever listens the kernel makes a report of each object, which takes as long again as
   * the largest write there is. What others did meanwhile is found by comparing once more.
   */
  #watch(): void {
    if (this.#unwatch !== undefined || !this.#started) return;
    this.#unwatch = this.#options.kernel.watchNft(
      tableName,
      (sets) => this.#onForeignChange(sets),
      (chains) => this.#onOtherChange(chains),
    );
    this.#unwatchOwn = this.#writer.watch?.(this.#options.clock, () => this.#onSharedChange());
    this.#touched = undefined;
    this.#mustCompare = true;
  }

  /** Stops writing; the table stays as it is. */
  stop(): void {
    this.#started = false;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#cancelRefresh?.();
    this.#cancelRetry?.();
    this.#others.stop();
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#unwatchOwn?.();
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
    const settled = this.#isSettled ? 'in-sync' : 'waiting';
    return {
      state: this.#lastError === undefined ? settled : 'failing',
      transactions: this.#transactions,
      pending: this.#working || this.#mustCompare || this.#wished > this.#written,
      ...(this.#lastError === undefined ? {} : { lastError: this.#lastError }),
    };
  }

  /** What the kernel refused, and what others have in it that is in our way. */
  problems(): readonly Problem[] {
    return [...this.#writer.problems(), ...this.#others.problems];
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
    const { clock, observe } = this.#options;
    this.#working = true;
    const generation = this.#wished;
    const full = this.#mustCompare;
    const begun = clock.now();
    this.#workingSince = begun;
    if (this.#isForeign) this.#fullNotBefore = begun + foreignIntervalMs;
    this.#isForeign = false;
    const isSuspected = this.#isSuspected && full;
    this.#isSuspected = false;
    const wishedAt = this.#wishedAt;
    this.#wishedAt = undefined;
    let transactions: number;
    try {
      transactions = await this.#write(full);
    } catch (error) {
      this.#working = false;
      if (!this.#started) return; // stopped meanwhile: nothing is tried again
      this.#wishedAt = wishedAt ?? this.#wishedAt;
      this.#onRefused(error);
      return;
    }
    this.#working = false;
    this.#transactions += transactions;
    this.#isSettled = true;
    this.#failures = 0;
    this.#failingSince = undefined;
    this.#lastError = undefined;
    this.#written = generation;
    if (isSuspected && transactions > 0) observe.foreign();
    const now = clock.now();
    const waited = wishedAt === undefined ? {} : { waitedMs: now - wishedAt };
    observe.written({ full, transactions, tookMs: now - begun, tickMs: this.#tickMs, ...waited });
    this.#tellWaiters();
    if (!this.#started) return; // stopped meanwhile: nothing more is due
    this.#onSettled(full);
    this.#watch();
    if (this.#wished > generation || this.#mustCompare) this.#schedule(this.#due);
  }

  /** Returns how many transactions it took. The tick is lost if one is refused, hence the comparison then. */
  async #write(full: boolean): Promise<number> {
    const { clock, graph } = this.#options;
    const begun = clock.now();
    const change = tick(graph);
    this.#tickMs = clock.now() - begun;
    this.#mustCompare = false;
    if (!full) return this.#writer.change(change);
    const isLastResort = this.#failures >= refusalsBeforeText && this.#failures % 2 === 1;
    if (isLastResort && !this.#isForbidden) return this.#writer.byText(this.#lastError ?? '');
    const touched = this.#touched;
    for (const { decl } of change.elements) touched?.add(decl.name);
    this.#touched = new Set();
    return this.#writer.settle((set) => touched?.has(set) === false);
  }

  #onRefused(error: unknown): void {
    const { clock, random, observe, onFatal } = this.#options;
    // A bug is not mended by trying again: a new start may be.
    if (error instanceof Error && !isKernelError(error) && onFatal !== undefined) {
      this.stop();
      onFatal(error);
      return;
    }
    const known = isKernelError(error) ? error : kernelError('write the ruleset', 'EIO', String(error));
    this.#mustCompare = true;
    this.#touched = undefined;
    this.#failures += 1;
    this.#failingSince ??= clock.now();
    this.#isForbidden = known.code === 'EPERM';
    this.#lastError = known.message;
    const failingForMs = clock.now() - this.#failingSince;
    if (onFatal !== undefined && failingForMs >= patienceMs(known.code)) {
      onFatal(lastWord(known.message, failingForMs, this.#writer.needs));
      this.stop();
      return;
    }
    const retryInMs = backoffDelay(retry, this.#failures, random);
    observe.refused(this.#lastError, retryInMs);
    this.#schedule(retryInMs);
  }

  /** What was refused is tried again with growing patience; what is in order is looked at now and then. */
  #onSettled(full: boolean): void {
    const { clock, random, onProblems, refreshMs } = this.#options;
    this.#cancelRetry?.();
    if (this.#writer.isWhole) this.#refusals = 0;
    else {
      this.#touched = undefined;
      this.#refusals += 1;
      this.#cancelRetry = clock.after(backoffDelay(retryRefused, this.#refusals, random), () =>
        this.#compare(),
      );
    }
    if (full || this.#refusals > 0) onProblems?.();
    this.#cancelRefresh?.();
    const every = refreshMs?.() ?? defaultRefreshMs;
    if (every > 0)
      this.#cancelRefresh = clock.after(millis(every), () => {
        this.#others.wake();
        this.#compare();
      });
  }

  #compare(): void {
    this.#writer.forgive();
    this.#touched = undefined;
    this.#mustCompare = true;
    this.#schedule(this.#due);
  }

  #tellWaiters(): void {
    for (const waiter of [...this.#waiters]) {
      if (waiter.generation <= this.#written && waiter.holds()) waiter.resolve(true);
    }
  }

  #onForeignChange(sets: ReadonlySet<string> | undefined): void {
    if (sets === undefined) this.#touched = undefined;
    for (const name of sets ?? []) this.#touched?.add(name);
    this.#mustCompare = true;
    this.#isForeign = true;
    this.#options.observe.foreign();
    this.#schedule(this.#due);
  }

  /** Of another table: in iptables, ours may be among what changed. */
  #onOtherChange(chains: ReadonlySet<string> | undefined): void {
    this.#others.wake();
    if (this.#writer.isAmong?.(chains) === true) this.#onSharedChange();
  }

  /** It may have been others' own affair: that is told once something of ours had to be put back. */
  #onSharedChange(): void {
    this.#isSuspected = true;
    this.#touched = undefined;
    this.#mustCompare = true;
    this.#isForeign = true;
    this.#schedule(this.#due);
  }

  /** How long a round waits: not at all, unless somebody else makes us put the table back again and again. */
  get #due(): number {
    return this.#mustCompare ? Math.max(0, this.#fullNotBefore - this.#options.clock.now()) : 0;
  }
}

const lastWord = (why: string, forMs: number, needs: string): Error =>
  new Error(
    `the kernel has taken no ruleset for ${Math.round(forMs / 1000)} s; the one before stays in force: ${why}. ` +
      `Check that this process has CAP_NET_ADMIN and that the kernel has ${needs}.`,
  );
