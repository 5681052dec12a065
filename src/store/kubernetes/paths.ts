/** Where the API server keeps things, as URL paths. */
import { infoOf } from '../kinds.ts';
import type { ObjectRef, WrittenKind } from '../objects.ts';

/** All objects of a kind: in one namespace, or in all. Core kinds live under /api, all others under /apis. */
export function collectionPath(kind: WrittenKind, namespace?: string): string {
  const { apiVersion, plural } = infoOf(kind);
  const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const space = namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${group}${space}/${plural}`;
}

export const objectPath = ({ kind, namespace, name }: ObjectRef): string =>
  `${collectionPath(kind, namespace)}/${encodeURIComponent(name)}`;

export const statusPath = (ref: ObjectRef): string => `${objectPath(ref)}/status`;

/** "spec.node=node1,…": what the API takes as fieldSelector and labelSelector. */
export const selectorText = (pairs: Readonly<Record<string, string>>): string =>
  Object.entries(pairs)
    .map(([name, value]) => `${name}=${value}`)
    .join(',');
