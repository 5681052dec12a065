/** The lowest so many of some prefixes, by address: what of all that could be told stays below a limit. */
import { comparePrefixes, type Prefix } from '../../src/lib/net.ts';

export class Lowest {
  /** Ascending. */
  readonly #prefixes: Prefix[] = [];
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  /** How many are not among the lowest. */
  get excess(): number {
    return Math.max(0, this.#prefixes.length - this.#most);
  }

  /** All of them, ascending. */
  get all(): readonly Prefix[] {
    return this.#prefixes;
  }

  includes(prefix: Prefix): boolean {
    return this.#prefixes[this.#placeOf(prefix)] === prefix;
  }

  /** It is here, and among the lowest. */
  has(prefix: Prefix): boolean {
    const place = this.#placeOf(prefix);
    return place < this.#most && this.#prefixes[place] === prefix;
  }

  /** @returns  the one that is no longer among the lowest for it */
  add(prefix: Prefix): Prefix | undefined {
    const place = this.#placeOf(prefix);
    if (this.#prefixes[place] === prefix) return undefined;
    this.#prefixes.splice(place, 0, prefix);
    return place < this.#most ? this.#prefixes[this.#most] : undefined;
  }

  /** @returns  the one that now is among the lowest in its place */
  remove(prefix: Prefix): Prefix | undefined {
    const place = this.#placeOf(prefix);
    if (this.#prefixes[place] !== prefix) return undefined;
    this.#prefixes.splice(place, 1);
    return place < this.#most ? this.#prefixes[this.#most - 1] : undefined;
  }

  /** Where it stands, or would. */
  #placeOf(prefix: Prefix): number {
    let low = 0;
    let high = this.#prefixes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (comparePrefixes(this.#prefixes[middle] as Prefix, prefix) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
