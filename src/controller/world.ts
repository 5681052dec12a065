/** The cluster as the store tells it: one table for each kind, and what is wrong with which object. */
import type { Prefix } from '../lib/net.ts';
import type { Problem } from '../model/problem.ts';
import { type Kind, keyOf, type Resource, type ResourceRef, refOf } from '../model/resource.ts';
import { apiKindOf } from '../store/kinds.ts';
import type { Batch, Change } from '../store/store.ts';

export const watched = [
  'Node',
  'Pod',
  'Service',
  'NetworkPolicy',
  'BGPConfiguration',
  'BGPPeer',
  'BGPFilter',
  'IPPool',
  'IPAMBlock',
  'BlockAffinity',
  'IPAMConfiguration',
  'IPReservation',
  'FelixConfiguration',
  'CalicoNodeStatus',
  'CalicoNetworkPolicy',
  'GlobalNetworkPolicy',
  'StagedNetworkPolicy',
  'StagedGlobalNetworkPolicy',
  'StagedKubernetesNetworkPolicy',
  'ClusterNetworkPolicy',
  'Tier',
  'NetworkSet',
  'GlobalNetworkSet',
  'HostEndpoint',
  'Profile',
] as const satisfies readonly Kind[];

type Of<K extends Kind> = Extract<Resource, { readonly kind: K }>;

export class World {
  readonly #rows = new Map<Kind, Map<string, Resource>>();
  #problems: readonly Problem[] = [];
  #inSync = false;

  get inSync(): boolean {
    return this.#inSync;
  }

  /** Of the datastore and of single objects. */
  get problems(): readonly Problem[] {
    return this.#problems;
  }

  take({ changes, inSync, problems }: Batch): void {
    for (const change of changes) this.#apply(change);
    this.#problems = problems;
    this.#inSync = inSync;
  }

  #apply(change: Change): void {
    const ref = change.kind === 'put' ? refOf(change.resource) : change.ref;
    const table = this.#rows.get(ref.kind) ?? new Map<string, Resource>();
    this.#rows.set(ref.kind, table);
    if (change.kind === 'put') table.set(keyOf(ref), change.resource);
    else table.delete(keyOf(ref));
  }

  all<K extends Kind>(kind: K): readonly Of<K>[] {
    // Each table holds one kind.
    return [...(this.#rows.get(kind)?.values() ?? [])] as Of<K>[];
  }

  get<K extends Kind>(ref: ResourceRef & { readonly kind: K }): Of<K> | undefined {
    return this.#rows.get(ref.kind)?.get(keyOf(ref)) as Of<K> | undefined;
  }

  /** By object, what is wrong with it. */
  flaws(): ReadonlyMap<string, { readonly ref: ResourceRef; readonly problems: readonly Problem[] }> {
    const flaws = new Map<string, { readonly ref: ResourceRef; readonly problems: Problem[] }>();
    for (const problem of this.#problems) {
      if (problem.ref === undefined) continue;
      const key = keyOf(problem.ref);
      const flaw = flaws.get(key) ?? { ref: problem.ref, problems: [] };
      flaw.problems.push(problem);
      flaws.set(key, flaw);
    }
    return flaws;
  }
}

/** What all IPReservations keep. */
export const reservedBy = (world: World): readonly Prefix[] =>
  world.all('IPReservation').flatMap(({ reservedCidrs }) => reservedCidrs);

const tiered = [
  'CalicoNetworkPolicy',
  'GlobalNetworkPolicy',
  'StagedNetworkPolicy',
  'StagedGlobalNetworkPolicy',
] as const satisfies readonly Kind[];

/** The policies of each tier that name it, as a person calls them. */
export function policiesByTier(world: World): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const kind of tiered)
    for (const { tier, meta } of world.all(kind)) {
      const members = found.get(tier) ?? [];
      found.set(tier, members);
      members.push(
        `${apiKindOf(kind)} ${meta.namespace === undefined ? '' : `${meta.namespace}/`}${meta.name}`,
      );
    }
  return found;
}
