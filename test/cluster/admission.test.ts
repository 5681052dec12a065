/** What a real API server lets in and lets be seen: bookmarks, rights, definitions that come and go, and their checks. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Clock, realClock } from '../../src/host/clock.ts';
import { askSocket } from '../../src/host/socket.ts';
import { millis } from '../../src/lib/net.ts';
import { seededRandom } from '../../src/lib/random.ts';
import type { Kind } from '../../src/model/resource.ts';
import { kinds } from '../../src/store/kinds.ts';
import { type Api, openApi } from '../../src/store/kubernetes/api.ts';
import { openMirror } from '../../src/store/kubernetes/mirror.ts';
import { openKubernetesStore } from '../../src/store/kubernetes.ts';
import type { Rule } from '../../src/store/schema/cel.ts';
import { allCrds } from '../../src/store/schema/crd.ts';
import type { Json } from '../../src/store/store.ts';
import { admissionCases } from '../support/admission-cases.ts';
import { createApiServer } from '../support/api-server.ts';
import { clusterObjects } from '../support/cluster-objects.ts';
import { eventually } from '../support/eventually.ts';
import { type Follower, follow } from '../support/follower.ts';
import { type Manifest, nodeManifest, peerManifest, podManifest } from '../support/manifests.ts';
import { createPlayground } from '../support/namespaces.ts';

const ground = createPlayground('kd');
const api = createApiServer(ground, 'api', []);
const objects = clusterObjects(api);
const soon = { within: 60_000 };
let follower: Follower | undefined;

beforeAll(() => api.start());
afterAll(async () => {
  await api.close();
  await ground.close();
});
afterEach(async () => {
  follower?.stop();
  await objects.clear();
});

/** Time runs faster, so that what is tried again every half minute is tried while we look. */
const hurried: Clock = {
  now: realClock.now,
  after: (after, run) => realClock.after(millis(after / 10), run),
};
const address = '10.97.0.1';
const open = (user: 'admin' | 'tortie' | 'stranger') =>
  openKubernetesStore({
    kubeconfig: api.kubeconfig(user, address),
    clock: hurried,
    random: seededRandom(1),
  });

function watch(user: 'admin' | 'tortie' | 'stranger', kinds: readonly Kind[]): Follower {
  follower = follow(open(user), kinds);
  return follower;
}

