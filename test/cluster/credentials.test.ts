/** A service account's token that is rotated under a running process, as the kubelet does it, on a real API server. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { realClock } from '../../src/host/clock.ts';
import { seededRandom } from '../../src/lib/random.ts';
import type { Manifest } from '../../src/store/objects.ts';
import { openObjects, openStore } from '../../src/store/open.ts';
import { createApiServer } from '../support/api-server.ts';
import { clusterObjects } from '../support/cluster-objects.ts';
import { eventually } from '../support/eventually.ts';
import { follow } from '../support/follower.ts';
import { podManifest } from '../support/manifests.ts';
import { createPlayground } from '../support/namespaces.ts';

const ground = createPlayground('kt');
const api = createApiServer(ground, 'api', []);
const cluster = clusterObjects(api);
const soon = { within: 60_000 };

beforeAll(() => api.start());
afterAll(async () => {
  await api.close();
  await ground.close();
});

const accounts = '/api/v1/namespaces/default/serviceaccounts';
/** A token is good only as long as the Secret it is bound to. */
async function tokenBoundTo(secret: string): Promise<string> {
  await api.request('POST', '/api/v1/namespaces/default/secrets', {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: secret },
  });
  const { status, body } = await api.request('POST', `${accounts}/rotated/token`, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: {
      audiences: [],
      expirationSeconds: 3600,
      boundObjectRef: { apiVersion: 'v1', kind: 'Secret', name: secret },
    },
  });
  expect(status).toBe(201);
  return (body as { readonly status: { readonly token: string } }).status.token;
}

test('when the server no longer takes the old token the new one is read: writes and the next watch go on', async () => {
  await api.request('POST', accounts, {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'rotated' },
  });
  await cluster.put({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'rotated' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ kind: 'ServiceAccount', namespace: 'default', name: 'rotated' }],
  });
  const folder = mkdtempSync(join(tmpdir(), 'tortie-rotated-'));
  const file = join(folder, 'token');
  writeFileSync(file, await tokenBoundTo('first'));
  const base = parse(readFileSync(api.kubeconfig('admin', '10.97.0.1'), 'utf8')) as {
    readonly users: readonly { readonly name: string }[];
  };
  const kubeconfig = join(folder, 'config');
  writeFileSync(
    kubeconfig,
    stringify({ ...base, users: base.users.map(({ name }) => ({ name, user: { tokenFile: file } })) }),
  );

  const options = { kubeconfig, clock: realClock, random: seededRandom(1) };
  const [store, objects] = [openStore('kubernetes', options), openObjects('kubernetes', options)];
  if (!store.ok || !objects.ok) throw new Error('the datastore kubernetes is unknown');
  const follower = follow(store.value, ['Pod']);
  await eventually(() => expect(follower.inSync).toBe(true), soon);
  const lease = (holderIdentity: string): Manifest => ({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'l', namespace: 'default' },
    spec: { holderIdentity },
  });
  const made = await objects.value.create(lease('a'));
  if (!made.ok) throw new Error(made.error.what);

  const old = readFileSync(file, 'utf8');
  writeFileSync(file, await tokenBoundTo('second'));
  await api.request('DELETE', '/api/v1/namespaces/default/secrets/first');
  // The server remembers for ten seconds whom it has let in.
  await eventually(async () => {
    const review = await api.request('POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token: old },
    });
    expect(review.body).not.toMatchObject({ status: { authenticated: true } });
  }, soon);

  expect(await objects.value.update(lease('b'), made.value.version)).toMatchObject({ ok: true });
  await api.kill('server');
  await api.start();
  await cluster.put(podManifest('after'));
  await eventually(() => expect(follower.keys()).toEqual(['Pod/default/after']), soon);
  follower.stop();
  rmSync(folder, { recursive: true });
});
