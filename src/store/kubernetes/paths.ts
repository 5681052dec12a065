/** Where the API server keeps things, as URL paths. */
import { everyKind, infoOf } from '../kinds.ts';
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

export interface Route {
  readonly kind: WrittenKind;
  readonly namespace?: string;
  /** Absent: the whole collection. */
  readonly name?: string;
  readonly isStatus: boolean;
}

/** What a path leads to; undefined: to nothing of ours. */
export function routeOf(path: string): Route | undefined {
  const [, group, namespace, plural, name, sub] =
    /^\/(?:api|apis)\/(.+?)(?:\/namespaces\/([^/]+))?\/([a-z]+)(?:\/([a-z0-9.-]+))?(\/status)?$/.exec(path) ??
    [];
  const kind = everyKind.find((one) => infoOf(one).plural === plural && infoOf(one).apiVersion === group);
  if (kind === undefined) return undefined;
  return { kind, ...(namespace && { namespace }), ...(name && { name }), isStatus: sub !== undefined };
}
