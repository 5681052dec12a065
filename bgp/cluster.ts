/** The resources the speaker is configured by, kept as the store delivers them, and the configuration they mean. */
import { comparePrefixes, formatAddress, formatPrefix, type Prefix } from '../src/lib/net.ts';
import { type BgpConfiguration, keyOf, type Node, type Resource, refOf } from '../src/model/resource.ts';
import type { ServicesStatus } from '../src/model/status.ts';
import type { Batch, Watched } from '../src/store/store.ts';
import type { Intent, SpeakerConfig } from './config.ts';
import { ServiceTable } from './intent/service-table.ts';
import { hostOf, wantsServices } from './intent/services.ts';
import { type IpamMode, intentOf } from './intent.ts';
import { trieOf } from './policy/import.ts';
import { sameData } from './speaker/same.ts';

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

export class Cluster {
  readonly #node: string;
  readonly #ipam: IpamMode;
  readonly #resources = new Map<string, Resource>();
  readonly services = new ServiceTable();
  #connected: readonly Prefix[] = [];
  #hosts: readonly Prefix[] = [];
  /** Of the resources alone; undefined: they changed. */
  #base: Intent | undefined;
  #last: Intent | undefined;
  #served: readonly unknown[] = [];
  /** What was put together last, and of what: endpoints elsewhere change all the time and nothing here. */
  #merged: Record<'own' | 'borrowed' | 'services' | 'all', readonly Prefix[]> | undefined;
  #isLeaving = false;
  #forwarding: SpeakerConfig['forwarding'];

  /** @param node  the name of the node we speak for */
  constructor(node: string, ipam: IpamMode) {
    this.#node = node;
    this.#ipam = ipam;
  }

  /** Of `watchedKinds` and `serviceKinds` alike. */
  take(batch: Batch): void {
    for (const change of batch.changes) {
      if (change.kind === 'put') this.#put(change.resource);
      else if (change.ref.kind === 'Service' || change.ref.kind === 'EndpointSlice')
        this.services.delete(change.ref.kind, change.ref.namespace, change.ref.name);
      else {
        this.#resources.delete(keyOf(change.ref));
        this.#base = undefined;
      }
    }
  }

  #put(resource: Resource): void {
    if (resource.kind === 'Service' || resource.kind === 'EndpointSlice') {
      this.services.put(resource);
      return;
    }
    this.#resources.set(keyOf(refOf(resource)), resource);
    this.#base = undefined;
  }

  /** The subnets of this node's own interfaces, as the kernel has them. */
  connect(subnets: readonly Prefix[]): void {
    this.#connected = subnets;
  }

  /** The addresses of this node's own pods, as the kernel has them. */
  house(hosts: readonly Prefix[]): void {
    this.#hosts = hosts;
  }

  /** What the kernel had of us at the start; undefined: nothing is written to it. */
  preserve(forwarding: SpeakerConfig['forwarding']): void {
    this.#forwarding = forwarding;
  }

  /** This node is being emptied or shut down: cordoned, not ready or going; what it serves others should serve now. */
  get isDeparting(): boolean {
    const own = this.#resources.get(keyOf({ kind: 'Node', name: this.#node }));
    return own?.kind === 'Node' && (own.unschedulable || !own.ready || own.deleting);
  }

  /** The speaker is about to end: addresses of Services are no longer announced. */
  leave(): void {
    this.#isLeaving = true;
  }

  get wantsServices(): boolean {
    const settings = this.#settings;
    return settings !== undefined && wantsServices(settings);
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
      this.#base = intentOf(this.#node, this.#resources.values(), this.#ipam);
      this.#serve();
    }
    const { config, problems } = this.#base;
    const origins = config && this.#origins(config.origins, config.importPolicy.within);
    const next: Intent = {
      config: config && {
        ...config,
        connected: this.#connected,
        origins: origins ?? [],
        ...(this.#forwarding === undefined ? {} : { forwarding: this.#forwarding }),
      },
      problems,
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
    const node = this.#resources.get(keyOf({ kind: 'Node', name: this.#node }));
    const host = node?.kind === 'Node' ? hostOf(node) : undefined;
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
