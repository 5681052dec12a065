/** What is there as long as somebody wants it: key → those that do. */
export class Wanted {
  readonly #by = new Map<string, Set<string>>();

  add(key: string, who: string): void {
    const all = this.#by.get(key);
    if (all === undefined) this.#by.set(key, new Set([who]));
    else all.add(who);
  }

  /** @returns  nobody wants it any more */
  remove(key: string, who: string): boolean {
    const all = this.#by.get(key);
    all?.delete(who);
    if (all === undefined || all.size > 0) return false;
    this.#by.delete(key);
    return true;
  }

  of(key: string): Iterable<string> {
    return this.#by.get(key) ?? [];
  }

  keys(): Iterable<string> {
    return this.#by.keys();
  }

  has(key: string): boolean {
    return this.#by.has(key);
  }
}
