/**
 * A keyed table that remembers which keys changed since its reader last looked.
 *
 * The calculation graph is nothing but Tables and the functions between them. A burst of writes to one
 * key is one change, so memory is bounded by the number of keys and never by the number of events.
 */
export class Table<K extends string | number | bigint, V> {
  readonly #rows = new Map<K, V>();
  readonly #changed = new Set<K>();

  get(key: K): V | undefined {
    return this.#rows.get(key);
  }

  get size(): number {
    return this.#rows.size;
  }

  entries(): IterableIterator<[K, V]> {
    return this.#rows.entries();
  }

  put(key: K, value: V): void {
    this.#rows.set(key, value);
    this.#changed.add(key);
  }

  remove(key: K): void {
    if (this.#rows.delete(key)) this.#changed.add(key);
  }

  /** The keys changed since the last drain; read the rows to see to what. */
  drain(): K[] {
    const keys = [...this.#changed];
    this.#changed.clear();
    return keys;
  }
}
