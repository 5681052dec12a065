/**
 * Objects by a small number, each for as long as something refers to it: how a column of a table holds a Path or an
 * attribute set. 0 is none.
 */
import { grown32 } from './columns.ts';

export class Counted<T extends object> {
  readonly #ids = new Map<T, number>();
  readonly #items: (T | undefined)[] = [undefined];
  #counts = new Int32Array(64);
  readonly #free: number[] = [];
  #last = 0;

  /** Objects referred to. */
  get size(): number {
    return this.#ids.size;
  }

  /** Greater than every number in use. */
  get limit(): number {
    return this.#items.length;
  }

  has(item: T): boolean {
    return this.#ids.has(item);
  }

  /** All that is referred to. */
  items(): Iterable<T> {
    return this.#ids.keys();
  }

  /** Of a number that is in use. */
  get(id: number): T {
    return this.#items[id] as T;
  }

  /** Undefined for 0. */
  find(id: number): T | undefined {
    return this.#items[id];
  }

  /** Its number; one reference more. */
  hold(item: T): number {
    // Many in a row are mostly the same.
    const known = this.#items[this.#last] === item ? this.#last : this.#ids.get(item);
    if (known !== undefined) {
      this.#last = known;
      this.keep(known);
      return known;
    }
    const id = this.#free.pop() ?? this.#items.length;
    if (id >= this.#counts.length) this.#counts = grown32(this.#counts);
    this.#ids.set(item, id);
    this.#items[id] = item;
    this.#counts[id] = 1;
    return id;
  }

  /** One reference more; 0 is none and stays so. */
  keep(id: number): void {
    this.#counts[id] = (this.#counts[id] as number) + 1;
  }

  /** One reference less. */
  drop(id: number): void {
    if (id === 0) return;
    const left = (this.#counts[id] as number) - 1;
    this.#counts[id] = left;
    if (left > 0) return;
    this.#ids.delete(this.#items[id] as T);
    this.#items[id] = undefined;
    this.#free.push(id);
  }
}
