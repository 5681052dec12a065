/**
 * Values by a small number, each for as long as something refers to it: how a column of a table holds a Path or an
 * attribute set. 0 is none.
 *
 * What is alike in content has one number, and one object: the first that came. The hash is one array of numbers; a
 * Map of objects costs four times as much, and the collector of garbage walks it again and again.
 */
import { grown32 } from './columns.ts';
import { doubled, removeFrom } from './slots.ts';

export interface Alike<T> {
  /** 32 bits; equal for what is the same. */
  readonly hash: (item: T) => number;
  readonly same: (a: T, b: T) => boolean;
}

/** 2^32 over the golden ratio. */
const factor = 0x9e37_79b1;

export class Counted<T extends object> {
  readonly #alike: Alike<T>;
  readonly #items: (T | undefined)[] = [undefined];
  #counts = new Int32Array(64);
  #hashes = new Int32Array(64);
  /** Numbers by hash; at most half of it is taken. */
  #slots = new Int32Array(128);
  /** So many bits of the hash are not used. */
  #shift = 25;
  readonly #free: number[] = [];
  #size = 0;
  /** Asked for last, and its number: many in a row are mostly the same. */
  #lastItem: T | undefined;
  #last = 0;

  constructor(alike: Alike<T>) {
    this.#alike = alike;
  }

  /** Values referred to. */
  get size(): number {
    return this.#size;
  }

  /** All that is referred to. */
  *items(): Generator<T> {
    for (const item of this.#items) if (item !== undefined) yield item;
  }

  /** Of a number that is in use. */
  get(id: number): T {
    return this.#items[id] as T;
  }

  /** Undefined for 0. */
  find(id: number): T | undefined {
    return this.#items[id];
  }

  /** Its number; 0: nothing refers to one like it. */
  idOf(item: T): number {
    if (item === this.#lastItem) return this.#last;
    return this.#remember(item, this.#slots[this.#slotOf(item, this.#alike.hash(item) | 0)] as number);
  }

  /** The one that stands for what is like it; itself, if nothing refers to one. */
  known(item: T): T {
    return this.#items[this.idOf(item)] ?? item;
  }

  /** Its number; one reference more. It must not be changed after. */
  hold(item: T): number {
    if (item === this.#lastItem && this.#last !== 0) {
      this.keep(this.#last);
      return this.#last;
    }
    const hash = this.#alike.hash(item) | 0;
    const slot = this.#slotOf(item, hash);
    const known = this.#slots[slot] as number;
    if (known !== 0) this.keep(known);
    return this.#remember(item, known === 0 ? this.#add(item, hash, slot) : known);
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
    if (left === 0) this.#remove(id);
  }

  #remember(item: T, id: number): number {
    this.#lastItem = item;
    this.#last = id;
    return id;
  }

  #add(item: T, hash: number, slot: number): number {
    const id = this.#free.pop() ?? this.#items.length;
    if (id >= this.#counts.length) {
      this.#counts = grown32(this.#counts);
      this.#hashes = grown32(this.#hashes);
    }
    this.#items[id] = item;
    this.#counts[id] = 1;
    this.#hashes[id] = hash;
    this.#slots[slot] = id;
    this.#size += 1;
    if (this.#size * 2 > this.#slots.length) this.#rehash();
    return id;
  }

  #remove(id: number): void {
    removeFrom(this.#slots, id, this.#home);
    this.#items[id] = undefined;
    this.#free.push(id);
    this.#size -= 1;
    this.#lastItem = undefined;
  }

  readonly #home = (id: number): number => Math.imul(this.#hashes[id] as number, factor) >>> this.#shift;

  /** Where one like it is, or belongs. */
  #slotOf(item: T, hash: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = Math.imul(hash, factor) >>> this.#shift;
    for (let id = slots[slot] as number; id !== 0; id = slots[slot] as number) {
      if (this.#hashes[id] === hash) {
        const known = this.#items[id] as T;
        if (known === item || this.#alike.same(known, item)) return slot;
      }
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  #rehash(): void {
    this.#shift -= 1;
    this.#slots = doubled(this.#slots, this.#home);
  }
}
