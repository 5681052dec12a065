/**
 * What of the cluster says which pods of this node are neighbours of its BGP speaker, and where they dial it: the node agent
 * opens that way and no other. Remembers what the store told; decides nothing of the kernel.
 */
import { type Address, versionOf } from '../src/lib/net.ts';
import { same } from '../src/lib/same.ts';
import { type Settings, settingsByNode } from '../src/model/bgp-configuration.ts';
import { appliesTo } from '../src/model/peering.ts';
import {
  type BgpConfiguration,
  type BgpPeer,
  type Kind,
  keyOf,
  type Node,
  type Resource,
  refOf,
} from '../src/model/resource.ts';
import { type Router, routerOf } from '../src/model/router.ts';
import { matchesSelector } from '../src/model/selector.ts';
import { asNeighbour, isOfNeighbour, type NeighbourResource, workloadsOf } from '../src/policy/neighbours.ts';
import type { Change } from '../src/store/store.ts';
import type { SpeakerDoor } from './rules/speaker.ts';

/** The kinds it hears of, beside Node, Pod, Namespace and ServiceAccount. */
export const speakerKinds: readonly Kind[] = ['BGPPeer', 'BGPConfiguration'];

/** How this node's speaker is reached. */
interface Reached {
  readonly port: number;
  readonly at: readonly Address[];
  /** "namespace/name" of those that are its neighbours. */
  readonly by: ReadonlySet<string>;
}

export class SpeakerNeighbours {
  readonly #node: string;
  readonly #peers = new Map<string, BgpPeer>();
  readonly #configurations = new Map<string, BgpConfiguration>();
  /** Namespaces, service accounts with labels, and pods of this node: no more of each than is asked of it. */
  readonly #around = new Map<string, NeighbourResource>();
  #own: Node | undefined;
  #reached: Reached | undefined;

  constructor(node: string) {
    this.#node = node;
  }

  /** @returns whether the speaker is reached otherwise now */
  change(one: Change): boolean {
    if (!(one.kind === 'delete' ? this.#delete(one.ref) : this.#put(one.resource))) return false;
    const before = this.#reached;
    this.#reached = this.#find();
    return !isSame(before, this.#reached);
  }

  /** TCP port of the speaker; undefined: no pod is to reach it. */
  get port(): number | undefined {
    return this.#reached?.port;
  }

  /** Those of these pods that are neighbours, with each address of theirs. */
  doors(
    pods: readonly {
      readonly interface: string;
      readonly namespace: string;
      readonly pod: string;
      readonly addresses: readonly Address[];
    }[],
  ): readonly SpeakerDoor[] {
    const { by = new Set<string>(), at = [] } = this.#reached ?? {};
    return pods
      .filter(({ namespace, pod }) => by.has(`${namespace}/${pod}`))
      .flatMap(({ interface: name, addresses }) =>
        addresses.flatMap((from) =>
          at
            .filter((to) => versionOf(to) === versionOf(from))
            .map((to): SpeakerDoor => ({ interface: name, from, to })),
        ),
      );
  }

  /** @returns whether it may be of consequence */
  #put(resource: Resource): boolean {
    const { name } = resource.meta;
    if (resource.kind === 'BGPPeer') {
      if (resource.remote.kind !== 'workloads') return this.#peers.delete(name);
      this.#peers.set(name, resource);
      return true;
    }
    if (resource.kind === 'BGPConfiguration') {
      this.#configurations.set(name, resource);
      return this.#isAsked;
    }
    if (resource.kind === 'Node' && name === this.#node) {
      this.#own = resource;
      return this.#isAsked;
    }
    return isOfNeighbour(resource) && this.#note(resource);
  }

  #note(told: NeighbourResource): boolean {
    const key = keyOf(refOf(told));
    const isAsked =
      told.kind === 'Pod'
        ? told.nodeName === this.#node && !told.hostNetwork
        : told.kind === 'Namespace' || Object.keys(told.meta.labels).length > 0;
    const [before, next] = [this.#around.get(key), isAsked ? asNeighbour(told) : undefined];
    if (next === undefined) this.#around.delete(key);
    else this.#around.set(key, next);
    return this.#isAsked && !same(before, next);
  }

  #delete(ref: { readonly kind: Kind; readonly name: string; readonly namespace?: string }): boolean {
    if (ref.kind === 'BGPPeer') return this.#peers.delete(ref.name);
    if (ref.kind === 'BGPConfiguration') return this.#configurations.delete(ref.name) && this.#isAsked;
    if (ref.kind === 'Node' && ref.name === this.#node) {
      this.#own = undefined;
      return this.#isAsked;
    }
    return this.#around.delete(keyOf(ref)) && this.#isAsked;
  }

  /** Otherwise nothing is looked through. */
  get #isAsked(): boolean {
    return this.#peers.size > 0;
  }

  #find(): Reached | undefined {
    if (this.#own === undefined || !this.#isAsked) return undefined;
    const settings = settingsByNode(this.#configurations.values())(this.#node);
    const own = routerOf(this.#own, settings);
    const selectors = [...this.#peers.values()]
      .filter((peer) => appliesTo(peer, own))
      .flatMap(({ remote }) => (remote.kind === 'workloads' ? [remote.selector] : []));
    if (selectors.length === 0) return undefined;
    const by = workloadsOf(this.#node, this.#around.values()).filter(({ labels }) =>
      selectors.some((selector) => matchesSelector(selector, labels)),
    );
    return {
      port: own.port,
      at: dialled(own, settings),
      by: new Set(by.map(({ name }) => name)),
    };
  }
}

/** Of each version the peering address, or the node's own: with bindMode NodeIP nobody listens at the IPv6 one. */
function dialled(
  own: Router,
  { workloadPeering: { ipv4, ipv6 } = {}, bindMode }: Settings,
): readonly Address[] {
  const heard6 = bindMode === 'NodeIP' ? undefined : ipv6;
  return [ipv4 ?? own.ipv4, heard6 ?? own.ipv6].filter((address) => address !== undefined);
}

const isSame = (a: Reached | undefined, b: Reached | undefined): boolean =>
  same(a && { ...a, by: [...a.by] }, b && { ...b, by: [...b.by] });
