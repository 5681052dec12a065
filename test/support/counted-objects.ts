/** `Objects` in memory that count the requests they get. */
import type { Objects } from '../../src/store/objects.ts';
import { memoryStore } from './memory-store.ts';

export interface CountedObjects extends Objects {
  readonly requests: { count: number };
}

export function countedObjects(objects: Objects = memoryStore().objects): CountedObjects {
  const requests = { count: 0 };
  const count = <T>(answer: T): T => {
    requests.count += 1;
    return answer;
  };
  return {
    requests,
    get: (ref) => count(objects.get(ref)),
    list: (kind, scope) => count(objects.list(kind, scope)),
    create: (manifest) => count(objects.create(manifest)),
    update: (manifest, version) => count(objects.update(manifest, version)),
    updateStatus: (manifest, version) => count(objects.updateStatus(manifest, version)),
    delete: (ref, version) => count(objects.delete(ref, version)),
  };
}
