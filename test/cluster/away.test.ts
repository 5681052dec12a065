/** The kubernetes datastore while a real API server and its etcd are killed, cut off, restarted and made to forget. */
import { execFileSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { realClock } from '../../src/host/clock.ts';
import { parseAddress } from '../../src/lib/net.ts';
import { seededRandom } from '../../src/lib/random.ts';
import type { Kind } from '../../src/model/resource.ts';
import { openKubernetesStore } from '../../src/store/kubernetes.ts';
import type { Change, Store } from '../../src/store/store.ts';
import { createApiServer, openPath } from '../support/api-server.ts';
import { clusterObjects } from '../support/cluster-objects.ts';
import { eventually } from '../support/eventually.ts';
import { type Follower, follow } from '../support/follower.ts';
import { nodeManifest, podManifest } from '../support/manifests.ts';
import { createPlayground } from '../support/namespaces.ts';

/** The store comes this way, and the test by another: so it can change things behind the store's back. */
const path = { test: '10.97.1.2', server: '10.97.1.1' };
const ground = createPlayground('ka');
const api = createApiServer(ground, 'api', [path.server]);
const objects = clusterObjects(api);
openPath(ground.netns('api'), 'ka-path', path);
const setPath = (state: 'up' | 'down'): void => void execFileSync('ip', ['link', 'set', 'ka-path', state]);

const soon = { within: 60_000 };
const pod = (name: string) => ({ kind: 'Pod', namespace: 'default', name }) as const;
let store: Store;
let follower: Follower;
let asked: number;

beforeAll(async () => {
  await api.start();
  await objects.installCrds();
});
afterAll(async () => {
  await api.close();
  await ground.close();
});
beforeEach(() => {
  asked = api.audit().length;
  const kubeconfig = api.kubeconfig('admin', path.server);
  store = openKubernetesStore({ kubeconfig, clock: realClock, random: seededRandom(1) });
});
afterEach(async () => {
  follower.stop();
  setPath('up');
  await api.start();
  await objects.clear();
});

async function synced(kinds: readonly Kind[] = ['Pod']): Promise<void> {
  follower = follow(store, kinds);
  await eventually(() => expect(follower.inSync).toBe(true), soon);
  await eventually(() => expect(watches().length).toBeGreaterThanOrEqual(kinds.length), soon);
}

/** The test itself, as admin too, never lists by pages. */
const lists = (): readonly string[] =>
  api
    .audit()
    .slice(asked)
    .filter(({ user, verb, uri }) => user === 'admin' && verb === 'list' && uri.includes('limit=500'))
    .map(({ uri }) => uri);
const watches = (): readonly string[] =>
  api
    .audit()
    .slice(asked)
    .filter(
      ({ user, verb, uri }) => user === 'admin' && verb === 'watch' && uri.includes('timeoutSeconds=290'),
    )
    .map(({ uri }) => uri);

const told = (): readonly string[] =>
  follower.batches.flatMap(({ changes }) => changes.map((change) => `${change.kind} ${nameOf(change)}`));
const nameOf = (change: Change): string =>
  change.kind === 'put' ? change.resource.meta.name : change.ref.name;
const ipOf = (name: string): unknown => {
  const resource = follower.get(`Pod/default/${name}`);
  return resource?.kind === 'Pod' ? resource.ips[0] : undefined;
};

/** Kills the server; it is back, and `meanwhile` has happened, before the store can reach it again. */
async function restart(meanwhile: () => Promise<void>): Promise<void> {
  await api.kill('server');
  setPath('down');
  await eventually(() => expect(follower.problems).not.toEqual([]), soon);
  await api.start();
  await meanwhile();
  setPath('up');
}

describe('an API server that is killed', () => {
  test('and restarted is followed on: what was made, changed and deleted meanwhile is told, once, and nothing else', async () => {
    await objects.put(
      podManifest('a', '10.1.0.1'),
      podManifest('b', '10.1.0.2'),
      podManifest('c', '10.1.0.3'),
    );
    await synced();
    expect(told()).toEqual(['put a', 'put b', 'put c']);
    await restart(async () => {
      await objects.remove(pod('a'));
      await objects.put(podManifest('b', '10.1.0.22'), podManifest('d', '10.1.0.4'));
    });
    await eventually(() => expect(ipOf('d')).toBe(parseAddress('10.1.0.4')), soon);
    expect(follower.keys()).toEqual(['Pod/default/b', 'Pod/default/c', 'Pod/default/d']);
    expect(ipOf('b')).toBe(parseAddress('10.1.0.22'));
    // A server that still knows the history tells each step of it: that "a" is marked as ending, that "d" is made and then run.
    const steps = ['put a', 'put d'];
    const since = told().slice(3);
    expect(since.filter((one) => !steps.includes(one)).sort()).toEqual(['delete a', 'put b']);
    expect(since.lastIndexOf('put a')).toBeLessThan(since.indexOf('delete a'));
    expect(follower.inSync).toBe(true);
    await eventually(() => expect(follower.problems).toEqual([]), soon);
  });

  test('and forgot its history, by compaction, is listed anew, with nothing lost or told twice', async () => {
    await objects.put(podManifest('a', '10.1.0.1'), podManifest('b', '10.1.0.2'));
    await synced();
    expect(lists()).toHaveLength(1);
    await restart(async () => {
      await objects.remove(pod('a'));
      await objects.put(podManifest('c', '10.1.0.3'));
      api.compact();
      await api.kill('server');
      await api.start();
    });
    await eventually(() => expect(ipOf('c')).toBe(parseAddress('10.1.0.3')), soon);
    expect(follower.keys()).toEqual(['Pod/default/b', 'Pod/default/c']);
    expect(told()).toEqual(['put a', 'put b', 'delete a', 'put c']);
    expect(lists().length).toBeGreaterThanOrEqual(2); // one may have been refused by a server that was not up yet
    await objects.put(podManifest('e', '10.1.0.5'));
    await eventually(() => expect(ipOf('e')).toBe(parseAddress('10.1.0.5')), soon);
  });

  test('again and again, while pods come and go: in the end the store says what the server says', async () => {
    await synced();
    const random = seededRandom(7);
    let round = 0;
    const churn = async (): Promise<void> => {
      for (let change = 0; change < 30; change++) {
        const name = `p${Math.floor(random() * 8)}`;
        if (random() < 0.3) await objects.remove(pod(name)).catch(() => undefined);
        else await objects.put(podManifest(name, `10.2.${round}.${change}`)).catch(() => undefined);
      }
    };
    for (round = 0; round < 4; round++) {
      // A server that stops in good order ends its watches in good order.
      await Promise.all([churn(), api.kill('server', round % 2 === 0 ? undefined : 'SIGTERM')]);
      await api.start();
      await churn();
    }
    await objects.put(podManifest('last', '10.1.0.9'));
    await eventually(() => expect(ipOf('last')).toBe(parseAddress('10.1.0.9')), soon);
    const { body } = await api.request('GET', '/api/v1/namespaces/default/pods');
    const { items } = body as unknown as {
      items: readonly { readonly metadata: { name: string }; readonly status: { podIP?: string } }[];
    };
    const real = items.map(({ metadata, status }) => [metadata.name, parseAddress(status.podIP ?? '')]);
    expect(follower.keys().map((key) => [key.slice(12), ipOf(key.slice(12))])).toEqual(real.sort());
  });
});

describe('etcd', () => {
  test('killed and restarted under the API server: nothing is lost, and what changes afterwards is told', async () => {
    await objects.put(podManifest('a', '10.1.0.1'));
    await synced();
    await api.kill('etcd');
    await expect(objects.put(podManifest('x'))).rejects.toThrow();
    expect(follower.keys()).toEqual(['Pod/default/a']);
    await api.start();
    await objects.remove(pod('a'));
    await objects.put(podManifest('b', '10.1.0.2'));
    await eventually(() => expect(ipOf('b')).toBe(parseAddress('10.1.0.2')), soon);
    expect(follower.keys()).not.toContain('Pod/default/a');
    expect(follower.inSync).toBe(true);
  });
});

describe('a path that breaks without a word', () => {
  test('for some seconds delays what is told, and no more', async () => {
    await synced();
    setPath('down');
    await objects.put(podManifest('a', '10.1.0.1'));
    await new Promise((resolve) => setTimeout(resolve, 2000));
    expect(follower.keys()).toEqual([]);
    setPath('up');
    await eventually(() => expect(ipOf('a')).toBe(parseAddress('10.1.0.1')), soon);
    expect(lists()).toHaveLength(1);
    expect(follower.problems).toEqual([]);
  });

  test('for half a minute is noticed and reported; once back the difference is told', async () => {
    await objects.put(podManifest('a', '10.1.0.1'));
    await synced();
    setPath('down');
    await objects.remove(pod('a'));
    await eventually(() => expect(follower.problems).toHaveLength(1), { within: 60_000 });
    expect(follower.problems[0]?.what).toMatch(/^cannot be read: .*; what was read before stays in force/);
    expect(follower.keys()).toEqual(['Pod/default/a']);
    setPath('up');
    await eventually(() => expect(follower.keys()).toEqual([]), { within: 60_000 });
    expect(follower.problems).toEqual([]);
  }, 300_000);
});

describe('many objects', () => {
  test('come in pages', async () => {
    for (let tens = 0; tens < 56; tens++)
      await Promise.all(
        Array.from({ length: 10 }, (_, one) =>
          objects.put(nodeManifest(`n${tens * 10 + one}`, `10.${tens}.${one}.0/24`)),
        ),
      );
    await synced(['Node']);
    expect(follower.keys()).toHaveLength(560);
    expect(lists()).toHaveLength(2);
    expect(lists()[1]).toContain('continue=');
  });
});
