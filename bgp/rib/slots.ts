/**
 * Open addressing with linear probing: the part of a hash table that does not ask what is looked for. A slot holds the number of
 * a row, 0 for none.
 *
 * Each part doubles by itself, and at a fullness of its own between 0.35 and 0.7: nothing waits for more than a small share
 * of the rows to be put elsewhere, however many they are.
 */
export type Slots = Int32Array<ArrayBuffer>;
/** Where a row would stand if it were alone. */
type Home = (row: number) => number;
/** 32 bits: the highest say which part, those behind them which line of it, and the lowest four which slot of that line. */
type HashOf = (row: number) => number;

const partBits = 5;
const partShift = 32 - partBits;
const parts = 1 << partBits;
/** Of a new part, a power of two; a line of the cache. */
const fewest = 16;

export class SlotTable {
  readonly #parts: Slots[] = Array.from({ length: parts }, () => new Int32Array(fewest));
  readonly #counts = new Int32Array(parts);
  readonly #hashOf: HashOf;
  #size = 0;

  /** @param hashOf  of a row that is in it */
  constructor(hashOf: HashOf) {
    this.#hashOf = hashOf;
  }

  /** Rows in it. */
  get size(): number {
    return this.#size;
  }

  /** Where rows of this hash are: from `homeOf` on, and on from 0 after the end, up to a slot with 0. */
  part(hash: number): Slots {
    return this.#parts[hash >>> partShift] as Slots;
  }

  /** A row that is not in it. */
  add(row: number, hash: number): void {
    const part = hash >>> partShift;
    const slots = this.#parts[part] as Slots;
    put(slots, row, homeOf(hash, slots.length - 1));
    const count = (this.#counts[part] as number) + 1;
    this.#counts[part] = count;
    this.#size += 1;
    if (count > slots.length * fullness(part)) this.#parts[part] = this.#doubled(slots);
  }

  /** A row that is in it. */
  remove(row: number): void {
    const part = this.#hashOf(row) >>> partShift;
    const slots = this.#parts[part] as Slots;
    const mask = slots.length - 1;
    removeFrom(slots, row, (other) => homeOf(this.#hashOf(other), mask));
    this.#counts[part] = (this.#counts[part] as number) - 1;
    this.#size -= 1;
  }

  #doubled(slots: Slots): Slots {
    const mask = slots.length * 2 - 1;
    return doubled(slots, (row) => homeOf(this.#hashOf(row), mask));
  }
}

/** Where a row of this hash would stand alone. @param mask  the length of its part, less one */
export const homeOf = (hash: number, mask: number): number =>
  (((hash << partBits) >>> Math.clz32(mask)) & ~15) | (hash & 15);

const fullness = (part: number): number => 0.35 + (0.35 * part) / parts;

/** Takes out a row that is there. No tombstones: whoever could not be found past the gap moves into it. */
export function removeFrom(slots: Slots, row: number, home: Home): void {
  const mask = slots.length - 1;
  let gap = home(row);
  while (slots[gap] !== row) gap = (gap + 1) & mask;
  let slot = (gap + 1) & mask;
  for (let other = slots[slot] as number; other !== 0; other = slots[slot] as number) {
    if (((slot - home(other)) & mask) >= ((slot - gap) & mask)) {
      slots[gap] = other;
      gap = slot;
    }
    slot = (slot + 1) & mask;
  }
  slots[gap] = 0;
}

/** Twice as many slots with the same rows. */
export function doubled(slots: Slots, home: Home): Slots {
  const bigger = new Int32Array(slots.length * 2);
  for (const row of slots) if (row !== 0) put(bigger, row, home(row));
  return bigger;
}

function put(slots: Slots, row: number, home: number): void {
  const mask = slots.length - 1;
  let slot = home;
  while (slots[slot] !== 0) slot = (slot + 1) & mask;
  slots[slot] = row;
}
