/**
 * Answers for what was asked about lately. Prefixes come and go in rows that share a path, so a few hold nearly all;
 * what is dropped is worked out again. No weak references: with a hundred thousand paths they are most of the work of
 * the collector of garbage.
 */
export class Memo<K extends object, V> {
  readonly #answers = new Map<K, V>();
  readonly #most: number;
  #lastKey: K | undefined;
  #last: V | undefined;

  constructor(most = 64) {
    this.#most = most;
  }

  /** Undefined: it is not known, or not any more. */
  get(key: K): V | undefined {
    if (key !== this.#lastKey) {
      this.#last = this.#answers.get(key);
      this.#lastKey = key;
    }
    return this.#last;
  }

  set(key: K, value: V): void {
    if (this.#answers.size >= this.#most) this.#answers.clear();
    this.#answers.set(key, value);
    this.#lastKey = key;
    this.#last = value;
  }

  clear(): void {
    this.#answers.clear();
    this.#lastKey = undefined;
    this.#last = undefined;
  }
}