// The only file that begins without definitions, so this goes first.
describe('definitions', () => {
  test('that are not installed are a problem; once installed the objects arrive, once removed they are gone', async () => {
    await objects.put(nodeManifest('node1', '10.1.0.0/24'));
    const seen = watch('admin', ['Node', 'BGPPeer']);
    await eventually(() => expect(seen.inSync).toBe(true), soon);
    expect(seen.keys()).toEqual(['Node/node1']);
    expect(seen.problems).toEqual([
      {
        where: `Kubernetes API https://${address}:6443, kind BGPPeer`,
        what: 'is not known to the API server, so it counts as having no objects.',
        fix: "Install Tortie's CustomResourceDefinitions: kubectl apply -f deploy/crds.",
      },
    ]);
    await objects.installCrds();
    await objects.put(peerManifest('tor', 64513));
    await eventually(() => expect(seen.keys()).toEqual(['BGPPeer/tor', 'Node/node1']), soon);
    expect(seen.problems).toEqual([]);
    await objects.remove({ kind: 'CustomResourceDefinition', name: 'bgppeers.projectcalico.org' });
    await eventually(() => expect(seen.keys()).toEqual(['Node/node1']), soon);
    await eventually(() => expect(seen.problems).toHaveLength(1), soon);
    await objects.installCrds();
    await objects.put(peerManifest('tor', 64514));
    await eventually(() => expect(seen.get('BGPPeer/tor')).toMatchObject({ asNumber: 64514 }), soon);
    await eventually(() => expect(seen.problems).toEqual([]), soon);
  });

  const calico = (kind: string, spec: Json): Manifest => ({
    apiVersion: 'projectcalico.org/v3',
    kind,
    metadata: { name: 'default' },
    spec,
  });
  const peer = (spec: object): Manifest => calico('BGPPeer', { peerIP: '10.0.0.1', asNumber: 1, ...spec });

  test.each([
    calico('BGPConfiguration', {}),
    calico('BGPConfiguration', {
      asNumber: '1.10',
      listenPort: 1790,
      nodeToNodeMeshEnabled: false,
      logSeverityScreen: 'Info',
      serviceClusterIPs: [],
      serviceLoadBalancerIPs: [{ cidr: '198.51.100.0/24' }],
    }),
    peer({ asNumber: 4294967294, keepaliveTime: '1m30s', nodeSelector: 'all()' }),
    peer({ asNumber: '64512', peerIP: '[fd00::1]:1790', node: 'node1', filters: [], ttlSecurity: 0 }),
    calico('BGPFilter', {
      exportV4: [{ action: 'Accept', operations: [{ prependASPath: { prefix: [65000, '1.1'] } }] }],
      importV6: [{ action: 'Reject', cidr: '::/0', matchOperator: 'Equal', source: 'RemotePeers' }],
    }),
    calico('IPPool', { cidr: '10.244.0.0/16', blockSize: 26, allowedUses: ['Workload', 'Tunnel'] }),
    calico('IPPool', { cidr: 'fd00:244::/48', disabled: true, natOutgoing: false, vxlanMode: 'Never' }),
    calico('IPPool', { cidr: '198.51.100.0/24', allowedUses: ['LoadBalancer'], assignmentMode: 'Automatic' }),
    calico('IPPool', { cidr: '10.9.0.0/16', namespaceSelector: 'has(team)', nodeSelector: 'rack == "1"' }),
    calico('IPReservation', { reservedCIDRs: ['10.0.0.0/28', '10.0.0.9'] }),
    calico('IPAMConfiguration', { strictAffinity: true, maxBlocksPerHost: 4, ipCooldownSeconds: 60 }),
    calico('CalicoNodeStatus', { node: 'default', classes: ['Agent', 'BGP'], updatePeriodSeconds: 10 }),
  ])('what we read the API server takes and gives back whole: %j', async (manifest) => {
    const { kind } = manifest as { readonly kind: string };
    await objects.put(manifest);
    const stored = (await objects.get({ kind, name: 'default' })) as { readonly spec: Json };
    expect(stored.spec).toMatchObject(manifest['spec'] as object);
    const seen = watch('admin', [kind as Kind]);
    await eventually(() => expect(seen.inSync).toBe(true), soon);
    expect(seen.keys()).toEqual([`${kind}/default`]);
    expect(seen.problems).toEqual([]);
  });

  test.each([
    [peer({ asNumber: 'x' }), 'spec.asNumber'],
    [peer({ asNumber: 0 }), 'spec.asNumber'],
    [peer({ asNumber: 4294967296 }), 'spec.asNumber'],
    [peer({ keepaliveTime: '10' }), 'spec.keepaliveTime'],
    [peer({ peerIP: 5 }), 'spec.peerIP'],
    [calico('BGPPeer', { peerIP: '10.0.0.1' }), 'asNumber is missing'],
    [calico('BGPPeer', {}), 'exactly one of peerIP'],
    [calico('BGPConfiguration', { listenPort: 65536 }), 'spec.listenPort'],
    [calico('BGPConfiguration', { nodeToNodeMeshEnabled: 'yes' }), 'spec.nodeToNodeMeshEnabled'],
    [calico('IPPool', { cidr: '10.244.0.0' }), 'spec.cidr'],
    [calico('IPPool', { cidr: '10.244.0.0/16', allowedUses: ['Party'] }), 'spec.allowedUses'],
  ])('what cannot be right the API server refuses already: %j', async (manifest, field) => {
    await expect(objects.put(manifest)).rejects.toThrow(field);
  });

  test('every rule has a case below', () => {
    const rulesOf = (json: unknown): readonly string[] => {
      if (typeof json !== 'object' || json === null) return [];
      const own =
        'x-kubernetes-validations' in json ? (json['x-kubernetes-validations'] as readonly Rule[]) : [];
      return [...own.map(({ message }) => message), ...Object.values(json).flatMap(rulesOf)];
    };
    for (const { name, manifest } of allCrds()) {
      const cases = admissionCases.filter(({ kind }) => name.startsWith(kinds[kind as Kind].plural));
      for (const message of rulesOf(manifest))
        expect(cases.map((one) => one.message)).toContainEqual(
          expect.toSatisfy((begin: string) => message.startsWith(begin)),
        );
    }
  });

  test.each(admissionCases)('$kind: what $message', async ({ message, before, refused, accepted }) => {
    if (before !== undefined) await objects.put(before);
    await expect(objects.put(refused)).rejects.toThrow(message);
    await objects.put(accepted);
  });

  test('what a person leaves out is filled in as the daemons read it', async () => {
    await objects.put(calico('IPPool', { cidr: '10.244.0.0/16' }));
    await objects.put(calico('IPAMConfiguration', {}));
    const specOf = async (kind: string) =>
      ((await objects.get({ kind, name: 'default' })) as { readonly spec: Json }).spec;
    expect(await specOf('IPPool')).toEqual({
      cidr: '10.244.0.0/16',
      nodeSelector: 'all()',
      assignmentMode: 'Automatic',
    });
    expect(await specOf('IPAMConfiguration')).toEqual({ strictAffinity: false, autoAllocateBlocks: true });
  });

  test('kubectl shows health: a column with the condition, and its reason', async () => {
    await objects.put(calico('IPPool', { cidr: '10.244.0.0/16', blockSize: 26 }));
    await open('admin').putStatus(
      { kind: 'IPPool', name: 'default' },
      {
        conditions: [
          {
            type: 'Allocatable',
            status: 'False',
            reason: 'CIDROverlap',
            message: 'It overlaps IPPool/other.',
            lastTransitionTime: '2030-01-01T00:00:00Z',
          },
        ],
      },
    );
    const { body } = await api.request(
      'GET',
      '/apis/projectcalico.org/v3/ippools',
      undefined,
      'application/json',
      'application/json;as=Table;v=v1;g=meta.k8s.io',
    );
    const { columnDefinitions, rows } = body as unknown as {
      readonly columnDefinitions: readonly { readonly name: string; readonly priority: number }[];
      readonly rows: readonly { readonly cells: readonly Json[] }[];
    };
    const shown = columnDefinitions.flatMap(({ name, priority }, n) =>
      priority === 0 ? [[name, rows[0]?.cells[n]]] : [],
    );
    expect(Object.fromEntries(shown)).toMatchObject({
      Name: 'default',
      CIDR: '10.244.0.0/16',
      Block: 26,
      Allocatable: 'False',
      Reason: 'CIDROverlap',
    });
  });

  test('a condition without a reason is refused, whoever writes it', async () => {
    await objects.put(peer({}));
    const writing = open('admin').putStatus(
      { kind: 'BGPPeer', name: 'default' },
      { conditions: [{ type: 'Ready', status: 'True' }] },
    );
    await expect(writing).rejects.toThrow(/status\.conditions\[0\]\.reason/);
  });

  test('a field that this version lacks is kept by the API server and refused by us, in words', async () => {
    await objects.put(calico('IPPool', { cidr: '10.244.0.0/16', vxlanMode: 'Always' }));
    const seen = watch('admin', ['IPPool']);
    await eventually(() => expect(seen.inSync).toBe(true), soon);
    expect(seen.keys()).toEqual([]);
    expect(seen.problems).toEqual([
      {
        where: 'IPPool/default spec.vxlanMode',
        what: 'is not supported in this version: packets between nodes are routed, never encapsulated.',
        fix: 'Remove the field.',
        ref: { kind: 'IPPool', name: 'default' },
      },
    ]);
  });

  test('each kind has a status of its own that patches of the object leave alone', async () => {
    await objects.put(peer({}));
    await open('admin').putStatus({ kind: 'BGPPeer', name: 'default' }, { sessions: 2, nodes: { n1: 'up' } });
    await objects.patch(
      { kind: 'BGPPeer', name: 'default' },
      { spec: { asNumber: 2 }, status: { sessions: 9 } },
    );
    expect(await objects.get({ kind: 'BGPPeer', name: 'default' })).toMatchObject({
      spec: { asNumber: 2 },
      status: { sessions: 2, nodes: { n1: 'up' } },
    });
  });
});

