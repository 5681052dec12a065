/** What every datastore must hold, whatever keeps the resources: see the contract in `src/store/store.ts`. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseAddress } from '../../src/lib/net.ts';
import type { Kind, ResourceRef } from '../../src/model/resource.ts';
import { allKinds } from '../../src/store/kinds.ts';
import type { Store } from '../../src/store/store.ts';
import { eventually } from '../support/eventually.ts';
import { type Follower, follow } from '../support/follower.ts';
import { type Manifest, nodeManifest, peerManifest, podManifest } from '../support/manifests.ts';

/** A store with the world behind it, which the suite changes. */
export interface StoreWorld {
  readonly store: Store;
  put(manifest: Manifest): Promise<void> | void;
  remove(ref: ResourceRef): Promise<void> | void;
  /** Cuts the store off from what it reads, and lets it back. */
  away(isAway: boolean): Promise<void> | void;
  close(): Promise<void> | void;
}

/** A real cluster has some of its own, so they are watched only where they are meant. */
const ownOfTheCluster: readonly Kind[] = ['Namespace', 'Service', 'EndpointSlice'];
const mostKinds = allKinds.filter((kind) => !ownOfTheCluster.includes(kind));
/** A number from one to 4294967295 that no speaker may have: an API server with our definitions takes it, we do not. */
const reserved = 23456;
const pod = (name: string): ResourceRef => ({ kind: 'Pod', namespace: 'default', name });

