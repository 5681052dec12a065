/** `tortie bgp --ipam blocks`: what is originated of blocks and pods, and what of others' is taken. */
import { expect, test } from 'vitest';
import type { Route } from '../../../src/kernel/kernel.ts';
import type { Prefix } from '../../../src/lib/net.ts';
import { parsePrefix } from '../../../src/lib/net.ts';
import type { BlockAffinity } from '../../../src/model/ipam.ts';
import { daemonBench } from '../../support/daemon-bench.ts';
import { memoryStore } from '../../support/memory-store.ts';
import { ipPool, nodeManifest } from '../../support/rack.ts';
import { blockAffinity } from '../../support/resources.ts';

const node1 = nodeManifest('node1', ['127.0.0.1'], ['10.244.1.0/24']);
const pool = ipPool('pods', '10.65.0.0/16');
const block = '10.65.1.0/26';

const podRoute = (dst: string, ifindex: number, over: Partial<Route> = {}): Route => ({
  dst: parsePrefix(dst) as Prefix,
  table: 254,
  protocol: 81,
  metric: 0,
  type: 'unicast',
  nextHops: [{ ifindex }],
  ...over,
});

async function world(...affinities: readonly BlockAffinity[]) {
  const store = memoryStore(node1, pool);
  for (const affinity of affinities) store.put(affinity);
  return { store, ...(await daemonBench(store, { ipam: 'blocks' })) };
}

test('a confirmed block is originated and unreachable where no pod is; the podCIDRs are not', async () => {
  const { installed, origins } = await world(blockAffinity('node1', block));
  await installed(['10.65.1.0/26 unreachable']);
  expect(origins()).toEqual([block]);
});

test('blocks that are claimed, given back, virtual or another node’s are not originated', async () => {
  const { daemon, until, origins } = await world(
    blockAffinity('node1', '10.65.1.0/26', { state: 'pending' }),
    blockAffinity('node1', '10.65.1.64/26', { state: 'pendingDeletion' }),
    blockAffinity('node1', '10.65.1.128/26', { type: 'virtual' }),
    blockAffinity('node2', '10.65.2.0/26'),
    blockAffinity('node1', '10.65.3.0/26'),
  );
  await until(() => expect(daemon.speaker.life.config).toBeDefined());
  expect(origins()).toEqual(['10.65.3.0/26']);
});

test('a block that is given back is withdrawn, with its unreachable route, before it is deleted', async () => {
  const { store, installed, until, origins } = await world(blockAffinity('node1', block));
  await installed(['10.65.1.0/26 unreachable']);
  store.put(blockAffinity('node1', block, { state: 'pendingDeletion' }));
  await installed([]);
  await until(() => expect(origins()).toEqual([]));
});

test('a local pod outside the own blocks has a route of its own for as long as the kernel has it', async () => {
  const { kernel, link, until, origins } = await world(blockAffinity('node1', block));
  const pods = ['10.65.1.5/32', '10.65.9.7/32', '192.0.2.1/32'];
  for (const pod of pods) kernel.foreignSetRoute(podRoute(pod, link.ifindex));
  kernel.foreignSetRoute(podRoute('10.65.9.8/32', link.ifindex, { protocol: 4 }));
  kernel.foreignSetRoute(podRoute('10.65.8.0/26', link.ifindex));
  await until(() => expect(origins()).toEqual([block, '10.65.9.7/32']));
  kernel.foreignDeleteRoute(podRoute('10.65.9.7/32', link.ifindex));
  await until(() => expect(origins()).toEqual([block]));
});

test('a floating address goes with its pod, if it is of a pool: one that gives none out will do', async () => {
  const { store, kernel, link, until, origins } = await world(blockAffinity('node1', block));
  const floating = '203.0.113.10/32';
  kernel.foreignSetRoute(podRoute('10.65.1.5/32', link.ifindex));
  kernel.foreignSetRoute(podRoute(floating, link.ifindex));
  await until(() => expect(origins()).toEqual([block]));
  const { spec, ...rest } = ipPool('floating', '203.0.113.0/24');
  store.apply({ ...rest, spec: { ...spec, disabled: true } });
  await until(() => expect(origins()).toEqual([block, floating]));
  kernel.foreignDeleteRoute(podRoute(floating, link.ifindex));
  await until(() => expect(origins()).toEqual([block]));
});

test('IPv6 blocks and borrowed IPv6 addresses go the same way', async () => {
  const { store, kernel, link, until, origins } = await world(blockAffinity('node1', 'fd00:65::40/122'));
  store.apply(ipPool('pods6', 'fd00:65::/64'));
  for (const pod of ['fd00:65::41/128', 'fd00:65::81/128', 'fd00:66::1/128'])
    kernel.foreignSetRoute(podRoute(pod, link.ifindex));
  await until(() => expect(origins()).toEqual(['fd00:65::40/122', 'fd00:65::81/128']));
});

test('pods of a block that is given back keep their routes one by one', async () => {
  const { store, kernel, link, until, origins } = await world(blockAffinity('node1', block));
  kernel.foreignSetRoute(podRoute('10.65.1.5/32', link.ifindex));
  await until(() => expect(origins()).toEqual([block]));
  store.put(blockAffinity('node1', block, { state: 'pendingDeletion' }));
  await until(() => expect(origins()).toEqual(['10.65.1.5/32']));
});

test('nothing is originated before the pods of this node have been read from the kernel', async () => {
  const store = memoryStore(node1, pool);
  store.put(blockAffinity('node1', block));
  const { daemon, kernel, link, until, origins } = await daemonBench(store, { ipam: 'blocks' });
  kernel.foreignSetRoute(podRoute('10.65.9.7/32', link.ifindex));
  const seen: (readonly string[])[] = [];
  await until(() => {
    if (daemon.speaker.life.config !== undefined) seen.push(origins());
    expect(origins()).toHaveLength(2);
  });
  expect(seen.filter((prefixes) => prefixes.length === 0)).toEqual([]);
});
