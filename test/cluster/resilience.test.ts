/**
 * A cluster with traffic, whose API server and etcd are killed, whose watches are cut at every message, whose history is
 * forgotten again and again and whose clock jumps: no packet that may pass is lost, none that may not gets through, and
 * afterwards everything is as the API server says.
 *
 * TORTIE_AWAY_SECONDS is how long the API server stays away (default 30; ten minutes in npm run test:cluster:long).
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { netnsPath } from '../../src/lab/topology.ts';
import { eventually } from '../support/eventually.ts';
import { appPod, guardedFlows, guardedNames, guardedPods } from '../support/guarded.ts';
import { type Cut, type Interceptor, startInterceptor } from '../support/interceptor.ts';
import { apiAddress, apiPort, type LabCluster, startCluster } from '../support/lab-cluster.ts';
import type { Manifest } from '../support/manifests.ts';
import { startTraffic, type Traffic, wrongIn } from '../support/traffic.ts';

const awaySeconds = Number(process.env['TORTIE_AWAY_SECONDS'] ?? 30);
const proxyPort = 6444;
const soon = { within: 60_000, every: 100 };
const directory = mkdtempSync(join(tmpdir(), 'tortie-r-'));
const offsetFile = join(directory, 'offset');
const shim = join(directory, 'clock-jump.so');

let cluster: LabCluster;
let traffic: Traffic;
let proxy: Interceptor;

beforeAll(async () => {
  cluster = await startCluster('res', { nodes: 2, manifests: guardedPods });
  proxy = await startInterceptor(netnsPath(cluster.netnsOf('apiserver')), proxyPort, apiPort);
  await cluster.running(...guardedNames);
  await cluster.settled();
  // From their next start on the daemons reach the API server through the proxy, on a clock that can be moved.
  const source = new URL('../support/clock-jump.c', import.meta.url).pathname;
  execFileSync('gcc', ['-shared', '-fPIC', '-O2', '-o', shim, source, '-ldl']);
  jump(0);
  await cluster.pointAt(`${apiAddress}:${proxyPort}`);
  for (const node of cluster.nodes)
    for (const role of ['felix', 'bgp']) {
      await cluster.kill(node, role, 'SIGTERM');
      await cluster.heal({ LD_PRELOAD: shim, TORTIE_TEST_CLOCK: offsetFile });
    }
  await cluster.settled();
  traffic = await startTraffic(guardedFlows(cluster));
  await eventually(unharmed, soon);
}, 300_000);
afterAll(async () => {
  traffic?.close();
  proxy?.end();
  await cluster?.close();
  rmSync(directory, { recursive: true });
}, 300_000);

/** The daemons' wall clock, as far from the real one as this. */
function jump(seconds: number): void {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(seconds));
  writeFileSync(offsetFile, bytes, { flag: 'a' });
  execFileSync('dd', [`of=${offsetFile}`, 'conv=notrunc', 'status=none', 'bs=8'], { input: bytes });
}

/** Since the last look no packet was lost, and none got through that may not. */
async function unharmed(): Promise<void> {
  const wrong = wrongIn(await traffic.count());
  traffic.reset();
  expect(wrong).toEqual([]);
}

const guardFor = (sender: string): Manifest => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'extra', namespace: 'app' },
  spec: {
    podSelector: { matchLabels: { app: 'b' } },
    ingress: [{ from: [{ podSelector: { matchLabels: { app: sender } } }], ports: [{ port: 7008 }] }],
  },
});
/** An address of this pod stands in the rules of node2, where b is. */
const isIn = (name: string): boolean => {
  const [first = ''] = cluster.pod(`app/${name}`).addresses;
  return extraSet(cluster.kernel('node2')).includes(first);
};
/** What in the ruleset lets in to port 7008, rules and sets alike. */
const extraSet = (kernel: string): string => {
  const set = /^.*dport 7008.*$/m.exec(kernel)?.[0] ?? '';
  const name = /@(\S+)/.exec(set)?.[1];
  return name === undefined ? set : (kernel.split(`set ${name} {`)[1]?.split('}\n')[0] ?? '');
};

