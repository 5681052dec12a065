/** Names of the node's links by their index: listed when first asked for, and kept by what the kernel tells. */
import type { Kernel, KernelEvent } from '../../src/kernel/kernel.ts';

export class LinkNames {
  readonly #kernel: Pick<Kernel, 'links'>;
  #known: Map<number, string> | undefined;
  /** What the kernel told, counted: a listing that something happened to meanwhile may lack it. */
  #changes = 0;

  constructor(kernel: Pick<Kernel, 'links'>) {
    this.#kernel = kernel;
  }

  hear(event: KernelEvent): void {
    if (event.kind === 'overrun') this.#known = undefined;
    else if (event.kind !== 'link') return;
    else if (event.change === 'delete') this.#known?.delete(event.link.ifindex);
    else this.#known?.set(event.link.ifindex, event.link.name);
    this.#changes += 1;
  }

  /** Sorted, each once, of those that are there. Rejects if the kernel does not answer. */
  async of(indexes: readonly (number | undefined)[]): Promise<readonly string[]> {
    const names = this.#known ?? (await this.#list());
    const found = indexes.map((index) => (index === undefined ? undefined : names.get(index)));
    return [...new Set(found.filter((name) => name !== undefined))].sort();
  }

  async #list(): Promise<ReadonlyMap<number, string>> {
    const changes = this.#changes;
    const names = new Map((await this.#kernel.links()).map(({ ifindex, name }) => [ifindex, name]));
    if (changes === this.#changes) this.#known = names;
    return names;
  }
}
