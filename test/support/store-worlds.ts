/** The datastores with a world behind each, for the contract suite. */
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { realClock } from '../../src/host/clock.ts';
import { seededRandom } from '../../src/lib/random.ts';
import { keyOf, type ResourceRef } from '../../src/model/resource.ts';
import { identify } from '../../src/store/dir/documents.ts';
import { DirObjects } from '../../src/store/dir/objects.ts';
import { openDirStore } from '../../src/store/dir.ts';
import { openKubernetesObjects, openKubernetesStore } from '../../src/store/kubernetes.ts';
import type { ObjectsWorld } from '../contract/objects.ts';
import type { StoreWorld } from '../contract/store.ts';
import { memoryStore } from './memory-store.ts';
import { StubApi } from './stub-api.ts';

export async function memoryWorld(): Promise<StoreWorld & ObjectsWorld> {
  const store = memoryStore();
  return {
    store,
    objects: store.objects,
    put: store.apply,
    remove: store.remove,
    away: store.away,
    close: () => undefined,
  };
}

const fileOf = (ref: ResourceRef | undefined): string =>
  ref === undefined ? 'nameless.yaml' : `${keyOf(ref).replaceAll('/', '-')}.yaml`;

/** One file for each object, written by rename. */
export async function dirWorld(): Promise<StoreWorld & ObjectsWorld & { readonly path: string }> {
  const root = await mkdtemp(join(tmpdir(), 'tortie-store-'));
  const [path, elsewhere, draft] = ['manifests', 'elsewhere', 'draft'].map((name) => join(root, name)) as [
    string,
    string,
    string,
  ];
  await mkdir(path);
  return {
    path,
    store: openDirStore(path, { clock: realClock }),
    objects: new DirObjects(path),
    put: async (manifest) => {
      await writeFile(draft, stringify(manifest));
      await rename(draft, join(path, fileOf(identify(manifest))));
    },
    remove: (ref) => rm(join(path, fileOf(ref))),
    away: (isAway) => (isAway ? rename(path, elsewhere) : rename(elsewhere, path)),
    close: () => rm(root, { recursive: true, force: true }),
  };
}

export async function kubernetesWorld(): Promise<
  StoreWorld & ObjectsWorld & { readonly api: StubApi; readonly kubeconfig: string }
> {
  const api = new StubApi();
  await api.start();
  const root = await mkdtemp(join(tmpdir(), 'tortie-kubeconfig-'));
  const kubeconfig = join(root, 'config');
  await writeFile(kubeconfig, api.kubeconfig);
  const options = { kubeconfig, clock: realClock, random: seededRandom(1) };
  return {
    api,
    kubeconfig,
    store: openKubernetesStore(options),
    objects: openKubernetesObjects(options),
    put: (manifest) => api.put(manifest),
    remove: (ref) => api.remove(ref),
    away: (isAway) => api.down(isAway),
    close: async () => {
      await api.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}
