/**
 * The real tortiectl, a process with a kubeconfig, on a real API server: with the rights of an administrator, and with those of
 * somebody who may read little.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { tortieVersion } from '../../src/host/version.ts';
import { createApiServer } from '../support/api-server.ts';
import { clusterObjects } from '../support/cluster-objects.ts';
import { eventually } from '../support/eventually.ts';
import { namespaceObject } from '../support/felix.ts';
import type { Manifest } from '../support/manifests.ts';
import { createPlayground } from '../support/namespaces.ts';
import { bgpPeer, ipPool, nodeManifest } from '../support/rack.ts';
import { bgpReport, felixReport, reportManifest, torDown } from '../support/reports.ts';

const launcher = new URL('../../src/tortie.ts', import.meta.url).pathname;
const script = new URL('../../src/tortie.sh', import.meta.url).pathname;
const address = '10.97.0.1';
const ground = createPlayground('kc');
const api = createApiServer(ground, 'api', []);
const objects = clusterObjects(api);
const scratch = mkdtempSync(join(tmpdir(), 'ctl-'));
const soon = { within: 60_000 };
const children: ChildProcess[] = [];

interface Done {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const asUser =
  (user: 'admin' | 'tortie' | 'stranger') =>
  (...argv: readonly string[]): Promise<Done> =>
    new Promise((resolve) => {
      const all = [launcher, 'ctl', '--kubeconfig', api.kubeconfig(user, address), ...argv];
      execFile(process.execPath, all, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
      );
    });
const admin = asUser('admin');
const limited = asUser('tortie');

const file = (name: string, text: string): string => {
  const path = join(scratch, name);
  writeFileSync(path, text);
  return path;
};

const role = (rules: readonly Manifest[]): Manifest => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name: 'looker' },
  rules,
});
const binding: Manifest = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRoleBinding',
  metadata: { name: 'looker' },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'looker' },
  subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'tortie' }],
};

const fresh = (): string => new Date().toISOString();
const version = tortieVersion();
const report = (node: string, down: boolean): Manifest =>
  reportManifest(node, {
    bgp: {
      ...{ ...bgpReport, version, at: fresh(), routerId: node === 'node1' ? '1.1.1.1' : '1.1.1.2' },
      ...(down ? { sessions: { established: 1, total: 2 }, peers: [torDown] } : {}),
    },
    felix: { ...felixReport, version, at: fresh() },
  }) as unknown as Manifest;

beforeAll(async () => {
  await api.start();
  await objects.installCrds();
  await objects.put(
    role([
      {
        apiGroups: ['projectcalico.org'],
        resources: ['caliconodestatuses', 'bgppeers'],
        verbs: ['get', 'list', 'watch'],
      },
    ]),
    binding,
    namespaceObject('shop') as Manifest,
    ...[1, 2].map(
      (one) =>
        nodeManifest(`node${one}`, [`172.30.0.1${one}`], [`10.244.${one}.0/24`]) as unknown as Manifest,
    ),
    report('node1', false),
    report('node2', false),
    bgpPeer('tor', '172.30.0.1', 65000) as unknown as Manifest,
    ipPool('main', '10.244.0.0/16') as unknown as Manifest,
  );
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await api.close();
  await ground.close();
  rmSync(scratch, { recursive: true });
});

describe('status', () => {
  test('of a cluster that is well shows every node and exits with 0', async () => {
    const { code, stdout } = await admin('status');
    for (const node of ['node1', 'node2']) expect(stdout).toMatch(new RegExp(`^${node} .*in-sync$`, 'm'));
    expect(stdout).toContain(
      '2 nodes: 2 well; 4 of 4 sessions established; policy in sync on 2 of 2; no problems.',
    );
    expect(code).toBe(0);
  });

  test('shows first what is wrong, and exits with 1', async () => {
    await objects.put(report('node2', true));
    const { code, stdout } = await admin('status');
    expect(stdout).toMatch(
      /^Problems\n {2}! node2: The session with tor \(172\.30\.0\.1, AS 65000\) is Active/,
    );
    expect(code).toBe(1);
  });

  test('with --watch draws it anew when a report changes', async () => {
    const argv = [launcher, 'ctl', '--kubeconfig', api.kubeconfig('admin', address), 'status', '--watch'];
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
    children.push(child);
    let seen = '';
    child.stdout.on('data', (chunk: Buffer) => {
      seen += chunk.toString();
    });
    const ended = new Promise((resolve) => child.once('close', resolve));
    await eventually(() => expect(seen).toContain('1 degraded'), soon);
    await objects.put(report('node2', false));
    await eventually(() => expect(seen.slice(seen.lastIndexOf('2 nodes'))).toContain('2 well'), soon);
    child.kill('SIGINT');
    expect(await ended).toBe(0);
  });

  test('of one who may not list Nodes shows the nodes that report, and says what it may not', async () => {
    const { stdout, stderr } = await limited('status');
    expect(stdout).toMatch(/node1 .*in-sync/);
    expect(stderr).toContain(
      `You may not read nodes (v1) at https://${address}:6443. Ask whoever runs the cluster for get, list and watch of nodes`,
    );
  });
});

test('node status NODE is in the layout of calicoctl, from what the node reports', async () => {
  const { code, stdout } = await limited('node', 'status', 'node1');
  expect(stdout).toMatch(/^Tortie process is running\.\n\nIPv4 BGP status\nNo IPv4 peers found\./);
  expect(code).toBe(0);
  expect(await limited('node', 'status', 'node9')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('no report of the speaker of node "node9"'),
  });
});

describe('get', () => {
  test("has calicoctl's columns", async () => {
    expect((await limited('get', 'bgpp')).stdout).toBe(
      'NAME   PEERIP       NODE       ASN\ntor    172.30.0.1   (global)   65000\n',
    );
  });

  test('selects by label, names an object in YAML as one, and tells of one that is not there', async () => {
    await objects.patch({ kind: 'Node', name: 'node1' }, { metadata: { labels: { rack: '1' } } });
    expect((await admin('get', 'nodes', '-l', 'rack in (1,2)', '-o', 'name')).stdout).toBe('node/node1\n');
    expect(parse((await admin('get', 'bgppeer', 'tor', '-o', 'yaml')).stdout)).toMatchObject({
      kind: 'BGPPeer',
      spec: { asNumber: 65000 },
    });
    expect(await admin('get', 'bgppeer', 'tor', 'nope')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('There is no BGPPeer "nope".'),
      stdout: expect.stringContaining('172.30.0.1'),
    });
  });

  test.each([
    ['forbidden', ['get', 'ippools'], 2, 'You may not read ippools (projectcalico.org/v3)'],
    ['no kind', ['get', 'packetcaptures'], 2, 'There is no kind "packetcaptures" here. The kinds are '],
    ['no label query', ['get', 'bgppeers', '-l', 'a b c'], 2, 'does not take the question for bgppeers'],
    [
      'no context',
      ['--context', 'nope', 'get', 'bgppeers'],
      2,
      'There is no context "nope" in the kubeconfig. There are: ',
    ],
  ] as const)('what is %s is said in words', async (_, argv, code, why) => {
    expect(await limited(...argv)).toMatchObject({ code, stderr: expect.stringContaining(why) });
  });

  test('of one whom the server does not know says so', async () => {
    expect(await asUser('stranger')('get', 'bgppeers')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('does not know you (401)'),
    });
  });

  test('with --watch prints what comes, changes and goes', async () => {
    const argv = [
      launcher,
      'ctl',
      '--kubeconfig',
      api.kubeconfig('tortie', address),
      'get',
      'bgppeers',
      '--watch',
    ];
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
    children.push(child);
    let seen = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        seen += chunk.toString();
      });
    await eventually(() => expect(seen).toContain('tor    172.30.0.1'), soon);
    await objects.put(bgpPeer('second', '172.30.0.2', 65001) as unknown as Manifest);
    await eventually(() => expect(seen).toMatch(/second +172\.30\.0\.2/), soon);
    await objects.remove({ kind: 'BGPPeer', name: 'second' });
    await eventually(() => expect(seen).toContain('BGPPeer second is gone'), soon);
    child.kill('SIGTERM');
  });
});

test('describe tells conditions and Events', async () => {
  const conditions = [
    {
      type: 'Ready',
      status: 'False',
      reason: 'SessionDown',
      message: 'No session is up.',
      lastTransitionTime: '2026-11-21T11:51:00Z',
    },
  ];
  await objects.put({
    ...(bgpPeer('tor', '172.30.0.1', 65000) as unknown as Manifest),
    status: { conditions },
  });
  const event = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: 'tor.1', namespace: 'default' },
    involvedObject: { apiVersion: 'projectcalico.org/v3', kind: 'BGPPeer', name: 'tor' },
    ...{
      type: 'Warning',
      reason: 'PeerDown',
      message: 'node2 lost its session.',
      lastTimestamp: '2026-11-21T12:00:30Z',
    },
  };
  await api.request('POST', '/api/v1/namespaces/default/events', event);
  const { stdout } = await admin('describe', 'bgppeer', 'tor');
  expect(stdout).toMatch(/Conditions:\n {2}Ready is False \(SessionDown, for .*\): No session is up\./);
  expect(stdout).toMatch(/Warning +PeerDown .* node2 lost its session\./);
  // Who may not read Events still sees the object.
  expect((await limited('describe', 'bgppeer', 'tor')).stdout).toMatch(
    /asNumber: 65000[\s\S]*not shown: You may not read events/,
  );
});

describe('objects are changed', () => {
  const manifest = (asNumber: number | string): string =>
    `apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata: {name: made}\nspec: {peerIP: 172.30.0.9, asNumber: ${asNumber}}\n`;

  test('by create, apply, replace, patch, label and delete, as by calicoctl', async () => {
    const path = file('made.yaml', manifest(65009));
    const spec = async (): Promise<unknown> =>
      parse((await admin('get', 'bgppeer', 'made', '-o', 'yaml')).stdout);
    expect(await admin('replace', '-f', path)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('There is no BGPPeer made to replace.'),
    });
    expect(await admin('create', '-f', path)).toMatchObject({ code: 0, stdout: 'BGPPeer made created\n' });
    expect((await admin('create', '-f', path)).code).toBe(1);
    expect((await admin('create', '-f', path, '--skip-exists')).code).toBe(0);
    await objects.patch({ kind: 'BGPPeer', name: 'made' }, { metadata: { labels: { others: 'stay' } } });
    expect(await admin('apply', '-f', file('made.yaml', manifest(65010)))).toMatchObject({
      code: 0,
      stdout: 'BGPPeer made applied\n',
    });
    expect(
      (await admin('patch', 'bgppeer', 'made', '-p', '{"spec":{"nodeSelector":"has(rack)"}}')).code,
    ).toBe(0);
    expect((await admin('label', 'bgppeer', 'made', 'tier=1')).code).toBe(0);
    expect(await spec()).toMatchObject({
      metadata: { labels: { others: 'stay', tier: '1' } },
      spec: { asNumber: 65010, nodeSelector: 'has(rack)' },
    });
    expect((await admin('label', 'bgppeer', 'made', 'tier', '--remove')).code).toBe(0);
    expect(await spec()).toMatchObject({ metadata: { labels: { others: 'stay' } } });
    expect(await admin('delete', '-f', path)).toMatchObject({ code: 0, stdout: 'BGPPeer made deleted\n' });
    expect((await admin('delete', 'bgppeer', 'made')).code).toBe(1);
    expect((await admin('delete', 'bgppeer', 'made', '--skip-not-exists')).code).toBe(0);
  });

  test('not at all if one in the file is wrong, which is said with its line', async () => {
    const path = file('two.yaml', `${manifest(65001)}---\n${manifest('nonsense').replace('made', 'other')}`);
    expect(await admin('apply', '-f', path)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(
        /two\.yaml:9 \(document 2\) BGPPeer\/other spec\.asNumber: must be an AS number/,
      ),
    });
    expect((await admin('get', 'bgppeer', 'made')).code).toBe(1);
  });

  test('only by those who may', async () => {
    expect(await limited('apply', '-f', file('made.yaml', manifest(65001)))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('BGPPeer made: '),
    });
  });
});

describe('doctor', () => {
  test('of a cluster that is well finds nothing', async () => {
    const { stdout, code } = await admin('doctor', '--scope', 'cluster');
    expect(stdout).toMatch(/checks made: nothing found\.\n$/);
    expect(code).toBe(0);
  });

  test('explains a session that is down, and says what it may not look at', async () => {
    await objects.put(report('node2', true));
    const { stdout, code } = await limited('doctor', '--scope', 'cluster');
    expect(stdout).toMatch(
      /✗ peers: node2 → tor[\s\S]*evidence .*refuses connections[\s\S]*why .*nothing listens on that port/,
    );
    expect(stdout).toMatch(/Not checked: .*leaks.* You may not read/);
    expect(code).toBe(1);
  });

  test('of one who may see nothing looks at nothing, and exits with 2', async () => {
    const { stdout, code } = await asUser('stranger')('doctor', '--scope', 'cluster');
    expect(stdout).toContain('does not know you (401)');
    expect(code).toBe(2);
  });
});

test('version tells those of the nodes', async () => {
  expect(await limited('version')).toEqual({
    code: 0,
    stderr: '',
    stdout: `Client Version:    ${version}\nSpeaker:           ${version} on 2 nodes (node1, node2)\nNode agent:        ${version} on 2 nodes (node1, node2)\n`,
  });
});

test('diags holds what may be read, and names what may not', async () => {
  const archive = join(scratch, 'bundle.tar.gz');
  expect((await limited('diags', '--file', archive)).code).toBe(0);
  const list = await new Promise<string>((resolve) =>
    execFile('tar', ['-xzOf', archive, '--wildcards', '*/LACKING.txt', '*/BGPPeer.yaml'], (_, out) =>
      resolve(out),
    ),
  );
  expect(list).toContain('peerIP: 172.30.0.1');
  expect(list).toContain('You may not read pods (v1)');
});

