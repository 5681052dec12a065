import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { reportedBy } from '../../../src/ctl/cluster/reports.ts';
import { reportText } from '../../../src/ctl/reported-status.ts';
import { exitCode, overview } from '../../../src/ctl/status/overview.ts';
import { overviewText } from '../../../src/ctl/status/text.ts';
import { bgpReport, felixReport, now, type Parts, torDown, torSession } from '../../support/reports.ts';

const well: Parts = { bgp: { ...bgpReport, peers: [torSession] }, felix: felixReport };
const down: Parts = {
  bgp: { ...bgpReport, routerId: '172.30.0.12', sessions: { established: 1, total: 2 }, peers: [torDown] },
  felix: felixReport,
};
const of = (nodes: readonly string[] | undefined, parts: Readonly<Record<string, Parts>>, at = now) =>
  overview(
    nodes,
    Object.entries(parts).map(([node, report]) => ({ node, report })),
    at,
  );

test('problems come first, then the nodes, the worst first, then one sentence', () => {
  const found = of(['node1', 'node2', 'node3'], { node1: well, node2: down });
  expect(overviewText(found, { wide: false, now })).toBe(
    `Problems
  ✗ node3: has no report: nothing is known of it. See that its "tortie bgp" runs and reaches the API server: kubectl -n kube-system get pods --field-selector spec.nodeName=node3.
  ! node2: The session with tor (172.30.0.1, AS 65000) is Active for 10m: 172.30.0.1 port 179 refuses connections: no BGP speaker listens there (ECONNREFUSED). tortiectl doctor --only peers explains it.

NODE   PEER            AS     STATE        SINCE       IN   OUT  POLICY
node3  -                      no report                          no report
node2  tor 172.30.0.1  65000  Active       ${localTime(torDown.since)}    0/0  0    in-sync
       mesh: 1 up      64512  Established
node1  tor 172.30.0.1  65000  Established  2026-11-20  4/5  2    in-sync
       mesh: 1 up      64512  Established

3 nodes: 1 well, 1 down, 1 degraded; 3 of 4 sessions established; policy in sync on 2 of 3; 2 problems.`,
  );
});

function localTime(iso: string): string {
  const at = new Date(iso);
  return [at.getHours(), at.getMinutes(), at.getSeconds()]
    .map((part) => String(part).padStart(2, '0'))
    .join(':');
}

test('-o wide adds session type, pods, router id, what the node originates and its versions', () => {
  const text = overviewText(of(['node1'], { node1: well }), { wide: true, now });
  expect(text).toMatch(/TYPE +PODS +ROUTER ID +ORIGINATED +VERSION/);
  expect(text).toMatch(/global +4\/4 +172\.30\.0\.11 +10\.244\.1\.0\/24 +0\.1\.0/);
});

describe('the exit code', () => {
  const late = new Date(now.getTime() + 10 * 60_000);
  test.each([
    ['every node is well', 0, of(['node1'], { node1: well })],
    ['a session is down', 1, of(['node1', 'node2'], { node1: well, node2: down })],
    ['one of two nodes never reported', 1, of(['node1', 'node2'], { node1: well })],
    [
      'policy is not in sync',
      1,
      of(['node1'], { node1: { ...well, felix: { ...felixReport, dataplane: 'waiting' } } }),
    ],
    [
      'a daemon has a problem',
      1,
      of(['node1'], { node1: { ...well, felix: { ...felixReport, problems: ['x'] } } }),
    ],
    ['one daemon reports and the other does not', 1, of(['node1'], { node1: { bgp: bgpReport } })],
    ['there is no node at all', 1, of([], {})],
    ['no node ever reported', 2, of(['node1', 'node2'], {})],
    ['every report is older than six minutes', 2, of(['node1'], { node1: well }, late)],
    ['only a node that is no more reports beside the others', 0, of(['node1'], { node1: well, gone: well })],
  ] as const)('when %s is %i', (_, code, found) => {
    expect(exitCode(found)).toBe(code);
  });
});

test('an old report is shown as old and its states as doubtful', () => {
  const late = new Date(now.getTime() + 6 * 60_000);
  const text = overviewText(of(['node1'], { node1: well }, late), { wide: false, now: late });
  expect(text).toContain('"tortie bgp" reported last 7m ago: what is shown of it is old.');
  expect(text).toMatch(/node1 +tor 172\.30\.0\.1 +65000 +Established\? .*stale, 7m old/);
});

test('without the right to list Nodes, those that report are shown', () => {
  expect(of(undefined, { node1: well }).nodes.map(({ node }) => node)).toEqual(['node1']);
});

test('nodes are in the order a person counts', () => {
  expect(of(['node10', 'node9'], {}).nodes.map(({ node }) => node)).toEqual(['node9', 'node10']);
});

test('whatever a report says, or lacks, it is shown', () => {
  fc.assert(
    fc.property(
      fc.record({ bgp: fc.anything(), felix: fc.anything() }, { requiredKeys: [] }),
      fc.constantFrom('a', undefined),
      (tortie, node) => {
        // What is not of the type of its field cannot pass the schema; what lacks can, from another version.
        const partOf = (part: unknown): unknown => (typeof part === 'object' && part !== null ? {} : part);
        const status = { tortie: { bgp: partOf(tortie.bgp), felix: partOf(tortie.felix) } };
        const manifest = { apiVersion: 'x', kind: 'y', metadata: { name: 'a' }, spec: { node }, status };
        const reported = reportedBy(manifest as never);
        expect(overviewText(overview(['a'], [reported], now), { wide: true, now })).toContain('1 node');
      },
    ),
  );
});

test("node status NODE keeps calicoctl's layout, and says how old it is", () => {
  const text = reportText(
    'node1',
    { ...bgpReport, sessions: { established: 2, total: 3 }, peers: [torSession] },
    { wide: false, now },
  );
  expect(text).toBe(`Tortie process is running.

IPv4 BGP status
+--------------+-----------+-------+------------+-------------+
| PEER ADDRESS | PEER TYPE | STATE | SINCE      | INFO        |
+--------------+-----------+-------+------------+-------------+
| 172.30.0.1   | global    | up    | 2026-11-20 | Established |
+--------------+-----------+-------+------------+-------------+

IPv6 BGP status
No IPv6 peers found.

Not listed: 2 of the mesh. Established: 2 of all 3.

Reported 60s ago by version 0.1.0.`);
});
