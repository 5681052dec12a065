/**
 * Columns of numbers that grow: the tables of routes and nets are made of these, one value a row.
 *
 * What was never written to takes no memory: the kernel gives a page of a large array once it is touched. So a column has far
 * more room than rows, and is copied a few times while it is small, and then hardly ever.
 */

/** Rows of which a column is short. */
const short = 1 << 16;
/** Rows it has room for once it is not. */
const long = 1 << 22;

/** Longer than that, and at least so long. */
function longer(length: number, least: number): number {
  const next = length < short ? Math.max(length, 16) * 16 : Math.max(length * 4, long);
  return next >= least ? next : longer(next, least);
}

export function grown32(column: Int32Array<ArrayBuffer>, least = 0): Int32Array<ArrayBuffer> {
  const bigger = new Int32Array(longer(column.length, least));
  bigger.set(column);
  return bigger;
}

export function grownWords(column: Uint32Array<ArrayBuffer>, least = 0): Uint32Array<ArrayBuffer> {
  const bigger = new Uint32Array(longer(column.length, least));
  bigger.set(column);
  return bigger;
}

export function grown16(column: Uint16Array<ArrayBuffer>, least = 0): Uint16Array<ArrayBuffer> {
  const bigger = new Uint16Array(longer(column.length, least));
  bigger.set(column);
  return bigger;
}

export function grown8(column: Uint8Array<ArrayBuffer>, least = 0): Uint8Array<ArrayBuffer> {
  const bigger = new Uint8Array(longer(column.length, least));
  bigger.set(column);
  return bigger;
}

export function grownDoubles(column: Float64Array<ArrayBuffer>, least = 0): Float64Array<ArrayBuffer> {
  const bigger = new Float64Array(longer(column.length, least));
  bigger.set(column);
  return bigger;
}
