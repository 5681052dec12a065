/**
 * A whole cluster from nothing, as INSTALL.md says: a real kube-apiserver and etcd, the real kubectl and helm, two nodes and a ToR with
 * BIRD as namespaces. What the API says is to run is run by the player, in the root filesystem of the image and within what the
 * chart gives: the accounts' own tokens, so that RBAC and the ValidatingAdmissionPolicy hold, capabilities, mounts, users, probes.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { stringify } from 'yaml';
import { startupTaint } from '../../src/model/node-report.ts';
import { eventually } from '../support/eventually.ts';
import { type Flow, startTraffic, type Traffic, wrongIn } from '../support/traffic.ts';
import { startBox } from './contain.ts';
import { differences, type Found, look } from './player/found.ts';
import { createSite, type Site } from './player/site.ts';
import { programs } from './tools.ts';

const soon = { within: 150_000, every: 250 };
// Three minutes in all on a machine of its own; a busy one gets much longer.
vi.setConfig({ testTimeout: 480_000, hookTimeout: 240_000 });
const names = ['node1', 'node2'] as const;
let site: Site;
let cluster: ReturnType<typeof programs>;
let before: readonly Found[];
/** Of the audit log: what was asked since this install. */
let asked = 0;

beforeAll(async () => {
  site = await createSite('cl', 'tortie:');
  cluster = programs(site.admin);
  before = await Promise.all(site.nodes.map(look));
});
afterAll(async () => site?.close());

