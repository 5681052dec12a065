/** The resources the speaker is configured by, kept as the store delivers them, and the configuration they mean. */
import {
  type Address,
  comparePrefixes,
  formatAddress,
  formatPrefix,
  type Prefix,
} from '../../src/lib/net.ts';
import {
  type BgpConfiguration,
  type BgpPeer,
  keyOf,
  type Node,
  type Resource,
  refOf,
} from '../../src/model/resource.ts';
import { isDrained, routerOf } from '../../src/model/router.ts';
import type { ServicesStatus } from '../../src/model/status.ts';
import { asNeighbour, isOfNeighbour, wantsWorkloads } from '../../src/policy/neighbours.ts';
import type { Batch, Watched } from '../../src/store/store.ts';
import type { Intent, SpeakerConfig } from '../config.ts';
import type { LinkNeighbours } from '../intent/explicit.ts';
import { annotationProblems } from '../intent/router.ts';
import { ServiceTable } from '../intent/service-table.ts';
import { hostOf, wantsServices } from '../intent/services.ts';
import { nothingAround, type Subnet, type Surroundings } from '../intent/surroundings.ts';
import { type IpamMode, intentOf } from '../intent.ts';
import { trieOf } from '../policy/import.ts';
import { sameData } from '../speaker/same.ts';

/** Of block affinities only the node's own: those of a large cluster are many, and change all the time. */
export const watchedKinds = (node: string, ipam: IpamMode): readonly Watched[] => [
  'Node',
  'BGPConfiguration',
  'BGPPeer',
  'BGPFilter',
  'IPPool',
  ...(ipam === 'blocks' ? [{ kind: 'BlockAffinity', fields: { 'spec.node': node } } as const] : []),
];

/** Followed only while BGPConfiguration asks for addresses of Services to be announced. */
export const serviceKinds = ['Service', 'EndpointSlice'] as const satisfies readonly Watched[];

/** Followed only while a BGPPeer of this node is with its pods: these pods, and what else their labels come from. */
export const workloadKinds = (node: string): readonly Watched[] => [
  { kind: 'Pod', fields: { 'spec.nodeName': node } },
  'Namespace',
  'ServiceAccount',
];

/**
 * Of a Node what an intent is made of. The rest changes with each heartbeat of its kubelet, and working out the intent of a
 * reflector of thousands of nodes takes a tenth of a second.
 */
const routingOf = (node: Node): readonly unknown[] => [routerOf(node), annotationProblems(node)];

/** What of our own Node matters besides: whether it is drained, and serves what others may. */
const standingOf = (node: Node): readonly unknown[] => [
  hostOf(node),
  isDrained(node),
  node.ready,
  node.deleting,
];

export class Cluster {
  readonly #node: string;
  readonly #ipam: IpamMode;
  readonly #resources = new Map<string, Resource>();
  readonly services = new ServiceTable();
  #surroundings: Surroundings = nothingAround;
  #drain: SpeakerConfig['drain'];
  #hosts: readonly Prefix[] = [];
  /** Of the resources alone; undefined: they changed. */
  #base: Intent | undefined;
  #last: Intent | undefined;
  #served: readonly unknown[] = [];
  /** What was put together last, and of what: endpoints elsewhere change all the time and nothing here. */
  #merged: Record<'own' | 'borrowed' | 'services' | 'all', readonly Prefix[]> | undefined;
  #isLeaving = false;
  #forwarding: SpeakerConfig['forwarding'];

  readonly #intentOf: typeof intentOf;

  /** @param node  the name of the node we speak for */
  constructor(node: string, ipam: IpamMode, work = intentOf) {
    this.#node = node;
    this.#ipam = ipam;
    this.#intentOf = work;
  }

  /** Of `watchedKinds`, `serviceKinds` and `workloadKinds` alike. @returns  whether any of it concerns the speaker */
  take(batch: Batch): boolean {
    let isNews = false;
    for (const change of batch.changes) {
      if (change.kind === 'put') isNews = this.#put(change.resource) || isNews;
      else {
        isNews = true;
        if (change.ref.kind === 'Service' || change.ref.kind === 'EndpointSlice')
          this.services.delete(change.ref.kind, change.ref.namespace, change.ref.name);
        else {
          this.#resources.delete(keyOf(change.ref));
          this.#base = undefined;
        }
      }
    }
    return isNews;
  }

