/** Pods as neighbours, as `tortie bgp` follows them: read while a BGPPeer is with them, and ended with them. */
import { expect, test } from 'vitest';
import type { Route } from '../../../src/kernel/kernel.ts';
import { formatPrefix, hostPrefix } from '../../../src/lib/net.ts';
import type { Watched } from '../../../src/store/store.ts';
import { podManifest } from '../../support/bgp-pod.ts';
import { daemonBench } from '../../support/daemon-bench.ts';
import { type MemoryStore, memoryStore } from '../../support/memory-store.ts';
import { bgpConfiguration, nodeManifest } from '../../support/rack.ts';
import { v4 } from '../../support/wire.ts';

const node1 = nodeManifest('node1', ['127.0.0.1'], ['10.244.1.0/24']);
const peers = (spec: object = {}) => ({
  apiVersion: 'projectcalico.org/v3',
  kind: 'BGPPeer',
  metadata: { name: 'pods' },
  spec: { localWorkloadSelector: "app == 'router' && pcns.team == 'net'", asNumber: 64600, ...spec },
});
const home = (team: string) => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: 'default', labels: { team } },
});
const router = podManifest('router', ['10.244.1.5'], { app: 'router' });
const settings = bgpConfiguration({ localWorkloadPeeringIPV4: '169.254.77.1' });

/** The store, and what is watched of it at present. */
function watched(store: MemoryStore) {
  const kinds = new Set<Watched>();
  const watch: MemoryStore['watch'] = (wanted, onBatch) => {
    const stop = store.watch(wanted, onBatch);
    for (const kind of wanted) kinds.add(kind);
    return () => {
      for (const kind of wanted) kinds.delete(kind);
      stop();
    };
  };
  return { kinds: () => JSON.stringify([...kinds]), store: { ...store, watch } };
}

const ofPods = '{"kind":"Pod","fields":{"spec.nodeName":"node1"}},"Namespace","ServiceAccount"';

test('pods of this node are read while a BGPPeer that concerns it is with pods, and not otherwise', async () => {
  const memory = memoryStore(node1, peers({ node: 'node2' }), home('net'), router);
  const { kinds, store } = watched(memory);
  const { until, daemon, status } = await daemonBench(store);
  await until(() => expect(daemon.speaker.life.config).toBeDefined());
  expect(kinds()).not.toContain('Pod');
  memory.apply(peers());
  await until(() => expect(kinds()).toContain(ofPods));
  await until(() => expect(status().peers).toMatchObject([{ workload: 'default/router', resource: 'pods' }]));
  memory.apply(peers({ node: 'node2' }));
  await until(() => expect(kinds()).not.toContain('Pod'));
  await until(() => expect(status().peers).toEqual([]));
});

test('a pod that is relabelled, or whose namespace is, or that goes, is no neighbour any more; what else changes of it is nothing new', async () => {
  const store = memoryStore(node1, peers(), home('net'), router);
  const { until, status, logged } = await daemonBench(store);
  const isThere = (is: boolean): Promise<void> =>
    until(() => expect(status().peers).toHaveLength(is ? 1 : 0));
  await isThere(true);
  const before = logged.length;
  store.apply({ ...router, metadata: { ...router.metadata, annotations: { beat: '1' } } });
  store.apply({
    ...router,
    spec: { ...router.spec, containers: [{ name: 'a', ports: [{ containerPort: 179 }] }] },
  });
  store.apply(home('other'));
  await isThere(false);
  store.apply(home('net'));
  await isThere(true);
  expect(logged.slice(before).filter((line) => line.includes('configuration changed'))).toHaveLength(2);
  store.apply({ ...router, metadata: { ...router.metadata, labels: { app: 'web' } } });
  await isThere(false);
  store.apply(router);
  await isThere(true);
  store.apply({ ...router, status: { ...router.status, phase: 'Succeeded' } });
  await isThere(false);
  store.apply(router);
  await isThere(true);
  store.remove({ kind: 'Pod', name: 'router', namespace: 'default' });
  await isThere(false);
});

