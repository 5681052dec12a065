import { describe, expect, test } from 'vitest';
import { sinceText, statusText } from '../../../src/ctl/node-status.ts';
import type { BgpStatus, PeerStatus } from '../../../src/model/status.ts';

const now = new Date(2026, 10, 21, 12, 0, 0);

const mesh: PeerStatus = {
  name: 'Mesh_172_17_8_102',
  address: '172.17.8.102',
  port: 179,
  type: 'node-to-node mesh',
  state: 'Established',
  since: new Date(2016, 10, 21, 8, 0, 0).toISOString(),
  localAsn: 64512,
  peerAsn: 64512,
  families: ['ipv4', 'ipv6'],
  prefixesReceived: 2,
  prefixesAccepted: 2,
  prefixesAdvertised: 2,
};
const tor: PeerStatus = {
  ...mesh,
  name: 'Global_172_30_0_1',
  address: '172.30.0.1',
  port: 1179,
  type: 'global',
  state: 'Active',
  since: new Date(2026, 10, 21, 8, 9, 5).toISOString(),
  peerAsn: 65000,
  prefixesReceived: 0,
  prefixesAccepted: 0,
  prefixesAdvertised: 0,
  lastError: 'The neighbour closed the connection.',
};
const status: BgpStatus = {
  node: 'node1',
  version: '0.1.0',
  inSync: true,
  peers: [mesh],
  kernel: { installed: 2, pending: 0 },
  problems: [],
};

test("the layout is calicoctl's, but for the name in the first line", () => {
  expect(statusText(status, { wide: false, now })).toBe(`Tortie process is running.

IPv4 BGP status
+--------------+-------------------+-------+------------+-------------+
| PEER ADDRESS | PEER TYPE         | STATE | SINCE      | INFO        |
+--------------+-------------------+-------+------------+-------------+
| 172.17.8.102 | node-to-node mesh | up    | 2016-11-21 | Established |
+--------------+-------------------+-------+------------+-------------+

IPv6 BGP status
No IPv6 peers found.
`);
});

test('-o wide adds AS, prefixes accepted of received, prefixes sent, and the last error in words', () => {
  expect(statusText({ ...status, peers: [tor] }, { wide: true, now })).toBe(`Tortie process is running.

IPv4 BGP status
+----------------------+-----------+-------+----------+--------+-------+-----+-----+--------------------------------------+
| PEER ADDRESS         | PEER TYPE | STATE | SINCE    | INFO   | AS    | IN  | OUT | LAST ERROR                           |
+----------------------+-----------+-------+----------+--------+-------+-----+-----+--------------------------------------+
| 172.30.0.1.port.1179 | global    | start | 08:09:05 | Active | 65000 | 0/0 | 0   | The neighbour closed the connection. |
+----------------------+-----------+-------+----------+--------+-------+-----+-----+--------------------------------------+

IPv6 BGP status
No IPv6 peers found.
`);
});

test('an IPv6 neighbour stands in the IPv6 table', () => {
  const text = statusText({ ...status, peers: [{ ...mesh, address: 'fd00:30::1' }] }, { wide: false, now });
  expect(text).toContain('IPv4 BGP status\nNo IPv4 peers found.\n');
  expect(text).toMatch(/IPv6 BGP status\n\+-[\s\S]*\| fd00:30::1 +\| node-to-node mesh \| up/);
});

test('problems and a datastore not yet read are told in sentences', () => {
  const problems = [{ where: 'Node/node2', what: 'has the pod CIDR of node1.', fix: 'Give it another.' }];
  const text = statusText({ ...status, inSync: false, problems }, { wide: false, now });
  expect(text).toContain('The datastore was not read completely yet');
  expect(text).toContain('Problems\n  Node/node2: has the pod CIDR of node1. Give it another.');
});

describe('since', () => {
  test('is a time on the same day and a date before', () => {
    expect(sinceText(new Date(2026, 10, 21, 0, 0, 1).toISOString(), now)).toBe('00:00:01');
    expect(sinceText(new Date(2026, 10, 20, 23, 59, 59).toISOString(), now)).toBe('2026-11-20');
  });

  test('is shown as it came if it is no time', () => {
    expect(sinceText('never', now)).toBe('never');
  });
});