describe('rights', () => {
  test('that are missing are a problem which says so; once granted the objects arrive', async () => {
    await objects.put(podManifest('a'));
    const seen = watch('tortie', ['Pod', 'Node']);
    await eventually(() => expect(seen.problems).toHaveLength(2), soon);
    expect(seen.inSync).toBe(false);
    expect(seen.problems[0]).toEqual({
      where: `Kubernetes API https://${address}:6443, kind Pod`,
      what: expect.stringMatching(
        /^cannot be read: the API server answered 403 Forbidden: pods is forbidden: User "tortie" cannot list .*; nothing is done before it was read, and it is tried again\.$/,
      ),
      fix: 'Allow list and watch of this kind in the ClusterRole.',
    });
    await objects.grant();
    await eventually(() => expect(seen.inSync).toBe(true), soon);
    expect(seen.keys()).toEqual(['Pod/default/a']);
    expect(seen.problems).toEqual([]);
  });

  test('that are taken away leave what was read in force, and are a problem once the watch ends', async () => {
    await objects.put(podManifest('a'));
    await objects.grant();
    const seen = watch('tortie', ['Pod']);
    await eventually(() => expect(seen.inSync).toBe(true), soon);
    await objects.remove({ kind: 'ClusterRoleBinding', name: 'tortie' });
    await api.kill('server');
    await api.start();
    await eventually(() => expect(seen.problems[0]?.what).toContain('403 Forbidden'), soon);
    expect(seen.keys()).toEqual(['Pod/default/a']);
    await objects.grant();
    await objects.put(podManifest('b'));
    await eventually(() => expect(seen.keys()).toEqual(['Pod/default/a', 'Pod/default/b']), soon);
    await eventually(() => expect(seen.problems).toEqual([]), soon);
  });

  test('the ClusterRole gives none to write: a status is refused in words', async () => {
    await objects.put(podManifest('a'));
    const writing = open('tortie').putStatus(
      { kind: 'Pod', namespace: 'default', name: 'a' },
      { phase: 'Running' },
    );
    await expect(writing).rejects.toThrow(
      /^the status of Pod\/default\/a was not written: the API server answered 403 Forbidden: .*cannot patch.*\.$/,
    );
  });

  test('a token that the server does not know is a problem of credentials, and is not repeated to anybody', async () => {
    const seen = watch('stranger', ['Pod']);
    await eventually(() => expect(seen.problems).toHaveLength(1), soon);
    expect(seen.problems[0]?.what).toContain('401 Unauthorized');
    expect(seen.problems[0]?.fix).toBe('Give valid credentials in the kubeconfig or service account.');
    expect(JSON.stringify(seen.problems)).not.toContain('token-of');
  });
});

