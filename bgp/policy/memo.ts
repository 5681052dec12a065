/**
 * Answers for what was asked about lately. Prefixes come and go in rows that share a path, so a few hold nearly all;
 * what is dropped is worked out again. Neither weak references nor a Map: with a hundred thousand paths they are most of
 * the work of the collector of garbage.
 */
export class Memo<K extends object, V> {
  readonly #keys: (K | undefined)[];
  readonly #answers: (V | undefined)[];
  /** Place of the key that was asked about last. */
  #last = 0;
  /** Place of the next new one. */
  #next = 0;
  /** Asked for last and not known: what is set then mostly. */
  #missed: K | undefined;

  constructor(most = 16) {
    this.#keys = new Array(most).fill(undefined);
    this.#answers = new Array(most).fill(undefined);
  }

  /** Undefined: it is not known, or not any more. */
  get(key: K): V | undefined {
    if (this.#keys[this.#last] === key) return this.#answers[this.#last];
    const place = this.#keys.indexOf(key);
    if (place < 0) {
      this.#missed = key;
      return undefined;
    }
    this.#last = place;
    return this.#answers[place];
  }

  set(key: K, value: V): void {
    const known = key === this.#missed ? -1 : this.#keys.indexOf(key);
    this.#missed = undefined;
    const place = known < 0 ? this.#next : known;
    if (known < 0) this.#next = (this.#next + 1) % this.#keys.length;
    this.#keys[place] = key;
    this.#answers[place] = value;
    this.#last = place;
  }
}

/** The same with the answer for what was asked last, where it mostly is the same again. */
export function rememberLast<K, V>(ask: (key: K) => V): (key: K) => V {
  let last: { readonly key: K; readonly answer: V } | undefined;
  return (key) => {
    if (last === undefined || last.key !== key) last = { key, answer: ask(key) };
    return last.answer;
  };
}
