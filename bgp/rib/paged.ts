/** Numbers by a small number, in pages that exist only where something is not 0: a neighbour told two prefixes costs a page. */
const bits = 10;
const pageSize = 1 << bits;

export class Paged {
  readonly #pages: (Int32Array<ArrayBuffer> | undefined)[] = [];

  get(at: number): number {
    return this.#pages[at >>> bits]?.[at & (pageSize - 1)] ?? 0;
  }

  set(at: number, value: number): void {
    const page = at >>> bits;
    let known = this.#pages[page];
    if (known === undefined) {
      while (this.#pages.length < page) this.#pages.push(undefined);
      known = new Int32Array(pageSize);
      this.#pages[page] = known;
    }
    known[at & (pageSize - 1)] = value;
  }

  /** Pages there are. */
  get pages(): number {
    return this.#pages.filter((page) => page !== undefined).length;
  }

  /** Where something is, from `from` on; 0: nowhere any more. */
  seek(from: number): number {
    for (let page = from >>> bits; page < this.#pages.length; page += 1) {
      const known = this.#pages[page];
      if (known === undefined) continue;
      const first = page === from >>> bits ? from & (pageSize - 1) : 0;
      for (let index = first; index < pageSize; index += 1)
        if (known[index] !== 0) return page * pageSize + index;
    }
    return 0;
  }
}
