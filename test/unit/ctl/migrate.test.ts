import { describe, expect, test } from 'vitest';
import type { Source } from '../../../src/ctl/cluster/source.ts';
import { migrate, migrationText } from '../../../src/ctl/migrate/command.ts';
import type { Verdict } from '../../../src/ctl/migrate/verdict.ts';
import { ok } from '../../../src/lib/result.ts';
import type { Manifest } from '../../../src/store/objects.ts';

const crd = 'crd.projectcalico.org/v1';
const made = (
  kind: string,
  name: string,
  spec: Manifest = {},
  more: Manifest = {},
  apiVersion = crd,
): Manifest => ({
  apiVersion,
  kind,
  metadata: { name, ...more },
  spec,
});

/** Lists what it was given; a kind it was not given is not known to it. */
const sourceOf = (...objects: readonly Manifest[]): Source => ({
  where: 'https://here',
  list: async ({ kind, apiVersion }, scope = {}) =>
    ok(
      objects.filter(
        (one) =>
          one['kind'] === kind &&
          one['apiVersion'] === apiVersion &&
          (scope.fields === undefined || JSON.stringify(one).includes(scope.fields.split('=')[1] ?? '')),
      ),
    ),
  get: async () => ok(undefined),
  follow: () => () => undefined,
});

const verdicts = async (...objects: readonly Manifest[]): Promise<readonly Verdict[]> =>
  (await migrate(sourceOf(...objects))).verdicts;
const fates = async (...objects: readonly Manifest[]): Promise<readonly string[]> =>
  (await verdicts(...objects)).map(({ fate, object }) => `${object}: ${fate}`);

describe('of Calico', () => {
  test.each<[string, Manifest, readonly string[]]>([
    ['a plain pool', made('IPPool', 'a', { cidr: '10.65.0.0/16', ipipMode: 'Never' }), ['IPPool/a: works']],
    [
      'a pool with tunnels and translation',
      made('IPPool', 'a', { cidr: '10.65.0.0/16', ipipMode: 'Always', natOutgoing: true }),
      ['IPPool/a spec.ipipMode: not supported'],
    ],
    ['a plain peer', made('BGPPeer', 'tor', { peerIP: '10.0.0.1', asNumber: 65000 }), ['BGPPeer/tor: works']],
    [
      'a peer with filters',
      made('BGPPeer', 'tor', { peerIP: '10.0.0.1', asNumber: 65000, filters: ['f'] }),
      ['BGPPeer/tor: works'],
    ],
    ['a filter', made('BGPFilter', 'f', { exportV4: [{ action: 'Reject' }] }), ['BGPFilter/f: works']],
    [
      'a filter by interface',
      made('BGPFilter', 'f', { exportV4: [{ action: 'Reject', interface: 'eth0' }] }),
      ['BGPFilter/f: works'],
    ],
    ['a global policy', made('GlobalNetworkPolicy', 'deny'), ['GlobalNetworkPolicy/deny: works']],
    [
      'its own NetworkPolicy',
      made('NetworkPolicy', 'deny', {}, { namespace: 'shop' }),
      ['NetworkPolicy/shop/deny: works'],
    ],
    ['the tier everyone has', made('Tier', 'default'), []],
    ['a tier of its own', made('Tier', 'security'), ['Tier/security: works']],
    ['the profiles it makes itself', made('Profile', 'kns.default'), []],
    [
      'a host endpoint',
      made('HostEndpoint', 'eth0', { node: 'node1', interfaceName: 'eth0' }),
      ['HostEndpoint/eth0: works'],
    ],
    [
      'a policy that looks into HTTP',
      made('GlobalNetworkPolicy', 'http', { ingress: [{ action: 'Allow', http: { methods: ['GET'] } }] }),
      ['GlobalNetworkPolicy/http spec.ingress[0].http: not supported'],
    ],
    [
      'Felix with eBPF and WireGuard',
      made('FelixConfiguration', 'default', {
        bpfEnabled: true,
        wireguardEnabled: true,
        logSeverityScreen: 'Info',
      }),
      [
        'FelixConfiguration/default spec.wireguardEnabled: not supported',
        'FelixConfiguration/default spec.bpfEnabled: not supported',
      ],
    ],
    [
      'Felix as it is installed',
      made('FelixConfiguration', 'default'),
      ['FelixConfiguration/default: works'],
    ],
    [
      'blocks in the old group',
      made('IPAMBlock', 'b', { allocations: [0, null] }),
      ['IPAMBlock: works differently'],
    ],
    [
      'blocks in ours',
      made('IPAMBlock', 'b', { allocations: [0, null] }, {}, 'projectcalico.org/v3'),
      ['IPAMBlock: works'],
    ],
  ])('%s', async (_, object, expected) => {
    expect(new Set(await fates(object))).toEqual(new Set(expected));
  });

  test('an object that both groups have is judged once', async () => {
    const spec = { peerIP: '10.0.0.1', asNumber: 65000 };
    expect(
      await fates(made('BGPPeer', 'tor', spec), made('BGPPeer', 'tor', spec, {}, 'projectcalico.org/v3')),
    ).toEqual(['BGPPeer/tor: works']);
  });

  test('annotations of nodes and pods are read', async () => {
    const node = {
      ...made(
        'Node',
        'node1',
        { podCIDRs: ['10.0.0.0/24'] },
        {
          annotations: {
            'projectcalico.org/RouteReflectorClusterID': '244.0.0.1',
            'projectcalico.org/IPv4Address': '10.1.0.5/24',
          },
        },
        'v1',
      ),
      status: { addresses: [{ type: 'InternalIP', address: '10.0.0.5' }] },
    };
    const pod = made(
      'Pod',
      'web',
      {},
      {
        namespace: 'shop',
        annotations: {
          'cni.projectcalico.org/floatingIPs': '["1.2.3.4"]',
          'cni.projectcalico.org/ipv4pools': '["a"]',
        },
      },
      'v1',
    );
    const all = await verdicts(node, pod);
    expect(all.map(({ fate, object }) => `${object}: ${fate}`)).toEqual([
      'Node/node1: works',
      'Node/node1: works differently',
      'Pod/shop/web cni.projectcalico.org/ipv4pools: works',
      'Pod/shop/web cni.projectcalico.org/floatingIPs: not supported',
    ]);
    expect(all[1]?.what).toBe('Calico peers from 10.1.0.5, Tortie from the InternalIP 10.0.0.5.');
  });
});

