/** The smallest `Objects` there can be: manifests in a Map, versions that grow. */
import { err, ok } from '../../src/lib/result.ts';
import type { Manifest, Objects, Stored } from '../../src/store/objects.ts';

const at = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined;
const nameOf = (manifest: Manifest): string => String(at(manifest['metadata'], 'name'));
const keyOf = (manifest: Manifest): string => `${String(manifest['kind'])}/${nameOf(manifest)}`;

export interface PlainObjects extends Objects {
  readonly all: ReadonlyMap<string, Stored>;
  readonly requests: { count: number };
}

export function plainObjects(): PlainObjects {
  const all = new Map<string, Stored>();
  const requests = { count: 0 };
  let last = 0;
  const store = (manifest: Manifest): Stored => {
    last += 1;
    const stored = { manifest: structuredClone(manifest), version: String(last) };
    all.set(keyOf(manifest), stored);
    return stored;
  };
  const no = (kind: 'conflict' | 'exists' | 'gone', key: string) => err({ kind, what: `${key}: ${kind}.` });
  return {
    all,
    requests,
    get: async ({ kind, name }) => {
      requests.count += 1;
      return ok(all.get(`${kind}/${name}`));
    },
    list: async (kind, scope = {}) => {
      requests.count += 1;
      const meets = ({ manifest }: Stored): boolean =>
        manifest['kind'] === kind &&
        Object.entries(scope.labels ?? {}).every(
          ([key, value]) => at(at(manifest['metadata'], 'labels'), key) === value,
        ) &&
        Object.entries(scope.fields ?? {}).every(
          ([path, value]) => at(manifest['spec'], path.replace('spec.', '')) === value,
        );
      return ok([...all.values()].filter(meets));
    },
    create: async (manifest) => {
      requests.count += 1;
      return all.has(keyOf(manifest)) ? no('exists', keyOf(manifest)) : ok(store(manifest));
    },
    update: async (manifest, version) => {
      requests.count += 1;
      const there = all.get(keyOf(manifest));
      if (there === undefined) return no('gone', keyOf(manifest));
      return there.version === version ? ok(store(manifest)) : no('conflict', keyOf(manifest));
    },
    updateStatus: async (manifest) => no('gone', keyOf(manifest)),
    delete: async ({ kind, name }, version) => {
      requests.count += 1;
      const key = `${kind}/${name}`;
      const there = all.get(key);
      if (there === undefined) return no('gone', key);
      if (version !== undefined && there.version !== version) return no('conflict', key);
      all.delete(key);
      return ok(undefined);
    },
  };
}
