/** Tokens that are rotated under a running process, requests that get lost, and what is counted of them. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { realClock } from '../../../src/host/clock.ts';
import { apiMeter } from '../../../src/host/metrics.ts';
import { seededRandom } from '../../../src/lib/random.ts';
import { openKubernetesObjects, openKubernetesStore } from '../../../src/store/kubernetes.ts';
import type { Manifest, ObjectRef } from '../../../src/store/objects.ts';
import { eventually } from '../../support/eventually.ts';
import { type Follower, follow } from '../../support/follower.ts';
import { podManifest } from '../../support/manifests.ts';
import { StubApi } from '../../support/stub-api.ts';

const soon = { within: 20_000 };
const ref: ObjectRef = { kind: 'Lease', namespace: 'default', name: 'l' };
const lease = (holderIdentity: string): Manifest => ({
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name: 'l', namespace: 'default' },
  spec: { holderIdentity },
});

let api: StubApi;
let folder: string;
let follower: Follower | undefined;
beforeEach(async () => {
  api = new StubApi();
  await api.start();
  folder = await mkdtemp(join(tmpdir(), 'tortie-credentials-'));
});
afterEach(async () => {
  follower?.stop();
  await api.close();
  await rm(folder, { recursive: true });
});

const registry = new Registry();
async function open(user: Readonly<Record<string, string>> = { token: 'secret' }) {
  const kubeconfig = join(folder, 'config');
  await writeFile(kubeconfig, api.kubeconfigOf(user));
  registry.clear();
  const options = { kubeconfig, clock: realClock, random: seededRandom(1), meter: apiMeter(registry) };
  return { store: openKubernetesStore(options), objects: openKubernetesObjects(options) };
}

describe('a token that is rotated', () => {
  test.each([
    [
      'in the file that the kubeconfig names',
      async (token: string) => writeFile(join(folder, 'token'), token),
    ],
    [
      'in the kubeconfig itself',
      async (token: string) => writeFile(join(folder, 'config'), api.kubeconfigOf({ token })),
    ],
  ])(
    '%s is taken as soon as the server refuses the old one: writes and watches go on',
    async (where, rotate) => {
      await writeFile(join(folder, 'token'), 'secret');
      const { store, objects } = await open(
        where.includes('names') ? { tokenFile: join(folder, 'token') } : { token: 'secret' },
      );
      api.put(podManifest('a'));
      follower = follow(store, ['Pod']);
      await eventually(() => expect(follower?.keys()).toEqual(['Pod/default/a']), soon);
      expect(await objects.create(lease('a'))).toMatchObject({ ok: true });
      api.token = 'next';
      await rotate('next');
      const held = await objects.get(ref);
      expect(held).toMatchObject({ ok: true, value: { manifest: { spec: { holderIdentity: 'a' } } } });
      expect(await objects.update(lease('b'), held.ok ? (held.value?.version ?? '') : '')).toMatchObject({
        ok: true,
      });
      await store.putStatus({ kind: 'Pod', namespace: 'default', name: 'a' }, { phase: 'Succeeded' });
      api.endWatches();
      api.put(podManifest('b'));
      await eventually(() => expect(follower?.keys()).toEqual(['Pod/default/a', 'Pod/default/b']), soon);
      expect(follower.problems).toEqual([]);
    },
  );

  test('and never renewed here is refused in words, and taken once it is', async () => {
    await writeFile(join(folder, 'token'), 'secret');
    const { objects } = await open({ tokenFile: join(folder, 'token') });
    expect(await objects.create(lease('a'))).toMatchObject({ ok: true });
    api.token = 'next';
    expect(await objects.get(ref)).toMatchObject({
      ok: false,
      error: { kind: 'forbidden', what: expect.stringContaining('401') },
    });
    await writeFile(join(folder, 'token'), 'next');
    expect(await objects.get(ref)).toMatchObject({ ok: true });
  });
});

describe('a write', () => {
  test('whose answer is lost may have happened, and says so', async () => {
    const { objects } = await open();
    api.faults.lose = 1;
    expect(await objects.create(lease('a'))).toMatchObject({
      ok: false,
      error: {
        kind: 'unknown',
        what: expect.stringMatching(/^It is not known whether Lease\/default\/l was created: .*\.$/),
      },
    });
    expect(await objects.get(ref)).toMatchObject({
      ok: true,
      value: { manifest: { spec: { holderIdentity: 'a' } } },
    });
  });

  test('that a server in trouble answers may have happened too; one that was never sent has not', async () => {
    const { objects } = await open();
    api.faults.refuse.push({ times: 1, status: 504, url: 'leases' });
    expect(await objects.create(lease('a'))).toMatchObject({ ok: false, error: { kind: 'unknown' } });
    api.faults.refuse.push({ times: 1, status: 429, url: 'leases' });
    expect(await objects.create(lease('a'))).toMatchObject({ ok: false, error: { kind: 'away' } });
    const unconnected = (await open()).objects;
    await api.close();
    expect(await unconnected.create(lease('a'))).toMatchObject({ ok: false, error: { kind: 'away' } });
    await api.start();
  });

  test('of a kind whose definition is not installed is away, and names the remedy', async () => {
    const { objects } = await open();
    api.uninstall('BlockAffinity', true);
    const answer = await objects.list('BlockAffinity');
    expect(answer).toMatchObject({
      ok: false,
      error: { kind: 'away', what: expect.stringContaining('kubectl apply -f deploy/crds') },
    });
  });
});

test('a connection that died while it was idle is not noticed by who reads', async () => {
  const { objects } = await open();
  expect(await objects.get(ref)).toEqual({ ok: true, value: undefined });
  for (let round = 0; round < 5; round++) {
    api.down(true);
    api.down(false);
    expect(await objects.get(ref)).toEqual({ ok: true, value: undefined });
  }
});

test('a list of more than a page is whole, and begun anew when its pages took too long', async () => {
  const { objects } = await open();
  for (let n = 0; n < 1203; n++) api.put(podManifest(`pod-${n}`));
  api.faults.refuse.push({ times: 1, status: 410, url: 'continue' });
  const answer = await objects.list('Pod');
  expect(answer.ok && answer.value.length).toBe(1203);
});

test('in a storm of 410 what was read stays in force, and when it is over nothing was missed', async () => {
  api.faults.gone = true;
  api.put(podManifest('a'));
  const { store } = await open();
  follower = follow(store, ['Pod']);
  const lists = () => api.requests.filter((one) => /pods\?limit/.test(one)).length;
  await eventually(() => expect(lists()).toBeGreaterThanOrEqual(4), soon);
  expect(follower.keys()).toEqual(['Pod/default/a']);
  const said = follower.batches.flatMap(({ problems }) => problems.map(({ what }) => what));
  expect(said).toContainEqual(expect.stringContaining('what was read before stays in force'));
  api.faults.gone = false;
  api.put(podManifest('b'));
  await eventually(() => expect(follower?.keys()).toEqual(['Pod/default/a', 'Pod/default/b']), soon);
  await eventually(() => expect(follower?.problems).toEqual([]), soon);
});

test('requests are counted by verb, kind and code, and bytes by kind', async () => {
  const { store, objects } = await open();
  follower = follow(store, ['Pod']);
  await eventually(() => expect(follower?.inSync).toBe(true), soon);
  await objects.create(lease('a'));
  await objects.create(lease('a'));
  await objects.get(ref);
  await objects.delete(ref);
  await eventually(async () => {
    const text = await registry.metrics();
    for (const line of [
      'tortie_api_requests_total{verb="list",kind="Pod",code="200"} 1',
      'tortie_api_requests_total{verb="watch",kind="Pod",code="200"} 1',
      'tortie_api_requests_total{verb="create",kind="Lease",code="201"} 1',
      'tortie_api_requests_total{verb="create",kind="Lease",code="409"} 1',
      'tortie_api_requests_total{verb="get",kind="Lease",code="200"} 1',
      'tortie_api_requests_total{verb="delete",kind="Lease",code="200"} 1',
    ])
      expect(text).toContain(line);
  }, soon);
  const bytes = async () =>
    Number(/tortie_api_received_bytes_total\{kind="Pod"\} (\d+)/.exec(await registry.metrics())?.[1]);
  const before = await bytes();
  expect(before).toBeGreaterThan(0);
  api.put(podManifest('a'));
  await eventually(
    async () => expect(await bytes()).toBeGreaterThan(before + JSON.stringify(podManifest('a')).length),
    soon,
  );
});
