/** The resources the speaker is configured by, kept as the store delivers them, and the configuration they mean. */
import type { Prefix } from '../src/lib/net.ts';
import { type Kind, keyOf, type Resource, refOf } from '../src/model/resource.ts';
import type { Batch } from '../src/store/store.ts';
import type { Intent } from './config.ts';
import { intentOf } from './intent.ts';

export const watchedKinds: readonly Kind[] = ['Node', 'BGPConfiguration', 'BGPPeer', 'IPPool'];

export class Cluster {
  readonly #node: string;
  readonly #resources = new Map<string, Resource>();
  #connected: readonly Prefix[] = [];

  /** @param node  the name of the node we speak for */
  constructor(node: string) {
    this.#node = node;
  }

  take(batch: Batch): void {
    for (const change of batch.changes) {
      if (change.kind === 'delete') this.#resources.delete(keyOf(change.ref));
      else this.#resources.set(keyOf(refOf(change.resource)), change.resource);
    }
  }

  /** The subnets of this node's own interfaces, as the kernel has them. */
  connect(subnets: readonly Prefix[]): void {
    this.#connected = subnets;
  }

  intent(): Intent {
    const { config, problems } = intentOf(this.#node, this.#resources.values());
    return { config: config && { ...config, connected: this.#connected }, problems };
  }
}
