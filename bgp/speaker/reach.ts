/**
 * Which next hops lead anywhere, and at what cost (RFC 4271 §9.1.2.1): what the kernel said last, as the speaker heard it.
 *
 * The decision process asks by `metric`; a next hop that it asks for the first time is unreachable until an answer has
 * come, and is on the list of what to track. Those that no path has any more are found by looking at all paths once their
 * number has doubled, so that no count has to be kept for each route.
 */
import type { Address } from '../../src/lib/net.ts';
import type { Metric } from '../rib/decide.ts';

const leastSweep = 256;

export class Reach {
  readonly #answers = new Map<Address, number | undefined>();
  /** Asked for, and nobody was told to track them yet. */
  #fresh: Address[] = [];
  /** Tracked, and not answered yet. */
  readonly #open = new Set<Address>();
  #sweepAt = leastSweep;

  /** As `decide` asks for it. */
  readonly metric: Metric = (nextHop) => {
    const metric = this.#answers.get(nextHop);
    if (metric === undefined && !this.#answers.has(nextHop)) this.#ask(nextHop);
    return metric;
  };

  /** An answer is still to come. */
  get isWaiting(): boolean {
    return this.#open.size > 0;
  }

  get size(): number {
    return this.#answers.size;
  }

  /** What must be tracked from now on, each once. */
  takeFresh(): readonly Address[] {
    const fresh = this.#fresh;
    this.#fresh = [];
    return fresh;
  }

  /** Takes the answers; those of the next hops that are judged otherwise now. */
  learn(changes: Iterable<readonly [Address, number | undefined]>): ReadonlySet<Address> {
    const other = new Set<Address>();
    for (const [nextHop, metric] of changes) {
      if (!this.#answers.has(nextHop)) continue; // no longer tracked
      this.#open.delete(nextHop);
      if (this.#answers.get(nextHop) === metric) continue;
      this.#answers.set(nextHop, metric);
      other.add(nextHop);
    }
    return other;
  }

  /**
   * Once in a while forgets what no path has any more.
   * @param used   all next hops that a path has; asked for only when it is time
   * @returns what need not be tracked any more
   */
  sweep(used: () => ReadonlySet<Address>): readonly Address[] {
    if (this.#answers.size < this.#sweepAt) return [];
    const kept = used();
    const gone = [...this.#answers.keys()].filter((nextHop) => !kept.has(nextHop));
    for (const nextHop of gone) {
      this.#answers.delete(nextHop);
      this.#open.delete(nextHop);
    }
    this.#sweepAt = Math.max(leastSweep, this.#answers.size * 2);
    return gone;
  }

  #ask(nextHop: Address): void {
    this.#answers.set(nextHop, undefined);
    this.#open.add(nextHop);
    this.#fresh.push(nextHop);
  }
}
