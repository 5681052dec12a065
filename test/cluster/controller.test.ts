/**
 * `tortie controller` as processes on a real API server: who leads, and what the objects say that it looks after.
 *
 * The daemons of the nodes are played by the test: it writes what they would report.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { realClock } from '../../src/host/clock.ts';
import { readFacts } from '../../src/ledger/facts.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { openLedger } from '../../src/ledger/open.ts';
import { startupTaint } from '../../src/model/node-report.ts';
import type { Kind } from '../../src/model/resource.ts';
import { apiKindOf, kinds } from '../../src/store/kinds.ts';
import { openKubernetesObjects } from '../../src/store/kubernetes.ts';
import type { Json } from '../../src/store/store.ts';
import { createApiServer } from '../support/api-server.ts';
import { clusterObjects, controllerRules } from '../support/cluster-objects.ts';
import { clusterPolicies } from '../support/cluster-policies.ts';
import { eventually } from '../support/eventually.ts';
import type { Manifest } from '../support/manifests.ts';
import { createPlayground, type Running } from '../support/namespaces.ts';

const ground = createPlayground('kc');
const api = createApiServer(ground, 'api', []);
const objects = clusterObjects(api);
const soon = { within: 60_000, every: 200 };
/** A lease must run out before another leads. */
const late = { within: 90_000, every: 200 };

/** What deploy/ grants it; docs/CONTROLLER.md lists the same. */
const rules = controllerRules();

const controllers = new Map<string, Running>();
function startController(name: string, port: number): void {
  const argv = ['controller', '--datastore', 'kubernetes', '--metrics', `127.0.0.1:${port}`];
  const env = { KUBECONFIG: api.kubeconfig('tortie-controller', '127.0.0.1') };
  controllers.set(name, ground.tortie('api', [...argv, '--leak-grace', '6s'], { env }));
}
const said = (): string => [...controllers].map(([name, one]) => `${name}:\n${one.output()}`).join('\n');

const custom = (kind: string, name: string, spec: Json, status?: Json): Manifest => ({
  apiVersion: 'projectcalico.org/v3',
  kind,
  metadata: { name },
  spec,
  ...(status === undefined ? {} : { status }),
});
const nodeObject = (name: string, taints: Json = []): Manifest => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name },
  spec: { taints },
});

/** What the daemons of a node would write. */
async function report(node: string, sees: readonly string[], state = 'Established'): Promise<void> {
  const at = new Date().toISOString();
  const session = { name: 'tor', address: '10.0.0.1', type: 'global', asn: 64513, state, since: at };
  const counts = { received: 1, accepted: 1, advertised: 1, lastError: 'connection refused' };
  await objects.put(
    custom(
      'CalicoNodeStatus',
      node,
      { node, classes: ['Agent', 'BGP'], updatePeriodSeconds: 0 },
      {
        tortie: {
          bgp: {
            ...{ version: '1', at, inSync: true, problems: [], originated: [], sees },
            ...{ sessions: { established: 1, total: 1 }, kernel: { installed: 1, pending: 0 } },
            peers: [{ ...session, ...counts }],
          },
          felix: {
            ...{ version: '1', at, inSync: true, problems: [], dataplane: 'in-sync' },
            endpoints: { ready: 0, total: 0 },
          },
        },
      },
    ),
  );
}

interface Condition {
  readonly type: string;
  readonly [key: string]: Json;
}
async function conditionOf(kind: string, name: string, type: string): Promise<Condition | undefined> {
  const { status } = (await objects.get({ kind, name })) as {
    readonly status?: { readonly conditions?: readonly Condition[] };
  };
  return status?.conditions?.find((one) => one.type === type);
}
interface Event {
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly count: number;
}
/** As `kubectl describe` finds them. */
async function eventsOf(name: string, namespace = 'default'): Promise<readonly Event[]> {
  const path = `/api/v1/namespaces/${namespace}/events?fieldSelector=involvedObject.name%3D${name}`;
  const { body } = await api.request('GET', path);
  return (body as unknown as { readonly items: readonly Event[] }).items;
}
/** As one of the processes says it over its metrics port, which is reached from its own namespace. */
const metricsOf = (port: number): Promise<string> =>
  ground.exec('api', `printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' | socat -t10 - TCP:127.0.0.1:${port}`);

