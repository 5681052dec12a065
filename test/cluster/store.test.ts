/** The contract of the store port, held by the kubernetes datastore against a real API server. */
import { afterAll, beforeAll } from 'vitest';
import { realClock } from '../../src/host/clock.ts';
import { seededRandom } from '../../src/lib/random.ts';
import { openKubernetesStore } from '../../src/store/kubernetes.ts';
import { type StoreWorld, storeContract } from '../contract/store.ts';
import { createApiServer } from '../support/api-server.ts';
import { clusterObjects } from '../support/cluster-objects.ts';
import { namespaceObject } from '../support/felix.ts';
import type { Manifest } from '../support/manifests.ts';
import { createPlayground } from '../support/namespaces.ts';

const ground = createPlayground('ks');
const api = createApiServer(ground, 'api', []);
const objects = clusterObjects(api);

beforeAll(async () => {
  await api.start();
  await objects.installCrds();
  await objects.put(namespaceObject('shop') as Manifest);
});
afterAll(async () => {
  await api.close();
  await ground.close();
});

async function realWorld(): Promise<StoreWorld> {
  const kubeconfig = api.kubeconfig('admin', '10.97.0.1');
  return {
    store: openKubernetesStore({ kubeconfig, clock: realClock, random: seededRandom(1) }),
    put: (manifest) => objects.put(manifest),
    remove: objects.remove,
    away: (isAway) => (isAway ? api.kill('server') : api.start()),
    close: objects.clear,
  };
}

// It takes some seconds to start, and a client that was refused meanwhile waits before it asks again.
storeContract('the kubernetes datastore on a real API server', realWorld, 60_000);
