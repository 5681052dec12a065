/**
 * What holds attribute sets by a small number, each for as long as something refers to it: how a column of a table holds one.
 * 0 is none.
 *
 * What is alike in content has one number. Sets are kept as words (pack.ts) and become objects again when somebody asks: a
 * table of the internet has a hundred thousand of them, a set is a dozen objects, and the collector of garbage would walk
 * them again and again. Those asked for lately are remembered, as many in a row are mostly the same.
 *
 * What nothing refers to any more stays until its number is needed for another, which happens one by one: it may be told again, and
 * while a table goes others wait to be told of it.
 */
import type { PathAttributes } from '../wire/message.ts';
import { grownRows } from './columns.ts';
import { Lately } from './lately.ts';
import { lengthOf, pack, unpack } from './pack.ts';
import { offsetOf, Slab, type Words } from './slab.ts';
import { SlotTable } from './slots.ts';
import { AttributeView } from './view.ts';

/** 2^32 over the golden ratio. */
const factor = 0x9e37_79b1;
/** A row is so many words: those that follow; a line of the cache has four rows. */
const rowShift = 2;
const hashWord = 0;
/** How many refer to it. */
const countWord = 1;
/** Where its words are. */
const placeWord = 2;
/** Whatever who keeps it notes. */
const noteWord = 3;
/** So many sets are remembered as objects, by the lowest bits of their number. */
const remembered = 64;

export class Packed {
  readonly #slab = new Slab();
  #rows: Int32Array = new Int32Array(64 << rowShift);
  #limit = 1;
  /** By hash. */
  readonly #slots = new SlotTable(rowShift);
  /** To so many nothing refers. */
  #idle = 0;
  readonly #lately = new Lately(rowShift, countWord);
  readonly #recent = new Int32Array(remembered);
  readonly #objects: (PathAttributes | undefined)[] = new Array(remembered).fill(undefined);

  /** Sets referred to. */
  get size(): number {
    return this.#slots.size - this.#idle;
  }

  /** Something refers to it. */
  isHeld(id: number): boolean {
    return this.#word(id, countWord) > 0;
  }

  /** Of a number that is in use. The object may be another at the next call. */
  attributesOf(id: number): PathAttributes {
    const known = this.#objects[id % remembered];
    if (known !== undefined && this.#recent[id % remembered] === id) return known;
    const place = this.#place(id);
    return this.#remember(id, unpack(this.#slab.chunk(place), offsetOf(place)));
  }

  /** One reference more; 0 is none and stays so. */
  keep(id: number): void {
    if (id === 0) return;
    const count = this.#word(id, countWord);
    this.#rows[(id << rowShift) + countWord] = count + 1;
    if (count === 0) this.#idle -= 1;
  }

  /** One reference less. */
  drop(id: number): void {
    if (id === 0) return;
    const left = this.#word(id, countWord) - 1;
    this.#rows[(id << rowShift) + countWord] = left;
    if (left > 0) return;
    this.#idle += 1;
    this.#lately.add(id);
  }

  /** Its number; 0: there is none like it. @param owner  sets of two are never alike */
  protected seek(attributes: PathAttributes, owner: object | undefined): number {
    const { words, at } = wordsOf(attributes);
    return this.#find(words, at, hashOf(words, at), owner);
  }

  /** Its number; one reference more. It must not be changed after. */
  protected obtain(attributes: PathAttributes, owner: object | undefined): number {
    const { words, at } = wordsOf(attributes);
    const hash = hashOf(words, at);
    const known = this.#find(words, at, hash, owner);
    if (known === 0) return this.#add(words, at, hash);
    this.keep(known);
    return known;
  }

  /** Whose it is; asked only of what is alike otherwise. */
  protected isOf(_id: number, owner: object | undefined): boolean {
    return owner === undefined;
  }

  /** Nothing refers to it any more, and its number is about to be another's. */
  protected removed(_id: number): void {}

  /** Of a number that is in use: what its words are in, from `placeOf` on, until anything changes here. */
  chunkOf(id: number): Words {
    return this.#slab.chunk(this.#place(id));
  }

  placeOf(id: number): number {
    return offsetOf(this.#place(id));
  }

  /** What `setNote` was told of a number since it is in use; anything before. */
  protected note(id: number): number {
    return this.#word(id, noteWord);
  }

  protected setNote(id: number, note: number): void {
    this.#rows[(id << rowShift) + noteWord] = note;
  }

  #word(id: number, word: number): number {
    return this.#rows[(id << rowShift) + word] as number;
  }

  #place(id: number): number {
    return this.#word(id, placeWord) >>> 0;
  }

  #remember(id: number, attributes: PathAttributes): PathAttributes {
    this.#recent[id % remembered] = id;
    this.#objects[id % remembered] = attributes;
    return attributes;
  }

  #add(words: Words, at: number, hash: number): number {
    const place = this.#slab.take(words, lengthOf(words[at] as number), at);
    const id = this.#take();
    const row = id << rowShift;
    this.#rows[row + hashWord] = hash;
    this.#rows[row + countWord] = 1;
    this.#rows[row + placeWord] = place;
    this.#slots.add(id, this.#rows);
    return id;
  }

  #take(): number {
    const known = this.#idle === 0 ? 0 : this.#lately.take(this.#rows, this.#limit);
    if (known !== 0) {
      this.#remove(known);
      return known;
    }
    const fresh = this.#limit;
    this.#limit += 1;
    if (fresh << rowShift === this.#rows.length) this.#rows = grownRows(this.#rows, rowShift);
    return fresh;
  }

  #remove(id: number): void {
    this.removed(id);
    this.#slots.remove(id, this.#rows);
    const place = this.#place(id);
    this.#slab.give(place, lengthOf(this.#slab.chunk(place)[offsetOf(place)] as number));
    this.#idle -= 1;
    if (this.#recent[id % remembered] !== id) return;
    this.#recent[id % remembered] = 0;
    this.#objects[id % remembered] = undefined;
  }

  /** 0: there is none like it. */
  #find(words: Words, at: number, hash: number, owner: object | undefined): number {
    const length = lengthOf(words[at] as number);
    for (let id = this.#slots.first(hash); id !== 0; id = this.#slots.next(hash))
      if (this.#word(id, hashWord) === hash && this.#slab.same(this.#place(id), words, length, at))
        if (this.isOf(id, owner)) return id;
    return 0;
  }
}

/** Of what is no view they hold until the next call. */
function wordsOf(attributes: PathAttributes): { readonly words: Words; readonly at: number } {
  return attributes instanceof AttributeView ? attributes : { words: pack(attributes), at: 0 };
}

function hashOf(words: Words, at: number): number {
  const end = at + lengthOf(words[at] as number);
  let hash = 0;
  for (let index = at; index < end; index += 1)
    hash = Math.imul(hash ^ (words[index] as number), factor) ^ (hash >>> 15);
  return Math.imul(hash, factor);
}
