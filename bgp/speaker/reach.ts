/**
 * Which next hops lead anywhere, by which links and at what cost (RFC 4271 §9.1.2.1): what the kernel said last, as the speaker heard it.
 *
 * The decision process asks by `metric`; a next hop that it asks for the first time is unreachable until an answer has
 * come, and is on the list of what to track. Those that no path has any more are found by looking at all paths once their
 * number has doubled, so that no count has to be kept for each route.
 */
import type { Address } from '../../src/lib/net.ts';
import type { Metric } from '../rib/decide.ts';
import { sameData } from './same.ts';

const leastSweep = 256;

/**
 * How a next hop is reached: by a route of this metric (undefined: it is unreachable) and by links of these names (undefined:
 * nobody knows).
 */
export type Answer = readonly [
  nextHop: Address,
  metric: number | undefined,
  links?: readonly string[] | undefined,
];

/** What is another than before. */
export interface News {
  /** Next hops that lead there at another cost, or no longer. */
  readonly judged: ReadonlySet<Address>;
  /** Some next hop is reached by other links. */
  readonly isMoved: boolean;
}

export class Reach {
  readonly #answers = new Map<Address, number | undefined>();
  /** Of those that lead somewhere. */
  readonly #links = new Map<Address, readonly string[]>();
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

  /** Undefined: that is not known. Asking keeps the next hop tracked. */
  readonly links = (nextHop: Address): readonly string[] | undefined => {
    if (!this.#answers.has(nextHop)) this.#ask(nextHop);
    return this.#links.get(nextHop);
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

  learn(changes: Iterable<Answer>): News {
    const judged = new Set<Address>();
    let isMoved = false;
    for (const [nextHop, metric, links = []] of changes) {
      if (!this.#answers.has(nextHop)) continue; // no longer tracked
      this.#open.delete(nextHop);
      if (this.#leads(nextHop, metric === undefined ? [] : links)) isMoved = true;
      if (this.#answers.get(nextHop) === metric) continue;
      this.#answers.set(nextHop, metric);
      judged.add(nextHop);
    }
    return { judged, isMoved };
  }

  /** True if that is news. */
  #leads(nextHop: Address, links: readonly string[]): boolean {
    if (sameData(this.#links.get(nextHop) ?? [], links)) return false;
    if (links.length === 0) this.#links.delete(nextHop);
    else this.#links.set(nextHop, links);
    return true;
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
      this.#links.delete(nextHop);
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
