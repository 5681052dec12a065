/**
 * Which nets have changed, in the order in which they last did, for readers that each go at their own pace.
 *
 * A net stands in it once, however often it changes, so its length is bounded by the number of nets, and a slow reader
 * costs a number. An entry that a later one of the same net has replaced stays until the next tidying, and is skipped.
 */
import { grown32 } from './columns.ts';

export interface Reader {
  /** Place of the entry it reads next. */
  at: number;
}

/** Entries for which tidying is not worth it. */
const few = 1024;

export class Changes {
  #nets: Int32Array = new Int32Array(few);
  #end = 0;
  /** It is tidied when it is so long: of room there is far more, which would all be written to one day. */
  #due = few;
  #count = 0;
  /** By net: the place of its last entry, and one; 0: it has none. */
  #places: Int32Array = new Int32Array(256);
  readonly #readers = new Set<Reader>();
  /** No reader is past it. */
  #furthest = 0;

  /** How many there have been; greater exactly if there was one since. */
  get count(): number {
    return this.#count;
  }

  /** Entries, with those that were replaced or read by all; only tests ask. */
  get length(): number {
    return this.#end;
  }

  /** A reader of what changes from now on. */
  open(): Reader {
    const reader: Reader = { at: this.#end };
    this.#furthest = this.#end;
    this.#readers.add(reader);
    return reader;
  }

  /** A place to come back to: where this reader is now. Closed as a reader is. */
  mark({ at }: Reader): Reader {
    const mark: Reader = { at };
    this.#readers.add(mark);
    return mark;
  }

  /** To where that one is. */
  skip(reader: Reader, to: Reader): void {
    reader.at = to.at;
    if (reader.at > this.#furthest) this.#furthest = reader.at;
  }

  close(reader: Reader): void {
    this.#readers.delete(reader);
  }

  add(net: number): void {
    if (this.#readers.size === 0) return;
    if (net >= this.#places.length) this.#places = grown32(this.#places, net + 1);
    // Nobody has read the entry it has, and no order among nets is promised.
    if ((this.#places[net] as number) > this.#furthest) return;
    if (this.#end === this.#due) this.#tidy();
    this.#nets[this.#end] = net;
    this.#end += 1;
    this.#count += 1;
    this.#places[net] = this.#end;
  }

  /** The net of the reader's next entry, without going past it; 0: there is none. */
  peek(reader: Reader): number {
    while (reader.at < this.#end) {
      const net = this.#nets[reader.at] as number;
      if (this.#places[net] === reader.at + 1) return net;
      reader.at += 1;
    }
    return 0;
  }

  /** Past the entry that `peek` gave. */
  next(reader: Reader): void {
    reader.at += 1;
    if (reader.at > this.#furthest) this.#furthest = reader.at;
  }

  /** Forgets what every reader has read and what was replaced; the next time comes when as much has been added again. */
  #tidy(): void {
    const readers = [...this.#readers].sort((a, b) => a.at - b.at);
    const first = readers[0]?.at ?? this.#end;
    let turn = 0;
    let kept = 0;
    for (let at = 0; at < this.#end; at += 1) {
      for (let reader = readers[turn]; reader?.at === at; reader = readers[turn]) {
        reader.at = kept;
        turn += 1;
      }
      const net = this.#nets[at] as number;
      if (this.#places[net] !== at + 1) continue;
      if (at >= first) {
        this.#nets[kept] = net;
        kept += 1;
      }
      this.#places[net] = at < first ? 0 : kept;
    }
    for (const reader of readers.slice(turn)) reader.at = kept;
    this.#end = kept;
    this.#furthest = readers.at(-1)?.at ?? kept;
    this.#due = Math.max(few, 2 * kept);
    if (this.#due > this.#nets.length) this.#nets = grown32(this.#nets, this.#due);
  }
}
