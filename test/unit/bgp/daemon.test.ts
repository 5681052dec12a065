/** The speaker's process: when it is ready, what it writes, what it tells, what it leaves. */
import { expect, test } from 'vitest';
import type { Address } from '../../../src/lib/net.ts';
import { parseAddress } from '../../../src/lib/net.ts';
import { daemonBench } from '../../support/daemon-bench.ts';
import { memoryStore } from '../../support/memory-store.ts';
import { bgpPeer, nodeManifest } from '../../support/rack.ts';

const node1 = nodeManifest('node1', ['127.0.0.1'], ['10.244.1.0/24']);
const clash = nodeManifest('node2', [], ['10.244.1.0/24']);
/** Nobody listens there. */
const silent = bgpPeer('silent', '127.0.0.9', 65000, { peerIP: '127.0.0.9:9' });

test('it is ready once the datastore is read, this node can speak, the neighbours have spoken, and those of BGPPeers are up', async () => {
  const store = memoryStore();
  store.away(true);
  const { daemon, until, clock, status } = await daemonBench(store);
  expect(daemon.notReady()).toBe('the datastore has not been read yet');
  expect(status()).toMatchObject({ inSync: false, peers: [], problems: [] });
  store.away(false);
  await until(() =>
    expect(daemon.notReady()).toBe('this node cannot speak BGP: see the problems in its status'),
  );
  expect(status().problems).toEqual([expect.objectContaining({ where: 'Node/node1' })]);
  store.apply(node1);
  store.apply(silent);
  await until(() => expect(status().peers).toHaveLength(1));
  expect(daemon.notReady()).toBe('neighbours have not told all their routes yet');
  clock.advance(30_000);
  await until(() => expect(daemon.notReady()).toBe('the session with 127.0.0.9 of BGPPeer/silent is not up'));
  store.remove({ kind: 'BGPPeer', name: 'silent' });
  await until(() => expect(daemon.notReady()).toBeUndefined());
});

test('before the datastore is read nothing is written, and what an earlier life left stays until the neighbours had their time', async () => {
  const store = memoryStore(node1, silent);
  store.away(true);
  const { clock, routes, installed, status, until } = await daemonBench(store);
  clock.advance(60_000);
  expect(await routes()).toEqual(['10.244.7.0/24 unicast']);
  store.away(false);
  await installed(['10.244.1.0/24 unreachable', '10.244.7.0/24 unicast']);
  await until(() => expect(status().peers).toHaveLength(1));
  clock.advance(20_000);
  await installed(['10.244.1.0/24 unreachable', '10.244.7.0/24 unicast']);
  clock.advance(10_000);
  await installed(['10.244.1.0/24 unreachable']);
});

test('with --no-fib the kernel is left as it is', async () => {
  const { daemon, clock, routes, until, status } = await daemonBench(memoryStore(node1), { withFib: false });
  await until(() => expect(daemon.notReady()).toBeUndefined());
  clock.advance(60_000);
  expect(await routes()).toEqual(['10.244.7.0/24 unicast']);
  expect(status().kernel).toEqual({ installed: 0, pending: 0 });
});

test('a problem is logged when it appears, not again while it lasts, and again when it returns', async () => {
  const store = memoryStore(node1, clash);
  const { logged, until, status } = await daemonBench(store);
  const count = (): number => logged.filter((line) => line.includes('is also that of Node/node1')).length;
  await until(() => expect(count()).toBe(1));
  store.apply(nodeManifest('node3', [], ['10.244.3.0/24']));
  store.apply(silent);
  await until(() => expect(status().peers).toHaveLength(1));
  expect(count()).toBe(1);
  store.apply(nodeManifest('node2', [], ['10.244.2.0/24']));
  await until(() => expect(JSON.stringify(status().problems)).not.toContain('is also that'));
  store.apply(clash);
  await until(() => expect(count()).toBe(2));
});

test('stop leaves the kernel routes, and neither a timer nor a watcher that would act again', async () => {
  const { kernel, clock, installed, routes, stop } = await daemonBench(memoryStore(node1));
  await installed(['10.244.1.0/24 unreachable']);
  await stop('enough');
  expect(await routes()).toEqual(['10.244.1.0/24 unreachable']);
  expect(clock.pending).toBe(0);
  kernel.overrun();
  await kernel.addAddress('eth0', { address: parseAddress('172.31.0.11') as Address, length: 24 });
  await new Promise((resolve) => setImmediate(resolve));
  expect(clock.pending).toBe(0);
});

test('it can be stopped before the datastore was ever read', async () => {
  const store = memoryStore(node1);
  store.away(true);
  const { daemon, clock, stop } = await daemonBench(store);
  await stop('at once');
  store.away(false);
  await new Promise((resolve) => setImmediate(resolve));
  expect([daemon.speaker.life.config, clock.pending]).toEqual([undefined, 0]);
});

test('routes are shown of all, received, advertised or withheld, and an unknown neighbour is answered with those there are', async () => {
  const { ask, until, status } = await daemonBench(memoryStore(node1, silent));
  await until(() => expect(status().peers).toHaveLength(1));
  expect(ask('GET /routes')).toMatchObject({
    status: 200,
    body: [{ prefix: '10.244.1.0/24', nextHop: '127.0.0.1', best: true }],
  });
  for (const view of ['received', 'advertised', 'withheld'])
    expect(ask('GET /routes', `${view}=127.0.0.9`)).toEqual({ status: 200, body: [] });
  expect(ask('GET /routes', 'received=nobody')).toEqual({
    status: 404,
    body: { error: `There is no neighbour "nobody". There is: ${status().peers[0]?.name} (127.0.0.9).` },
  });
});
