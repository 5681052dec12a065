/** Columns of numbers that grow: the tables of routes and nets are made of these, one value a row. */

/** Half as much again: a table in between costs little more than what is in it. */
const more = (length: number): number => Math.max(length + 64, Math.ceil(length * 1.5));

export function grown32(column: Int32Array<ArrayBuffer>, least = 0): Int32Array<ArrayBuffer> {
  const bigger = new Int32Array(Math.max(least, more(column.length)));
  bigger.set(column);
  return bigger;
}

export function grownWords(column: Uint32Array<ArrayBuffer>, least = 0): Uint32Array<ArrayBuffer> {
  const bigger = new Uint32Array(Math.max(least, more(column.length)));
  bigger.set(column);
  return bigger;
}

export function grown16(column: Uint16Array<ArrayBuffer>, least = 0): Uint16Array<ArrayBuffer> {
  const bigger = new Uint16Array(Math.max(least, more(column.length)));
  bigger.set(column);
  return bigger;
}

export function grown8(column: Uint8Array<ArrayBuffer>, least = 0): Uint8Array<ArrayBuffer> {
  const bigger = new Uint8Array(Math.max(least, more(column.length)));
  bigger.set(column);
  return bigger;
}
