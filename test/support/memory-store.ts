/** The store port without a world behind it: manifests in a Map, told on the next microtask. Held to the same contract. */
import type { Problem } from '../../src/model/problem.ts';
import { type Kind, keyOf, type Resource, type ResourceRef, refOf } from '../../src/model/resource.ts';
import { Delivery } from '../../src/store/delivery.ts';
import { identify } from '../../src/store/dir/documents.ts';
import { mergePatch } from '../../src/store/merge-patch.ts';
import { formatPath } from '../../src/store/schema/flaw.ts';
import { isObject, readManifest } from '../../src/store/schema/manifest.ts';
import type { Store } from '../../src/store/store.ts';

export interface MemoryStore extends Store {
  /** Adds or replaces an object given as a manifest, right or wrong. */
  apply(manifest: unknown): void;
  /** Adds or replaces an object given as a value. */
  put(resource: Resource): void;
  remove(ref: ResourceRef): void;
  /** While away, watchers hear nothing. */
  away(isAway: boolean): void;
}

interface Row {
  readonly manifest?: unknown;
  readonly resource?: Resource;
  readonly problems: readonly Problem[];
}

function rowOf(ref: ResourceRef, manifest: unknown, before: Row | undefined): Row {
  const key = keyOf(ref);
  const read = readManifest(manifest);
  if (read.ok) return { manifest, resource: read.value, problems: [] };
  const problems = read.error.map(({ path, what, fix }) => ({
    where: `${key} ${formatPath(path)}`,
    what,
    fix,
    ref,
  }));
  return { manifest, problems, ...(before?.resource === undefined ? {} : { resource: before.resource }) };
}

export function memoryStore(...manifests: readonly unknown[]): MemoryStore {
  const rows = new Map<string, Row>();
  const deliveries = new Set<Delivery>();
  let isAway = false;
  let due = false;

  const tellSoon = (): void => {
    if (due) return;
    due = true;
    queueMicrotask(() => {
      due = false;
      if (isAway) return;
      const resources = [...rows.values()].flatMap(({ resource }) =>
        resource === undefined ? [] : [resource],
      );
      const problems = [...rows.values()].flatMap((row) => row.problems);
      for (const delivery of deliveries) delivery.replace(resources, problems);
    });
  };

  const apply = (manifest: unknown): void => {
    const ref = identify(manifest);
    if (ref === undefined) throw new Error(`no kind or name: ${JSON.stringify(manifest)}`);
    rows.set(keyOf(ref), rowOf(ref, manifest, rows.get(keyOf(ref))));
    tellSoon();
  };
  for (const manifest of manifests) apply(manifest);

  return {
    watch: (kinds: readonly Kind[], onBatch) => {
      const delivery = new Delivery(kinds, onBatch);
      deliveries.add(delivery);
      tellSoon();
      return () => deliveries.delete(delivery);
    },
    putStatus: async (ref, status) => {
      const manifest = rows.get(keyOf(ref))?.manifest;
      if (!isObject(manifest)) throw new Error(`${keyOf(ref)} is not there, so its status was not written.`);
      apply({ ...manifest, status: mergePatch(manifest['status'], status) });
    },
    apply,
    put: (resource) => {
      rows.set(keyOf(refOf(resource)), { resource, problems: [] });
      tellSoon();
    },
    remove: (ref) => {
      rows.delete(keyOf(ref));
      tellSoon();
    },
    away: (away) => {
      isAway = away;
      tellSoon();
    },
  };
}