const kubectl = (...argv: readonly string[]): Promise<string> => cluster.kubectl(...argv);
/** What went on in the pods is told when a check fails for good. */
const becomes = <T>(check: () => T | Promise<T>, within = soon.within): Promise<T> =>
  eventually(check, { ...soon, within }).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${site.player.trouble()}`);
  });

async function apply(name: string, ...objects: readonly object[]): Promise<string> {
  const path = join(site.scratch, `${name}.yaml`);
  writeFileSync(path, objects.map((one) => stringify(one)).join('---\n'));
  return kubectl('apply', '--server-side', '-f', path);
}

const ours = (kind: string, name: string, spec: object) => ({
  ...{ apiVersion: 'projectcalico.org/v3', kind, metadata: { name }, spec },
});
const tor = ours('BGPPeer', 'tor', { peerIP: '172.30.0.1', asNumber: 65000, keepaliveTime: '3s' });
const front = { name: 'front', cidr: '198.51.100.0/28', blockSize: 28, allowedUses: ['LoadBalancer'] };
const announced = { serviceLoadBalancerIPs: [{ cidr: front.cidr }] };

/** What kubelet registers, with the taint that a new node begins with. */
async function addNodes(): Promise<void> {
  for (const [index, name] of names.entries()) {
    const { addresses } = site.node(name);
    const made = await site.api.request('POST', '/api/v1/nodes', {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name, labels: { 'kubernetes.io/os': 'linux', 'kubernetes.io/hostname': name } },
      spec: {
        podCIDRs: [`10.244.${index + 1}.0/24`, `fd00:244:${index + 1}::/64`],
        podCIDR: `10.244.${index + 1}.0/24`,
        taints: [{ key: startupTaint, effect: 'NoSchedule' }],
      },
      status: { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) },
    });
    expect(made.status, JSON.stringify(made.body)).toBe(201);
  }
}
const taints = (): Promise<string> =>
  kubectl('get', 'nodes', '-o', `jsonpath={.items[*].spec.taints[?(@.key=="${startupTaint}")].key}`);

const workload = (name: string, node: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'app', labels: { app: name } },
  spec: {
    nodeSelector: { 'kubernetes.io/hostname': node },
    containers: [{ name: 'main', image: 'none' }],
  },
});
/** Only a may send to b. */
const app = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'app' } },
  {
    ...{
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'guard', namespace: 'app' },
    },
    spec: {
      podSelector: { matchLabels: { app: 'b' } },
      ingress: [
        {
          from: [{ podSelector: { matchLabels: { app: 'a' } } }],
          ports: [{ port: 7007, protocol: 'UDP' }],
        },
      ],
    },
  },
  ...[workload('a', 'node1'), workload('c', 'node1'), workload('b', 'node2'), workload('d', 'node2')],
];

const running = (name: string) =>
  site.player.kubelet
    .pods()
    .find(({ pod: { metadata } }) => metadata.namespace === 'app' && metadata.name === name);
async function allRun(): Promise<void> {
  await becomes(async () => {
    const phases = await kubectl('-n', 'app', 'get', 'pods', '-o', 'jsonpath={.items[*].status.phase}');
    expect(phases).toBe('Running Running Running Running');
  });
}
function flows(): readonly Flow[] {
  const end = (name: string) => {
    const sandbox = running(name)?.sandbox;
    if (sandbox === undefined) throw new Error(`${name} has no network`);
    return sandbox;
  };
  const [a, b, c, d] = [end('a'), end('b'), end('c'), end('d')];
  return [
    { name: 'a > b', from: a, to: b, passes: true },
    { name: 'b > a', from: b, to: a, passes: true },
    { name: 'c > d', from: c, to: d, passes: true },
    { name: 'client > a', from: site.client, to: a, passes: true },
    { name: 'c > b', from: c, to: b, passes: false },
    { name: 'd > b', from: d, to: b, passes: false },
    { name: 'client > b', from: site.client, to: b, passes: false },
  ];
}
/** Starts it, and waits until all is as it must be, in both families. */
async function goodTraffic(): Promise<Traffic> {
  const traffic = await startTraffic(flows());
  await becomes(async () => {
    traffic.reset();
    expect(wrongIn(await traffic.count())).toEqual([]);
  });
  return traffic;
}

async function rolledOut(): Promise<void> {
  for (const what of ['daemonset/tortie-node', 'deployment/tortie-controller'])
    await kubectl('-n', 'kube-system', 'rollout', 'status', what, '--timeout=240s').catch(
      (error: unknown) => {
        throw new Error(`${String(error)}\n${site.player.trouble()}`);
      },
    );
}
const torSees = async (prefix: string): Promise<string> => site.tor.ask(`show route for ${prefix}`);
const sessionsUp = (): Promise<void> =>
  becomes(async () => {
    const said = await site.tor.ask('show protocols');
    for (const name of names) expect(said).toMatch(new RegExp(`${name}\\s+BGP\\s.*Established`));
  });

/** IP forwarding stays on (INSTALL.md, Uninstall), with what the kernel ties to it: redirects, routers' own anycast addresses. */
const leftOnPurpose = [
  /^kernel parameters: [-+] \/proc\/sys\/net\/ipv4\/(ip_forward|conf\/all\/accept_redirects):[01]$/,
  /^kernel parameters: [-+] \/proc\/sys\/net\/ipv[46]\/conf\/[^/]+\/forwarding:[01]$/,
  /^IPv6 routes: \+ anycast (fe80::|fd00:30::) dev eth0 table local proto kernel /,
  // Empty: the directories that the DaemonSet mounts.
  /^files: \+ d 755 (opt\/cni|opt\/cni\/bin|etc\/cni|etc\/cni\/net\.d|run\/tortie|var\/lib\/tortie) *$/,
];
async function isAsFound(): Promise<void> {
  for (const [index, node] of site.nodes.entries()) {
    const changed = differences(before[index] ?? {}, await look(node));
    expect(
      changed.filter((line) => !leftOnPurpose.some((one) => one.test(line))),
      node.name,
    ).toEqual([]);
  }
}

/** Nothing that any of our accounts asked for was refused. */
function nothingRefused(): void {
  const since = site.api
    .audit()
    .slice(asked)
    .filter(({ user }) => user.startsWith('system:serviceaccount:kube-system:tortie-'));
  expect(new Set(since.map(({ user }) => user.split(':').at(-1)))).toContain('tortie-controller');
  expect(since.filter(({ code }) => code === 401 || code === 403)).toEqual([]);
}
const restarts = (): readonly string[] =>
  site.player.kubelet
    .pods()
    .flatMap(({ containers }) => containers.filter((one) => one.restarts() > 0).map((one) => one.output()));

describe('the definitions and the single manifest, applied with kubectl; pod CIDRs', () => {
  test('daemons and controller start on both nodes; while no route works the startup taint stays', async () => {
    await addNodes();
    // The speakers do not reach each other.
    for (const node of site.nodes)
      await node.sh(
        `nft 'table inet wall { chain out { type filter hook output priority 0; ip daddr 172.30.0.0/24 tcp dport 179 drop; }; }'`,
      );
    await kubectl('apply', '--server-side', '-f', 'deploy/crds');
    await kubectl('apply', '--server-side', '-f', 'deploy/manifest/tortie.yaml');
    await apply('app', ...app);
    await becomes(async () => {
      const said = await kubectl(
        ...[
          'get',
          'caliconodestatuses',
          '-o',
          'jsonpath={range .items[*]}{.status.tortie.felix.dataplane} {end}',
        ],
      );
      expect(said).toBe('in-sync in-sync ');
    });
    await becomes(async () =>
      expect(await kubectl('-n', 'kube-system', 'get', 'lease', 'tortie-controller', '-o', 'name')).toContain(
        'lease',
      ),
    );
    expect(await taints()).toBe(`${startupTaint} ${startupTaint}`);
    expect(await kubectl('-n', 'app', 'get', 'pods', '-o', 'jsonpath={.items[*].spec.nodeName}')).toBe('');
  });

  test('once each node’s routes are seen at the other, the taint goes and pods get their network', async () => {
    for (const node of site.nodes) await node.sh('nft delete table inet wall');
    await becomes(async () => expect(await taints()).toBe(''));
    await rolledOut();
    await allRun();
    expect(await kubectl('get', 'nodes', '--no-headers')).toMatch(/node1 +Ready[\s\S]*node2 +Ready/);
    expect(await kubectl('get', 'events', '-o', 'jsonpath={.items[*].reason}')).toContain('NodeReady');
  });

  test('BGP is up with the ToR, which routes to every pod', async () => {
    await apply('tor', tor);
    await sessionsUp();
    await becomes(async () => {
      expect(await torSees('10.244.1.0/24')).toContain('via 172.30.0.11');
      expect(await torSees('fd00:244:2::/64')).toContain('via fd00:30::12');
    });
  });

  test('packets pass where policy lets them, and nowhere else', async () => {
    const traffic = await goodTraffic();
    traffic.close();
  });

  test('a Service of type LoadBalancer gets an address of a pool, and the ToR has it from the node of its pod', async () => {
    const { name, ...spec } = front;
    await apply(
      'front',
      ours('IPPool', name, spec),
      ours('BGPConfiguration', 'default', announced),
      ...service(),
    );
    await becomes(async () =>
      expect(
        await kubectl(
          '-n',
          'app',
          'get',
          'service',
          'shop',
          '-o',
          'jsonpath={.status.loadBalancer.ingress[0].ip}',
        ),
      ).toMatch(/^198\.51\.100\.\d+$/),
    );
    const address = await kubectl(
      ...['-n', 'app', 'get', 'service', 'shop', '-o', 'jsonpath={.status.loadBalancer.ingress[0].ip}'],
    );
    await becomes(async () => {
      const said = await torSees(`${address}/32`);
      expect(said).toContain('via 172.30.0.12');
      expect(said).toContain(`${address}/32`);
    });
  });

  test('kubectl get says how peers and pools are', async () => {
    await becomes(async () => {
      const [peers = '', pools = ''] = await Promise.all([
        kubectl('get', 'bgppeers'),
        kubectl('get', 'ippools', '-o', 'wide'),
      ]);
      expect(peers).toMatch(
        /NAME +PEER +ASN +.*READY +REASON[\s\S]*tor +172\.30\.0\.1 +65000 .*True +Established/,
      );
      expect(pools).toMatch(/ALLOCATABLE +REASON[\s\S]*front +198\.51\.100\.0\/28 .*True +OK/);
    });
  });

  test('a wrong object is refused at admission in words; what only Tortie can judge carries a condition and an Event', async () => {
    await expect(
      apply('wrong', ours('BGPPeer', 'wrong', { peerIP: '10.0.0.999', asNumber: 1 })),
    ).rejects.toThrow(/spec\.peerIP/);
    await apply('odd', ours('BGPPeer', 'odd', { peerIP: '10.0.0.9', asNumber: 1, nodeSelector: 'rack ==' }));
    await becomes(async () => {
      const said = await kubectl('describe', 'bgppeer', 'odd');
      expect(said).toMatch(/Reason: +Invalid/);
      expect(said).toMatch(/Warning +InvalidBGPPeer/);
    });
    await kubectl('delete', 'bgppeer', 'odd');
  });

  test('tortiectl status with the administrator’s kubeconfig says that all is well', async () => {
    await becomes(async () => {
      const said = await cluster.tortiectl('status');
      for (const name of names) expect(said).toContain(name);
    });
    nothingRefused();
    expect(restarts()).toEqual([]);
  });

  test('after kubectl delete and the two commands of INSTALL.md on each node it is as it was found', async () => {
    await kubectl(
      '-n',
      'app',
      'delete',
      'pods,networkpolicies,services,endpointslices',
      '--all',
      '--wait=false',
    );
    await becomes(async () => expect(await kubectl('-n', 'app', 'get', 'pods', '-o', 'name')).toBe(''));
    await kubectl('delete', '-f', 'deploy/manifest/tortie.yaml', '--wait=false');
    await kubectl('delete', '-f', 'deploy/crds', '--ignore-not-found', '--wait=false');
    await becomes(() => expect(site.player.kubelet.pods()).toEqual([]));
    for (const node of site.nodes) await clean(node.name);
    await isAsFound();
  });
});

/** A Service of pod b alone, and what the EndpointSlice controller would write. */
function service(): readonly object[] {
  const metadata = { name: 'shop', namespace: 'app' };
  const port = { name: 'udp', port: 7007, protocol: 'UDP' };
  return [
    {
      ...{ apiVersion: 'v1', kind: 'Service', metadata },
      spec: {
        ...{ type: 'LoadBalancer', externalTrafficPolicy: 'Local', selector: { app: 'b' }, ports: [port] },
        ipFamilies: ['IPv4'],
      },
    },
    {
      ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4', ports: [port] },
      metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'shop' } },
      endpoints: [
        {
          addresses: [running('b')?.sandbox?.addresses.find((one) => one.includes('.')) ?? ''],
          ...{ nodeName: 'node2', conditions: { ready: true, serving: true, terminating: false } },
        },
      ],
    },
  ];
}

/** `tortie cni uninstall` and `tortie clean`, from the image, by who is root on the node. */
async function clean(name: string): Promise<void> {
  const { host } = site.node(name);
  const mounts = ['/run/tortie', '/var/lib/tortie'].map((path) => ({ from: host(path), to: path }));
  const cni = ['/opt/cni/bin', '/etc/cni/net.d'].map((path) => ({ from: host(path), to: `/host${path}` }));
  for (const args of [
    ['cni', 'uninstall', '--conf-dir', '/host/etc/cni/net.d', '--bin-dir', '/host/opt/cni/bin'],
    ['clean', '--pods', '--state'],
  ]) {
    const running = startBox(site.ground, name, {
      argv: ['/usr/local/bin/tortie', ...args],
      ...{ env: [], mounts: [...mounts, ...cni], capabilities: ['NET_ADMIN'], user: 0, group: 0 },
    });
    await running.ended;
    expect(running.process.exitCode, running.output()).toBe(0);
  }
}

describe('the chart, with helm; blocks', () => {
  let traffic: Traffic;
  const helm = (...argv: readonly string[]): Promise<string> =>
    cluster.helm('-n', 'kube-system', ...argv).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${site.player.trouble()}`);
    });
  const images = async (): Promise<string> =>
    kubectl(
      ...['-n', 'kube-system', 'get', 'pods', '-l', 'app.kubernetes.io/name=tortie'],
      ...['-o', 'jsonpath={.items[*].spec.containers[*].image}'],
    );

  test('one command installs it, pools and all; tainted nodes become usable, pods get addresses of blocks', async () => {
    await becomes(async () => expect(await kubectl('get', 'crds', '-o', 'name')).toBe(''));
    // Whoever was still ending when the roles were deleted was refused.
    asked = site.api.audit().length;
    await kubectl('taint', 'nodes', '--all', `${startupTaint}=:NoSchedule`);
    const values = {
      ipam: 'blocks',
      ipPools: [
        { name: 'pods', cidr: '10.66.0.0/16', blockSize: 26 },
        { name: 'pods-v6', cidr: 'fd00:66::/48' },
        front,
      ],
      bgpConfiguration: announced,
      kubernetesService: { host: '172.30.0.100', port: '6443' },
    };
    const path = join(site.scratch, 'values.yaml');
    writeFileSync(path, stringify(values));
    await helm('install', 'tortie', 'deploy/chart', '-f', path);
    await apply('tor', tor);
    await apply('app', ...app);
    await rolledOut();
    await becomes(async () => expect(await taints()).toBe(''));
    await allRun();
    expect(running('a')?.sandbox?.addresses.join()).toMatch(/^10\.66\.\d+\.\d+,fd00:66:/);
    await sessionsUp();
    traffic = await goodTraffic();
    await becomes(async () => void (await cluster.tortiectl('status')));
  });

  test.each([
    [
      'an upgrade',
      ['upgrade', 'tortie', 'deploy/chart', '--reuse-values', '--set', 'image.tag=next'],
      'tortie:next',
    ],
    ['a rollback', ['rollback', 'tortie'], 'tortie:0.1.0'],
  ] as const)(
    '%s, node by node under traffic: no packet is lost, nothing is open for a moment',
    async (_, argv, image) => {
      traffic.reset();
      await helm(...argv);
      await rolledOut();
      expect(wrongIn(await traffic.count())).toEqual([]);
      expect(new Set((await images()).split(' '))).toEqual(new Set([image]));
      expect(restarts()).toEqual([]);
    },
  );

  test('all is well after both, and nothing was refused to any of its accounts', async () => {
    await becomes(async () => void (await cluster.tortiectl('status')));
    nothingRefused();
  });

  test('helm uninstall, its hooks run on every node, leaves the nodes as they were found', async () => {
    traffic.close();
    await helm('uninstall', 'tortie', '--timeout', '5m');
    await becomes(() =>
      expect(
        site.player.kubelet.pods().filter(({ pod }) => pod.metadata.namespace === 'kube-system'),
      ).toEqual([]),
    );
    await isAsFound();
    expect(await kubectl('get', 'ippools', '-o', 'name')).toContain('ippool.projectcalico.org/pods');
  });
});
