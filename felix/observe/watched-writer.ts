/** A writer of the ruleset that somebody looks on at. */
import type { Clock } from '../../src/host/clock.ts';
import type { Problem } from '../../src/model/problem.ts';
import type { IsTrusted, RulesetWriter } from '../dataplane/write.ts';
import type { RulesetChange } from '../rules/model.ts';

export interface Onlooker {
  /** What is about to be rewritten is still as it was. Never fails. */
  before(change: RulesetChange): Promise<void>;
  /** The kernel has it. @param change  undefined: whatever differed */
  after(change: RulesetChange | undefined, transactions: number): void;
}

export class WatchedWriter implements RulesetWriter {
  readonly #writer: RulesetWriter;
  readonly #onlooker: Onlooker;

  constructor(writer: RulesetWriter, onlooker: Onlooker) {
    this.#writer = writer;
    this.#onlooker = onlooker;
  }

  get isWhole(): boolean {
    return this.#writer.isWhole;
  }

  get needs(): string {
    return this.#writer.needs;
  }

  isAmong(chains: ReadonlySet<string> | undefined): boolean {
    return this.#writer.isAmong?.(chains) === true;
  }

  watch(clock: Clock, onForeignChange: () => void): () => void {
    return this.#writer.watch?.(clock, onForeignChange) ?? (() => undefined);
  }

  problems(): readonly Problem[] {
    return this.#writer.problems();
  }

  forgive(): void {
    this.#writer.forgive();
  }

  async change(change: RulesetChange): Promise<number> {
    await this.#onlooker.before(change);
    return this.#told(await this.#writer.change(change), change);
  }

  async settle(isTrusted?: IsTrusted): Promise<number> {
    return this.#told(await this.#writer.settle(isTrusted), undefined);
  }

  async byText(why: string): Promise<number> {
    return this.#told(await this.#writer.byText(why), undefined);
  }

  #told(transactions: number, change: RulesetChange | undefined): number {
    this.#onlooker.after(change, transactions);
    return transactions;
  }
}
