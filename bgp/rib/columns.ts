/**
 * Columns of numbers that grow: the tables of routes and nets are made of these, one value a row, or a few words side by side.
 *
 * What was never written to takes no memory: the kernel gives a page of a large array once it is touched. So a column has far
 * more room than rows, and is copied a few times while it is small, and then hardly ever.
 */
type Column = Int32Array | Uint32Array | Uint16Array | Uint8Array | Float64Array;

/**
 * So many bytes, all 0, for a column or what is like one. V8 adds up what arrays reserve, be there a page or not, and collects the whole
 * heap for it, which frees nothing as tables stay. What could be shared with other threads it leaves out.
 */
export const room = (bytes: number): SharedArrayBuffer => new SharedArrayBuffer(bytes);

/** Rows, as a column grows: few copies while there is little to copy, and then none for as long as a table is of usual size. */
const lengths = [256, 4096, 65_536, 1 << 22];

/** Longer than that, and at least so long. */
function longer(length: number, least: number): number {
  const next = lengths.find((one) => one > length) ?? length * 4;
  return next >= least ? next : longer(next, least);
}

/** Of one that nobody has written to, no page is touched. */
function copied<Kind extends Column>(column: Kind, bigger: Kind): Kind {
  let end = column.length;
  while (end > 0 && column[end - 1] === 0) end -= 1;
  bigger.set(column.subarray(0, end));
  return bigger;
}

export const grown32 = (column: Int32Array, least = 0): Int32Array =>
  copied(column, new Int32Array(room(4 * longer(column.length, least))));

/** The same of rows of `1 << shift` words. */
export const grownRows = (table: Int32Array, shift: number): Int32Array =>
  copied(table, new Int32Array(room(longer(table.length >>> shift, 0) << (shift + 2))));

export const grownWords = (column: Uint32Array, least = 0): Uint32Array =>
  copied(column, new Uint32Array(room(4 * longer(column.length, least))));

export const grown16 = (column: Uint16Array, least = 0): Uint16Array =>
  copied(column, new Uint16Array(room(2 * longer(column.length, least))));

export const grown8 = (column: Uint8Array, least = 0): Uint8Array =>
  copied(column, new Uint8Array(room(longer(column.length, least))));

export const grownDoubles = (column: Float64Array, least = 0): Float64Array =>
  copied(column, new Float64Array(room(8 * longer(column.length, least))));
