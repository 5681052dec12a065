/** How often the whole intent is worked out: only for what concerns BGP. */
import { expect, test } from 'vitest';
import { Cluster } from '../../../bgp/follow/cluster.ts';
import { intentOf } from '../../../bgp/intent.ts';
import type { Resource } from '../../../src/model/resource.ts';
import type { Change } from '../../../src/store/store.ts';
import { bgpConfiguration, bgpPeer, node } from '../../support/resources.ts';

const puts = (...resources: readonly Resource[]): { readonly changes: readonly Change[] } => ({
  changes: resources.map((resource) => ({ kind: 'put', resource })),
});

function bench() {
  let count = 0;
  const cluster = new Cluster('node1', 'pod-cidrs', (...given) => {
    count += 1;
    return intentOf(...given);
  });
  const take = (...resources: readonly Resource[]): boolean => {
    const isNews = cluster.take({ ...puts(...resources), inSync: true, problems: [] });
    cluster.intent();
    return isNews;
  };
  return { cluster, take, count: () => count };
}

const own = node('node1', { ips: ['10.0.0.1'], podCidrs: ['10.244.1.0/24'] });
const other = node('node2', { ips: ['10.0.0.2'], podCidrs: ['10.244.2.0/24'] });
const noise = {
  taints: [{ key: 'node.kubernetes.io/unreachable', effect: 'NoSchedule' }],
  ready: false,
  unschedulable: true,
} as const;

test('a heartbeat, a taint or a cordon of another node is no news', () => {
  const { take, count } = bench();
  expect(take(own, other, bgpConfiguration(), bgpPeer('tor', '192.0.2.1'))).toBe(true);
  for (let beat = 0; beat < 10; beat += 1) {
    const annotations = { 'volumes.kubernetes.io/beat': String(beat) };
    expect(take({ ...other, ...noise, meta: { ...other.meta, annotations } })).toBe(false);
  }
  expect(take(bgpPeer('tor', '192.0.2.1'), bgpConfiguration())).toBe(false);
  expect(count()).toBe(1);
});

test('what concerns BGP is: its address, its labels, its pods, its annotations, that it is gone', () => {
  const { cluster, take, count } = bench();
  take(own, other);
  const changes = [
    node('node2', { ips: ['10.0.0.3'], podCidrs: ['10.244.2.0/24'] }),
    node('node2', { ips: ['10.0.0.2'], podCidrs: ['10.244.3.0/24'] }),
    node('node2', { ips: ['10.0.0.2'], labels: { rack: 'a' } }),
    node('node2', { ips: ['10.0.0.2'], annotations: { 'projectcalico.org/ASNumber': '65001' } }),
    node('node2', { ips: ['10.0.0.2'], annotations: { 'projectcalico.org/ASNumber': 'x' } }),
  ];
  for (const change of changes) expect(take(change)).toBe(true);
  expect(
    cluster.take({
      changes: [{ kind: 'delete', ref: { kind: 'Node', name: 'node2' } }],
      inSync: true,
      problems: [],
    }),
  ).toBe(true);
  expect(cluster.intent().config?.peers).toEqual([]);
  expect(count()).toBe(changes.length + 2);
});

test('our own node that is cordoned, not ready or drained is news, and costs no new intent unless it is drained by an annotation nobody understands', () => {
  const { cluster, take, count } = bench();
  take(own, other);
  expect([take({ ...own, unschedulable: true }), cluster.isDeparting]).toEqual([true, true]);
  expect([take({ ...own, ready: false }), cluster.isDeparting]).toEqual([true, true]);
  const drained = { ...own, meta: { ...own.meta, annotations: { 'node.tortie.io/drain': 'true' } } };
  expect([take(drained), cluster.isDrained, count()]).toEqual([true, true, 1]);
  expect([take(drained), count()]).toEqual([false, 1]);
});

test('many changes before anybody asks are one computation', () => {
  const { cluster, take, count } = bench();
  take(own);
  for (let id = 2; id < 200; id += 1)
    cluster.take({ ...puts(node(`node${id}`, { ips: [`10.0.0.${id}`] })), inSync: true, problems: [] });
  expect([cluster.intent().config?.peers.length, count()]).toEqual([198, 2]);
});
