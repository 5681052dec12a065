/** Where the API server keeps things, as URL paths. */
import type { Kind, ResourceRef } from '../../model/resource.ts';
import { kinds } from '../kinds.ts';

/** Core kinds live under /api, all others under /apis. */
const groupPath = (kind: Kind): string => {
  const { apiVersion } = kinds[kind];
  return apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
};

/** All objects of a kind, in all namespaces. */
export const collectionPath = (kind: Kind): string => `${groupPath(kind)}/${kinds[kind].plural}`;

export function statusPath({ kind, namespace, name }: ResourceRef): string {
  const space = namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${groupPath(kind)}${space}/${kinds[kind].plural}/${encodeURIComponent(name)}/status`;
}
