/** Writing the ruleset of the graph, and what is done when the kernel does not take it. Owns the quarantine. */
import type { Clock } from '../../src/host/clock.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { isNftRefusal, type NftRefusal } from '../../src/kernel/nft-batch.ts';
import type { Problem } from '../../src/model/problem.ts';
import { deniedIn, type Graph, rulesetOf } from '../calc/graph.ts';
import { type RulesetChange, tableName } from '../rules/model.ts';
import { renderChange, renderRuleset } from '../rules/text.ts';
import { culprits } from './bisect.ts';
import { difference } from './difference.ts';
import { type Batches, encodeChange } from './encode/transaction.ts';
import { Quarantine } from './quarantine.ts';
import { slices } from './turn.ts';

export interface WriterOptions {
  readonly graph: Graph;
  readonly kernel: Pick<Kernel, 'nft' | 'nftWrite' | 'nftTable' | 'nftElements'>;
  /** Kernels before 6.2 count a map's reference to a chain until the transaction is over. */
  readonly chainsFreedLate: boolean;
}

/** Each may bring to light what the one before hid. */
const mostAttempts = 8;
/** Of a whole transaction, not of something in it: looking for what is at fault would find nothing. */
const unspecific: readonly string[] = ['EPERM', 'ENOMEM', 'ENOBUFS', 'EAGAIN', 'EINTR'];

/** Nobody but us touched this set since it was right: see difference.ts. */
export type IsTrusted = (set: string) => boolean;
const nothing: IsTrusted = () => false;

/** What writes the ruleset of the graph, whichever way: `Writer` by nftables, `XtWriter` by iptables. All fail with a KernelError. */
export interface RulesetWriter {
  /** Everything is in the kernel as it should be, and in the usual way. */
  readonly isWhole: boolean;
  /** What has to be there for it, for people: after "check that the kernel has". */
  readonly needs: string;
  /**
   * Our rules stand in tables of others: may a change of these chains there be one of ours? Absent: they do not.
   * @param chains  undefined: of any
   */
  isAmong?(chains: ReadonlySet<string> | undefined): boolean;
  /**
   * Tells that somebody changed what was written, where the kernel does not say so by itself. Absent: it does.
   * @returns  how to stop
   */
  watch?(clock: Clock, onForeignChange: () => void): () => void;
  problems(): readonly Problem[];
  /** Another chance for what was refused, at the next `settle`. */
  forgive(): void;
  /** Writes what a tick changed, of what is as the tick before left it. @returns  how many transactions it took */
  change(change: RulesetChange): Promise<number>;
  /** Writes the difference between what there is and the ruleset. */
  settle(isTrusted?: IsTrusted): Promise<number>;
  /** The last resort, if `settle` failed again and again. @param why  the kernel's words */
  byText(why: string): Promise<number>;
}

export class Writer implements RulesetWriter {
  readonly needs = 'nf_tables';
  readonly #options: WriterOptions;
  readonly #quarantine = new Quarantine();
  /** Why nft writes, and not we. */
  #byText: string | undefined;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** Everything is in the kernel as it should be, and by netlink. */
  get isWhole(): boolean {
    return this.#quarantine.isEmpty && this.#byText === undefined;
  }

  problems(): readonly Problem[] {
    const refused = this.#quarantine.problems(rulesetOf(this.#options.graph));
    if (this.#byText === undefined) return refused;
    const byText = {
      where: `nftables table inet ${tableName}`,
      what: `The kernel refuses what we write ourselves (${this.#byText}), so nft writes it, which is slower.`,
      fix: 'Check that the kernel is of a version the documentation names; it is tried again by itself.',
    };
    return [...refused, byText];
  }

  /** Another chance for what was refused, at the next `settle`. */
  forgive(): void {
    this.#quarantine.clear();
    this.#byText = undefined;
  }

  /**
   * Writes what a tick changed, of a table that is as the tick before left it. Fails with a KernelError.
   * @returns  how many transactions it took
   */
  async change(change: RulesetChange): Promise<number> {
    const { chainsFreedLate, kernel } = this.#options;
    if (this.#byText !== undefined) {
      const scripts = renderChange(change, { chainsFreedLate });
      for (const script of scripts) await kernel.nft(script);
      return scripts.length;
    }
    if (!this.#quarantine.isEmpty) return this.settle();
    try {
      return await this.#send(await encodeChange(change, { chainsFreedLate, turn: slices() }));
    } catch (error) {
      if (isNftRefusal(error)) return this.settle();
      throw error;
    }
  }

  /**
   * Writes the difference between the table as it is and the ruleset. Fails with a KernelError.
   * @param isTrusted  see difference.ts
   */
  async settle(isTrusted: IsTrusted = nothing): Promise<number> {
    this.#byText = undefined;
    for (let attempt = 1; ; attempt++) {
      const batches = await this.#difference([], attempt === 1 ? isTrusted : nothing);
      try {
        return await this.#send(batches);
      } catch (error) {
        if (attempt === mostAttempts || !isNftRefusal(error)) throw error;
        // The first time somebody else may have changed what was just read.
        if (attempt > 1 && !(await this.#narrow(error, batches))) throw error;
      }
    }
  }

  /** Lets nft replace the table by the text form of the ruleset. Fails with a KernelError. */
  async byText(why: string): Promise<number> {
    await this.#options.kernel.nft(renderRuleset(rulesetOf(this.#options.graph)));
    this.#quarantine.clear();
    this.#byText = why;
    return 1;
  }

  #difference(closed: readonly string[], isTrusted: IsTrusted): Promise<Batches> {
    const { graph, kernel, chainsFreedLate } = this.#options;
    const ruleset = this.#quarantine.substitute(rulesetOf(graph), closed, deniedIn(graph));
    const { isKept } = this.#quarantine;
    return difference(kernel, { ruleset, chainsFreedLate, isKept, isTrusted, turn: slices() });
  }

  async #send({ now, later }: Batches): Promise<number> {
    const { kernel } = this.#options;
    return (await kernel.nftWrite(now)) + (await kernel.nftWrite(later));
  }

  /** True if something more is in quarantine. */
  async #narrow(refusal: NftRefusal, { now }: Batches): Promise<boolean> {
    const ruleset = rulesetOf(this.#options.graph);
    const told = refusal.refused.filter(({ object }) => object !== undefined);
    if (told.length > 0 && this.#quarantine.add(told, ruleset)) return true;
    // A base chain may be refused for what its jumps lead to.
    if (unspecific.includes(refusal.code)) return false;
    const candidates = now.objects.filter(
      ({ kind, name, removed }) =>
        kind === 'chain' && removed !== true && ruleset.chains.get(name)?.base === undefined,
    );
    const names = [...new Set(candidates.map(({ name }) => name))];
    const found = await culprits(names, (without) => this.#works(without));
    const [first] = refusal.refused;
    if (found === undefined || first === undefined) return false;
    const objects = found.map((name) => ({ ...first, object: { kind: 'chain', name } as const }));
    return this.#quarantine.add(objects, ruleset);
  }

  /** The kernel would take it with these chains closed. */
  async #works(closed: readonly string[]): Promise<boolean> {
    const { now } = await this.#difference(closed, nothing);
    try {
      await this.#options.kernel.nftWrite(now, { check: true });
      return true;
    } catch (error) {
      if (isNftRefusal(error)) return false;
      throw error;
    }
  }
}