  #put(told: Resource): boolean {
    const resource = isOfNeighbour(told) ? asNeighbour(told) : told;
    if (resource.kind === 'Service' || resource.kind === 'EndpointSlice') {
      this.services.put(resource);
      return true;
    }
    const key = keyOf(refOf(resource));
    const before = this.#resources.get(key);
    this.#resources.set(key, resource);
    if (before?.kind === 'Node' && resource.kind === 'Node') return this.#putNode(before, resource);
    if (sameData(before, resource)) return false;
    this.#base = undefined;
    return true;
  }

  #putNode(before: Node, node: Node): boolean {
    const isOther = !sameData(routingOf(before), routingOf(node));
    if (isOther) this.#base = undefined;
    if (node.meta.name !== this.#node) return isOther;
    this.#serve();
    return isOther || !sameData(standingOf(before), standingOf(node));
  }

  /** The subnets of this node's own interfaces, as the kernel has them. */
  connect(subnets: readonly Subnet[]): void {
    if (!sameData(subnets, this.#surroundings.subnets)) this.#surround({ subnets });
  }

  /** The routers found on the links that BGPPeers name. */
  meet(linkNeighbours: LinkNeighbours): void {
    this.#surround({ linkNeighbours });
  }

  /** Where the API server is. */
  guard(apiServer: readonly Address[]): void {
    this.#surround({ apiServer });
  }

  #surround(news: Partial<Surroundings>): void {
    this.#surroundings = { ...this.#surroundings, ...news };
    this.#base = undefined;
  }

  /** How far the emptying of this node has come. */
  drain(phase: SpeakerConfig['drain']): void {
    this.#drain = phase;
  }

  /** Somebody asks for this node to be emptied of traffic. */
  get isDrained(): boolean {
    const own = this.#own;
    return own !== undefined && isDrained(own);
  }

  get #own(): Node | undefined {
    const own = this.#resources.get(keyOf({ kind: 'Node', name: this.#node }));
    return own?.kind === 'Node' ? own : undefined;
  }

  /** The addresses of this node's own pods, as the kernel has them. */
  house(hosts: readonly Prefix[]): void {
    this.#hosts = hosts;
  }

  /** What the kernel had of us at the start; undefined: nothing is written to it. */
  preserve(forwarding: SpeakerConfig['forwarding']): void {
    this.#forwarding = forwarding;
  }

  /** This node is being emptied or shut down: cordoned, drained, not ready or going; what it serves others should serve now. */
  get isDeparting(): boolean {
    const own = this.#own;
    return own !== undefined && (own.unschedulable || !own.ready || own.deleting || isDrained(own));
  }

  /** Neither neighbours nor the kernel can have anything of us. */
  get isFresh(): boolean {
    return this.#forwarding !== 'preserved';
  }

  /** The speaker is about to end: addresses of Services are no longer announced. */
  leave(): void {
    this.#isLeaving = true;
  }

  get wantsServices(): boolean {
    const settings = this.#settings;
    return settings !== undefined && wantsServices(settings);
  }

  /** A BGPPeer of this node is with its pods. */
  get wantsWorkloads(): boolean {
    const own = this.#own;
    if (own === undefined) return false;
    const { name, labels } = own.meta;
    return wantsWorkloads({ name, labels }, this.#peers());
  }

  *#peers(): Generator<BgpPeer> {
    for (const resource of this.#resources.values()) if (resource.kind === 'BGPPeer') yield resource;
  }

  /** They are no longer followed: what was told of them is not true any more. */
  forgetWorkloads(): void {
    for (const [key, resource] of this.#resources) {
      if (!isOfNeighbour(resource)) continue;
      this.#resources.delete(key);
      this.#base = undefined;
    }
  }

  servicesStatus(): ServicesStatus {
    return {
      followed: this.wantsServices,
      ranges: this.services
        .ranges()
        .map(({ range, ...decision }) => ({ ...decision, range: formatPrefix(range) })),
      services: this.services.decisions().flatMap(({ service: { meta }, addresses }) =>
        addresses.map(({ address, ...decision }) => ({
          namespace: meta.namespace ?? '',
          name: meta.name,
          address: formatAddress(address),
          ...decision,
        })),
      ),
    };
  }

  nodes(): readonly Node[] {
    return [...this.#resources.values()].filter((resource) => resource.kind === 'Node');
  }

  /** The same object as long as it says the same. */
  intent(): Intent {
    if (this.#base === undefined) {
      this.#base = this.#intentOf(this.#node, this.#resources.values(), this.#ipam, this.#surroundings);
      this.#serve();
    }
    const { config, ...rest } = this.#base;
    const origins = config && this.#origins(config.origins, config.importPolicy.within);
    const next: Intent = {
      config: config && {
        ...config,
        origins: origins ?? [],
        ...(this.#forwarding === undefined ? {} : { forwarding: this.#forwarding }),
        ...(this.#drain === undefined ? {} : { drain: this.#drain }),
      },
      ...rest,
    };
    if (this.#last === undefined || !sameData(this.#last, next)) this.#last = next;
    return this.#last;
  }

  get #settings(): BgpConfiguration | undefined {
    const found = this.#resources.get(keyOf({ kind: 'BGPConfiguration', name: 'default' }));
    return found?.kind === 'BGPConfiguration' ? found : undefined;
  }

  /** Services are decided anew only by what concerns them. */
  #serve(): void {
    const own = this.#own;
    const host = own && hostOf(own);
    const served = [this.#settings, host];
    if (sameData(served, this.#served)) return;
    this.#served = served;
    this.services.configure(this.#settings, host);
  }

  /** Own prefixes, borrowed addresses of local pods, and addresses of Services. */
  #origins(own: readonly Prefix[], pools: readonly Prefix[]): readonly Prefix[] {
    const services = this.#isLeaving ? [] : this.services.origins();
    const borrowed = this.#ipam === 'blocks' ? this.#borrowed(own, pools) : [];
    if (services.length === 0 && borrowed.length === 0) return own;
    const last = this.#merged;
    if (last?.services === services && sameData(last.own, own) && sameData(last.borrowed, borrowed))
      return last.all;
    const all = [...new Set([...own, ...borrowed, ...services])].sort(comparePrefixes);
    this.#merged = { own, borrowed, services, all };
    return all;
  }

  /** A local pod's address outside our own blocks is another node's to announce, unless we say where it is. */
  #borrowed(blocks: readonly Prefix[], pools: readonly Prefix[]): readonly Prefix[] {
    const [own, all] = [trieOf(blocks), trieOf(pools)];
    return this.#hosts.filter(
      (host) => own.longestMatch(host) === undefined && all.longestMatch(host) !== undefined,
    );
  }
}
