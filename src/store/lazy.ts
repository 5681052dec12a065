/** `Objects` whose implementation is loaded when it is first needed. */
import type { Objects } from './objects.ts';

export function lazyObjects(load: () => Promise<Objects>): Objects {
  let loaded: Promise<Objects> | undefined;
  const real = (): Promise<Objects> => {
    loaded ??= load();
    return loaded;
  };
  return {
    get: async (ref) => (await real()).get(ref),
    list: async (kind, scope) => (await real()).list(kind, scope),
    create: async (manifest) => (await real()).create(manifest),
    update: async (manifest, version) => (await real()).update(manifest, version),
    updateStatus: async (manifest, version) => (await real()).updateStatus(manifest, version),
    delete: async (ref, version) => (await real()).delete(ref, version),
  };
}
