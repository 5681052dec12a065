import { expect, test } from 'vitest';
import {
  change,
  createGraph,
  localRoutes,
  noteHostInterfaces,
  putEndpoint,
  removeEndpoint,
  tick,
} from '../../../felix/calc/graph.ts';
import { hostPolicies, policyOf, policyProblems } from '../../../felix/calc/status.ts';
import { formatAddress } from '../../../src/lib/net.ts';
import { everything } from '../../../src/model/labels.ts';
import type { CalicoRule, GlobalNetworkPolicy, HostEndpoint } from '../../../src/model/policy.ts';
import { formatProblem } from '../../../src/model/problem.ts';
import { address } from '../../support/clusters.ts';
import { shopEndpoint, shopGraph, webAddresses } from '../../support/shop.ts';

const kind = 'KubernetesNetworkPolicy';
const ofShop = { kind, namespace: 'shop', order: 1000 };
const tierDefault = { name: 'default', order: 1_000_000, defined: true, end: 'deny' };

test('what holds a pod is told in words, tier by tier and policy by policy', () => {
  const graph = shopGraph();
  tick(graph);
  expect(policyOf(graph, 'shop', 'web')).toEqual({
    namespace: 'shop',
    pod: 'web',
    interface: shopEndpoint('web', []).interface,
    ingress: {
      isolated: true,
      tiers: [
        {
          ...tierDefault,
          policies: [
            {
              ...ofShop,
              name: 'allow-web',
              rules: [
                'allow TCP 443, 9000-9010, http from pods in namespace shop with app == "front"',
                'allow everything from 192.0.2.0/24 except 192.0.2.128/26',
                'allow everything from 2001:db8::/32',
              ],
            },
            { ...ofShop, name: 'default-deny', rules: [] },
          ],
        },
      ],
    },
    egress: {
      isolated: true,
      tiers: [
        {
          ...tierDefault,
          policies: [
            {
              ...ofShop,
              name: 'allow-web',
              rules: [
                'allow TCP sql to pods in namespace shop with app == "db"',
                'allow TCP 53 to pods in any namespace',
                'allow UDP 53 to pods in any namespace',
              ],
            },
          ],
        },
      ],
    },
  });
});

const meta = (name: string, namespace?: string) => ({
  name,
  labels: {},
  annotations: {},
  ...(namespace === undefined ? {} : { namespace }),
});

const anyone: CalicoRule = { action: 'Deny', source: {}, destination: {}, annotations: {} };

const global = (name: string, more: Partial<GlobalNetworkPolicy>): GlobalNetworkPolicy => ({
  kind: 'GlobalNetworkPolicy',
  meta: meta(name),
  tier: 'default',
  selector: { kind: 'all' },
  types: ['Ingress'],
  ingress: [],
  egress: [],
  onEveryNode: false,
  doNotTrack: false,
  preDnat: false,
  applyOnForward: false,
  ...more,
});

test('tiers that nobody wrote, staged policies and where each goes on are told too', () => {
  const graph = shopGraph();
  change(graph, { kind: 'put', resource: global('late', { tier: 'nowhere', ingress: [anyone] }) });
  change(graph, {
    kind: 'put',
    resource: {
      ...global('soon', { tier: 'first' }),
      kind: 'StagedGlobalNetworkPolicy',
      stagedAction: 'Set',
    },
  });
  change(graph, {
    kind: 'put',
    resource: { kind: 'Tier', meta: meta('first'), order: 1, defaultAction: 'Deny' },
  });
  tick(graph);
  expect(policyOf(graph, 'shop', 'db')?.ingress.tiers).toMatchObject([
    { name: 'first', order: 1, defined: true, end: 'pass', policies: [{ name: 'soon', staged: 'Set' }] },
    tierDefault,
    {
      name: 'nowhere',
      defined: false,
      end: 'deny',
      policies: [{ kind: 'GlobalNetworkPolicy', name: 'late', rules: ['deny everything from anyone'] }],
    },
  ]);
});

const host = (name: string, more: Partial<HostEndpoint>): HostEndpoint => ({
  kind: 'HostEndpoint',
  meta: meta(name),
  node: 'here',
  expectedIps: [],
  profiles: [],
  ports: [],
  ...more,
});

