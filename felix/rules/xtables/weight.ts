/** Which chains accept, they or what they lead to: for each so many reasons, kept as the chains change. */
import type { Wanted } from './wanted.ts';

export class Weights {
  /** Chain → those that lead to it. */
  readonly #askers: Wanted;
  /** Of a chain: whether it accepts itself, and how many of those it leads to do. */
  readonly #reasons = new Map<string, number>();

  constructor(askers: Wanted) {
    this.#askers = askers;
  }

  isAccepting(key: string): boolean {
    return (this.#reasons.get(key) ?? 0) > 0;
  }

  /** Once what it leads to is weighed. */
  weigh(key: string, isOne: boolean, leads: Iterable<string>): void {
    const was = this.isAccepting(key);
    let reasons = isOne ? 1 : 0;
    for (const each of leads) if (this.isAccepting(each)) reasons += 1;
    this.#reasons.set(key, reasons);
    if (was !== reasons > 0) this.#tellAskers(key, was ? -1 : 1);
  }

  forget(key: string): void {
    this.#reasons.delete(key);
  }

  /** Those that are not weighed yet will be after that. */
  #tellAskers(key: string, more: 1 | -1): void {
    for (const asker of this.#askers.of(key)) {
      const before = this.#reasons.get(asker);
      if (before === undefined) continue;
      this.#reasons.set(asker, before + more);
      if (before > 0 !== before + more > 0) this.#tellAskers(asker, more);
    }
  }
}
