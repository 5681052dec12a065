/** The facts of the cluster by asking once, for programs that watch nothing. */
import { ok, type Result } from '../lib/result.ts';
import { defaultIpamSettings } from '../model/ipam.ts';
import type { Kind, Resource } from '../model/resource.ts';
import type { Objects, Refusal } from '../store/objects.ts';
import { readManifest } from '../store/schema/manifest.ts';
import type { Facts } from './ledger.ts';

/**
 * @param node  whose labels to know; absent: none
 * Objects that cannot be read are left out.
 */
export async function readFacts(objects: Objects, node?: string): Promise<Result<Facts, Refusal>> {
  const pools = await readAll(objects, 'IPPool');
  if (!pools.ok) return pools;
  const reservations = await readAll(objects, 'IPReservation');
  if (!reservations.ok) return reservations;
  const configurations = await readAll(objects, 'IPAMConfiguration');
  if (!configurations.ok) return configurations;
  const nodes = await readAll(objects, 'Node');
  if (!nodes.ok) return nodes;
  return ok({
    pools: pools.value,
    reserved: reservations.value.flatMap(({ reservedCidrs }) => reservedCidrs),
    settings: configurations.value.find(({ meta }) => meta.name === 'default') ?? defaultIpamSettings,
    nodeLabels: nodes.value.find(({ meta }) => meta.name === node)?.meta.labels ?? {},
    nodes: new Set(nodes.value.map(({ meta }) => meta.name)),
  });
}

type Of<K extends Kind> = Extract<Resource, { readonly kind: K }>;

/** Every readable object of a kind. */
export async function readAll<K extends Kind>(
  objects: Objects,
  kind: K,
): Promise<Result<readonly Of<K>[], Refusal>> {
  const listed = await objects.list(kind);
  if (!listed.ok) return listed;
  const isOfKind = (resource: Resource): resource is Of<K> => resource.kind === kind;
  return ok(
    listed.value.flatMap(({ manifest }) => {
      const read = readManifest(manifest);
      return read.ok && isOfKind(read.value) ? [read.value] : [];
    }),
  );
}