test('each host endpoint of this node is told of, in each stage in which some policy has something to say', () => {
  const graph = createGraph({ node: 'here' });
  for (const resource of [
    host('uplink', { expectedIps: [address('192.0.2.7')], profiles: ['open'] }),
    host('rest', { interfaceName: '*' }),
    host('foreign', { interfaceName: 'eth0', node: 'there' }),
    global('early', { preDnat: true, applyOnForward: true, ingress: [anyone] }),
  ]) {
    change(graph, { kind: 'put', resource });
  }
  noteHostInterfaces(graph, [{ name: 'eth7', addresses: [address('192.0.2.7')] }]);
  tick(graph);
  const told = hostPolicies(graph);
  expect(told.map(({ name, interface: where, profiles }) => [name, where, profiles])).toEqual([
    ['rest', '*', []],
    ['uplink', 'eth7', ['open']],
  ]);
  expect(told[1]?.stages.map(({ stage, direction, isolated }) => [stage, direction, isolated])).toEqual([
    ['preDnat', 'Ingress', true],
    ['normal', 'Ingress', false],
    ['normal', 'Egress', false],
    ['forward', 'Ingress', false],
    ['forward', 'Egress', false],
  ]);
});

test('a host endpoint without an interface of its own waits, and says why', () => {
  const graph = createGraph({ node: 'here' });
  change(graph, { kind: 'put', resource: host('first', { interfaceName: 'eth0' }) });
  change(graph, { kind: 'put', resource: host('second', { interfaceName: 'eth0' }) });
  change(graph, { kind: 'put', resource: host('third', { expectedIps: [address('192.0.2.7')] }) });
  tick(graph);
  expect(policyProblems(graph).map(formatProblem)).toEqual([
    'HostEndpoint/second spec: is not in force: HostEndpoint first already stands for interface eth0. Give it an interface of this node that no other HostEndpoint has.',
    'HostEndpoint/third spec: is not in force: No interface of this node has one of its expectedIPs. Give it an interface of this node that no other HostEndpoint has.',
  ]);
});

test('what of a policy cannot be done as written is told, with what is done instead', () => {
  const graph = createGraph();
  const subject = { kind: 'namespaces', namespaceSelector: everything } as const;
  const unsupported = { kind: 'unsupported', what: 'domainNames are not supported' } as const;
  change(graph, {
    kind: 'put',
    resource: {
      kind: 'ClusterNetworkPolicy',
      meta: meta('names'),
      tier: 'Admin',
      priority: 1,
      subject,
      ingress: [],
      egress: [{ action: 'Deny', peers: [unsupported] }],
    },
  });
  tick(graph);
  expect(policyProblems(graph).map(formatProblem)).toEqual([
    'ClusterNetworkPolicy/names spec.egress.0: cannot be done as written (domainNames are not supported), so it denies everything. Say it in a way that is supported, or take it out.',
  ]);
  change(graph, { kind: 'delete', ref: { kind: 'ClusterNetworkPolicy', name: 'names' } });
  tick(graph);
  expect(policyProblems(graph)).toEqual([]);
});

test('a pod that is not here, or whose Pod object is not known, has no answer', () => {
  const graph = shopGraph();
  tick(graph);
  expect(policyOf(graph, 'shop', 'front')).toBe(undefined);
  change(graph, { kind: 'delete', ref: { kind: 'Pod', namespace: 'shop', name: 'db' } });
  tick(graph);
  expect(policyOf(graph, 'shop', 'db')).toBe(undefined);
});

test('each address of a local pod is routed to its interface, and to nobody once it is gone', () => {
  const graph = shopGraph();
  const routes = (): readonly string[] =>
    [...localRoutes(graph)].map(([address, name]) => `${formatAddress(address)} ${name}`);
  const web = shopEndpoint('web', webAddresses).interface;
  expect(routes()).toEqual([
    `10.244.1.3 ${shopEndpoint('db', []).interface}`,
    `10.244.1.2 ${web}`,
    `fd00:1::2 ${web}`,
  ]);
  removeEndpoint(graph, 'db');
  putEndpoint(graph, shopEndpoint('web', ['10.244.1.9']));
  expect(routes()).toEqual([`10.244.1.9 ${web}`]);
});