test("migrate check reads Calico's own objects where they are, and changes nothing", async () => {
  const crd = (kind: string, plural: string): Manifest => ({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.crd.projectcalico.org` },
    spec: {
      group: 'crd.projectcalico.org',
      scope: 'Cluster',
      names: { kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List` },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
        },
      ],
    },
  });
  await objects.put(
    crd('FelixConfiguration', 'felixconfigurations'),
    crd('GlobalNetworkPolicy', 'globalnetworkpolicies'),
  );
  const post = (kind: string, plural: string, spec: Manifest) => async (): Promise<void> => {
    const body = { apiVersion: 'crd.projectcalico.org/v1', kind, metadata: { name: 'default' }, spec };
    const { status } = await api.request('POST', `/apis/crd.projectcalico.org/v1/${plural}`, body);
    expect(status).toBe(201);
  };
  await eventually(post('FelixConfiguration', 'felixconfigurations', { bpfEnabled: true }), soon);
  const looksIntoHttp = { ingress: [{ action: 'Allow', http: { methods: ['GET'] } }] };
  await eventually(post('GlobalNetworkPolicy', 'globalnetworkpolicies', looksIntoHttp), soon);
  const before = api.audit().length;
  const { stdout, code } = await admin('migrate', 'check');
  expect(stdout).toMatch(/not supported +GlobalNetworkPolicy\/default spec\.ingress\[0\]\.http/);
  expect(stdout).toMatch(/not supported +FelixConfiguration\/default spec\.bpfEnabled/);
  expect(stdout).toMatch(/works +IPPool\/main/);
  expect(code).toBe(1);
  // The server's own housekeeping goes on meanwhile.
  const asked = api
    .audit()
    .slice(before)
    .filter(({ user }) => user === 'admin');
  expect(new Set(asked.map(({ verb }) => verb))).toEqual(new Set(['list']));
});

test('kubectl finds it as its plugin, which calls itself so', async () => {
  const path = join(scratch, 'kubectl-tortie');
  symlinkSync(script, path);
  chmodSync(scratch, 0o755);
  const { stdout } = await new Promise<Done>((resolve) =>
    execFile(path, ['--help'], (error, out, stderr) =>
      resolve({ code: Number(error?.code ?? 0), stdout: out, stderr }),
    ),
  );
  expect(stdout).toMatch(/^Usage: kubectl tortie /);
  const { bin } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    readonly bin: Readonly<Record<string, string>>;
  };
  expect(bin['kubectl-tortie']).toBe('src/tortie.sh');
});

test('a server that does not answer is said, with exit code 2', async () => {
  await api.kill('server');
  expect(await admin('status')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/cannot be read at https:.*See that the API server runs/),
  });
  expect(await admin('doctor', '--scope', 'cluster')).toMatchObject({ code: 2 });
});
