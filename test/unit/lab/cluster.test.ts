import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { type Cluster, loadCluster } from '../../../src/lab/cluster.ts';
import { targetText } from '../../../src/lab/expect.ts';

const dirs: string[] = [];
afterAll(() => {
  for (const dir of dirs) rmSync(dir, { recursive: true });
});

function directory(files: Readonly<Record<string, string>>): string {
  const dir = mkdtempSync(join(tmpdir(), 'tortie-lab-'));
  dirs.push(dir);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
  return dir;
}

function loaded(dir: string | undefined, nodes?: number): Cluster {
  const cluster = loadCluster(dir, nodes);
  if (!cluster.ok) throw new Error(cluster.error);
  return cluster.value;
}

const objects = (cluster: Cluster): readonly ReturnType<typeof JSON.parse>[] =>
  Object.values(cluster.files).flatMap((text) => parseAllDocuments(text).map((document) => document.toJS()));
const ofKind = (cluster: Cluster, kind: string) => objects(cluster).filter((object) => object.kind === kind);

const pod = (name: string, more = ''): string =>
  `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}}\nspec: {containers: []${more}}\n`;

test('the sample has three nodes, each with a pod CIDR of either family and a pod of the lab', () => {
  const cluster = loaded(undefined);
  expect(ofKind(cluster, 'Node').map(({ spec }) => spec.podCIDRs)).toEqual([
    ['10.65.1.0/24', 'fd00:65:0:1::/64'],
    ['10.65.2.0/24', 'fd00:65:0:2::/64'],
    ['10.65.3.0/24', 'fd00:65:0:3::/64'],
  ]);
  expect(ofKind(cluster, 'Pod').filter(({ metadata }) => metadata.namespace === 'lab-probes')).toHaveLength(
    3,
  );
  expect(cluster.podCount).toBe(ofKind(cluster, 'Pod').length);
});

test.each([1, 3, 5])('with %i nodes the pods of the sample are spread over all of them', (count) => {
  const cluster = loaded(undefined, count);
  const nodes = new Set(ofKind(cluster, 'Pod').map(({ spec }) => spec.nodeName));
  expect([...nodes].sort()).toEqual(Array.from({ length: count }, (_, index) => `node${index + 1}`));
});

test('every destination the sample is judged by is a port that one of its pods or a client has', () => {
  const cluster = loaded(undefined);
  const ports = ofKind(cluster, 'Pod').flatMap(({ metadata, spec }) =>
    spec.containers.flatMap((container: { ports: { protocol?: string; containerPort: number }[] }) =>
      container.ports.map(
        ({ protocol = 'TCP', containerPort }) =>
          `${metadata.namespace}/${metadata.name} ${protocol} ${containerPort}`,
      ),
    ),
  );
  const judged = [...(cluster.expectations?.reach ?? []), ...(cluster.expectations?.change ?? [])];
  expect(judged.length).toBeGreaterThan(10);
  for (const { target } of judged) expect([...ports, 'client TCP 80']).toContain(targetText(target));
});

test('a directory of pods alone gets nodes, pools and a ToR to peer with', () => {
  const cluster = loaded(directory({ 'pods.yaml': pod('a') }), 2);
  for (const kind of ['BGPConfiguration', 'BGPPeer', 'IPPool', 'Node'])
    expect(ofKind(cluster, kind).length).toBeGreaterThan(0);
  expect(cluster.expectations).toBeUndefined();
});

test('Nodes, AS number and mesh of the manifests are taken, and nothing is written beside them', () => {
  const node =
    'kind: Node\nmetadata: {name: alpha}\nspec: {podCIDRs: [10.65.9.0/24]}\nstatus: {addresses: [{type: InternalIP, address: 172.30.0.50}, {type: InternalIP, address: "fd00:30::50"}]}\n';
  const bgp =
    'kind: BGPConfiguration\nmetadata: {name: default}\nspec: {asNumber: 64999, nodeToNodeMeshEnabled: false}\n';
  const cluster = loaded(directory({ 'node.yaml': node, 'bgp.yml': bgp }));
  expect(cluster.nodes).toEqual([
    { name: 'alpha', address: { v4: '172.30.0.50', v6: 'fd00:30::50' }, podCidrs: ['10.65.9.0/24'] },
  ]);
  expect(cluster).toMatchObject({ nodeAsn: 64999, mesh: false });
  expect(ofKind(cluster, 'Node')).toHaveLength(1);
  expect(ofKind(cluster, 'BGPConfiguration')).toHaveLength(1);
});

test('a file with a syntax error is handed on as it is, for the daemons to report', () => {
  const cluster = loaded(directory({ 'bad.yaml': 'kind: [', 'good.yaml': pod('a') }));
  expect(cluster.files['bad.yaml']).toBe('kind: [');
  expect(ofKind(cluster, 'Pod').map(({ metadata }) => metadata.name)).toContain('a');
});

test('a pod that chose its node keeps it, and its file stays as it was written', () => {
  const text = `# mine\n${pod('a', ', nodeName: node2')}`;
  expect(loaded(directory({ 'a.yaml': text })).files['a.yaml']).toBe(text);
});

test.each([
  [
    () => loadCluster('/does/not/exist', undefined),
    '--manifests /does/not/exist is not a directory that can be read.',
  ],
  [() => loadCluster(undefined, 0), '--nodes 0 is not a number from 1 to 60.'],
  [() => loadCluster(undefined, 61), '--nodes 61 is not a number from 1 to 60.'],
])('what cannot be loaded is refused in a sentence (%#)', (load, error) => {
  expect(load()).toEqual({ ok: false, error });
});
