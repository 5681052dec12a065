/**
 * What `tortie bgp` and `tortie felix` ask of a real API server is what the chart's roles grant, and nothing is refused.
 * Two nodes in block mode, each daemon under a user that has its one role; pods come and go, Services are announced.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { render } from '../../deploy/files.ts';
import { askSocket } from '../../src/host/socket.ts';
import { callCni } from '../../src/lab/cni.ts';
import type { FelixStatus } from '../../src/model/status.ts';
import type { Json } from '../../src/store/store.ts';
import { createApiServer } from '../support/api-server.ts';
import { clusterObjects } from '../support/cluster-objects.ts';
import { clusterPolicies } from '../support/cluster-policies.ts';
import { eventually } from '../support/eventually.ts';
import { namespaceObject, podObject } from '../support/felix.ts';
import type { Manifest } from '../support/manifests.ts';
import type { Running } from '../support/namespaces.ts';
import { bgpConfiguration, createRack, ipPool, nodeManifest } from '../support/rack.ts';
import { askedBy, grantedBy, wordsOf } from './rights.ts';
import { objectsOf } from './tools.ts';

const apiAddress = '172.30.0.100';
const rack = createRack('rt', 2, { kubeconfig: () => api.kubeconfig('tortie-bgp', apiAddress) });
rack.host('api', 100);
const api = createApiServer(rack.ground, 'api', [apiAddress]);
const objects = clusterObjects(api);
const soon = { within: 45_000, every: 200 };
const felixes = new Map<string, Running>();

const roles = objectsOf(render('--set', 'ipam=blocks')).filter(({ kind }) => kind === 'ClusterRole');
const roleOf = (name: string) => roles.filter(({ metadata }) => metadata.name === name);
const socketOf = (node: string): string => join(rack.directory, `${node}-felix.sock`);

async function startFelix(node: string): Promise<void> {
  const argv = [
    'felix',
    '--datastore',
    'kubernetes',
    '--node',
    node,
    '--ipam',
    'blocks',
    '--socket',
    socketOf(node),
  ];
  const env = { KUBECONFIG: api.kubeconfig('tortie-felix', apiAddress) };
  const running = rack.ground.tortie(node, [...argv, '--state-dir', join(rack.directory, `${node}-state`)], {
    env,
  });
  felixes.set(node, running);
  await eventually(async () => {
    const answer = await askSocket(socketOf(node), '/status');
    if (!answer.ok) throw new Error(`${answer.error}\n${running.output()}`);
    expect((answer.value.body as FelixStatus).dataplane, running.output()).toBe('in-sync');
  }, soon);
}

async function call(command: 'ADD' | 'DEL', node: string, pod: string): Promise<readonly string[]> {
  const found = await objects.get({ kind: 'Pod', namespace: 'shop', name: pod });
  return callCni({
    command,
    nodeNetns: rack.ground.netns(node),
    socket: socketOf(node),
    containerId: `container-of-${pod}`,
    podNetnsPath: `/run/netns/${rack.ground.netns(`pod-${pod}`)}`,
    namespace: 'shop',
    pod,
    uid: (found as { readonly metadata: { readonly uid: string } }).metadata.uid,
  });
}

const saidBy = (user: string): readonly string[] => wordsOf(askedBy(api.audit(), user));
/** More than three blocks hold, so that the fourth is taken back from the node that is gone. */
const pods = Array.from({ length: 13 }, (_, index) => `pod${index}`);

const custom = (kind: string, name: string, spec: Json): Manifest => ({
  apiVersion: 'projectcalico.org/v3',
  kind,
  metadata: { name },
  spec,
});
/** An empty block of a node that is gone, with its claim. */
const abandoned: readonly Manifest[] = [
  custom('IPAMBlock', '10-244-0-8-30', {
    cidr: '10.244.0.8/30',
    affinity: 'host:gone',
    affinityClaimTime: '2026-01-01T00:00:00Z',
    allocations: [null, null, null, null],
    unallocated: [0, 1, 2, 3],
    attributes: [],
    strictAffinity: false,
    deleted: false,
    sequenceNumber: 1,
    sequenceNumberForAllocation: {},
  }),
  custom('BlockAffinity', 'gone-10-244-0-8-30', {
    cidr: '10.244.0.8/30',
    node: 'gone',
    type: 'host',
    state: 'confirmed',
    deleted: false,
  }),
];

beforeAll(async () => {
  await api.start();
  await objects.installCrds();
  await objects.put(clusterPolicies);
  for (const role of roles) {
    await objects.put(role as unknown as Manifest);
    await objects.put({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: role.metadata.name },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role.metadata.name },
      subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: role.metadata.name }],
    });
  }
  await objects.put(
    ...[1, 2].map((number) => {
      const { name, address } = rack.node(number);
      return nodeManifest(name, [address.v4, address.v6], []) as unknown as Manifest;
    }),
    namespaceObject('shop') as Manifest,
    bgpConfiguration({
      asNumber: 64500,
      serviceClusterIPs: [{ cidr: '10.96.0.0/16' }],
    }) as unknown as Manifest,
    // Whether a pod of the node is its neighbour: pods, namespaces and service accounts are asked for only then.
    custom('BGPPeer', 'routers', { localWorkloadSelector: 'role == "router"', asNumber: 64999 }),
    // Four blocks of four.
    {
      ...ipPool('pods', '10.244.0.0/28'),
      spec: { cidr: '10.244.0.0/28', blockSize: 30 },
    } as unknown as Manifest,
    ...abandoned,
    ...pods.map((pod) => podObject(`shop/${pod}`, 'node1', { labels: {} }) as Manifest),
  );
  // Who comes first makes the node's status object, so each is first once.
  await Promise.all([rack.node(1).start('--ipam', 'blocks'), startFelix('node2')]);
  for (const user of ['tortie-bgp', 'tortie-felix'])
    await eventually(() => expect(saidBy(user)).toContain('create caliconodestatuses'), soon);
  await Promise.all([rack.node(2).start('--ipam', 'blocks'), startFelix('node1')]);
});
afterAll(async () => {
  await api.close();
  await rack.close();
});

test('what the speaker asks for is what its role grants', async () => {
  const granted = grantedBy(roleOf('tortie-bgp'));
  expect(granted.length).toBeGreaterThan(10);
  await eventually(() => expect(saidBy('tortie-bgp')).toEqual(granted), soon);
});

test('what the node agent asks for is what its role grants', async () => {
  for (const pod of pods) await call('ADD', 'node1', pod);
  for (const pod of pods) await call('DEL', 'node1', pod);
  const granted = grantedBy(roleOf('tortie-felix'));
  expect(granted.length).toBeGreaterThan(10);
  await eventually(() => expect(saidBy('tortie-felix')).toEqual(granted), soon);
});

test('nothing was refused', () => {
  for (const user of ['tortie-bgp', 'tortie-felix']) {
    const refused = askedBy(api.audit(), user).filter(({ code }) => code === 401 || code === 403);
    expect(refused).toEqual([]);
  }
});

test('every role of the chart is one that a test compares with what is asked', () => {
  // That of the controller, by test/cluster/controller.test.ts.
  expect(roles.map(({ metadata }) => metadata.name).sort()).toEqual([
    'tortie-bgp',
    'tortie-controller',
    'tortie-felix',
  ]);
});
