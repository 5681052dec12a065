/** Addresses of Services and allocation blocks as a real top-of-rack router sees them, announced by two nodes. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import {
  bgpConfiguration,
  bgpPeer,
  createRack,
  ipPool,
  isUp,
  type Rack,
  type RackNode,
} from '../support/rack.ts';
import { type Router, startRouter } from '../support/routers.ts';
import { type EndpointState, endpointStates } from '../support/services.ts';

const within = 20_000;

const service = (name: string, clusterIP: string, spec: object) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec: {
    type: 'LoadBalancer',
    clusterIP,
    clusterIPs: [clusterIP],
    ipFamilies: ['IPv4'],
    ports: [{ port: 80 }],
    ...spec,
  },
  status: { loadBalancer: { ingress: [{ ip: clusterIP.replace('10.96.0', '192.0.2') }] } },
});

const slice = (of: string, states: Readonly<Record<string, EndpointState>>) => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: `${of}-1`, namespace: 'default', labels: { 'kubernetes.io/service-name': of } },
  addressType: 'IPv4',
  endpoints: Object.entries(states).map(([nodeName, state], index) => ({
    addresses: [`10.244.${index + 1}.5`],
    nodeName,
    conditions: endpointStates[state],
  })),
});

const affinity = (node: string, cidr: string, state = 'confirmed') => ({
  apiVersion: 'projectcalico.org/v3',
  kind: 'BlockAffinity',
  metadata: { name: `${node}-${cidr.replace(/[./]/g, '-')}` },
  spec: { node, cidr, state, type: 'host' },
});

/** Which nodes the router would send to, from all it holds for the prefix: "node1 node2". */
async function ways(router: Router, prefix: string): Promise<string> {
  // It fails where there is no such route.
  const text = await router.ask(`show route ${prefix} all || true`);
  const found = [...text.matchAll(/BGP\.next_hop: 172\.30\.0\.1(\d)\b/g)].map(
    ([, number]) => `node${number}`,
  );
  return [...new Set(found)].sort().join(' ');
}

const sees = (router: Router, prefix: string, nodes: string): Promise<void> =>
  eventually(async () => expect(`${prefix}: ${await ways(router, prefix)}`).toBe(`${prefix}: ${nodes}`), {
    within,
  });

async function start(
  prefix: string,
  kind: 'bird',
  ...more: readonly string[]
): Promise<{ rack: Rack; router: Router }> {
  const rack = createRack(prefix, 2);
  rack.put(bgpPeer('tor', '172.30.0.1', 65000));
  const router = await startRouter(rack, kind, { asn: 65000, host: 'tor', number: 1, announces: [] });
  await Promise.all(rack.nodes.map((node) => node.start(...more)));
  await Promise.all(rack.nodes.map((node) => node.peer('172.30.0.1', isUp)));
  return { rack, router };
}

describe('Services', () => {
  let rack: Rack;
  let router: Router;
  beforeAll(async () => {
    ({ rack, router } = await start('svc', 'bird'));
    rack.put(
      service('local', '10.96.0.7', { externalTrafficPolicy: 'Local' }),
      service('wide', '10.96.0.8', { externalTrafficPolicy: 'Cluster' }),
      slice('local', { node1: 'ready', node2: 'ready' }),
    );
  });
  afterAll(() => rack.close());

  test('a Local service is reached over the nodes with a ready endpoint, a range over all, and it follows readiness', async () => {
    rack.put(bgpConfiguration({ serviceLoadBalancerIPs: [{ cidr: '192.0.2.0/24' }] }));
    await sees(router, '192.0.2.0/24', 'node1 node2');
    await sees(router, '192.0.2.7/32', 'node1 node2');
    expect(await ways(router, '192.0.2.8/32')).toBe('');
    expect(await ways(router, '10.96.0.7/32')).toBe('');
    rack.put(slice('local', { node1: 'starting', node2: 'ready' }));
    await sees(router, '192.0.2.7/32', 'node2');
    rack.put(slice('local', { node1: 'ready', node2: 'ready' }));
    await sees(router, '192.0.2.7/32', 'node1 node2');
    rack.put(slice('local', { node1: 'ready', node2: 'serving' }));
    await sees(router, '192.0.2.7/32', 'node1');
  });

  test('no address of a Service is in the kernel of a node, whoever announced it', async () => {
    for (const node of rack.nodes)
      expect((await node.kernel()).filter((line) => /192\.0\.2\.|10\.96\./.test(line))).toEqual([]);
  });

  test('a node with the exclude label announces nothing, and all is withdrawn when nothing is asked for any more', async () => {
    const [one] = rack.nodes as readonly [RackNode];
    const { manifest } = one;
    rack.put({
      ...manifest,
      metadata: {
        ...manifest.metadata,
        labels: { 'node.kubernetes.io/exclude-from-external-load-balancers': 'true' },
      },
    } as typeof manifest);
    await sees(router, '192.0.2.0/24', 'node2');
    await sees(router, '192.0.2.7/32', '');
    rack.put(manifest);
    await sees(router, '192.0.2.7/32', 'node1');
    rack.put(bgpConfiguration({}));
    await sees(router, '192.0.2.0/24', '');
    await sees(router, '192.0.2.7/32', '');
  });
});

describe('blocks', () => {
  let rack: Rack;
  let router: Router;
  beforeAll(async () => {
    ({ rack, router } = await start('blk', 'bird', '--ipam', 'blocks'));
    rack.put(
      ipPool('pods', '10.65.0.0/16'),
      affinity('node1', '10.65.1.0/26'),
      affinity('node2', '10.65.2.0/26'),
    );
  });
  afterAll(() => rack.close());

  test('are announced instead of pod CIDRs, and are in the kernel of the other node', async () => {
    await sees(router, '10.65.1.0/26', 'node1');
    expect(await ways(router, '10.244.1.0/24')).toBe('');
    await rack.node(1).forwards(['unreachable 10.65.1.0/26', '10.65.2.0/26 via 172.30.0.12'], within);
    await rack.node(2).forwards(['unreachable 10.65.2.0/26', '10.65.1.0/26 via 172.30.0.11'], within);
  });

  test('a borrowed address is announced by the node that has the pod, and the block’s owner sends there', async () => {
    const borrower = rack.node(2);
    await borrower.ip('link add pod0 type veth peer name pod0-in');
    await borrower.ip('link set pod0 up');
    await borrower.ip('route add 10.65.1.9/32 dev pod0 proto 81');
    await sees(router, '10.65.1.9/32', 'node2');
    await rack
      .node(1)
      .forwards(
        ['unreachable 10.65.1.0/26', '10.65.2.0/26 via 172.30.0.12', '10.65.1.9 via 172.30.0.12'],
        within,
      );
    expect(await rack.node(1).ip('route get 10.65.1.9')).toContain('via 172.30.0.12');
    await borrower.ip('route del 10.65.1.9/32');
    await sees(router, '10.65.1.9/32', '');
    await rack.node(1).forwards(['unreachable 10.65.1.0/26', '10.65.2.0/26 via 172.30.0.12'], within);
  });

  test('one that is given back is withdrawn before it is deleted', async () => {
    rack.put(affinity('node1', '10.65.1.0/26', 'pendingDeletion'));
    await sees(router, '10.65.1.0/26', '');
    await rack.node(2).forwards(['unreachable 10.65.2.0/26'], within);
  });
});
