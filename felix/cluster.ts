/** What the agent itself must know of the cluster, beside the policy graph: this node's pod CIDRs and pods. */
import type { Prefix } from '../src/lib/net.ts';
import { interfaceName } from '../src/model/endpoint.ts';
import type { Pod, ResourceRef } from '../src/model/resource.ts';
import type { Change } from '../src/store/store.ts';

export interface LocalPod {
  readonly namespace: string;
  readonly name: string;
}

export class NodeView {
  readonly #node: string;
  readonly #pods = new Map<string, LocalPod>();
  #podCidrs: readonly Prefix[] | undefined;

  constructor(node: string) {
    this.#node = node;
  }

  /** Undefined while the Node object is not known. */
  get podCidrs(): readonly Prefix[] | undefined {
    return this.#podCidrs;
  }

  /** The pod of this node whose host interface has that name: how an interface without a record is recognised. */
  podOf(hostInterface: string): LocalPod | undefined {
    return this.#pods.get(hostInterface);
  }

  change(change: Change): void {
    if (change.kind === 'delete') this.#delete(change.ref);
    else if (change.resource.kind === 'Pod') this.#putPod(change.resource);
    else if (change.resource.kind === 'Node' && change.resource.meta.name === this.#node) {
      this.#podCidrs = change.resource.podCidrs;
    }
  }

  #putPod({ meta, nodeName, hostNetwork }: Pod): void {
    const { namespace = 'default', name } = meta;
    const key = interfaceName(namespace, name);
    if (nodeName === this.#node && !hostNetwork) this.#pods.set(key, { namespace, name });
    else this.#pods.delete(key);
  }

  #delete({ kind, name, namespace = 'default' }: ResourceRef): void {
    if (kind === 'Pod') this.#pods.delete(interfaceName(namespace, name));
    if (kind === 'Node' && name === this.#node) this.#podCidrs = undefined;
  }
}
