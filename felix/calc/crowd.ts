/** The items of one bag: mostly the few replicas of something, of which a list costs a third of what a Set does. No item is added twice. */
export class Crowd<T> implements Iterable<T> {
  #items: T[] | Set<T> = [];

  get size(): number {
    return Array.isArray(this.#items) ? this.#items.length : this.#items.size;
  }

  add(item: T): void {
    if (!Array.isArray(this.#items)) this.#items.add(item);
    else if (this.#items.push(item) > mostListed) this.#items = new Set(this.#items);
  }

  delete(item: T): void {
    if (!Array.isArray(this.#items)) {
      this.#items.delete(item);
      return;
    }
    const at = this.#items.indexOf(item);
    if (at >= 0) this.#items.splice(at, 1);
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#items[Symbol.iterator]();
  }
}

/** More than these are looked up faster than searched. */
const mostListed = 32;
