import { expect, test } from 'vitest';
import { giveNext, releaseHandle } from '../../../src/ipam/allocation.ts';
import { emptyBlock, newAffinity } from '../../../src/ipam/block.ts';
import { checkIpam } from '../../../src/ipam/check.ts';
import { findLeaks, type LeakView, nothingSeen } from '../../../src/ipam/leaks.ts';
import { formatAddress, formatPrefix, millis } from '../../../src/lib/net.ts';
import type { BlockOwner, IpamBlock } from '../../../src/model/ipam.ts';
import type { Pod } from '../../../src/model/resource.ts';
import type { Service } from '../../../src/model/service.ts';
import { cidr, ip } from '../../support/ipam.ts';

const n1: BlockOwner = { type: 'host', node: 'n1' };
const time = '2026-01-01T00:00:00Z';
const quarter = 900_000;

/** A block of n1 in which each handle has one address, in order. */
function blockWith(prefix: string, handles: readonly string[], owner: BlockOwner = n1): IpamBlock {
  let block = emptyBlock(cidr(prefix), owner, time);
  for (const handle of handles) {
    const [pod = ''] = handle.split('/');
    const secondary = pod === '' ? { node: 'n1' } : { pod, namespace: 'shop', node: 'n1' };
    block = giveNext(block, { handle, secondary }, { reserved: [], cooledBy: time })?.block ?? block;
  }
  return block;
}

const pod = (name: string, ips: readonly string[], more: Partial<Pod> = {}): Pod => ({
  kind: 'Pod',
  meta: { name, namespace: 'shop', labels: {}, annotations: {} },
  nodeName: 'n1',
  ...{ hostNetwork: false, finished: false, deleting: false, ports: [], ips: ips.map(ip) },
  ...more,
});

const view = (more: Partial<LeakView>): LeakView => ({
  ...{ blocks: [], affinities: [], pods: [], nodes: new Set(['n1']), before: nothingSeen },
  ...{ now: millis(0), graceMs: quarter, cooledBy: time },
  ...more,
});

/** Two looks, a grace period apart. */
function twice(first: Partial<LeakView>, second: Partial<LeakView> = first) {
  const before = findLeaks(view(first));
  return findLeaks(view({ now: millis(quarter), ...second, before: before.memory }));
}

const found = (leaks: readonly { readonly handle: string }[]) => leaks.map(({ handle }) => handle).sort();

test('an address whose pod is not there is a candidate first, and confirmed after a grace period', () => {
  const blocks = [blockWith('10.0.0.0/29', ['gone/1', 'here/1'])];
  const pods = [pod('here', ['10.0.0.1'])];
  const once = findLeaks(view({ blocks, pods }));
  expect([found(once.candidates), found(once.confirmed)]).toEqual([['gone/1'], []]);
  const early = findLeaks(view({ blocks, pods, before: once.memory, now: millis(quarter - 1) }));
  expect([found(early.candidates), found(early.confirmed)]).toEqual([['gone/1'], []]);
  const late = twice({ blocks, pods });
  expect(late.confirmed).toEqual([
    {
      handle: 'gone/1',
      node: 'n1',
      addresses: [{ address: ip('10.0.0.0'), block: cidr('10.0.0.0/29'), sequence: 0 }],
      why: 'There is no pod shop/gone.',
    },
  ]);
});

test.each([
  ['its pod has it', [pod('web', ['10.0.0.0'])], undefined],
  ['its pod is starting and has none yet', [pod('web', [])], undefined],
  ['its pod has another', [pod('web', ['10.0.0.7'])], 'The pod shop/web has other addresses.'],
  ['its pod has finished', [pod('web', ['10.0.0.0'], { finished: true })], 'The pod shop/web has finished.'],
  [
    'a pod of that name starts elsewhere',
    [pod('web', [], { nodeName: 'n2' })],
    'The pod shop/web is on n2, not on n1.',
  ],
])('when %s', (_, pods, why) => {
  const { confirmed } = twice({ blocks: [blockWith('10.0.0.0/29', ['web/1'])], pods });
  expect(confirmed.map((leak) => leak.why)).toEqual(why === undefined ? [] : [why]);
});

test('a handle is kept whole: one address in use keeps the others', () => {
  const blocks = [blockWith('10.0.0.0/29', ['web/1']), blockWith('fd00::/125', ['web/1'])];
  expect(twice({ blocks, pods: [pod('web', ['fd00::'])] }).confirmed).toEqual([]);
  expect(twice({ blocks, pods: [] }).confirmed.map(({ addresses }) => addresses.length)).toEqual([2]);
});

test('when the node is gone there is no grace, unless a pod still has the address', () => {
  const blocks = [blockWith('10.0.0.0/29', ['a/1', 'b/1', '/tunnel'])];
  const verdict = findLeaks(view({ blocks, nodes: new Set(), pods: [pod('b', ['10.0.0.1'])] }));
  expect(found(verdict.confirmed)).toEqual(['/tunnel', 'a/1']);
  expect(findLeaks(view({ blocks, pods: [] })).candidates.map(({ handle }) => handle)).toEqual([
    'a/1',
    'b/1',
  ]);
});

test('a handle that got other addresses meanwhile begins its grace anew', () => {
  const before = blockWith('10.0.0.0/29', ['a/1']);
  const again = blockWith('10.0.0.0/29', ['x/1', 'a/1']);
  expect(found(twice({ blocks: [before] }, { blocks: [again] }).confirmed)).toEqual([]);
});

