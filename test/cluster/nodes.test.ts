/**
 * Two nodes with the real daemons, whose Nodes, Pods, NetworkPolicies and BGP resources come from a real API server.
 *
 * The nodes reach it over their own network, the test by a link beside, so that it can change what the nodes cannot see.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { askSocket } from '../../src/host/socket.ts';
import { tcpConnect, tcpListen } from '../../src/kernel/sockets.ts';
import { callCni } from '../../src/lab/cni.ts';
import { type Address, ipv4, parseAddress } from '../../src/lib/net.ts';
import type { FelixStatus } from '../../src/model/status.ts';
import type { Json } from '../../src/store/store.ts';
import { createApiServer } from '../support/api-server.ts';
import { agentRoles, clusterObjects } from '../support/cluster-objects.ts';
import { eventually } from '../support/eventually.ts';
import { namespaceObject, podObject } from '../support/felix.ts';
import type { Manifest } from '../support/manifests.ts';
import type { Running } from '../support/namespaces.ts';
import { bgpConfiguration, createRack, ipPool, isUp, nodeManifest } from '../support/rack.ts';

const apiAddress = '172.30.0.100';
const rack = createRack('kn', 2, { kubeconfig: () => api.kubeconfig('tortie', apiAddress) });
rack.host('api', 100);
const api = createApiServer(rack.ground, 'api', [apiAddress]);
const objects = clusterObjects(api);
const [node1, node2] = [rack.node(1), rack.node(2)];
const setPath = (state: 'up' | 'down'): void =>
  void execFileSync('ip', ['-n', rack.ground.netns('tor'), 'link', 'set', 'to-api', state]);

const soon = { within: 90_000 };
const web = { pod: 'shop/web', node: 'node2' } as const;
const client = { pod: 'shop/client', node: 'node1' } as const;
const addresses = new Map<string, Address>();
const felixes = new Map<string, Running>();
const servers: Server[] = [];

const felixSocket = (node: string): string => join(rack.directory, `${node}-felix.sock`);
async function felixStatus(node: string): Promise<FelixStatus> {
  const answer = await askSocket(felixSocket(node), '/status');
  if (!answer.ok) throw new Error(`${answer.error}\n${felixes.get(node)?.output()}`);
  return answer.value.body as FelixStatus;
}

/** @param asRead  resolves only once it has read the cluster */
async function startFelix(node: string, asRead = true): Promise<void> {
  const argv = ['felix', '--datastore', 'kubernetes', '--node', node, '--socket', felixSocket(node)];
  const state = ['--state-dir', join(rack.directory, `${node}-state`)];
  const env = { KUBECONFIG: api.kubeconfig('tortie', apiAddress) };
  felixes.set(node, rack.ground.tortie(node, [...argv, ...state], { env }));
  await eventually(async () => {
    const { dataplane } = await felixStatus(node);
    if (asRead) expect(dataplane).toBe('in-sync');
  }, soon);
}

/** As kubelet and container runtime do: the pod is there, is attached, and its address is made known. */
async function run({ pod, node }: { readonly pod: string; readonly node: string }): Promise<void> {
  const [namespace = '', name = ''] = pod.split('/');
  const labels = { app: name };
  await objects.put(podObject(pod, node, { labels }) as Manifest);
  const made = (await objects.get({ kind: 'Pod', namespace, name })) as unknown as {
    readonly metadata: { readonly uid: string };
  };
  const netns = rack.ground.netns(`pod-${name}`);
  const ips = await callCni({
    command: 'ADD',
    nodeNetns: rack.ground.netns(node),
    socket: felixSocket(node),
    containerId: `container-of-${name}`,
    podNetnsPath: `/run/netns/${netns}`,
    namespace,
    pod: name,
    uid: made.metadata.uid,
  });
  const address = parseAddress(ips[0] ?? '');
  if (address === undefined) throw new Error(`${pod} got no address: ${ips.join()}`);
  addresses.set(pod, address);
  await objects.put(podObject(pod, node, { labels, ips }) as Manifest);
}

