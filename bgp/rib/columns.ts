/**
 * Columns of numbers that grow: the tables of routes and nets are made of these, one value a row, or a few words side by side.
 *
 * What was never written to takes no memory: the kernel gives a page of a large array once it is touched. So a column has far
 * more room than rows, and is copied a few times while it is small, and then hardly ever. Not without end: V8 weighs an array by its
 * length when it decides how soon to collect garbage.
 */
type Column =
  | Int32Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>;

/** The most rows of which a column is short. */
const short = 1 << 16;

/** Longer than that, and at least so long. */
function longer(length: number, least: number): number {
  const next = Math.max(length, 16) * (length <= short ? 16 : 4);
  return next >= least ? next : longer(next, least);
}

/** Of one that nobody has written to, no page is touched. */
function copied<Kind extends Column>(column: Kind, bigger: Kind): Kind {
  let end = column.length;
  while (end > 0 && column[end - 1] === 0) end -= 1;
  bigger.set(column.subarray(0, end));
  return bigger;
}

export const grown32 = (column: Int32Array<ArrayBuffer>, least = 0): Int32Array<ArrayBuffer> =>
  copied(column, new Int32Array(longer(column.length, least)));

/** The same of rows of `1 << shift` words. */
export const grownRows = (table: Int32Array<ArrayBuffer>, shift: number): Int32Array<ArrayBuffer> =>
  copied(table, new Int32Array(longer(table.length >>> shift, 0) << shift));

export const grownWords = (column: Uint32Array<ArrayBuffer>, least = 0): Uint32Array<ArrayBuffer> =>
  copied(column, new Uint32Array(longer(column.length, least)));

export const grown16 = (column: Uint16Array<ArrayBuffer>, least = 0): Uint16Array<ArrayBuffer> =>
  copied(column, new Uint16Array(longer(column.length, least)));

export const grown8 = (column: Uint8Array<ArrayBuffer>, least = 0): Uint8Array<ArrayBuffer> =>
  copied(column, new Uint8Array(longer(column.length, least)));

export const grownDoubles = (column: Float64Array<ArrayBuffer>, least = 0): Float64Array<ArrayBuffer> =>
  copied(column, new Float64Array(longer(column.length, least)));
