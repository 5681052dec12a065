/** What block IPAM must know of the cluster, gathered from the watch: pools, reservations, settings, nodes. */

import { closedBecause } from '../src/ipam/pools.ts';
import type { Facts, Settings } from '../src/ledger/ledger.ts';
import type { IpVersion, Prefix } from '../src/lib/net.ts';
import { versionOf } from '../src/lib/net.ts';
import { defaultIpamSettings } from '../src/model/ipam.ts';
import type { IpPool, Kind, Labels, Resource, ResourceRef } from '../src/model/resource.ts';
import { matchesSelector } from '../src/model/selector.ts';
import type { Change } from '../src/store/store.ts';

/** The kinds it hears of, beside Node. */
export const poolKinds: readonly Kind[] = ['IPPool', 'IPReservation', 'IPAMConfiguration'];

export class PoolFacts {
  readonly #node: string;
  readonly #pools = new Map<string, IpPool>();
  readonly #reserved = new Map<string, readonly Prefix[]>();
  #nodeLabels: Labels = {};
  #settings: Settings = defaultIpamSettings;

  constructor(node: string) {
    this.#node = node;
  }

  facts(): Facts {
    return {
      pools: [...this.#pools.values()],
      reserved: [...this.#reserved.values()].flat(),
      settings: this.#settings,
      nodeLabels: this.#nodeLabels,
      // No `nodes`: watching them all for the one that is gone is the controller's, which gives its blocks back.
    };
  }

  /** The families a pod may get an address of without asking for a pool. */
  families(): readonly IpVersion[] {
    const { pools, nodeLabels } = this.facts();
    const usable = pools.filter(
      (pool) =>
        closedBecause(pool, pools) === undefined &&
        pool.assignmentMode === 'Automatic' &&
        pool.allowedUses.includes('Workload') &&
        matchesSelector(pool.nodeSelector, nodeLabels),
    );
    return ([4, 6] as const).filter((version) => usable.some(({ cidr }) => versionOf(cidr) === version));
  }

  change(change: Change): void {
    if (change.kind === 'put') this.#put(change.resource);
    else this.#delete(change.ref);
  }

  #put(resource: Resource): void {
    const { name, labels } = resource.meta;
    if (resource.kind === 'IPPool') this.#pools.set(name, resource);
    else if (resource.kind === 'IPReservation') this.#reserved.set(name, resource.reservedCidrs);
    else if (resource.kind === 'Node' && name === this.#node) this.#nodeLabels = labels;
    else if (resource.kind === 'IPAMConfiguration' && name === 'default') this.#settings = resource;
  }

  #delete({ kind, name }: ResourceRef): void {
    if (kind === 'IPPool') this.#pools.delete(name);
    else if (kind === 'IPReservation') this.#reserved.delete(name);
    else if (kind === 'Node' && name === this.#node) this.#nodeLabels = {};
    else if (kind === 'IPAMConfiguration' && name === 'default') this.#settings = defaultIpamSettings;
  }
}