async function reaches(port = 80): Promise<boolean> {
  const address = addresses.get(web.pod);
  if (address === undefined) return false;
  try {
    const netns = `/run/netns/${rack.ground.netns('pod-client')}`;
    const socket = await tcpConnect(netns, address, port, { timeoutMs: 2000 });
    socket.write('?');
    await new Promise((resolve, reject) => {
      socket.once('data', resolve);
      socket.once('error', reject);
    });
    socket.destroy();
    return true;
  } catch {
    return false;
  }
}
const isReached = (wanted: boolean, port = 80): Promise<void> =>
  eventually(async () => expect(await reaches(port)).toBe(wanted), soon);

const policy = (ports: Json): Manifest => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'web', namespace: 'shop' },
  spec: {
    podSelector: { matchLabels: { app: 'web' } },
    ingress: [{ from: [{ podSelector: { matchLabels: { app: 'client' } } }], ports }],
  },
});
const policyRef = { kind: 'NetworkPolicy', namespace: 'shop', name: 'web' } as const;
const allowPort = (port: number): Promise<void> =>
  objects.patch(policyRef, { spec: { ingress: [{ ports: [{ port, protocol: 'TCP' }] }] } });

/** Everything our daemons write to a node's kernel; counters and handles are not listed. */
const kernelOf = (node: string): Promise<string> =>
  rack.ground.exec(node, 'nft -s list table inet tortie; ip route show; ip -6 route show proto 80');
const kernels = async (): Promise<readonly string[]> => [await kernelOf('node1'), await kernelOf('node2')];

beforeAll(async () => {
  await api.start();
  await objects.installCrds();
  await objects.grant();
  await objects.put(
    ...[1, 2].map((number) => {
      const { name, address, cidrs } = rack.node(number);
      return nodeManifest(name, [address.v4, address.v6], cidrs) as unknown as Manifest;
    }),
    namespaceObject('shop') as Manifest,
    bgpConfiguration({ asNumber: 64500 }) as unknown as Manifest,
    ipPool('pods4', '10.244.0.0/16') as unknown as Manifest,
    ipPool('pods6', 'fd00:244::/32') as unknown as Manifest,
  );
  await Promise.all([node1.start(), node2.start(), startFelix('node1'), startFelix('node2')]);
});
afterAll(async () => {
  for (const server of servers) server.close();
  await api.close();
  await rack.close();
});

test('the nodes have a session by what the API server says of them, and routes to each other’s pods', async () => {
  expect(await node1.peer(node2.address.v4, isUp)).toMatchObject({ peerAsn: 64500 });
  await node1.forwards([
    'unreachable 10.244.1.0/24',
    'unreachable fd00:244:1::/64',
    '10.244.2.0/24 via 172.30.0.12',
    'fd00:244:2::/64 via fd00:30::12',
  ]);
  await node2.forwards([
    'unreachable 10.244.2.0/24',
    'unreachable fd00:244:2::/64',
    '10.244.1.0/24 via 172.30.0.11',
    'fd00:244:1::/64 via fd00:30::11',
  ]);
  // The API server may be busy with definitions that are a moment old, which is told, and tried again.
  await eventually(
    async () => {
      expect((await node1.status()).problems).toEqual([]);
      expect((await felixStatus('node1')).problems).toEqual([]);
    },
    { within: 60_000 },
  );
});

test('pods are attached by the CNI plugin and reach each other across nodes', async () => {
  await Promise.all([run(web), run(client)]);
  for (const port of [80, 81])
    servers.push(
      await tcpListen(`/run/netns/${rack.ground.netns('pod-web')}`, ipv4(0), port, (socket) =>
        socket.pipe(socket),
      ),
    );
  await isReached(true);
});

test('a policy made, patched and deleted at the API server is what the kernel does', async () => {
  await objects.put(policy([{ port: 81, protocol: 'TCP' }]));
  await isReached(false);
  await isReached(true, 81);
  await allowPort(80);
  await isReached(true);
  expect(await reaches(81)).toBe(false);
  await objects.remove(policyRef);
  await isReached(true, 81);
  await objects.put(policy([{ port: 80, protocol: 'TCP' }]));
  await isReached(false, 81);
});

