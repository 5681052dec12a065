/** The names of this host's interfaces by their index, as the kernel tells of them. */
import type { Kernel, KernelEvent } from '../../src/kernel/kernel.ts';

export class Interfaces {
  readonly #kernel: Pick<Kernel, 'links'>;
  readonly #names = new Map<number, string>();

  constructor(kernel: Pick<Kernel, 'links'>) {
    this.#kernel = kernel;
  }

  name(ifindex: number): string | undefined {
    return this.#names.get(ifindex);
  }

  async load(): Promise<void> {
    const links = await this.#kernel.links();
    this.#names.clear();
    for (const { ifindex, name } of links) this.#names.set(ifindex, name);
  }

  /** @returns whether all must be loaded anew: events were lost */
  observe(event: KernelEvent): boolean {
    if (event.kind === 'link') {
      if (event.change === 'delete') this.#names.delete(event.link.ifindex);
      else this.#names.set(event.link.ifindex, event.link.name);
    }
    return event.kind === 'overrun';
  }
}
