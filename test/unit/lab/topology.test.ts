import { expect, test } from 'vitest';
import {
  checkLabName,
  netnsPrefix,
  plannedNode,
  planTopology,
  planWire,
  podNetns,
} from '../../../src/lab/topology.ts';

const planned = (count: number) => {
  const nodes = Array.from({ length: count }, (_, index) => plannedNode(index + 1));
  const topology = planTopology('lab', 64512, nodes);
  if (!topology.ok) throw new Error(topology.error);
  return topology.value;
};

test('every namespace of the plan is made by one step and carries the lab in its name', () => {
  const steps = planWire(planned(3)).map(({ netns }) => netns);
  expect(steps).toEqual([
    'tortie-lab-tor',
    'tortie-lab-node1',
    'tortie-lab-node2',
    'tortie-lab-node3',
    'tortie-lab-client',
    'tortie-lab-client-b',
  ]);
});

test('no two hosts share an address or a prefix, with as many nodes as are allowed', () => {
  const { nodes, clients, tor } = planned(60);
  const addresses = [tor, ...nodes, ...clients].flatMap(({ address }) => [address.v4, address.v6]);
  expect(new Set(addresses).size).toBe(addresses.length);
  const prefixes = nodes.flatMap(({ podCidrs }) => podCidrs);
  expect(new Set(prefixes).size).toBe(120);
});

test('every cable ends at a port of its own in the ToR, and its far end is put into its host', () => {
  const topology = planned(2);
  const [tor] = planWire(topology);
  for (const host of [...topology.nodes, ...topology.clients]) {
    expect(tor?.ip).toContain(`link add ${host.torPort} type veth peer name eth0 netns ${host.netns}`);
    expect(tor?.ip).toContain(`link set ${host.torPort} up`);
  }
});

test('the default route of every host goes to the ToR, in both families', () => {
  for (const step of planWire(planned(1)).slice(1)) {
    expect(step.ip.filter((line) => /^route add (default|::\/0) via /.test(line))).toHaveLength(2);
  }
});

test('a node name too long for an interface gets a port by number', () => {
  const name = 'a-node-with-a-rather-long-name';
  const topology = planTopology('lab', 64512, [{ ...plannedNode(1), name }]);
  expect(topology.ok && topology.value.nodes[0]?.torPort).toBe('port1');
});

test('a node whose address is not in the rack is refused, with what to write', () => {
  const topology = planTopology('lab', 64512, [
    { ...plannedNode(1), address: { v4: '10.0.0.1', v6: 'fd00:30::11' } },
  ]);
  expect(topology).toEqual({
    ok: false,
    error:
      'Node/node1: the address "10.0.0.1" is not in the lab\'s rack. Give it InternalIPs within 172.30.0.0/24 and fd00:30::/64.',
  });
});

test.each(['tor', 'client', 'client-b', 'rack'])(
  'a node cannot be called "%s", because the lab is',
  (name) => {
    expect(planTopology('lab', 64512, [{ ...plannedNode(1), name }]).ok).toBe(false);
  },
);

test('the namespaces of one lab never look like those of another', () => {
  expect(checkLabName('a').ok).toBe(true);
  expect(checkLabName('a-b').ok).toBe(false);
  expect(podNetns('ab', 'x', 'y').startsWith(netnsPrefix('a'))).toBe(false);
});

test('no two pods share a namespace, whatever dashes are in their names', () => {
  expect(podNetns('lab', 'a-b', 'c')).not.toBe(podNetns('lab', 'a', 'b-c'));
});
