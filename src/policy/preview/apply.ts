/** A cluster with manifests put into it, or taken out, and what of its policies that changes. */
import { same } from '../../lib/same.ts';
import { keyOf, type Resource, refOf } from '../../model/resource.ts';

/** Those of `changes` in the place of what has the same kind, namespace and name. @param remove  take them out instead */
export function applied(
  resources: readonly Resource[],
  changes: readonly Resource[],
  remove: boolean,
): readonly Resource[] {
  const all = new Map(resources.map((resource) => [keyOf(refOf(resource)), resource]));
  for (const change of changes) {
    if (remove) all.delete(keyOf(refOf(change)));
    else all.set(keyOf(refOf(change)), change);
  }
  return [...all.values()];
}

/** In one of the two and not the same in the other, by `id`. */
export function changedBetween<T extends { readonly id: string }>(
  before: readonly T[],
  after: readonly T[],
): readonly T[] {
  const byId = (all: readonly T[]) => new Map(all.map((one) => [one.id, one]));
  const [old, next] = [byId(before), byId(after)];
  return [
    ...before.filter((one) => !same(one, next.get(one.id))),
    ...after.filter((one) => !same(one, old.get(one.id))),
  ];
}
