/** Two speakers on a real API server: what they report of their nodes, blocks by field selector, Services on demand. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startupTaint } from '../../src/model/node-report.ts';
import { createApiServer } from '../support/api-server.ts';
import { clusterObjects } from '../support/cluster-objects.ts';
import { eventually } from '../support/eventually.ts';
import type { Manifest } from '../support/manifests.ts';
import { bgpConfiguration, createRack, ipPool, isUp, nodeManifest } from '../support/rack.ts';

const apiAddress = '172.30.0.100';
const rack = createRack('rp', 2, { kubeconfig: () => api.kubeconfig('tortie', apiAddress) });
rack.host('api', 100);
const api = createApiServer(rack.ground, 'api', [apiAddress]);
const objects = clusterObjects(api);
const [node1, node2] = [rack.node(1), rack.node(2)];
const soon = { within: 90_000 };
let begin = 0;

const affinity = (node: string, cidr: string): Manifest =>
  ({
    apiVersion: 'projectcalico.org/v3',
    kind: 'BlockAffinity',
    metadata: { name: `${node}-${cidr.replace(/[./]/g, '-')}` },
    spec: { node, cidr, state: 'confirmed' },
  }) as unknown as Manifest;

const reported = (node: string): Promise<unknown> => objects.get({ kind: 'CalicoNodeStatus', name: node });
const asked = (resource: string): readonly string[] =>
  api
    .audit()
    .filter((one) => one.user === 'tortie' && one.resource === resource)
    .map(({ verb, uri }) => `${verb} ${decodeURIComponent(uri)}`);

beforeAll(async () => {
  await api.start();
  await objects.installCrds();
  await objects.grant();
  const tainted = nodeManifest('node2', [node2.address.v4], []);
  await objects.put(
    nodeManifest('node1', [node1.address.v4], []) as unknown as Manifest,
    {
      ...tainted,
      spec: { ...tainted.spec, taints: [{ key: startupTaint, effect: 'NoSchedule' }] },
    } as unknown as Manifest,
    bgpConfiguration({ asNumber: 64500 }) as unknown as Manifest,
    ipPool('pods', '10.65.0.0/16') as unknown as Manifest,
    affinity('node1', '10.65.1.0/26'),
    affinity('node2', '10.65.2.0/26'),
  );
  begin = performance.now();
  await Promise.all(rack.nodes.map((node) => node.start('--ipam', 'blocks')));
});
afterAll(async () => {
  await api.close();
  await rack.close();
});

test('each node’s object is made, and says in Calico’s words and ours how it is', async () => {
  await node1.peer(node2.address.v4, isUp);
  await eventually(
    async () =>
      expect(await reported('node1')).toMatchObject({
        spec: { node: 'node1', classes: ['Agent', 'BGP'] },
        status: {
          agent: { birdV4: { state: 'Ready', routerID: '172.30.0.11' } },
          bgp: { numberEstablishedV4: 1, numberNotEstablishedV4: 0, numberEstablishedV6: 0, peersV4: [] },
          tortie: {
            bgp: {
              asn: 64500,
              inSync: true,
              sessions: { established: 1, total: 1 },
              originated: ['10.65.1.0/26'],
            },
          },
        },
      }),
    soon,
  );
});

test('a node that waits with the startup taint is seen by the other once its routes are in that one’s kernel', async () => {
  await node1.forwards(['unreachable 10.65.1.0/26', '10.65.2.0/26 via 172.30.0.12'], soon.within);
  await eventually(
    async () =>
      expect(await reported('node1')).toMatchObject({ status: { tortie: { bgp: { sees: ['node2'] } } } }),
    soon,
  );
  await eventually(
    async () => expect(await reported('node2')).toMatchObject({ status: { tortie: { bgp: { sees: [] } } } }),
    soon,
  );
});

test('a speaker asks for the block affinities of its own node only', () => {
  const requests = asked('blockaffinities');
  expect(requests.length).toBeGreaterThan(0);
  for (const request of requests) expect(request).toMatch(/fieldSelector=spec\.node=node[12]\b/);
});

test('Services are asked for only once BGPConfiguration names addresses of theirs', async () => {
  expect(asked('services')).toEqual([]);
  await objects.put(
    bgpConfiguration({
      asNumber: 64500,
      serviceClusterIPs: [{ cidr: '10.96.0.0/16' }],
    }) as unknown as Manifest,
  );
  await eventually(() => expect(asked('services').length).toBeGreaterThan(0), soon);
  await eventually(
    async () =>
      expect(await reported('node1')).toMatchObject({
        status: { tortie: { bgp: { originated: ['10.65.1.0/26', '10.96.0.0/16'] } } },
      }),
    soon,
  );
  expect(await node2.kernel()).toEqual(['10.65.1.0/26 via 172.30.0.11', 'unreachable 10.65.2.0/26']);
});

test('each node wrote no more than once in ten seconds, and nothing was ever refused', () => {
  const most = Math.ceil((performance.now() - begin) / 10_000) + 1;
  for (const node of ['node1', 'node2']) {
    const writes = asked('caliconodestatuses/status').filter(
      (line) => line.startsWith('patch') && line.includes(node),
    );
    expect(writes.length).toBeGreaterThan(0);
    expect(writes.length).toBeLessThanOrEqual(most);
  }
  // 429: the API server has not set up a kind yet, and wants to be asked again.
  const refused = ({ code }: { readonly code: number }): boolean => code >= 400 && ![404, 429].includes(code);
  expect(api.audit().filter((one) => one.user === 'tortie' && refused(one))).toEqual([]);
});
