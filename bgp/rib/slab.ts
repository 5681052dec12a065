/**
 * Records of 32-bit words, of any length up to a chunk, without an object for each: the collector of garbage sees a few
 * arrays where it would walk a hundred thousand objects.
 *
 * A place is the number of a chunk and an offset in it. What is given back is taken again by a record that rounds up to as
 * many words.
 */
import { room } from './columns.ts';

const chunkBits = 16;
const chunkWords = 1 << chunkBits;
/** Records are rounded up to a multiple of this. */
const step = 4;

export type Words = Uint32Array;

export class Slab {
  readonly #chunks: Words[] = [];
  /** Where the last chunk is free from. */
  #end = chunkWords;
  /** By rounded length, in steps: a place given back, and one; its first word is the next such number. 0: none. */
  readonly #free: number[] = [];

  /** Chunks there are; a metric of memory. */
  get chunks(): number {
    return this.#chunks.length;
  }

  /** Copies in `length` words, from `from` on. @returns  its place. Throws only if it is longer than a chunk. */
  take(words: Words, length: number, from = 0): number {
    const rounded = stepsOf(length) * step;
    if (rounded > chunkWords) throw new Error(`bug: a record of ${length} words`);
    const place = this.#again(stepsOf(length)) ?? this.#fresh(rounded);
    const chunk = this.chunk(place);
    const at = offsetOf(place);
    for (let index = 0; index < length; index += 1) chunk[at + index] = words[from + index] as number;
    return place;
  }

  /** @param length  as it was taken with */
  give(place: number, length: number): void {
    const steps = stepsOf(length);
    while (this.#free.length <= steps) this.#free.push(0);
    this.chunk(place)[offsetOf(place)] = this.#free[steps] as number;
    this.#free[steps] = place + 1;
  }

  /** The record at this place is these words, from `from` on. */
  same(place: number, words: Words, length: number, from = 0): boolean {
    const chunk = this.chunk(place);
    const at = offsetOf(place);
    for (let index = 0; index < length; index += 1)
      if (chunk[at + index] !== words[from + index]) return false;
    return true;
  }

  /** Where the record stands, from `offsetOf` on. */
  chunk(place: number): Words {
    return this.#chunks[place >>> chunkBits] as Words;
  }

  #again(steps: number): number | undefined {
    const first = steps < this.#free.length ? (this.#free[steps] as number) : 0;
    if (first === 0) return undefined;
    const place = first - 1;
    this.#free[steps] = this.chunk(place)[offsetOf(place)] as number;
    return place;
  }

  #fresh(rounded: number): number {
    if (this.#end + rounded > chunkWords) {
      this.#chunks.push(new Uint32Array(room(4 * chunkWords)));
      this.#end = 0;
    }
    const place = (this.#chunks.length - 1) * chunkWords + this.#end;
    this.#end += rounded;
    return place;
  }
}

export const offsetOf = (place: number): number => place & (chunkWords - 1);

const stepsOf = (length: number): number => Math.ceil(length / step);
