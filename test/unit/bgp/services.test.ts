/** Addresses of Services as `tortie bgp` follows, announces, explains and withdraws them. */
import { expect, test } from 'vitest';
import type { ServicesStatus } from '../../../src/model/status.ts';
import type { Watched } from '../../../src/store/store.ts';
import { daemonBench } from '../../support/daemon-bench.ts';
import { eventually } from '../../support/eventually.ts';
import { type MemoryStore, memoryStore } from '../../support/memory-store.ts';
import { bgpConfiguration, nodeManifest } from '../../support/rack.ts';
import { endpointSlice, service } from '../../support/services.ts';

const node1 = nodeManifest('node1', ['127.0.0.1'], ['10.244.1.0/24']);
const asked = bgpConfiguration({ serviceExternalIPs: [{ cidr: '192.0.2.0/24' }] });
const web = service('web', { externalIps: ['192.0.2.7'], policy: 'Local' });

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
  return { kinds, store: { ...store, watch } };
}

test('Services are read while BGPConfiguration names addresses of theirs, and not otherwise', async () => {
  const memory = memoryStore(node1);
  const { kinds, store } = watched(memory);
  const { until, ask, daemon } = await daemonBench(store);
  await until(() => expect(daemon.speaker.life.config).toBeDefined());
  expect([...kinds]).not.toContain('Service');
  expect(ask('GET /services').body).toEqual({ followed: false, ranges: [], services: [] });
  memory.apply(asked);
  await until(() => expect([...kinds]).toContain('EndpointSlice'));
  memory.apply(bgpConfiguration({}));
  await until(() => expect([...kinds]).not.toContain('Service'));
});

test('a Local service comes and goes with its endpoint here, is no route of the kernel, and is explained', async () => {
  const store = memoryStore(node1, asked);
  store.put(web);
  const { until, origins, ask, installed } = await daemonBench(store);
  await until(() => expect(origins()).toEqual(['10.244.1.0/24', '192.0.2.0/24']));
  store.put(endpointSlice('web', [['node1', 'ready']]));
  await until(() => expect(origins()).toEqual(['10.244.1.0/24', '192.0.2.0/24', '192.0.2.7/32']));
  expect((ask('GET /services').body as ServicesStatus).services).toEqual([
    {
      namespace: 'default',
      name: 'web',
      kind: 'external IP',
      address: '192.0.2.7',
      advertised: true,
      reason: 'externalTrafficPolicy is Local and 1 IPv4 endpoint is ready here',
    },
  ]);
  await installed(['10.244.1.0/24 unreachable']);
  store.put(
    endpointSlice('web', [
      ['node1', 'serving'],
      ['node2', 'ready'],
    ]),
  );
  await until(() => expect(origins()).toEqual(['10.244.1.0/24', '192.0.2.0/24']));
  store.apply(bgpConfiguration({}));
  await until(() => expect(origins()).toEqual(['10.244.1.0/24']));
});

test('a speaker that starts says nothing before the Services are read, and waits no longer than twenty seconds', async () => {
  const memory = memoryStore(node1, asked);
  const silent: MemoryStore['watch'] = (kinds, onBatch) =>
    kinds.includes('Service') ? () => undefined : memory.watch(kinds, onBatch);
  const { daemon, clock, until, origins, logged } = await daemonBench({ ...memory, watch: silent });
  await new Promise((resolve) => setImmediate(resolve));
  clock.advance(19_000);
  expect(daemon.notReady()).toBe('the datastore has not been read yet');
  clock.advance(1000);
  await until(() => expect(origins()).toEqual(['10.244.1.0/24', '192.0.2.0/24']));
  expect(logged).toContain('Services have not been read yet; going on without their addresses');
});

test('a speaker that stops withdraws the addresses of Services before it says goodbye', async () => {
  const store = memoryStore(node1, asked);
  store.put(web);
  store.put(endpointSlice('web', [['node1', 'ready']]));
  const { daemon, clock, until, origins } = await daemonBench(store);
  await until(() => expect(origins()).toHaveLength(3));
  const stopping = daemon.stop('enough');
  await eventually(() => expect(origins()).toEqual(['10.244.1.0/24']), { within: 15_000 });
  expect(daemon.speaker.life.phase).toBe('settled');
  clock.advance(500);
  await stopping;
  expect(daemon.speaker.life.phase).toBe('stopped');
});

test('a speaker that restarts leaves the addresses of Services to its neighbours’ memory, unless its node is being emptied', async () => {
  for (const [unschedulable, left] of [
    [false, ['10.244.1.0/24', '192.0.2.0/24', '192.0.2.7/32']],
    [true, ['10.244.1.0/24']],
  ] as const) {
    const store = memoryStore({ ...node1, spec: { ...node1.spec, unschedulable } }, asked);
    store.put(web);
    store.put(endpointSlice('web', [['node1', 'ready']]));
    const { daemon, clock, until, origins } = await daemonBench(store);
    await until(() => expect(origins()).toHaveLength(3));
    const stopping = daemon.stop('an upgrade', true);
    await eventually(() => expect(origins()).toEqual(left), { within: 15_000 });
    clock.advance(500);
    await stopping;
    expect(daemon.speaker.life.phase).toBe('stopped');
    expect(origins()).toEqual(left);
  }
});