const spare = { a: 9094, b: 9095 } as const;
const leaders = (): readonly string[] =>
  [...controllers].filter(([, one]) => one.output().includes('this controller leads"')).map(([name]) => name);

beforeAll(async () => {
  await api.start();
  await objects.installCrds();
  const name = 'tortie-controller';
  const group = 'rbac.authorization.k8s.io';
  await objects.put(
    { apiVersion: `${group}/v1`, kind: 'ClusterRole', metadata: { name }, rules },
    {
      apiVersion: `${group}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name },
      roleRef: { apiGroup: group, kind: 'ClusterRole', name },
      subjects: [{ kind: 'User', apiGroup: group, name }],
    },
    nodeObject('node1'),
    nodeObject('node2'),
    custom('BGPPeer', 'tor', { peerIP: '10.0.0.1', asNumber: 64513 }),
    custom('IPPool', 'pods', { cidr: '10.244.0.0/16', blockSize: 28 }),
    custom('BGPConfiguration', 'default', {}),
    custom('BGPFilter', 'none', {}),
    custom('IPReservation', 'routers', { reservedCIDRs: ['10.244.0.0/30'] }),
    custom('IPAMConfiguration', 'default', {}),
  );
  startController('a', spare.a);
  startController('b', spare.b);
  await eventually(() => expect(leaders(), said()).toHaveLength(1), late);
}, 300_000);
afterAll(async () => {
  await api.close();
  await ground.close();
});

describe('objects', () => {
  test('that are right say so, and how their sessions are on all nodes', async () => {
    await eventually(
      async () =>
        expect(await conditionOf('BGPPeer', 'tor', 'Ready'), said()).toMatchObject({ reason: 'NoReport' }),
      soon,
    );
    await report('node1', []);
    await report('node2', [], 'Active');
    await eventually(async () => {
      expect(await conditionOf('BGPPeer', 'tor', 'Accepted'), said()).toMatchObject({
        status: 'True',
        observedGeneration: 1,
      });
      expect(await conditionOf('BGPPeer', 'tor', 'Ready')).toMatchObject({
        status: 'False',
        reason: 'SessionsDown',
        message: 'Established on 1 of 2 nodes; down on node2: connection refused',
      });
      expect(await conditionOf('IPPool', 'pods', 'Allocatable')).toMatchObject({
        status: 'True',
        reason: 'OK',
      });
    }, soon);
    await report('node2', []);
    await eventually(
      async () => expect(await conditionOf('BGPPeer', 'tor', 'Ready')).toMatchObject({ status: 'True' }),
      soon,
    );
    await eventually(
      async () =>
        expect((await eventsOf('tor')).map(({ type, reason }) => `${type} ${reason}`).sort()).toEqual([
          'Normal PeerUp',
          'Warning PeerDown',
        ]),
      soon,
    );
  });

  test('that are wrong carry a condition and an Event which say what to do, until they are mended', async () => {
    await objects.put(
      custom('BGPPeer', 'wrong', { peerIP: '10.0.0.2', asNumber: 64513, nodeSelector: 'all(' }),
    );
    await eventually(async () => {
      const accepted = await conditionOf('BGPPeer', 'wrong', 'Accepted');
      expect(accepted, said()).toMatchObject({ status: 'False', reason: 'Invalid' });
      expect(accepted?.['message']).toMatch(/^spec\.nodeSelector: /);
      expect(await eventsOf('wrong')).toMatchObject([
        { type: 'Warning', reason: 'InvalidBGPPeer', message: accepted?.['message'] },
      ]);
    }, soon);
    await objects.patch({ kind: 'BGPPeer', name: 'wrong' }, { spec: { nodeSelector: null } });
    await eventually(
      async () =>
        expect(await conditionOf('BGPPeer', 'wrong', 'Accepted')).toMatchObject({
          status: 'True',
          observedGeneration: 2,
        }),
      soon,
    );
    await objects.remove({ kind: 'BGPPeer', name: 'wrong' });
  });

  test('that overlap say which of the two counts', async () => {
    await objects.put(custom('IPPool', 'overlap', { cidr: '10.244.128.0/24' }));
    await eventually(
      async () =>
        expect(await conditionOf('IPPool', 'overlap', 'Allocatable')).toMatchObject({
          status: 'False',
          reason: 'CIDROverlap',
        }),
      soon,
    );
    await objects.remove({ kind: 'IPPool', name: 'overlap' });
  });
});

describe('policies', () => {
  test('of every kind say that they are in force', async () => {
    const all: readonly (readonly [Kind, Json])[] = [
      ['CalicoNetworkPolicy', {}],
      ['GlobalNetworkPolicy', {}],
      ['StagedNetworkPolicy', {}],
      ['StagedGlobalNetworkPolicy', {}],
      ['StagedKubernetesNetworkPolicy', {}],
      ['NetworkSet', { nets: ['198.51.100.0/24'] }],
      ['GlobalNetworkSet', { nets: ['198.51.100.0/24'] }],
      ['Profile', {}],
      ['HostEndpoint', { node: 'node1', interfaceName: '*' }],
      ['FelixConfiguration', {}],
    ];
    await objects.put(...all.map(([kind, spec]) => custom(apiKindOf(kind), 'default', spec)));
    await eventually(async () => {
      for (const [kind] of all) {
        const namespace = kinds[kind].namespaced ? { namespace: 'default' } : {};
        const { status } = (await objects.get({ kind, name: 'default', ...namespace })) as {
          readonly status?: Json;
        };
        expect(status, `${kind}\n${said()}`).toMatchObject({
          conditions: [{ type: 'Accepted', status: 'True' }],
        });
      }
    }, late);
  });

  test('with a rule that cannot be done say so, once there is a definition of their kind', async () => {
    await objects.put(clusterPolicies);
    const subject = { namespaces: {} };
    const egress = [{ action: 'Deny', to: [{ domainNames: ['a.example'] }] }];
    await eventually(
      async () =>
        objects.put({
          apiVersion: 'policy.networking.k8s.io/v1alpha2',
          kind: 'ClusterNetworkPolicy',
          metadata: { name: 'one' },
          spec: { tier: 'Admin', priority: 1, subject, egress },
        }),
      soon,
    );
    await eventually(
      async () =>
        expect(await conditionOf('ClusterNetworkPolicy', 'one', 'Accepted'), said()).toMatchObject({
          status: 'False',
          reason: 'NotConverted',
        }),
      late,
    );
  });

  test('hold their tier: it stays until the last of them is gone; three tiers are always there', async () => {
    for (const name of ['kube-admin', 'default', 'kube-baseline'])
      await eventually(
        async () =>
          expect(await conditionOf('Tier', name, 'Ready'), said()).toMatchObject({ status: 'True' }),
        late,
      );
    const path = '/apis/projectcalico.org/v3/tiers/mine';
    await objects.put(
      custom('Tier', 'mine', { order: 5 }),
      custom('GlobalNetworkPolicy', 'in', { tier: 'mine' }),
    );
    await eventually(
      async () =>
        expect((await api.request('GET', path)).body, said()).toMatchObject({
          metadata: { finalizers: ['projectcalico.org/tier-controller'] },
        }),
      late,
    );
    await api.request('DELETE', path);
    await eventually(
      async () =>
        expect(await conditionOf('Tier', 'mine', 'Ready'), said()).toMatchObject({
          reason: 'Terminating',
          message: expect.stringContaining('GlobalNetworkPolicy in'),
        }),
      late,
    );
    await objects.remove({ kind: 'GlobalNetworkPolicy', name: 'in' });
    await eventually(async () => expect((await api.request('GET', path)).status, said()).toBe(404), late);
  });
});

test('the startup taint goes once another node sees the routes, not before, and other taints stay', async () => {
  await objects.put(
    nodeObject('node3', [
      { key: startupTaint, effect: 'NoSchedule' },
      { key: 'dedicated', effect: 'NoSchedule' },
    ]),
  );
  /** The API server adds one of its own to a node nobody has called ready. */
  const taintsOf = async (): Promise<readonly string[]> => {
    const { spec } = (await objects.get({ kind: 'Node', name: 'node3' })) as {
      readonly spec: { readonly taints: readonly { readonly key: string }[] };
    };
    return spec.taints.map(({ key }) => key).filter((key) => !key.startsWith('node.kubernetes.io/'));
  };
  await report('node3', []);
  await report('node1', []);
  // The peer is judged by the same reports: once it counts node3, they were looked at.
  await eventually(
    async () =>
      expect(await conditionOf('BGPPeer', 'tor', 'Ready')).toMatchObject({
        message: 'Established on 3 of 3 nodes',
      }),
    soon,
  );
  expect(await taintsOf()).toEqual([startupTaint, 'dedicated']);
  await report('node1', ['node3']);
  await eventually(async () => expect(await taintsOf(), said()).toEqual(['dedicated']), soon);
  await eventually(
    async () => expect((await eventsOf('node3')).map(({ reason }) => reason)).toEqual(['NodeReady']),
    soon,
  );
});

const ingressOf = async (name: string): Promise<readonly string[]> => {
  const { status } = (await objects.get({ kind: 'Service', name })) as {
    readonly status: { readonly loadBalancer: { readonly ingress?: readonly { readonly ip: string }[] } };
  };
  return (status.loadBalancer.ingress ?? []).map(({ ip }) => ip);
};
const service = (name: string, annotations: Json = {}): Manifest => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, annotations },
  spec: { type: 'LoadBalancer', ports: [{ port: 80 }], allocateLoadBalancerNodePorts: false },
});

test('a Service of type LoadBalancer gets an address of a pool for them, or the one it asks for', async () => {
  await objects.put(service('web'));
  await eventually(
    async () =>
      expect(
        (await eventsOf('web')).map(({ reason }) => reason),
        said(),
      ).toContain('AllocationFailed'),
    soon,
  );
  await objects.put(
    custom('IPPool', 'front', { cidr: '10.9.0.0/24', blockSize: 28, allowedUses: ['LoadBalancer'] }),
    service('asks', { 'projectcalico.org/loadBalancerIPs': '["10.9.0.77"]' }),
  );
  await eventually(async () => {
    expect(await ingressOf('web'), said()).toEqual([expect.stringMatching(/^10\.9\.0\./)]);
    expect(await ingressOf('asks')).toEqual(['10.9.0.77']);
  }, soon);
  await eventually(
    async () => expect((await eventsOf('asks')).map(({ reason }) => reason)).toEqual(['IPAllocated']),
    soon,
  );
});

test('killed, the leader is followed by the other, which knows what was given and goes on', async () => {
  const [first = ''] = leaders();
  const before = await ingressOf('web');
  await controllers.get(first)?.end('SIGKILL');
  controllers.delete(first);
  // Meanwhile the world changes, and nobody looks.
  await objects.remove({ kind: 'Service', name: 'asks' });
  await objects.put(service('later', { 'projectcalico.org/loadBalancerIPs': '["10.9.0.77"]' }));
  await eventually(() => expect(leaders(), said()).toHaveLength(1), late);
  await eventually(async () => expect(await ingressOf('later'), said()).toEqual(['10.9.0.77']), soon);
  expect(await ingressOf('web')).toEqual(before);
});

/** As the node agent of that node would. */
async function ledgerOf(node: string): Promise<Ledger> {
  const kubeconfig = api.kubeconfig('admin', '10.97.0.1');
  const store = openKubernetesObjects({ kubeconfig, clock: realClock, random: Math.random });
  const facts = await readFacts(store, node);
  if (!facts.ok) throw new Error(facts.error.what);
  return openLedger({
    ...{ objects: store, owner: { type: 'host', node }, clock: realClock, random: Math.random },
    facts: () => facts.value,
  });
}
async function give(ledger: Ledger, node: string, pod: string): Promise<void> {
  const attributes = { pod, namespace: 'default', node };
  const handle = `k8s-pod-network.${pod}`;
  const assigned = await ledger.assign({ handle, attributes, families: [4] });
  if (!assigned.ok) throw new Error(assigned.error.what);
}

test('an address whose pod is gone is taken back; one whose pod is there stays', async () => {
  const ledger = await ledgerOf('node1');
  await objects.put({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'lives', namespace: 'default' },
    spec: { nodeName: 'node1', containers: [{ name: 'main', image: 'none' }] },
  });
  for (const pod of ['lives', 'leaks']) await give(ledger, 'node1', pod);
  const handles = async (): Promise<readonly string[]> => {
    const held = await ledger.holdings();
    return held.ok ? held.value.map(({ handle }) => handle).sort() : [];
  };
  expect(await handles()).toHaveLength(2);
  await eventually(async () => expect(await handles(), said()).toEqual(['k8s-pod-network.lives']), late);
  ledger.close();
  const [leader = 'a'] = leaders();
  const metrics = await metricsOf(leader === 'a' ? spare.a : spare.b);
  expect(metrics).toContain('ipam_allocations_gc_reclamations{node="node1",ippool="pods"} 1');
  expect(metrics).toMatch(/^ipam_allocations_in_use\{ippool="front",node="load-balancer"\} 2$/m);
});

test('a node that is gone leaves nothing behind: no address, no block, no report', async () => {
  const ledger = await ledgerOf('node2');
  await give(ledger, 'node2', 'ghost');
  ledger.close();
  const blocksOf = async (node: string): Promise<readonly string[]> => {
    const { body } = await api.request('GET', '/apis/projectcalico.org/v3/ipamblocks');
    const { items } = body as unknown as {
      readonly items: readonly { readonly spec: { readonly affinity?: string; readonly cidr: string } }[];
    };
    return items.filter(({ spec }) => spec.affinity === `host:${node}`).map(({ spec }) => spec.cidr);
  };
  expect(await blocksOf('node2')).toHaveLength(1);
  await objects.remove({ kind: 'Node', name: 'node2' });
  await eventually(async () => {
    const { status } = await api.request('GET', '/apis/projectcalico.org/v3/caliconodestatuses/node2');
    expect(status, said()).toBe(404);
    expect(await blocksOf('node2'), said()).toEqual([]);
  }, late);
  expect(await blocksOf('node1')).toHaveLength(1);
});

test('an Event that is said again is the same object with a higher count', async () => {
  const countOf = async (reason: string): Promise<readonly number[]> =>
    (await eventsOf('tor')).filter((one) => one.reason === reason).map(({ count }) => count);
  const until = (status: string): Promise<void> =>
    eventually(
      async () => expect(await conditionOf('BGPPeer', 'tor', 'Ready'), said()).toMatchObject({ status }),
      soon,
    );
  await until('True');
  for (let time = 1; time <= 2; time += 1) {
    await report('node3', [], 'Active');
    await until('False');
    await report('node3', []);
    await until('True');
  }
  // The first one was about another node, so it says something else.
  await eventually(async () => expect([...(await countOf('PeerDown'))].sort(), said()).toEqual([1, 2]), soon);
});

test('asked to stop, the leader gives the lease back, and who starts then leads at once', async () => {
  const [last = ''] = leaders();
  await controllers.get(last)?.end('SIGTERM');
  expect(controllers.get(last)?.process.exitCode, said()).toBe(0);
  const lease = '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/tortie-controller';
  const { body } = await api.request('GET', lease);
  expect(body).toMatchObject({ spec: { holderIdentity: '', leaseTransitions: 1 } });
  controllers.delete(last);
  startController('c', 9096);
  await eventually(() => expect(leaders(), said()).toEqual(['c']), soon);
});

test('what it asked for is all that its role grants, and nothing was refused', () => {
  const asked = api.audit().filter(({ user, resource }) => user === 'tortie-controller' && resource !== '');
  expect(asked.filter(({ code }) => code === 403 || code === 401)).toEqual([]);
  const used = new Set(asked.map(({ verb, resource }) => `${verb} ${resource}`));
  const granted = new Set(
    rules.flatMap(({ resources, verbs }) =>
      resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource}`)),
    ),
  );
  expect([...used].sort()).toEqual([...granted].sort());
});