describe('a service account', () => {
  const accounts = '/api/v1/namespaces/kube-system/serviceaccounts';

  test('is found as in a pod, and its token is enough for a daemon with the ClusterRole', async () => {
    await objects.grant();
    await api.request('POST', accounts, {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'tortie' },
    });
    const { body } = await api.request('POST', `${accounts}/tortie/token`, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { audiences: [], expirationSeconds: 3600 },
    });
    const { token } = (body as { readonly status: { readonly token: string } }).status;
    const directory = mkdtempSync(join(tmpdir(), 'tortie-account-'));
    writeFileSync(join(directory, 'token'), token);
    writeFileSync(join(directory, 'ca.crt'), api.certificate);
    writeFileSync(join(directory, 'namespace'), 'kube-system');
    // A mount namespace of its own has the files where a pod has them.
    const asInPod = `mount -t tmpfs tmpfs /run && mkdir -p /run/secrets/kubernetes.io && cp -r ${directory} /run/secrets/kubernetes.io/serviceaccount && exec "$@"`;
    const socket = join(directory, 'bgp.sock');
    const daemon = [process.execPath, 'src/tortie.ts', 'bgp', '--datastore', 'kubernetes', '--node', 'none'];
    ground.start(
      'api',
      [
        'unshare',
        '--mount',
        'sh',
        '-c',
        asInPod,
        'pod',
        ...daemon,
        '--no-fib',
        '--socket',
        socket,
        '--state-dir',
        directory,
      ],
      {
        env: {
          KUBECONFIG: '',
          HOME: directory,
          KUBERNETES_SERVICE_HOST: address,
          KUBERNETES_SERVICE_PORT: '6443',
        },
      },
    );
    await eventually(async () => {
      const answer = await askSocket(socket, '/status');
      expect(answer).toMatchObject({ ok: true, value: { body: { inSync: true } } });
    }, soon);
    const users = new Set(api.audit().map(({ user }) => user));
    expect(users).toContain('system:serviceaccount:kube-system:tortie');
    rmSync(directory, { recursive: true, maxRetries: 10 });
  });
});

describe('bookmarks', () => {
  test('are received, and a watch goes on from the last one though nothing of its kind has changed', async () => {
    const { KubeConfig } = await import('@kubernetes/client-node');
    const config = new KubeConfig();
    config.loadFromFile(api.kubeconfig('admin', address));
    const real = openApi(config);
    if (!real.ok) throw new Error(real.error);
    const versions: number[] = [];
    const lines: string[] = [];
    // The server sends one two seconds before a watch ends, if it has heard from etcd: so the watches are made short.
    const brief: Api = {
      ...real.value,
      watch: (path, query, watcher) => {
        versions.push(Number(query['resourceVersion']));
        return real.value.watch(
          path,
          { ...query, timeoutSeconds: '16' },
          {
            ...watcher,
            lines: (some) => {
              lines.push(...some);
              watcher.lines(some);
            },
          },
        );
      },
    };
    const mirror = openMirror(
      'BGPPeer',
      { api: brief, clock: realClock, random: Math.random },
      () => undefined,
    );
    await eventually(() => expect(versions).toHaveLength(1), soon);
    for (let n = 0; n < 5; n++) await objects.put(nodeManifest(`node${n}`, `10.${n}.0.0/24`));
    await eventually(() => expect(versions).toHaveLength(2), { within: 60_000 });
    mirror.stop();
    expect(lines.map((line) => (JSON.parse(line) as { readonly type: string }).type)).toContain('BOOKMARK');
    expect(versions[1]).toBeGreaterThanOrEqual((versions[0] ?? 0) + 5);
    expect(mirror.problems).toEqual([]);
  });
});