test('load balancers addresses are their controller’s to judge', () => {
  const owner: BlockOwner = { type: 'virtual', name: 'load-balancer' };
  expect(twice({ blocks: [blockWith('10.0.0.0/29', ['svc/1'], owner)] }).confirmed).toEqual([]);
});

const spareOf = (verdict: ReturnType<typeof findLeaks>) =>
  verdict.spare.map(({ block }) => formatPrefix(block)).sort();

test('an empty block goes only if its node has room in another one, and one empty block stays', () => {
  const empty = (prefix: string) => blockWith(prefix, []);
  const used = blockWith('10.0.0.0/29', ['a/1']);
  const full = blockWith(
    '10.0.0.8/29',
    Array.from({ length: 7 }, (_, n) => `p${n}/1`),
  );
  expect(spareOf(twice({ blocks: [used, empty('10.0.0.16/29')] }))).toEqual(['10.0.0.16/29']);
  expect(spareOf(findLeaks(view({ blocks: [used, empty('10.0.0.16/29')] })))).toEqual([]);
  expect(spareOf(twice({ blocks: [full, empty('10.0.0.16/29')] }))).toEqual([]);
  expect(spareOf(twice({ blocks: [full, empty('10.0.0.16/29'), empty('10.0.0.24/29')] }))).toEqual([
    '10.0.0.24/29',
  ]);
  expect(spareOf(twice({ blocks: [used, empty('fd00::/125')] }))).toEqual([]);
  expect(spareOf(findLeaks(view({ blocks: [empty('10.0.0.16/29'), used], nodes: new Set() })))).toEqual([
    '10.0.0.16/29',
  ]);
});

test('a block whose addresses still cool down is not empty', () => {
  const used = blockWith('10.0.0.0/29', ['a/1']);
  const cooling = releaseHandle(blockWith('10.0.0.8/29', ['b/1']), 'b/1', {
    now: '2026-01-01T00:10:00Z',
    cooldownSeconds: 60,
  }).block;
  const at = (cooledBy: string) => spareOf(twice({ blocks: [used, cooling], cooledBy }));
  expect(at('2026-01-01T00:09:59Z')).toEqual([]);
  expect(at('2026-01-01T00:10:00Z')).toEqual([formatPrefix(cooling.cidr)]);
  expect(formatAddress(ip('10.0.0.8'))).toBe('10.0.0.8');
});

test('what stopped half-way is settled after a minute, and at once when its node is gone', () => {
  const block = blockWith('10.0.0.0/29', []);
  const affinities = [
    { ...newAffinity(block.cidr, n1), state: 'confirmed' as const },
    newAffinity(cidr('10.0.0.8/29'), n1),
    { ...newAffinity(cidr('10.0.0.16/29'), n1), state: 'confirmed' as const },
  ];
  const names = (verdict: ReturnType<typeof findLeaks>) =>
    verdict.unsettled.map(({ cidr: at }) => formatPrefix(at));
  expect(names(findLeaks(view({ blocks: [block], affinities })))).toEqual([]);
  expect(
    names(twice({ blocks: [block], affinities }, { blocks: [block], affinities, now: millis(59_999) })),
  ).toEqual([]);
  expect(names(twice({ blocks: [block], affinities }))).toEqual(['10.0.0.8/29', '10.0.0.16/29']);
  expect(names(findLeaks(view({ blocks: [block], affinities, nodes: new Set() })))).toEqual([
    '10.0.0.8/29',
    '10.0.0.16/29',
  ]);
});

const service = (name: string, more: Partial<Service> = {}): Service => ({
  kind: 'Service',
  meta: { name, namespace: 'shop', labels: {}, annotations: {} },
  type: 'LoadBalancer',
  ...{ clusterIps: [], externalIps: [], ingressIps: [], ports: [], ipFamilies: [4] },
  ...{ externalTrafficPolicy: 'Cluster', internalTrafficPolicy: 'Cluster' },
  ...{ allocateLoadBalancerNodePorts: true, deleting: false },
  ...more,
});

/** One address of the service shop/web. */
function servedBlock(owner: BlockOwner): IpamBlock {
  const secondary = { type: 'loadBalancer', namespace: 'shop', service: 'web' };
  const empty = emptyBlock(cidr('10.0.0.0/29'), owner, time);
  return giveNext(empty, { handle: 'lb', secondary }, { reserved: [], cooledBy: time })?.block ?? empty;
}

test.each<[string, BlockOwner]>([
  ['the load balancer', { type: 'virtual', name: 'load-balancer' }],
  ['a node', n1],
])(
  'a check calls the address of a service in a block of %s leaked only when the service is gone',
  (_, owner) => {
    const whys = (...services: readonly Service[]) =>
      checkIpam({
        ...{ affinities: [], pools: [], pods: [], nodes: new Set(['n1']) },
        ...{ blocks: [servedBlock(owner)], services },
      }).leaked.map(({ whyUnused }) => whyUnused);
    expect(whys(service('web'))).toEqual([]);
    expect(whys(service('web', { ingressIps: [ip('10.0.0.0')] }))).toEqual([]);
    const gone = ['There is no service shop/web of type LoadBalancer.'];
    expect(whys(service('other'))).toEqual(gone);
    expect(whys(service('web', { type: 'ClusterIP' }))).toEqual(gone);
  },
);
