/** What we write ourselves, on a real API server: held to the contract of `Objects`. */
import { afterAll, beforeAll } from 'vitest';
import { realClock } from '../../src/host/clock.ts';
import { seededRandom } from '../../src/lib/random.ts';
import { openObjects, openStore } from '../../src/store/open.ts';
import { type ObjectsWorld, objectsContract } from '../contract/objects.ts';
import { createApiServer } from '../support/api-server.ts';
import { clusterObjects } from '../support/cluster-objects.ts';
import { createPlayground } from '../support/namespaces.ts';

const ground = createPlayground('ko');
const api = createApiServer(ground, 'api', []);
const cluster = clusterObjects(api);

beforeAll(async () => {
  await api.start();
  await cluster.installCrds();
});
afterAll(async () => {
  await api.close();
  await ground.close();
});

async function realWorld(): Promise<ObjectsWorld> {
  const options = {
    kubeconfig: api.kubeconfig('admin', '10.97.0.1'),
    clock: realClock,
    random: seededRandom(1),
  };
  const [store, objects] = [openStore('kubernetes', options), openObjects('kubernetes', options)];
  if (!store.ok || !objects.ok) throw new Error('the datastore kubernetes is unknown');
  return { store: store.value, objects: objects.value, close: cluster.clear };
}

objectsContract('objects of the kubernetes datastore on a real API server', realWorld, 60_000);
