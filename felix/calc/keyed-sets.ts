/**
 * Sets by key, none of them empty: the shape of every index of the graph.
 *
 * Most keys of a large index have one value, and a Set of one costs ten times what its value does: such a value stands
 * for itself. So values must not be Sets.
 */
export class KeyedSets<K, V> {
  readonly #sets = new Map<K, V | Set<V>>();

  /** How many keys there are. */
  get size(): number {
    return this.#sets.size;
  }

  /** True if it was not there. */
  add(key: K, value: V): boolean {
    const held = this.#sets.get(key);
    if (held === undefined) this.#sets.set(key, value);
    else if (held instanceof Set) {
      if (held.has(value)) return false;
      held.add(value);
    } else if (held === value) return false;
    else this.#sets.set(key, new Set([held, value]));
    return true;
  }

  /** True if it was there. */
  delete(key: K, value: V): boolean {
    const held = this.#sets.get(key);
    if (held === undefined) return false;
    if (!(held instanceof Set)) return held === value && this.#sets.delete(key);
    if (!held.delete(value)) return false;
    if (held.size === 0) this.#sets.delete(key);
    return true;
  }

  has(key: K): boolean {
    return this.#sets.has(key);
  }

  includes(key: K, value: V): boolean {
    const held = this.#sets.get(key);
    return held instanceof Set ? held.has(value) : held !== undefined && held === value;
  }

  count(key: K): number {
    const held = this.#sets.get(key);
    return held === undefined ? 0 : held instanceof Set ? held.size : 1;
  }

  keys(): IterableIterator<K> {
    return this.#sets.keys();
  }

  /** Nothing if there is none; do not add or delete under the key while walking it. */
  get(key: K): Iterable<V> {
    const held = this.#sets.get(key);
    return held === undefined ? nothing : held instanceof Set ? held : [held];
  }
}

const nothing: readonly never[] = [];
