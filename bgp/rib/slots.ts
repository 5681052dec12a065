/**
 * Open addressing with linear probing: the part of a hash table that does not ask what is looked for. A slot holds the number of
 * a row, at most 2^26 - 1, and above it six bits of its hash, so that few rows are looked at in vain; 0: nothing. The hash
 * of a row is its first word in the table of whoever owns it.
 *
 * Each part grows by itself, and at a fullness of its own between 0.35 and 0.7: nothing waits for more than a small share
 * of the rows to be put elsewhere, however many they are.
 *
 * What is taken out leaves a mark if something stands behind it, so that nobody has to be moved: tables go as they came, a row
 * beside the other, and with the last of a run its marks go too. A part that is full of marks is put together anew.
 */
import { room } from './columns.ts';

type Slots = Int32Array;
/** Rows; the bits of a hash: the highest say which part, those behind them which line of it, and the lowest four which slot of that line. */
type Rows = Int32Array;

const partBits = 5;
const partShift = 32 - partBits;
const parts = 1 << partBits;
/** Of a new part, a power of two; a line of the cache. */
const fewest = 16;
const rowBits = 26;
const rowMask = (1 << rowBits) - 1;
/** The mark of one that was taken out: row 0, which is none. */
const gone = 1 << rowBits;
/** A part that is due is put together anew in its own size if no more of it than this is rows. */
const mostlyRows = 0.875;

export class SlotTable {
  readonly #shift: number;
  readonly #parts: Slots[] = Array.from({ length: parts }, () => new Int32Array(fewest));
  /** By part. */
  readonly #rows = new Int32Array(parts);
  /** By part: slots with a row or a mark. */
  readonly #taken = new Int32Array(parts);
  #size = 0;
  /** The slot of the row that was told last. */
  #last = 0;

  /** Of rows of `1 << shift` words. */
  constructor(shift: number) {
    this.#shift = shift;
  }

  /** Rows in it. */
  get size(): number {
    return this.#size;
  }

  /** Slots there are, and those with a row or a mark: how full it is, which only tests ask. */
  get slots(): number {
    return this.#parts.reduce((sum, { length }) => sum + length, 0);
  }

  get taken(): number {
    return this.#taken.reduce((sum, one) => sum + one, 0);
  }

  /** A row that may have this hash, and most often does; 0: there is none. */
  first(hash: number): number {
    const slots = this.#parts[hash >>> partShift] as Slots;
    return this.#seek(slots, homeOf(hash, slots.length - 1), tagOf(hash));
  }

  /** The next such row after the one that was told last; nothing was added or removed since. */
  next(hash: number): number {
    const slots = this.#parts[hash >>> partShift] as Slots;
    return this.#seek(slots, (this.#last + 1) & (slots.length - 1), tagOf(hash));
  }

  /** A row that is not in it. */
  add(row: number, table: Rows): void {
    const hash = table[row << this.#shift] as number;
    const part = hash >>> partShift;
    const slots = this.#parts[part] as Slots;
    this.#size += 1;
    const rows = (this.#rows[part] as number) + 1;
    this.#rows[part] = rows;
    if (put(slots, row | tagOf(hash), homeOf(hash, slots.length - 1)) === gone) return;
    const taken = (this.#taken[part] as number) + 1;
    this.#taken[part] = taken;
    const most = slots.length * fullness(part);
    if (taken <= most) return;
    const length = rows > most * mostlyRows ? slots.length * 2 : slots.length;
    this.#parts[part] = rebuilt(slots, length, table, this.#shift);
    this.#taken[part] = rows;
  }

  /** A row that is in it. */
  remove(row: number, table: Rows): void {
    const hash = table[row << this.#shift] as number;
    const part = hash >>> partShift;
    const slots = this.#parts[part] as Slots;
    const mask = slots.length - 1;
    let slot = homeOf(hash, mask);
    const one = row | tagOf(hash);
    while (slots[slot] !== one) slot = (slot + 1) & mask;
    this.#rows[part] = (this.#rows[part] as number) - 1;
    this.#size -= 1;
    if (slots[(slot + 1) & mask] !== 0) {
      slots[slot] = gone;
      return;
    }
    let taken = this.#taken[part] as number;
    do {
      slots[slot] = 0;
      taken -= 1;
      slot = (slot - 1) & mask;
    } while (slots[slot] === gone);
    this.#taken[part] = taken;
  }

  #seek(slots: Slots, from: number, tag: number): number {
    const mask = slots.length - 1;
    let slot = from;
    for (let one = slots[slot] as number; one !== 0; one = slots[slot] as number) {
      const row = one & rowMask;
      if ((one & ~rowMask) === tag && row !== 0) {
        this.#last = slot;
        return row;
      }
      slot = (slot + 1) & mask;
    }
    return 0;
  }
}

/** Bits that do not say where it stands. */
const tagOf = (hash: number): number => (hash >>> 4) << rowBits;

/** Where a row of this hash would stand alone. @param mask  the length of its part, less one */
const homeOf = (hash: number, mask: number): number =>
  (((hash << partBits) >>> Math.clz32(mask)) & ~15) | (hash & 15);

const fullness = (part: number): number => 0.35 + (0.35 * part) / parts;

/** The same rows in so many slots, and no marks. */
function rebuilt(slots: Slots, length: number, table: Rows, shift: number): Slots {
  const fresh = new Int32Array(room(4 * length));
  for (let slot = 0; slot < slots.length; slot += 1) {
    const one = slots[slot] as number;
    const row = one & rowMask;
    if (row !== 0) put(fresh, one, homeOf(table[row << shift] as number, length - 1));
  }
  return fresh;
}

/** @returns  what was in its slot: nothing or a mark */
function put(slots: Slots, one: number, home: number): number {
  const mask = slots.length - 1;
  let slot = home;
  while (((slots[slot] as number) & rowMask) !== 0) slot = (slot + 1) & mask;
  const before = slots[slot] as number;
  slots[slot] = one;
  return before;
}
