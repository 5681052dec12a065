/** The fields by which objects can be chosen (Watched, ListScope), besides their name: the API server's own, and those of our definitions. */
import { assert } from '../lib/result.ts';
import type { Kind, Resource } from '../model/resource.ts';
import type { Watched } from './store.ts';

type Fields<K extends Kind> = Readonly<Record<string, (resource: Extract<Resource, { kind: K }>) => string>>;

export const selectable: { readonly [K in Kind]?: Fields<K> } = {
  Pod: { 'spec.nodeName': ({ nodeName }) => nodeName ?? '' },
  BlockAffinity: { 'spec.node': ({ node }) => node },
  IPAMBlock: {
    'spec.affinity': ({ affinity }) =>
      affinity === undefined
        ? ''
        : affinity.type === 'host'
          ? `host:${affinity.node}`
          : `virtual:${affinity.name}`,
  },
  CalicoNodeStatus: { 'spec.node': ({ node }) => node },
};

const anyKind: Fields<Kind> = { 'metadata.name': ({ meta }) => meta.name };

export const kindOf = (watched: Watched): Kind => (typeof watched === 'string' ? watched : watched.kind);
export const fieldsOf = (watched: Watched): Readonly<Record<string, string>> =>
  typeof watched === 'string' ? {} : watched.fields;

/** Asking for a field that is none is a bug. */
export function isWatched(watched: Watched, resource: Resource): boolean {
  const own = selectable[resource.kind] as Fields<Kind> | undefined;
  return Object.entries(fieldsOf(watched)).every(([name, value]) => {
    const read = anyKind[name] ?? own?.[name];
    assert(read !== undefined, `${resource.kind} cannot be chosen by ${name}`);
    return read(resource) === value;
  });
}
