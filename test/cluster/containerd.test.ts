/**
 * The CNI plugin driven by a real containerd through CRI, on a node of a whole cluster; the lab's kubelet is ended, and the
 * test is the kubelet. Debian 12's containerd is 1.6: it knows neither STATUS nor GC, which test/unit/cni holds instead.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { socketOf } from '../../src/lab/daemons.ts';
import { netnsPath } from '../../src/lab/topology.ts';
import { at } from '../../src/lab/tor/tor.ts';
import { type Containerd, type Sandbox, startContainerd } from '../support/containerd.ts';
import { eventually } from '../support/eventually.ts';
import { appPod, guardedNames, guardedPods } from '../support/guarded.ts';
import { type LabCluster, startCluster } from '../support/lab-cluster.ts';
import type { Manifest } from '../support/manifests.ts';
import { type Counted, startTraffic, wrongIn } from '../support/traffic.ts';

let cluster: LabCluster;
let containerd: Containerd;

beforeAll(async () => {
  cluster = await startCluster('cri', { nodes: 2, manifests: guardedPods });
  await cluster.running(...guardedNames);
  await cluster.settled();
  // From here on containerd runs what is on node1: two would take turns with each pod's interface.
  await cluster.retire('lab', 'kubelet');
  const netns = netnsPath(cluster.netnsOf('node1'));
  containerd = await startContainerd(netns, socketOf(cluster.name, 'node1', 'felix'));
}, 300_000);
afterAll(async () => {
  try {
    await containerd?.end();
  } finally {
    await cluster?.close();
  }
}, 300_000);

/** As kubelet does: the sandbox is run for the Pod that is there, and its addresses are made known. */
async function run(name: string, label: string): Promise<Sandbox> {
  const manifest = appPod(name, 'node1') as { readonly metadata: object };
  await cluster.objects.put({
    ...manifest,
    metadata: { ...manifest.metadata, labels: { app: label } },
  } as Manifest);
  const uid = at(await cluster.objects.get({ kind: 'Pod', namespace: 'app', name }), 'metadata', 'uid');
  const sandbox = await containerd.run('app', name, String(uid));
  await cluster.objects.put({
    ...manifest,
    metadata: { ...manifest.metadata, labels: { app: label } },
    status: { phase: 'Running', podIPs: sandbox.addresses.map((ip) => ({ ip })) },
  } as Manifest);
  return sandbox;
}

const podOf = (name: string) => {
  const { netns, addresses } = cluster.pod(`app/${name}`);
  return { netns: netnsPath(netns), addresses };
};

async function seen(
  from: Sandbox | ReturnType<typeof podOf>,
  to: Sandbox | ReturnType<typeof podOf>,
  passes: boolean,
) {
  const traffic = await startTraffic([{ name: 'probe', from, to, passes }]);
  await pause(300);
  const counted: readonly Counted[] = await traffic.count();
  traffic.close();
  return wrongIn(counted);
}

const links = (): readonly string[] =>
  execFileSync('ip', ['-n', cluster.netnsOf('node1'), '-br', 'link'], { encoding: 'utf8' })
    .split('\n')
    .flatMap((line) => /^cali\S{11}/.exec(line) ?? []);

test('containerd says that the network is ready', async () => {
  const { conditions } = at(await containerd.cri('Status', {}), 'status') as {
    readonly conditions: readonly { readonly type: string; readonly status?: boolean }[];
  };
  expect(conditions).toContainEqual(expect.objectContaining({ type: 'NetworkReady', status: true }));
});

test('a sandbox has addresses of both families of its node, and reaches a pod of another node that lets it in', async () => {
  const sandbox = await run('inner', 'a');
  expect(sandbox.addresses).toEqual([
    expect.stringMatching(/^10\.65\.1\.\d+$/),
    expect.stringMatching(/^fd00:65:0:1::/),
  ]);
  await eventually(async () => expect(await seen(sandbox, podOf('b'), true)).toEqual([]), { within: 60_000 });
  await eventually(async () => expect(await seen(podOf('c'), sandbox, true)).toEqual([]), { within: 60_000 });
});

test('the policy of a sandbox is in force the moment containerd says it runs', async () => {
  const sandbox = await run('guarded', 'b');
  expect(await seen(podOf('c'), sandbox, false)).toEqual([]);
  await eventually(async () => expect(await seen(podOf('a'), sandbox, true)).toEqual([]), { within: 60_000 });
});

test('stopped and removed, twice each, with the API server gone: nothing of the sandbox is left', {
  timeout: 300_000,
}, async () => {
  const before = links();
  const sandbox = await run('short', 'c');
  expect(links()).toHaveLength(before.length + 1);
  await cluster.kill('apiserver', 'kube-apiserver');
  await containerd.stop(sandbox);
  await containerd.stop(sandbox);
  await containerd.remove(sandbox);
  await containerd.remove(sandbox);
  expect(links()).toEqual(before);
  expect(
    existsSync(sandbox.netns) && readdirSync('/run/netns').includes(sandbox.netns.split('/').at(-1) ?? ''),
  ).toBe(false);
  expect(cluster.kernel('node1')).not.toContain(sandbox.addresses[0]);
  await cluster.heal();
  await cluster.served();
  await cluster.settled();
});

test('while the node agent is away a sandbox is refused in words, and runs at the next attempt once it is back', {
  timeout: 300_000,
}, async () => {
  await cluster.kill('node1', 'felix');
  await expect(run('patient', 'a')).rejects.toThrow(
    /tortie felix does not answer at .*; the runtime tries again/,
  );
  await cluster.heal();
  const sandbox = await eventually(() => run('patient', 'a'), { within: 60_000, every: 500 });
  await eventually(async () => expect(await seen(sandbox, podOf('b'), true)).toEqual([]), { within: 60_000 });
});
