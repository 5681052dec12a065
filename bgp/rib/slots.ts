/**
 * Open addressing with linear probing: the part of a hash table that does not ask what is looked for. A slot holds the number of
 * a row, 0 for none; `home` says where a row would stand if it were alone. The number of slots is a power of two.
 */
type Slots = Int32Array<ArrayBuffer>;
type Home = (row: number) => number;

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

/** Twice as many slots with the same rows. @param home  as it is among so many */
export function doubled(slots: Slots, home: Home): Slots {
  const bigger = new Int32Array(slots.length * 2);
  const mask = bigger.length - 1;
  for (const row of slots) {
    if (row === 0) continue;
    let slot = home(row);
    while (bigger[slot] !== 0) slot = (slot + 1) & mask;
    bigger[slot] = row;
  }
  return bigger;
}