test('a speaker that may not read pods says so, waits no longer than twenty seconds, and does the rest', async () => {
  const memory = memoryStore(node1, peers(), settings);
  const silent: MemoryStore['watch'] = (kinds, onBatch) =>
    kinds.includes('Namespace') ? () => undefined : memory.watch(kinds, onBatch);
  const { daemon, clock, until, logged } = await daemonBench({ ...memory, watch: silent });
  await new Promise((resolve) => setImmediate(resolve));
  clock.advance(19_000);
  expect(daemon.notReady()).toBe('the datastore has not been read yet');
  clock.advance(1000);
  await until(() => expect(daemon.notReady()).toBeUndefined());
  expect(logged).toContain('Pods of this node have not been read yet; going on without sessions with them');
});

test('a pod that does not dial holds up nothing, and what to do is said', async () => {
  const { daemon, until, status } = await daemonBench(
    memoryStore(node1, peers(), settings, home('net'), router),
  );
  await until(() => expect(status().peers).toHaveLength(1));
  await until(() => expect(daemon.notReady()).toBeUndefined());
  expect(status().peers[0]).toMatchObject({
    state: 'Active',
    lastError: 'Pod/default/router has not dialled us yet, and a pod is never dialled',
    remedy: expect.stringContaining('of AS 64600, dial AS 64512 at 169.254.77.1;'),
  });
});

test('what an earlier life left of it goes, and then nobody lists such routes until they are wanted again', async () => {
  const store = memoryStore(node1, settings, home('net'));
  const left: Route = {
    ...{ dst: hostPrefix(v4('169.254.77.9')), table: 255, protocol: 82, metric: 0, type: 'local' },
    nextHops: [],
  };
  const { kernel, until } = await daemonBench(store, { kernelHas: [left] });
  await until(async () => expect(await kernel.routes({ version: 4, protocol: 82 })).toEqual([]));
  const asked: (number | undefined)[] = [];
  const { routes } = kernel;
  kernel.routes = (filter) => {
    asked.push(filter.protocol);
    return routes(filter);
  };
  await kernel.addAddress('eth0', { address: v4('172.30.0.13'), length: 24 });
  await until(() => expect(asked).toContain(80));
  expect(asked).not.toContain(82);
  store.apply(peers());
  await until(async () => expect(await routes({ version: 4, protocol: 82 })).toHaveLength(1));
});

test('the peering address comes with such a BGPPeer, comes back when it is taken, gives way to an interface, and goes', async () => {
  const store = memoryStore(node1, settings, home('net'));
  const { kernel, until, status, stop } = await daemonBench(store);
  const has = async (): Promise<readonly string[]> =>
    (await kernel.routes({ version: 4, protocol: 82 })).map(
      ({ dst, type, table }) => `${type} ${formatPrefix(dst)} table ${table}`,
    );
  const [ours] = ['local 169.254.77.1/32 table 255'];
  const becomes = (want: readonly string[]): Promise<void> =>
    until(async () => expect(await has()).toEqual(want));
  await until(() => expect(status().inSync).toBe(true));
  await becomes([]);
  for (const _ of [1, 2]) {
    store.apply(peers());
    await becomes([ours]);
    store.remove({ kind: 'BGPPeer', name: 'pods' });
    await becomes([]);
  }
  store.apply(peers());
  await becomes([ours]);
  for (const route of await kernel.routes({ version: 4, protocol: 82 })) kernel.foreignDeleteRoute(route);
  await becomes([ours]);
  await kernel.addAddress('eth0', { address: v4('169.254.77.1'), length: 32 });
  await becomes([]);
  expect(status().problems).toContainEqual(
    expect.objectContaining({ what: expect.stringContaining('169.254.77.1 is an address of an interface') }),
  );
  await kernel.deleteAddress('eth0', v4('169.254.77.1'), 32);
  await becomes([ours]);
  await stop('enough');
  expect(await has()).toEqual([ours]);
});
