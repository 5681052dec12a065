/** The port `Objects` for a leader: a process that leads no more writes nothing, whatever it was in the middle of. */
import { err } from '../lib/result.ts';
import type { Objects, Refusal } from '../store/objects.ts';

/** @param leads  asked right before each write; what is then on its way names the version it changes */
export function guarded(objects: Objects, leads: () => boolean): Objects {
  const write = <T>(run: () => Promise<T>) => (leads() ? run() : Promise.resolve(err(deposed)));
  return {
    get: (ref) => objects.get(ref),
    list: (kind, scope) => objects.list(kind, scope),
    create: (manifest) => write(() => objects.create(manifest)),
    update: (manifest, version) => write(() => objects.update(manifest, version)),
    updateStatus: (manifest, version) => write(() => objects.updateStatus(manifest, version)),
    delete: (ref, version) => write(() => objects.delete(ref, version)),
  };
}

const deposed: Refusal = { kind: 'away', what: 'this process does not lead any more, so it writes nothing' };
