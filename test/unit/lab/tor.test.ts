/** What Debian's routers printed in a rack of two nodes that were up and one that was not (GoBGP's: three up). */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { plannedNode, planTopology } from '../../../src/lab/topology.ts';
import { torSoftware } from '../../../src/lab/tor/software.ts';
import { complaintsIn, torKinds } from '../../../src/lab/tor/tor.ts';

const captured = (name: string): string => readFileSync(new URL(`captured/${name}`, import.meta.url), 'utf8');

const both = ['ipv4', 'ipv6'];
const [one, two] = [plannedNode(1), plannedNode(2)];
const twoNodes = [one, two].flatMap(({ podCidrs, address }) => [
  { prefix: podCidrs[0], nextHop: address.v4 },
  { prefix: podCidrs[1], nextHop: address.v6 },
]);
const byPrefix = (
  a: { readonly prefix: string | undefined },
  b: { readonly prefix: string | undefined },
): number => (String(a.prefix) < String(b.prefix) ? -1 : 1);

describe('BIRD', () => {
  const { parseSessions, parseRoutes } = torSoftware.bird;

  test('sessions are read with their state and the families that are up', () => {
    expect(parseSessions([captured('bird-protocols.txt')])).toEqual([
      { neighbour: '172.30.0.11', established: true, state: 'Established', families: both },
      { neighbour: '172.30.0.12', established: true, state: 'Established', families: both },
      { neighbour: '172.30.0.99', established: false, state: expect.any(String), families: [] },
    ]);
  });

  test('routes of nodes are read with their next hop, the networks of its own are left out', () => {
    expect([...(parseRoutes([captured('bird-routes.txt')]) ?? [])].sort(byPrefix)).toEqual(
      [...twoNodes].sort(byPrefix),
    );
  });

  test('a CLI that could not connect is no answer, which differs from an empty one', () => {
    expect(parseRoutes(['Unable to connect to server control socket\n'])).toBeUndefined();
    expect(parseSessions([''])).toBeUndefined();
    expect(parseRoutes(['BIRD 2.0.12 ready.\nAccess restricted\n'])).toEqual([]);
  });
});

describe('FRR', () => {
  const { parseSessions, parseRoutes } = torSoftware.frr;

  test('sessions are read with their state and the families both sides agreed on', () => {
    expect(parseSessions([captured('frr-neighbors.json')])).toEqual([
      { neighbour: '172.30.0.11', established: true, state: 'Established', families: both },
      { neighbour: '172.30.0.12', established: true, state: 'Established', families: both },
      { neighbour: '172.30.0.99', established: false, state: 'Connect', families: [] },
    ]);
  });

  test('routes of nodes are read with their global next hop, the networks of its own are left out', () => {
    const routes = parseRoutes([captured('frr-rib4.json'), captured('frr-rib6.json')]) ?? [];
    expect([...routes].sort(byPrefix)).toEqual([...twoNodes].sort(byPrefix));
  });

  test('what is not JSON is no answer', () => {
    expect(parseRoutes(['{', '{}'])).toBeUndefined();
    expect(parseSessions(['Exiting: failed to connect to any daemons.'])).toBeUndefined();
  });
});

describe('GoBGP', () => {
  const { parseSessions, parseRoutes } = torSoftware.gobgp;

  test('sessions are read with their state and the families the node offered', () => {
    const sessions = [...(parseSessions([captured('gobgp-neighbor.json')]) ?? [])];
    expect(sessions).toHaveLength(3);
    expect(sessions.find(({ neighbour }) => neighbour === '172.30.0.12')).toEqual({
      neighbour: '172.30.0.12',
      established: true,
      state: 'Established',
      families: both,
    });
  });

  test('routes are read with the next hop of their family', () => {
    const routes = parseRoutes([captured('gobgp-rib4.json'), captured('gobgp-rib6.json')]) ?? [];
    expect(routes).toHaveLength(6);
    for (const route of twoNodes) expect(routes).toContainEqual(route);
  });

  test('an error in JSON is no answer', () => {
    expect(parseRoutes(['{"error":"context deadline exceeded"}', '{}'])).toBeUndefined();
  });
});

const topology = planTopology('lab', 64513, [one, two]);

describe.each(torKinds)('%s', (kind) => {
  test('is configured with every node, the two AS numbers and short timers', () => {
    const text = topology.ok ? Object.values(torSoftware[kind].files(topology.value)).join('\n') : '';
    for (const word of ['172.30.0.11', '172.30.0.12', '65000', '64513']) expect(text).toContain(word);
  });
});

test.each([
  ['bird', '2026-11-21 09:11:04 <RMT> peer1: Invalid ORIGIN attribute received', 1],
  ['bird', '2026-11-21 09:11:04 <RMT> peer1: Error: Hold timer expired', 0],
  ['bird', '2026-11-21 09:11:04 <INFO> Started', 0],
  [
    'frr',
    '2026/11/21 09:12:30 BGP: [X][EC 33554455] 172.30.0.11 Attribute ORIGIN, parse error - treating as withdrawal',
    1,
  ],
  [
    'frr',
    '2026/11/21 09:12:30 BGP: [X] %NOTIFICATION: received from neighbor 172.30.0.11 6/2 (Cease/Administrative Shutdown)',
    0,
  ],
  [
    'gobgp',
    'time="2026-11-21T09:13:43Z" level=warning msg="malformed BGP update message" Key=172.30.0.11',
    1,
  ],
  [
    'frr',
    '2026/11/21 09:59:28 BGP: [X] %ADJCHANGE: neighbor 172.30.0.11(Unknown) in vrf default Down BGP Notification send',
    0,
  ],
  [
    'frr',
    '2026/11/21 09:59:28 BGP: [X] %NOTIFICATION: sent to neighbor 172.30.0.11 3/1 (UPDATE Message Error/Malformed Attribute List)',
    1,
  ],
  [
    'gobgp',
    'time="2026-11-21T10:00:06Z" level=warning msg="sent notification" Code=4 Data="[]" Key=172.30.0.11',
    0,
  ],
  [
    'gobgp',
    'time="2026-11-21T10:00:06Z" level=warning msg="sent notification" Code=3 Data="[]" Key=172.30.0.11',
    1,
  ],
  [
    'gobgp',
    'time="2026-11-21T10:14:55Z" level=warning msg="No matching path for withdraw found, may be path was not installed into table" Key=10.244.9.0/24',
    1,
  ],
  ['gobgp', 'time="2026-11-21T09:13:43Z" level=info msg="Peer Up" Key=172.30.0.11', 0],
] as const)('%s: "%s" counts as %i complaints', (kind, line, complaints) => {
  expect(complaintsIn(torSoftware[kind], `${line}\n`)).toHaveLength(complaints);
});
