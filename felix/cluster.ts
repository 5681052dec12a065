/** What the agent itself must know of the cluster, beside the policy graph: this node's pod CIDRs, its pods, and what they ask for. */
import type { PodName } from '../src/cni/environment.ts';
import type { Clock } from '../src/host/clock.ts';
import type { Millis, Prefix } from '../src/lib/net.ts';
import { interfaceName } from '../src/model/endpoint.ts';
import type { Labels, Pod, ResourceRef } from '../src/model/resource.ts';
import type { Change } from '../src/store/store.ts';

export interface LocalPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid?: string;
  readonly annotations: Labels;
}

export interface NamespaceFacts {
  readonly labels: Labels;
  readonly annotations: Labels;
}

interface Waiter {
  readonly key: string;
  readonly look: () => void;
}

const unknownNamespace: NamespaceFacts = { labels: {}, annotations: {} };

export class NodeView {
  readonly #node: string;
  readonly #pods = new Map<string, LocalPod>();
  /** "namespace/name" of each of them → its interface: the name of an interface costs a hash, and most pods are others'. */
  readonly #interfaces = new Map<string, string>();
  readonly #namespaces = new Map<string, NamespaceFacts>();
  readonly #waiters = new Set<Waiter>();
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

  /** Of a namespace that is not known: nothing. */
  namespace(name: string): NamespaceFacts {
    return this.#namespaces.get(name) ?? unknownNamespace;
  }

  /** The Pod object once the datastore shows it, and not an older one of its name; undefined after `within`. */
  pod(pod: PodName, clock: Clock, within: Millis): Promise<LocalPod | undefined> {
    const key = interfaceName(pod.namespace, pod.name);
    const found = (): LocalPod | undefined => {
      const one = this.#pods.get(key);
      return one !== undefined && isSame(one, pod) ? one : undefined;
    };
    const now = found();
    if (now !== undefined) return Promise.resolve(now);
    return new Promise((resolve) => {
      const finish = (result: LocalPod | undefined): void => {
        cancel();
        this.#waiters.delete(waiter);
        resolve(result);
      };
      const waiter: Waiter = {
        key,
        look: () => {
          const one = found();
          if (one !== undefined) finish(one);
        },
      };
      const cancel = clock.after(within, () => finish(undefined));
      this.#waiters.add(waiter);
    });
  }

  /** @returns  whether it was of a pod of this node */
  change(change: Change): boolean {
    if (change.kind === 'delete') return this.#delete(change.ref);
    if (change.resource.kind === 'Pod') return this.#putPod(change.resource);
    if (change.resource.kind === 'Namespace') {
      const { name, labels, annotations } = change.resource.meta;
      this.#namespaces.set(name, { labels, annotations });
    } else if (change.resource.kind === 'Node' && change.resource.meta.name === this.#node) {
      this.#podCidrs = change.resource.podCidrs;
    }
    return false;
  }

  #putPod({ meta, nodeName, hostNetwork }: Pod): boolean {
    const { namespace = 'default', name, uid, annotations } = meta;
    if (nodeName !== this.#node || hostNetwork) return this.#forget(namespace, name);
    const key = interfaceName(namespace, name);
    this.#interfaces.set(`${namespace}/${name}`, key);
    this.#pods.set(key, { namespace, name, annotations, ...(uid === undefined ? {} : { uid }) });
    for (const waiter of [...this.#waiters]) if (waiter.key === key) waiter.look();
    return true;
  }

  #forget(namespace: string, name: string): boolean {
    const key = this.#interfaces.get(`${namespace}/${name}`);
    if (key === undefined) return false;
    this.#interfaces.delete(`${namespace}/${name}`);
    return this.#pods.delete(key);
  }

  #delete({ kind, name, namespace = 'default' }: ResourceRef): boolean {
    if (kind === 'Pod') return this.#forget(namespace, name);
    if (kind === 'Namespace') this.#namespaces.delete(name);
    if (kind === 'Node' && name === this.#node) this.#podCidrs = undefined;
    return false;
  }
}

/** A static pod's runtime knows it by its manifest's hash; its object in the API has a uid of its own. */
const isSame = ({ uid, annotations }: LocalPod, asked: PodName): boolean =>
  asked.uid === undefined ||
  uid === undefined ||
  asked.uid === uid ||
  asked.uid === annotations['kubernetes.io/config.hash'];
