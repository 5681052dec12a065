/**
 * Numbers of rows that can be given to others, in a table where being so is written at the row itself: the few that came to be so last,
 * and a hand that goes round for the rest. A table that goes as a whole costs nothing to remember, and where one row comes as another goes
 * none is looked for.
 */
const most = 64;
/** Rows looked at for one: if fewer than one in so many can be given, the table may as well grow. */
const looks = 16;

export class Lately {
  readonly #shift: number;
  readonly #word: number;
  readonly #rows = new Int32Array(most);
  #count = 0;
  #hand = 1;

  /** Of rows of `1 << shift` words, of which this one says so. */
  constructor(shift: number, word: number) {
    this.#shift = shift;
    this.#word = word;
  }

  /** This row can be given, as long as its table says so. */
  add(row: number): void {
    if (this.#count === most) return;
    this.#rows[this.#count] = row;
    this.#count += 1;
  }

  /**
   * @param table  from row 1 on; its word is 0 if it can be given
   * @param limit  greater than every row
   * @returns  0: there was none where it was looked for
   */
  take(table: Int32Array, limit: number): number {
    while (this.#count > 0) {
      this.#count -= 1;
      const row = this.#rows[this.#count] as number;
      if (table[(row << this.#shift) + this.#word] === 0) return row;
    }
    for (let look = 0; look < looks; look += 1) {
      const row = this.#hand;
      this.#hand = row + 1 < limit ? row + 1 : 1;
      if (table[(row << this.#shift) + this.#word] === 0) return row;
    }
    return 0;
  }
}