describe('of Flannel', () => {
  const config = (backend: string): Manifest => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'kube-flannel-cfg', namespace: 'kube-flannel' },
    data: { 'net-conf.json': JSON.stringify({ Network: '10.244.0.0/16', Backend: { Type: backend } }) },
  });

  test.each([
    ['host-gw', 'works'],
    ['vxlan', 'works differently'],
    ['wireguard', 'not supported'],
    ['alloc', 'not supported'],
  ])('the backend %s %s', async (backend, fate) => {
    expect((await fates(config(backend)))[0]).toBe(
      `ConfigMap/kube-flannel/kube-flannel-cfg Backend ${backend}: ${fate}`,
    );
  });

  test('policies that never held will hold, which is said', async () => {
    const policy = made('NetworkPolicy', 'deny', {}, { namespace: 'shop' }, 'networking.k8s.io/v1');
    const found = (await verdicts(config('vxlan'), policy)).find(({ object }) => object === 'NetworkPolicy');
    expect(found?.what).toBe('1 exist that Flannel never enforced (shop/deny); they will hold at once.');
    expect(await verdicts(policy)).toEqual([]);
  });
});

test('what runs now is named, the worst is first, and what may not be read is said', async () => {
  const set = made('DaemonSet', 'calico-node', {}, { namespace: 'kube-system' }, 'apps/v1');
  const source = sourceOf(
    set,
    made('BGPPeer', 'tor', { peerIP: '10.0.0.1', asNumber: 65000 }),
    made('IPPool', 'f', { cidr: '10.0.0.0/16', vxlanMode: 'Always' }),
  );
  const guarded: Source = {
    ...source,
    list: async (place, scope) =>
      place.kind === 'ConfigMap'
        ? { ok: false, error: { kind: 'forbidden', sentence: 'You may not read configmaps.' } }
        : source.list(place, scope),
  };
  expect(migrationText(await migrate(guarded))).toBe(`Runs now: Calico (DaemonSet kube-system/calico-node).

VERDICT        OBJECT                   HOW, AND WHAT TO DO
not supported  IPPool/f spec.vxlanMode  is not supported in this version: packets between nodes are routed, never encapsulated. Set it to Never once every node and ToR has routes to the pods: all nodes on one network, or BGPPeers with the ToR routers.
works          BGPPeer/tor

Not read: You may not read configmaps.
1 not supported, 0 works differently, 1 works.`);
});
