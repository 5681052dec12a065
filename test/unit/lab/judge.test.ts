import { expect, test } from 'vitest';
import { judgeRoutes, judgeSessions, routeText, sessionText } from '../../../src/lab/judge.ts';
import { type Observed, parseKernelRoutes } from '../../../src/lab/observe.ts';
import { plannedNode, planTopology, type Topology } from '../../../src/lab/topology.ts';
import type { BgpStatus, PeerStatus } from '../../../src/model/status.ts';

function twoNodes(): Topology {
  const topology = planTopology('lab', 64512, [plannedNode(1), plannedNode(2)]);
  if (!topology.ok) throw new Error(topology.error);
  return topology.value;
}
const topology = twoNodes();

const peer = (address: string, type: PeerStatus['type']): PeerStatus => ({
  name: address,
  address,
  port: 179,
  type,
  state: 'Established',
  since: '2026-01-01T00:00:00Z',
  localAsn: 64512,
  peerAsn: 64512,
  families: ['ipv4-unicast', 'ipv6-unicast'],
  prefixesReceived: 2,
  prefixesAccepted: 2,
  prefixesAdvertised: 2,
});
const status = (node: string, other: string): BgpStatus => ({
  node,
  version: '0',
  inSync: true,
  peers: [peer('172.30.0.1', 'global'), peer(other, 'node-to-node mesh')],
  kernel: { installed: 2, pending: 0 },
  problems: [],
});

const routesTo = (...indexes: readonly number[]) =>
  indexes.flatMap((index) => {
    const { podCidrs, address } = plannedNode(index);
    return [
      { prefix: podCidrs[0] ?? '', nextHop: address.v4 },
      { prefix: podCidrs[1] ?? '', nextHop: address.v6 },
    ];
  });
const inKernel = (...indexes: readonly number[]) =>
  routesTo(...indexes).map(({ prefix, nextHop }) => ({ prefix, via: [nextHop], protocol: '80' }));

const well: Observed = {
  bgp: new Map([
    ['node1', status('node1', '172.30.0.12')],
    ['node2', status('node2', '172.30.0.11')],
  ]),
  torSessions: [1, 2].map((index) => ({
    neighbour: plannedNode(index).address.v4,
    established: true,
    state: 'Established',
    families: ['ipv4', 'ipv6'],
  })),
  torRoutes: routesTo(1, 2),
  kernel: new Map([
    ['tortie-lab-tor', inKernel(1, 2)],
    ['tortie-lab-node1', inKernel(2)],
    ['tortie-lab-node2', inKernel(1)],
  ]),
};

const wrongSessions = (seen: Observed): readonly string[] =>
  judgeSessions(topology, true, seen)
    .filter(({ ok }) => !ok)
    .map(sessionText);
const wrongRoutes = (seen: Observed): readonly string[] =>
  judgeRoutes(topology, true, seen)
    .filter(({ ok }) => !ok)
    .map(routeText);

test('where everything is up and in place, every session and route is right', () => {
  expect(judgeSessions(topology, true, well)).toHaveLength(4);
  expect(judgeRoutes(topology, true, well)).toHaveLength(8);
  expect([...wrongSessions(well), ...wrongRoutes(well)]).toEqual([]);
});

test('without a mesh only the ToR is peered with, and only it has routes', () => {
  expect(judgeSessions(topology, false, well).map(({ peer: other }) => other)).toEqual(['tor', 'tor']);
  expect(new Set(judgeRoutes(topology, false, well).map(({ at }) => at))).toEqual(new Set(['tor']));
});

test('a session that the ToR has with one family only is wrong, though both sides call it Established', () => {
  const torSessions = well.torSessions.map((session) => ({ ...session, families: ['ipv4'] as const }));
  expect(wrongSessions({ ...well, torSessions })).toHaveLength(2);
});

test('a session is wrong on both nodes if one of them does not see it', () => {
  const bgp = new Map([...well.bgp].slice(0, 1));
  expect(wrongSessions({ ...well, bgp })).toEqual([
    'The session node1 - node2 is not as it should be: node1 says Established, node2 says does not answer.',
    'The session node2 - tor is not as it should be: node2 says does not answer, tor says Established.',
    'The session node2 - node1 is not as it should be: node2 says does not answer, node1 says Established.',
  ]);
});

test('a route is wrong if it is missing, goes elsewhere, or the table of the ToR disagrees', () => {
  expect(wrongRoutes({ ...well, torRoutes: [] })).toHaveLength(4);
  const kernel = new Map([
    ...well.kernel,
    ['tortie-lab-node1', [{ prefix: '10.65.2.0/24', via: ['172.30.0.1'], protocol: '80' }]],
  ]);
  expect(wrongRoutes({ ...well, kernel })).toEqual([
    '10.65.2.0/24 on node1: should go via 172.30.0.12, the kernel goes via 172.30.0.1.',
    'fd00:65:0:2::/64 on node1: should go via fd00:30::12, the kernel has no route to it.',
  ]);
});

test('"ip -j route" is read with one gateway, several, or none', () => {
  const json = JSON.stringify([
    { dst: '10.65.2.0/24', gateway: '172.30.0.12', dev: 'eth0', protocol: '80' },
    {
      dst: '10.65.3.0/24',
      protocol: 'bgp',
      nexthops: [{ gateway: '172.30.0.13' }, { gateway: '172.30.0.14' }],
    },
    { dst: '172.30.0.0/24', dev: 'eth0', protocol: 'kernel' },
  ]);
  expect(parseKernelRoutes(json).map(({ via }) => via)).toEqual([
    ['172.30.0.12'],
    ['172.30.0.13', '172.30.0.14'],
    [],
  ]);
  expect(parseKernelRoutes('Cannot open network namespace')).toEqual([]);
});