test('the API server killed: nothing in the kernel changes, and both daemons say what is the matter', async () => {
  const before = await kernels();
  const monitor = await node1.monitor();
  await api.kill('server');
  await eventually(async () => {
    expect((await node1.status()).problems[0]?.what).toContain('what was read before stays in force');
    expect((await felixStatus('node1')).problems[0]?.what).toContain('what was read before stays in force');
  }, soon);
  await node1.peer(node2.address.v4, isUp);
  expect(await kernels()).toEqual(before);
  await isReached(true);
  expect(await reaches(81)).toBe(false);
  await monitor.end();
  expect(
    monitor
      .output()
      .split('\n')
      .filter((line) => / proto 8[01]/.test(line)),
  ).toEqual([]);
});

test('a node agent killed and started while the API server is away writes nothing: policy and forwarding go on', async () => {
  const before = await kernels();
  await felixes.get('node1')?.end('SIGKILL');
  await felixes.get('node2')?.end('SIGKILL');
  await Promise.all([startFelix('node1', false), startFelix('node2', false)]);
  await eventually(async () => expect((await felixStatus('node2')).problems).not.toEqual([]), soon);
  expect((await felixStatus('node2')).dataplane).toBe('waiting');
  expect(await kernels()).toEqual(before);
  await isReached(true);
  expect(await reaches(81)).toBe(false);
});

test('a speaker killed and started while the API server is away leaves the routes of its node as they are', async () => {
  const before = await kernels();
  await node1.stop('SIGKILL');
  await node1.start();
  await eventually(async () => expect((await node1.status()).problems).not.toEqual([]), soon);
  // What the API server said last stands in for it, and its neighbours keep its routes until it is back.
  await node1.peer(node2.address.v4, isUp, soon.within);
  expect(JSON.stringify((await node1.status()).problems)).toContain('has not been read since the start');
  expect(await kernels()).toEqual(before);
});

test('the API server back, with changes the nodes could not see: the kernel follows', async () => {
  setPath('down');
  await api.start();
  await allowPort(81);
  await objects.put(nodeManifest('node3', ['172.30.0.13'], ['10.244.3.0/24']) as unknown as Manifest);
  setPath('up');
  await isReached(true, 81);
  expect(await reaches(80)).toBe(false);
  await node1.peer('172.30.0.13', () => true, soon.within);
  await node2.peer('172.30.0.13', () => true, soon.within);
  await node1.peer(node2.address.v4, isUp, soon.within);
  await eventually(async () => expect((await felixStatus('node1')).dataplane).toBe('in-sync'), soon);
  await node1.forwards([
    'unreachable 10.244.1.0/24',
    'unreachable fd00:244:1::/64',
    '10.244.2.0/24 via 172.30.0.12',
    'fd00:244:2::/64 via fd00:30::12',
  ]);
});

test('a Node and a Pod that are deleted are gone from the nodes', async () => {
  await objects.remove({ kind: 'Node', name: 'node3' });
  await eventually(
    async () =>
      expect((await node1.status()).peers.map(({ address }) => address)).toEqual([node2.address.v4]),
    soon,
  );
  await objects.remove({ kind: 'Pod', namespace: 'shop', name: 'client' });
  // The policy lets in whom it selects, and nobody is selected any more.
  await isReached(false, 81);
});

test('the daemons asked for nothing but what their roles grant, and nothing was refused', () => {
  // That the roles grant no more is held by test/deploy/rights.test.ts, where all of it is used.
  const asked = api.audit().filter(({ user, resource }) => user === 'tortie' && resource !== '');
  expect(asked.filter(({ code }) => code === 403 || code === 401)).toEqual([]);
  const granted = agentRoles().flatMap(({ rules }) =>
    rules.flatMap(({ resources, verbs }) =>
      resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource}`)),
    ),
  );
  expect(granted).toEqual(expect.arrayContaining(asked.map(({ verb, resource }) => `${verb} ${resource}`)));
  expect(existsSync(join(rack.directory, 'node1-state'))).toBe(true);
});