test(`the API server away for ${awaySeconds} s: pods can end, nothing else changes, and the state is right afterwards`, {
  timeout: awaySeconds * 1000 + 300_000,
}, async () => {
  await cluster.objects.put(guardFor('c'));
  await eventually(() => expect(isIn('c')).toBe(true), soon);
  const before = cluster.kernel('node1');
  traffic.reset();
  await cluster.kill('apiserver', 'kube-apiserver');
  await pause(500);
  // The container ends, whatever the API server does: the runtime asks for DEL, and must get it.
  const gone = cluster.pod('app/gone2');
  await cluster.detach(gone);
  const links = execFileSync('ip', ['-n', gone.netns, '-o', 'link'], { encoding: 'utf8' });
  expect(links.trim().split('\n')).toHaveLength(1);
  await pause(awaySeconds * 1000);
  expect(cluster.kernel('node1')).toBe(before);
  for (const node of cluster.nodes) {
    const { bgp, felix } = await cluster.status(node);
    expect(bgp.peers.map(({ state }) => state)).toEqual(['Established', 'Established']);
    expect(felix.problems[0]?.what).toContain('what was read before stays in force');
  }
  await cluster.heal();
  await cluster.served();
  await cluster.objects.put(guardFor('d'), appPod('late', 'node1'));
  await cluster.objects.remove({ kind: 'Pod', namespace: 'app', name: 'gone2' });
  await cluster.running('app/late');
  await eventually(() => expect([isIn('c'), isIn('d')]).toEqual([false, true]), soon);
  await cluster.settled();
  await unharmed();
});

test('etcd killed and restarted under the API server: nothing is lost, and changes are followed again', {
  timeout: 300_000,
}, async () => {
  traffic.reset();
  await cluster.kill('apiserver', 'etcd');
  await expect(cluster.objects.put(guardFor('a'))).rejects.toThrow();
  await cluster.heal();
  await cluster.served();
  await eventually(() => cluster.objects.put(guardFor('c')), soon);
  await eventually(() => expect([isIn('c'), isIn('d')]).toEqual([true, false]), soon);
  await cluster.settled();
  await unharmed();
});

test.each(['before the message', 'in the middle of the message', 'after the message'] satisfies Cut[])(
  'every watch cut %s, at every message: each change arrives all the same',
  { timeout: 300_000 },
  async (cut) => {
    traffic.reset();
    const cuts = proxy.cuts;
    proxy.cut = cut;
    for (const [now, other] of [
      ['d', 'c'],
      ['c', 'd'],
      ['d', 'c'],
      ['c', 'd'],
    ] as const) {
      await pause(500); // a watch counts as quiet after a moment without a message, and only then its next is cut
      await cluster.objects.put(guardFor(now));
      await eventually(() => expect([isIn(now), isIn(other)]).toEqual([true, false]), soon);
    }
    proxy.cut = undefined;
    // Two nodes, whose felixes read policies: four changes cut at least as many watches.
    expect(proxy.cuts - cuts).toBeGreaterThanOrEqual(4);
    await cluster.settled();
    await unharmed();
  },
);

test('history forgotten again and again behind their backs: the nodes list anew, and nothing moves', {
  timeout: 300_000,
}, async () => {
  traffic.reset();
  for (const [now, other] of [
    ['d', 'c'],
    ['c', 'd'],
  ] as const) {
    proxy.close(true);
    await cluster.objects.put(guardFor(now));
    cluster.compact();
    await cluster.kill('apiserver', 'kube-apiserver');
    await cluster.heal();
    await cluster.served();
    cluster.compact();
    proxy.open();
    await eventually(() => expect([isIn(now), isIn(other)]).toEqual([true, false]), soon);
  }
  await cluster.settled();
  await unharmed();
});

test('the wall clock of every daemon jumps an hour on and two hours back: no session, rule or packet minds', {
  timeout: 300_000,
}, async () => {
  traffic.reset();
  await cluster.objects.put(guardFor('c'));
  await eventually(() => expect([isIn('c'), isIn('d')]).toEqual([true, false]), soon);
  const before = cluster.nodes.map(cluster.kernel);
  for (const [seconds, now, other] of [
    [3600, 'd', 'c'],
    [-3600, 'c', 'd'],
    [0, 'd', 'c'],
    [0, 'c', 'd'],
  ] as const) {
    jump(seconds);
    await pause(3500); // longer than the hold time towards the ToR
    for (const node of cluster.nodes) {
      const { bgp } = await cluster.status(node);
      expect(bgp.peers.map(({ state }) => state)).toEqual(['Established', 'Established']);
    }
    await cluster.objects.put(guardFor(now));
    await eventually(() => expect([isIn(now), isIn(other)]).toEqual([true, false]), soon);
  }
  // As it was before the first jump, down to the last rule.
  expect(cluster.nodes.map(cluster.kernel)).toEqual(before);
  await unharmed();
});
