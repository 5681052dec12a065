/** Sets by key, none of them empty: the shape of every index of the graph. */
export class KeyedSets<K, V> {
  readonly #sets = new Map<K, Set<V>>();

  /** True if it was not there. */
  add(key: K, value: V): boolean {
    const set = this.#sets.get(key);
    if (set === undefined) {
      this.#sets.set(key, new Set([value]));
      return true;
    }
    if (set.has(value)) return false;
    set.add(value);
    return true;
  }

  /** True if it was there. */
  delete(key: K, value: V): boolean {
    const set = this.#sets.get(key);
    if (set?.delete(value) !== true) return false;
    if (set.size === 0) this.#sets.delete(key);
    return true;
  }

  has(key: K): boolean {
    return this.#sets.has(key);
  }

  /** Empty if there is none; do not add or delete under the key while walking it. */
  get(key: K): ReadonlySet<V> {
    return this.#sets.get(key) ?? new Set<V>();
  }
}
