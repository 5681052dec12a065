/** The layouts of `tortiectl ipam`, and the command as a person runs it against a directory. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { fiveDigits, usageText } from '../../../src/ctl/ipam/show.ts';
import { realClock } from '../../../src/host/clock.ts';
import { giveNext } from '../../../src/ipam/allocation.ts';
import { emptyBlock, newAffinity } from '../../../src/ipam/block.ts';
import { seededRandom } from '../../../src/lib/random.ts';
import type { IpamBlock } from '../../../src/model/ipam.ts';
import { openObjects } from '../../../src/store/open.ts';
import { toManifest } from '../../../src/store/schema/write.ts';
import { cidr } from '../../support/ipam.ts';

const launcher = new URL('../../../src/tortie.ts', import.meta.url).pathname;
const dir = mkdtempSync(join(tmpdir(), 'tortiectl-ipam-'));
const elsewhere = mkdtempSync(join(tmpdir(), 'tortiectl-report-'));
const at = (name: string): string => join(dir, name);
const report = join(elsewhere, 'report.json');

const time = '2026-01-01T00:00:00Z';
const owner = { type: 'host', node: 'node1' } as const;

function block(): IpamBlock {
  let made = emptyBlock(cidr('10.65.79.0/26'), owner, time);
  for (const [pod, node] of [
    ['web-1', 'node1'],
    ['web-2', 'node1'],
    ['lost', 'node1'],
    ['far', 'node2'],
  ] as const) {
    const to = {
      handle: `k8s-pod-network.${pod}`,
      secondary: { pod, namespace: 'shop', node, type: 'pod', timestamp: time },
    };
    made = giveNext(made, to, { reserved: [], cooledBy: time })?.block ?? made;
  }
  return made;
}

const pod = (name: string, nodeName: string, ip: string) => ({
  ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'shop' } },
  spec: { nodeName, containers: [{ name: 'main', image: 'none' }] },
  status: { phase: 'Running', podIPs: [{ ip }] },
});

const world = [
  ...['node1', 'node2'].map((name) => ({ apiVersion: 'v1', kind: 'Node', metadata: { name } })),
  {
    apiVersion: 'projectcalico.org/v3',
    kind: 'IPPool',
    metadata: { name: 'v4' },
    spec: { cidr: '10.65.0.0/16' },
  },
  {
    ...{ apiVersion: 'projectcalico.org/v3', kind: 'IPReservation', metadata: { name: 'kept' } },
    spec: { reservedCIDRs: ['10.65.79.60/30', '10.65.79.62/32'] },
  },
  pod('web-1', 'node1', '10.65.79.0'),
  pod('web-2', 'node1', '10.65.79.1'),
  pod('far', 'node2', '10.65.79.3'),
  pod('stray', 'node2', '10.65.1.1'),
];

beforeAll(async () => {
  writeFileSync(at('world.yaml'), world.map((one) => stringify(one)).join('---\n'));
  const objects = openObjects(`dir:${dir}`, { clock: realClock, random: seededRandom(1) });
  if (!objects.ok) throw new Error(objects.error);
  for (const thing of [block(), { ...newAffinity(block().cidr, owner), state: 'confirmed' as const }])
    expect(await objects.value.create(toManifest(thing))).toMatchObject({ ok: true });
});
afterAll(() => {
  rmSync(dir, { recursive: true });
  rmSync(elsewhere, { recursive: true });
});

function ipam(...argv: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const args = [launcher, 'ctl', '--datastore', `dir:${dir}`, 'ipam', ...argv];
  return new Promise((resolve) => {
    execFile(process.execPath, args, { encoding: 'utf8' }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

test('ipam show --show-blocks has the layout of calicoctl', async () => {
  expect(
    (await ipam('show', '--show-blocks')).stdout,
  ).toBe(`+----------+---------------+-----------+------------+--------------+--------------+
| GROUPING | CIDR          | IPS TOTAL | IPS IN USE | IPS RESERVED | IPS FREE     |
+----------+---------------+-----------+------------+--------------+--------------+
| IP Pool  | 10.65.0.0/16  |     65536 | 4 (0%)     | 4 (0%)       | 65528 (100%) |
| Block    | 10.65.79.0/26 |        64 | 4 (6%)     | 4 (6%)       | 56 (88%)     |
+----------+---------------+-----------+------------+--------------+--------------+
`);
});

test('great pools are counted with five digits', () => {
  const total = 2 ** 80;
  expect(
    usageText([{ grouping: 'IP Pool', cidr: 'fd00::/48', total, inUse: 7, reserved: 0, free: total }]),
  ).toBe(
    `+----------+-----------+------------+------------+--------------+-------------------+
| GROUPING | CIDR      | IPS TOTAL  | IPS IN USE | IPS RESERVED | IPS FREE          |
+----------+-----------+------------+------------+--------------+-------------------+
| IP Pool  | fd00::/48 | 1.2089e+24 | 7 (0%)     | 0 (0%)       | 1.2089e+24 (100%) |
+----------+-----------+------------+------------+--------------+-------------------+`,
  );
  expect([99_999, 100_000, 1_048_576].map(fiveDigits)).toEqual(['99999', '1e+05', '1.0486e+06']);
});

test('ipam show --show-borrowed names borrower and owner', async () => {
  expect(
    (await ipam('show', '--show-borrowed')).stdout,
  ).toBe(`+------------+----------------+---------------+-------------+------+--------------+
| IP         | BORROWING-NODE | BLOCK         | BLOCK OWNER | TYPE | ALLOCATED-TO |
+------------+----------------+---------------+-------------+------+--------------+
| 10.65.79.3 | node2          | 10.65.79.0/26 | node1       | pod  | shop/far     |
+------------+----------------+---------------+-------------+------+--------------+
`);
});

test('ipam show --ip says whose an address is, and exits 1 if nobody’s', async () => {
  expect((await ipam('show', '--ip', '10.65.79.1')).stdout).toBe(`IP 10.65.79.1 is in use
Handle ID: k8s-pod-network.web-2
Active Owner Attributes:
  namespace: shop
  node: node1
  pod: web-2
  timestamp: 2026-01-01T00:00:00Z
  type: pod
`);
  expect(await ipam('show', '--ip', '10.65.79.9')).toMatchObject({
    code: 1,
    stdout: '10.65.79.9 is not assigned\n',
  });
  expect(await ipam('show', '--ip', 'nonsense')).toMatchObject({
    code: 2,
    stderr: 'tortiectl: --ip must be an address, but is "nonsense".\n',
  });
});

test('ipam check goes through calicoctl’s phases and counts what is wrong', async () => {
  expect(await ipam('check', '--show-problem-ips')).toEqual({
    code: 1,
    stderr: '',
    stdout: `Checking IPAM for inconsistencies...

Loading all IPAM blocks...
Found 1 IPAM blocks.
 IPAM block 10.65.79.0/26 affinity=host:node1
IPAM blocks record 4 allocations.

Loading all IPAM pools...
  10.65.0.0/16
Found 1 active IP pools.

Loading all nodes.
Found 2 nodes; none has a tunnel IP.

Loading all LoadBalancer services...
Found 0 LoadBalancer services with 0 IPs.

Loading all workload endpoints...
Found 4 workloads with 4 IPs.
Workloads and nodes are using 4 IPs.

Loading all handles...
Found 4 handles in the blocks; there are no IPAMHandle objects to disagree with them.

Looking for top (up to 20) nodes by allocations...
  node1 has 3 allocations
  node2 has 1 allocations
Node with most allocations has 3; median is 1

Scanning for IPs that are allocated but not actually in use...
  10.65.79.2 (block 10.65.79.0/26, handle k8s-pod-network.lost) leaked: There is no pod shop/lost.
Found 1 IPs that are allocated in IPAM but not actually in use.

Scanning for IPs that are in use by a workload or node but not allocated in IPAM...
Found 0 in-use IPs with multiple owners.
Found 0 in-use IPs that are not in active IP pools.
  10.65.1.1 in use by pod shop/stray
Found 1 in-use IPs that are in active IP pools but have no corresponding IPAM allocation.

Scanning for IPAM handles with no matching IPs...
Found 0 handles with no matching IPs (and 4 handles with matches).
Scanning for IPs with missing handle...
Found 0 IPs without a handle.

Validating block structures...
Found 0 problems with blocks and affinities.

Check complete; found 2 problems.
`,
  });
});

test('ipam show and check answer programs too', async () => {
  expect(JSON.parse((await ipam('show', '-o', 'json')).stdout)).toEqual({
    usage: [{ grouping: 'IP Pool', cidr: '10.65.0.0/16', total: 65536, inUse: 4, reserved: 4, free: 65528 }],
  });
  expect(parse((await ipam('show', '--show-configuration', '-o', 'yaml')).stdout)).toMatchObject({
    configuration: { StrictAffinity: false, MaxBlocksPerHost: 20 },
  });
  const { stdout } = await ipam('check', '-o', 'json');
  expect(JSON.parse(stdout)).toMatchObject({
    problems: [
      expect.stringContaining('10.65.79.2'),
      '10.65.1.1 (pod shop/stray) is in use, but not allocated.',
    ],
    allocations: {
      '10.65.79.2': { inUse: false, handle: 'k8s-pod-network.lost' },
      '10.65.79.0': { inUse: true },
    },
  });
});

test('a report finds its way into ipam release, which leaves alone what is in use', async () => {
  await ipam('check', '-o', report);
  expect(await ipam('release', '--ip', '10.65.79.0')).toMatchObject({
    code: 1,
    stdout:
      '10.65.79.0 is not released: it is in use by the pod shop/web-1. Use --force if you know better.\n',
  });
  expect(await ipam('release', '--from-report', report)).toEqual({
    ...{ code: 0, stderr: '', stdout: 'Released 10.65.79.2 of k8s-pod-network.lost\n' },
  });
  expect(await ipam('release', '--from-report', report)).toMatchObject({
    code: 1,
    stdout:
      '10.65.79.2 is not released: it is not as the report says: it was released or given anew since.\n',
  });
  expect(await ipam('show', '--ip', '10.65.79.2')).toMatchObject({ code: 1 });
  expect(await ipam('release', '--from-report', at('world.yaml'))).toMatchObject({ code: 2 });
});

test('ipam configure changes what was asked and keeps the rest; what is wrong is said and not written', async () => {
  expect(await ipam('configure', '--strictaffinity', 'true')).toMatchObject({
    ...{ code: 0, stdout: 'Successfully set StrictAffinity to: true\n' },
  });
  await ipam('configure', '--max-blocks-per-host', '3', '--ip-cooldown-seconds', '60');
  expect(await ipam('configure', '--ip-cooldown-seconds', 'soon')).toMatchObject({ code: 2, stdout: '' });
  expect((await ipam('show', '--show-configuration')).stdout).toBe(`+--------------------+-------+
| PROPERTY           | VALUE |
+--------------------+-------+
| StrictAffinity     | true  |
| AutoAllocateBlocks | true  |
| MaxBlocksPerHost   | 3     |
| IPCooldownSeconds  | 60    |
+--------------------+-------+
`);
});
