/** The datastore against an API server that disappoints in every way a real one does. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Clock, realClock } from '../../../src/host/clock.ts';
import { millis, parseAddress } from '../../../src/lib/net.ts';
import { allKinds } from '../../../src/store/kinds.ts';
import { openKubernetesStore } from '../../../src/store/kubernetes.ts';
import { eventually } from '../../support/eventually.ts';
import { type Follower, follow } from '../../support/follower.ts';
import { nodeManifest, peerManifest, podManifest } from '../../support/manifests.ts';
import { kubernetesWorld } from '../../support/store-worlds.ts';

type World = Awaited<ReturnType<typeof kubernetesWorld>>;

let world: World;
let follower: Follower;
const soon = { within: 15_000 };

beforeEach(async () => {
  world = await kubernetesWorld();
});
afterEach(async () => {
  follower?.stop();
  await world.close();
});

async function synced(kinds = allKinds): Promise<void> {
  follower = follow(world.store, kinds);
  await eventually(() => expect(follower.inSync).toBe(true), soon);
  await eventually(() => expect(world.api.watchCount).toBe(kinds.length), soon);
}

async function hears(name: string, ip: string): Promise<void> {
  world.api.put(podManifest(name, ip));
  await eventually(
    () => expect(follower.get(`Pod/default/${name}`)).toMatchObject({ ips: [parseAddress(ip)] }),
    soon,
  );
}

const lists = (): readonly string[] => world.api.requests.filter((one) => /pods\?limit/.test(one));
const watches = (): readonly string[] => world.api.requests.filter((one) => /pods\?watch/.test(one));

describe('listing', () => {
  test('more objects than a page holds all arrive, page by page, before in sync', async () => {
    for (let n = 0; n < 1203; n++) world.api.put(podManifest(`pod-${n}`));
    await synced(['Pod']);
    expect(follower.keys()).toHaveLength(1203);
    expect(lists()).toHaveLength(3);
    expect(follower.batches.map(({ changes, inSync }) => [changes.length, inSync])).toEqual([
      [500, false],
      [500, false],
      [203, true],
    ]);
  });

  test('in sync waits for the slowest kind, and what the others have is told meanwhile', async () => {
    world.api.put(podManifest('a'));
    world.api.put(peerManifest('tor', 64513));
    world.api.faults.refuse.push({ times: 1, status: 503, url: 'bgppeers' });
    follower = follow(world.store, ['Pod', 'BGPPeer']);
    await eventually(() => expect(follower.keys()).toEqual(['Pod/default/a']), soon);
    expect(follower.inSync).toBe(false);
    const said = () => follower.batches.flatMap(({ problems }) => problems)[0];
    await eventually(() => expect(said()?.where).toMatch(/^Kubernetes API http:.*, kind BGPPeer$/), soon);
    expect(said()?.what).toContain('the API server answered 503');
    await eventually(() => expect(follower.inSync).toBe(true), soon);
    expect(follower.keys()).toEqual(['BGPPeer/tor', 'Pod/default/a']);
    expect(follower.problems).toEqual([]);
  });

  test('a continue token that is too old begins the list anew', async () => {
    for (let n = 0; n < 600; n++) world.api.put(podManifest(`pod-${n}`));
    world.api.faults.refuse.push({ times: 1, status: 410, url: 'continue' });
    await synced(['Pod']);
    expect(follower.keys()).toHaveLength(600);
    expect(lists().filter((one) => !one.includes('continue'))).toHaveLength(2);
  });

  test('a server that asks for patience gets it', async () => {
    world.api.faults.refuse.push({ times: 1, status: 429, url: 'pods', retryAfter: 1 });
    const start = performance.now();
    await synced(['Pod']);
    expect(performance.now() - start).toBeGreaterThan(1000);
  });

  test('a CRD that is not installed counts as empty and is reported, once; it is in sync all the same', async () => {
    world.api.uninstall('BGPPeer', true);
    world.api.put(podManifest('a'));
    follower = follow(world.store, ['Pod', 'BGPPeer']);
    await eventually(() => expect(follower.inSync).toBe(true), soon);
    expect(follower.keys()).toEqual(['Pod/default/a']);
    expect(follower.problems).toEqual([
      {
        where: expect.stringMatching(/kind BGPPeer$/),
        what: 'is not known to the API server, so it counts as having no objects.',
        fix: "Install Tortie's CustomResourceDefinitions: kubectl apply -f deploy/crds.",
      },
    ]);
    expect(world.api.requests.filter((one) => one.includes('bgppeers'))).toHaveLength(1);
  });
});

describe('watching', () => {
  test('events cut into pieces anywhere, in the middle of characters too, arrive whole', async () => {
    await synced(['Pod']);
    world.api.faults.piece = 1;
    const manifest = podManifest('a', '10.1.0.2');
    world.api.put({
      ...manifest,
      metadata: { name: 'a', annotations: { 'projectcalico.org/note': 'ünï → 漢字 🐈' } },
    });
    await eventually(
      () =>
        expect(follower.get('Pod/default/a')).toMatchObject({
          meta: { annotations: { 'projectcalico.org/note': 'ünï → 漢字 🐈' } },
        }),
      soon,
    );
  });

  test('many events in one piece keep their order', async () => {
    await synced(['Pod']);
    for (let host = 1; host < 200; host++) world.api.put(podManifest('a', `10.1.0.${host}`));
    await hears('z', '10.1.1.1');
    expect(follower.get('Pod/default/a')).toMatchObject({ ips: [parseAddress('10.1.0.199')] });
  });

  test('a change that concerns nothing we read is not told', async () => {
    await synced(['Pod']);
    await hears('a', '10.1.0.2');
    const { status, ...rest } = podManifest('a', '10.1.0.2');
    const heartbeat = { type: 'Ready', status: 'True', lastProbeTime: '2026-01-01T00:00:00Z' };
    world.api.put({ ...rest, status: { ...(status as object), conditions: [heartbeat] } });
    await hears('b', '10.1.0.3');
    expect(follower.batches.flatMap(({ changes }) => changes)).toHaveLength(2);
  });

  test('a watch that breaks in the middle of a line goes on from where it was, without a new list', async () => {
    await synced(['Pod']);
    await hears('a', '10.1.0.2');
    world.api.breakWatches();
    await hears('b', '10.1.0.3');
    expect(lists()).toHaveLength(1);
  });

  test('what happens between two watches is heard', async () => {
    await synced(['Pod']);
    world.api.endWatches();
    world.api.put(podManifest('a', '10.1.0.2'));
    world.api.remove({ kind: 'Pod', namespace: 'default', name: 'a' });
    await hears('b', '10.1.0.3');
    expect(follower.keys()).toEqual(['Pod/default/b']);
    expect(lists()).toHaveLength(1);
  });

  test('when the server forgot its history, a new list finds what was missed, deletes too', async () => {
    await synced(['Pod']);
    await hears('a', '10.1.0.2');
    world.api.down(true);
    world.api.remove({ kind: 'Pod', namespace: 'default', name: 'a' });
    world.api.put(podManifest('b', '10.1.0.3'));
    world.api.forget();
    world.api.down(false);
    await eventually(() => expect(follower.keys()).toEqual(['Pod/default/b']), soon);
    expect(lists().length).toBeGreaterThan(1);
    expect(follower.inSync).toBe(true);
  });

  test('410 in the middle of a watch is answered by a list', async () => {
    await synced(['Pod']);
    world.api.forget();
    await hears('a', '10.1.0.2');
    expect(lists()).toHaveLength(2);
  });

  test('a bookmark is where the next watch begins', async () => {
    await synced(['Pod', 'Node']);
    for (let n = 0; n < 5; n++) world.api.put(nodeManifest(`node${n}`, `10.${n}.0.0/24`));
    world.api.bookmark();
    await eventually(() => expect(follower.keys()).toHaveLength(5), soon);
    world.api.endWatches(); // after the bookmark, so whoever hears the end has heard the bookmark
    await eventually(() => expect(watches()).toHaveLength(2), soon);
    expect(watches()[1]).toContain('resourceVersion=6');
    expect(watches()[1]).toContain('allowWatchBookmarks=true');
  });

  test.each([
    'this is not JSON',
    '{"type":"ADDED","object":{}}',
    '{"type":"PARTY","object":{"metadata":{"name":"a","namespace":"b","resourceVersion":"9"}}}',
    '[]',
  ])('a line that is no event (%s) is not trusted: the watch begins again', async (line) => {
    await synced(['Pod']);
    world.api.say(line);
    await eventually(() => expect(watches()).toHaveLength(2), soon);
    await hears('a', '10.1.0.2');
    expect(follower.problems).toEqual([]);
  });

  test('a server that goes away in the middle of a watch is a connection that broke', async () => {
    await synced(['Pod']);
    world.api.down(true);
    await eventually(() => expect(follower.problems).toHaveLength(1), soon);
    const [first] = follower.batches.flatMap(({ problems }) => problems);
    expect(first?.what).toBe(
      'cannot be read: the connection broke; what was read before stays in force, and it is tried again.',
    );
  });

  test('a server that restarts again and again never ends the watching', async () => {
    await synced(['Pod']);
    for (let round = 2; round < 6; round++) {
      world.api.down(true);
      world.api.put(podManifest('a', `10.1.0.${round}`));
      await eventually(() => expect(follower.problems).toHaveLength(1), soon);
      world.api.down(false);
      await eventually(
        () => expect(follower.get('Pod/default/a')).toMatchObject({ ips: [parseAddress(`10.1.0.${round}`)] }),
        soon,
      );
      await eventually(() => expect(follower.problems).toEqual([]), soon);
    }
  });
});

describe('a stalled watch', () => {
  test('is opened again once it outlives the time it asked for', async () => {
    // Time runs a thousand times faster here, so the five minutes of a watch pass while we look.
    const hurried: Clock = {
      now: realClock.now,
      after: (after, run) => realClock.after(millis(after / 1000), run),
    };
    world.api.faults.stall = true;
    const store = openKubernetesStore({ kubeconfig: world.kubeconfig, clock: hurried, random: () => 0 });
    follower = follow(store, ['Pod']);
    await eventually(() => expect(follower.inSync).toBe(true), soon);
    world.api.put(podManifest('a', '10.1.0.2'));
    expect(follower.keys()).toEqual([]);
    world.api.faults.stall = false;
    await eventually(() => expect(follower.keys()).toEqual(['Pod/default/a']), soon);
    expect(lists()).toHaveLength(1);
  });
});

describe('configuration', () => {
  test('a kubeconfig that is not there is a problem, and used as soon as it is', async () => {
    const store = openKubernetesStore({
      kubeconfig: '/nonexistent/kubeconfig',
      clock: realClock,
      random: () => 0,
    });
    follower = follow(store, ['Pod']);
    await eventually(() => expect(follower.problems).toHaveLength(1), soon);
    expect(follower.problems[0]).toMatchObject({
      where: '/nonexistent/kubeconfig',
      what: expect.stringContaining('no such file'),
    });
    expect(follower.inSync).toBe(false);
    await expect(store.putStatus({ kind: 'Node', name: 'n' }, {})).rejects.toThrow(
      /^the status of Node\/n was not/,
    );
  });

  test('credentials the server does not take are named as such', async () => {
    world.api.faults.refuse.push({ times: 100, status: 401, url: 'pods' });
    follower = follow(world.store, ['Pod']);
    await eventually(() => expect(follower.problems).toHaveLength(1), soon);
    expect(follower.problems[0]?.fix).toBe('Give valid credentials in the kubeconfig or service account.');
    expect(JSON.stringify(follower.problems)).not.toContain('secret');
  });

  test('an object of a kind without a status is refused in words', async () => {
    world.api.put(peerManifest('tor', 64513));
    world.api.faults.refuse.push({ times: 1, status: 404, url: '/status' });
    await expect(world.store.putStatus({ kind: 'BGPPeer', name: 'tor' }, { a: 1 })).rejects.toThrow(
      'BGPPeer/tor is not there, or has no status, so none was written: the API server answered 404',
    );
  });
});
