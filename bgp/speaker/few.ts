/** Some keys, each once: most often of one neighbour, for which no Set is made. */
export class Few {
  #first: string | undefined;
  #rest: Set<string> | undefined;

  clear(): void {
    this.#first = undefined;
    this.#rest = undefined;
  }

  add(key: string): void {
    if (this.#first === undefined) this.#first = key;
    else if (key !== this.#first) this.#rest = (this.#rest ?? new Set()).add(key);
  }

  each(visit: (key: string) => void): void {
    if (this.#first !== undefined) visit(this.#first);
    this.#rest?.forEach(visit);
  }
}