/** @param within  ms that the world may take to tell, or to be back */
export function storeContract(name: string, open: () => Promise<StoreWorld>, within = 15_000): void {
  const soon = { within };
  describe(`${name}`, () => {
    let world: StoreWorld;
    let followers: Follower[];
    beforeEach(async () => {
      world = await open();
      followers = [];
    });
    afterEach(async () => {
      for (const follower of followers) follower.stop();
      await world.close();
    });

    const watch = (kinds = mostKinds): Follower => {
      const follower = follow(world.store, kinds);
      followers.push(follower);
      return follower;
    };
    const synced = async (kinds = mostKinds): Promise<Follower> => {
      const follower = watch(kinds);
      await eventually(() => expect(follower.inSync).toBe(true), soon);
      return follower;
    };

    test('with nothing in it, it comes in sync with no change', async () => {
      const follower = await synced();
      expect(follower.batches.flatMap(({ changes }) => changes)).toEqual([]);
    });

    test('once in sync, everything of every watched kind has been told, once', async () => {
      await world.put(nodeManifest('node1', '10.1.0.0/24'));
      await world.put(podManifest('a', '10.1.0.2'));
      await world.put(podManifest('a', '10.2.0.2', 'shop'));
      await world.put(peerManifest('tor', 64513));
      const follower = await synced();
      expect(follower.keys()).toEqual(['BGPPeer/tor', 'Node/node1', 'Pod/default/a', 'Pod/shop/a']);
      expect(follower.batches.flatMap(({ changes }) => changes)).toHaveLength(4);
      expect(follower.problems).toEqual([]);
    });

    test('kinds that were not asked for are not told', async () => {
      await world.put(nodeManifest('node1', '10.1.0.0/24'));
      await world.put(podManifest('a'));
      const follower = await synced(['Node']);
      expect(follower.keys()).toEqual(['Node/node1']);
    });

    test('an object added, changed and deleted is told as put, put and delete', async () => {
      const follower = await synced();
      await world.put(podManifest('a'));
      await eventually(() => expect(follower.get('Pod/default/a')).toMatchObject({ ips: [] }), soon);
      await world.put(podManifest('a', '10.1.0.2'));
      await eventually(
        () => expect(follower.get('Pod/default/a')).toMatchObject({ ips: [parseAddress('10.1.0.2')] }),
        soon,
      );
      await world.remove(pod('a'));
      await eventually(() => expect(follower.keys()).toEqual([]), soon);
      const changes = follower.batches.flatMap((batch) => batch.changes);
      // A real API server may say first that it is being deleted.
      const told = changes.filter(
        (change) => change.kind === 'delete' || !('deleting' in change.resource && change.resource.deleting),
      );
      expect(told.map(({ kind }) => kind)).toEqual(['put', 'put', 'delete']);
    });

    test('of many quick changes of one object the last is what remains', async () => {
      const follower = await synced();
      for (let host = 2; host < 40; host++) await world.put(podManifest('a', `10.1.0.${host}`));
      await world.put(podManifest('z'));
      await eventually(() => expect(follower.keys()).toContain('Pod/default/z'), soon);
      await eventually(
        () => expect(follower.get('Pod/default/a')).toMatchObject({ ips: [parseAddress('10.1.0.39')] }),
        soon,
      );
    });

    test('an object deleted and made again is there', async () => {
      await world.put(podManifest('a', '10.1.0.2'));
      const follower = await synced();
      await world.remove(pod('a'));
      await world.put(podManifest('a', '10.1.0.3'));
      await eventually(
        () => expect(follower.get('Pod/default/a')).toMatchObject({ ips: [parseAddress('10.1.0.3')] }),
        soon,
      );
    });

    test('an object that says the same again is not told again', async () => {
      await world.put(podManifest('a', '10.1.0.2'));
      const follower = await synced(['BGPPeer']);
      const before = follower.batches.length;
      await world.put(podManifest('a', '10.1.0.2'));
      await world.put(peerManifest('tor', 64513));
      await eventually(() => expect(follower.keys()).toEqual(['BGPPeer/tor']), soon);
      expect(follower.batches.length).toBe(before + 1);
    });

    test('an unreadable object does not keep it from coming in sync, and is a problem that names object and field', async () => {
      await world.put(peerManifest('bad', reserved));
      await world.put(peerManifest('good', 64513));
      const follower = await synced();
      expect(follower.keys()).toEqual(['BGPPeer/good']);
      expect(follower.problems).toHaveLength(1);
      expect(follower.problems[0]?.where).toMatch(/BGPPeer\/bad spec\.asNumber$/);
      expect(follower.problems[0]?.what).toMatch(/^cannot be 23456: /);
    });

    test('an object that turns unreadable stays as last told, until it is mended', async () => {
      await world.put(peerManifest('tor', 64513));
      const follower = await synced();
      await world.put(peerManifest('tor', reserved));
      await eventually(() => expect(follower.problems).toHaveLength(1), soon);
      expect(follower.get('BGPPeer/tor')).toMatchObject({ asNumber: 64513 });
      await world.put(peerManifest('tor', 64514));
      await eventually(() => expect(follower.get('BGPPeer/tor')).toMatchObject({ asNumber: 64514 }), soon);
      await eventually(() => expect(follower.problems).toEqual([]), soon);
    });

    test('an unreadable object that is deleted is gone, and its problem with it', async () => {
      await world.put(peerManifest('tor', 64513));
      const follower = await synced();
      await world.put(peerManifest('tor', reserved));
      await eventually(() => expect(follower.problems).toHaveLength(1), soon);
      await world.remove({ kind: 'BGPPeer', name: 'tor' });
      await eventually(() => expect(follower.keys()).toEqual([]), soon);
      await eventually(() => expect(follower.problems).toEqual([]), soon);
    });

    test('while it is away nothing is lost, and when back it tells the difference', async () => {
      await world.put(podManifest('a'));
      await world.put(podManifest('b'));
      const follower = await synced();
      await world.away(true);
      const changesBefore = follower.batches.flatMap(({ changes }) => changes).length;
      await new Promise((resolve) => setTimeout(resolve, 100)); // long enough to have told an emptiness it had seen
      expect(follower.keys()).toEqual(['Pod/default/a', 'Pod/default/b']);
      expect(follower.batches.flatMap(({ changes }) => changes)).toHaveLength(changesBefore);
      await world.away(false);
      await world.remove(pod('a'));
      await world.put(podManifest('c'));
      await eventually(() => expect(follower.keys()).toEqual(['Pod/default/b', 'Pod/default/c']), soon);
      expect(follower.inSync).toBe(true);
    });

    test('what is away from the start is not in sync until it is back', async () => {
      await world.put(podManifest('a'));
      await world.away(true);
      const follower = watch();
      await new Promise((resolve) => setTimeout(resolve, 100)); // long enough to have fabricated it
      expect(follower.inSync).toBe(false);
      await world.away(false);
      await eventually(() => expect(follower.inSync).toBe(true), soon);
      expect(follower.keys()).toEqual(['Pod/default/a']);
    });

    test('a status written is merged into the object and told to watchers', async () => {
      await world.put(podManifest('a'));
      const follower = await synced();
      await world.store.putStatus(pod('a'), {
        phase: 'Running',
        podIP: '10.1.0.2',
        podIPs: [{ ip: '10.1.0.2' }],
      });
      await world.store.putStatus(pod('a'), { phase: 'Succeeded' });
      await eventually(
        () =>
          expect(follower.get('Pod/default/a')).toMatchObject({
            finished: true,
            ips: [parseAddress('10.1.0.2')],
            meta: { labels: { app: 'a' } },
          }),
        soon,
      );
      await world.store.putStatus(pod('a'), { podIP: null, podIPs: null, phase: 'Running' });
      await eventually(
        () => expect(follower.get('Pod/default/a')).toMatchObject({ finished: false, ips: [] }),
        soon,
      );
    });

    test('a status can be written without watching', async () => {
      await world.put(nodeManifest('node1', '10.1.0.0/24'));
      await world.store.putStatus(
        { kind: 'Node', name: 'node1' },
        { addresses: [{ type: 'InternalIP', address: '192.0.2.1' }] },
      );
      const follower = await synced();
      expect(follower.get('Node/node1')).toMatchObject({ internalIps: [parseAddress('192.0.2.1')] });
    });

    test('the status of an object that is not there is refused with a sentence that names it', async () => {
      await expect(world.store.putStatus(pod('nobody'), { phase: 'Running' })).rejects.toThrow(
        /Pod\/default\/nobody .*\.$/,
      );
    });

    test('a watcher that stopped hears nothing more, while another goes on', async () => {
      const [first, second] = [await synced(), await synced()];
      first.stop();
      const heard = first.batches.length;
      await world.put(podManifest('a'));
      await eventually(() => expect(second.keys()).toEqual(['Pod/default/a']), soon);
      expect(first.batches).toHaveLength(heard);
    });
  });
}
