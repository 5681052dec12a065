import { describe, expect, test } from 'vitest';
import { type CniEnvironment, environmentOf } from '../../../src/cni/environment.ts';
import { addressesOf } from '../../../src/cni/previous.ts';
import { parseCniRequest } from '../../../src/cni/request.ts';
import { supportedVersions } from '../../../src/cni/spec.ts';
import { formatAddress, parseAddress } from '../../../src/lib/net.ts';

const environment: CniEnvironment = {
  CNI_COMMAND: 'ADD',
  CNI_CONTAINERID: 'abc123',
  CNI_NETNS: '/run/netns/pod1',
  CNI_IFNAME: 'eth0',
  CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;K8S_POD_UID=1',
  CNI_PATH: '/opt/cni/bin',
};
const config = { cniVersion: '1.0.0', name: 'pods', type: 'tortie' };

interface Given {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly conf?: Readonly<Record<string, unknown>>;
  readonly stdin?: string;
}

function parse({ env = {}, conf = {}, stdin }: Given): ReturnType<typeof parseCniRequest> {
  const entries = Object.entries({ ...environment, ...env }).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  return parseCniRequest(Object.fromEntries(entries), stdin ?? JSON.stringify({ ...config, ...conf }));
}

const refusal = (given: Given): string => {
  const result = parse(given);
  return result.ok ? 'accepted' : `${result.error.code} ${result.error.msg}`;
};

describe('a CNI call', () => {
  test.each(supportedVersions)('ADD of %s is read whole', (cniVersion) => {
    expect(parse({ conf: { cniVersion, mtu: 1400, dns: { domain: 'x' } } })).toEqual({
      ok: true,
      value: {
        command: 'ADD',
        version: cniVersion,
        containerId: 'abc123',
        ifname: 'eth0',
        netns: '/run/netns/pod1',
        pod: { namespace: 'shop', name: 'web-0', uid: '1' },
        network: { name: 'pods', policyOnly: false, mtu: 1400, ips: [] },
        dns: { domain: 'x' },
      },
    });
  });

  test('DEL needs neither namespace nor pod, and does not mind the configuration', () => {
    const env = { CNI_COMMAND: 'DEL', CNI_NETNS: undefined, CNI_ARGS: undefined };
    expect(parse({ env, conf: { ipam: {}, name: undefined } })).toEqual({
      ok: true,
      value: { command: 'DEL', version: '1.0.0', containerId: 'abc123', ifname: 'eth0' },
    });
  });

  test('CHECK reads the addresses of prevResult', () => {
    const prevResult = { ips: [{ address: '10.1.0.5/32' }, { address: 'fd00::5/128' }] };
    const result = parse({ env: { CNI_COMMAND: 'CHECK' }, conf: { prevResult } });
    expect(
      result.ok && result.value.command === 'CHECK'
        ? addressesOf(result.value.previous, 'eth0').map(formatAddress)
        : result,
    ).toEqual(['10.1.0.5', 'fd00::5']);
  });

  test('GC reads the valid attachments', () => {
    const conf = { cniVersion: '1.1.0', 'cni.dev/valid-attachments': [{ containerID: 'a', ifname: 'eth0' }] };
    expect(parse({ env: { CNI_COMMAND: 'GC' }, conf })).toEqual({
      ok: true,
      value: {
        command: 'GC',
        version: '1.1.0',
        network: 'pods',
        valid: [{ containerId: 'a', ifname: 'eth0' }],
      },
    });
  });

  test('the headers of the plugin become the environment, and other headers do not', () => {
    expect(environmentOf({ 'cni-command': 'ADD', 'cni-ifname': 'eth0', host: 'tortie' })).toEqual({
      CNI_COMMAND: 'ADD',
      CNI_IFNAME: 'eth0',
    });
  });
});

/** As in Calico's manifest, after its installer has filled it in. */
const calicos = {
  type: 'calico',
  log_level: 'info',
  log_file_path: '/var/log/calico/cni/cni.log',
  datastore_type: 'kubernetes',
  nodename: 'node1',
  mtu: 0,
  num_queues: 1,
  ipam: {
    type: 'calico-ipam',
    assign_ipv4: 'true',
    assign_ipv6: 'true',
    ipv4_pools: ['default-ipv4-ippool'],
  },
  policy: { type: 'k8s' },
  kubernetes: { kubeconfig: '/etc/cni/net.d/calico-kubeconfig' },
  windows_use_single_network: true,
};

describe('a configuration', () => {
  const networkOf = (conf: Readonly<Record<string, unknown>>): unknown => {
    const result = parse({ conf });
    return result.ok && result.value.command === 'ADD' ? result.value.network : result;
  };

  test('as Calico writes it is taken as it is', () => {
    expect(networkOf(calicos)).toEqual({
      name: 'pods',
      policyOnly: false,
      nodename: 'node1',
      ips: [],
      ipam: {
        mode: 'blocks',
        type: 'calico-ipam',
        families: [4, 6],
        pools: { 4: ['default-ipv4-ippool'], 6: undefined },
      },
    });
  });

  test.each([
    [{ type: 'calico-ipam' }, 'blocks', [4]],
    [{ type: 'tortie-ipam' }, 'blocks', undefined],
    [{ type: 'tortie-ipam', assign_ipv4: false }, 'blocks', [6]],
    [{ type: 'host-local', subnet: 'usePodCidr' }, 'pod-cidrs', [4]],
    [
      {
        type: 'host-local',
        ranges: [[{ subnet: 'usePodCidr' }], [{ subnet: 'usePodCidrIPv6' }]],
        routes: [{ dst: '0.0.0.0/0' }],
      },
      'pod-cidrs',
      [4, 6],
    ],
  ])('%j says where addresses come from and of which families', (ipam, mode, families) => {
    expect(networkOf({ ipam })).toMatchObject({ ipam: { mode, families } });
  });

  test('has what the runtime fills in for our capabilities', () => {
    const runtimeConfig = { ips: ['10.0.0.9/24'], mac: '02-AA-00-00-00-01' };
    expect(
      networkOf({ capabilities: { ips: true, mac: true, bandwidth: false }, runtimeConfig }),
    ).toMatchObject({
      ips: [parseAddress('10.0.0.9')],
      mac: '02:aa:00:00:00:01',
    });
  });
});

describe('a bad CNI call is answered with the code of the specification and a sentence', () => {
  const cases: readonly (readonly [string, Given, string])[] = [
    [
      'no command',
      { env: { CNI_COMMAND: undefined } },
      '4 CNI_COMMAND is not set; it must be one of ADD, DEL, CHECK, STATUS, GC, VERSION.',
    ],
    [
      'an unknown command',
      { env: { CNI_COMMAND: 'PUT' } },
      '4 CNI_COMMAND is "PUT"; it must be one of ADD, DEL, CHECK, STATUS, GC, VERSION.',
    ],
    [
      'one missing variable',
      { env: { CNI_NETNS: '' } },
      '4 CNI_NETNS is not set; the container runtime must set it.',
    ],
    [
      'several missing variables',
      { env: { CNI_CONTAINERID: undefined, CNI_IFNAME: undefined } },
      '4 CNI_CONTAINERID, CNI_IFNAME are not set; the container runtime must set them.',
    ],
    [
      'a container id with a slash',
      { env: { CNI_CONTAINERID: '../x' } },
      '4 CNI_CONTAINERID is "../x"; it must be letters, digits, "_", "." and "-", at most 200, the first a letter or digit.',
    ],
    [
      'an interface name that is too long',
      { env: { CNI_IFNAME: 'a23456789012345x' } },
      '4 CNI_IFNAME is "a23456789012345x"; it must be at most 15 characters without "/", ":" or space.',
    ],
    [
      'a namespace that is no path',
      { env: { CNI_NETNS: 'pod1' } },
      '4 CNI_NETNS is "pod1"; it must be an absolute path.',
    ],
    [
      'arguments without a pod name',
      { env: { CNI_ARGS: 'K8S_POD_NAMESPACE=shop' } },
      '4 CNI_ARGS has no K8S_POD_NAME; tortie attaches Kubernetes pods and must know which.',
    ],
    [
      'a pod name that cannot be one',
      { env: { CNI_ARGS: 'K8S_POD_NAMESPACE=shop;K8S_POD_NAME=a/b' } },
      '4 CNI_ARGS has K8S_POD_NAME="a/b", which is no Kubernetes name; tortie attaches Kubernetes pods and must know which.',
    ],
    [
      'a list instead of an object',
      { stdin: '[]' },
      '6 The network configuration on stdin is not a JSON object.',
    ],
    [
      'no version',
      { conf: { cniVersion: undefined } },
      '1 The network configuration has no cniVersion; write one of 0.3.1, 0.4.0, 1.0.0, 1.1.0.',
    ],
    [
      'a version nobody speaks',
      { conf: { cniVersion: '0.2.0' } },
      '1 The network configuration has cniVersion "0.2.0", which tortie does not speak; write one of 0.3.1, 0.4.0, 1.0.0, 1.1.0.',
    ],
    [
      'CHECK before it was invented',
      { env: { CNI_COMMAND: 'CHECK' }, conf: { cniVersion: '0.3.1' } },
      '1 CHECK came with CNI 0.4.0, and the configuration says cniVersion 0.3.1. Raise cniVersion in the network configuration.',
    ],
    [
      'no network name',
      { conf: { name: undefined } },
      '7 The network configuration has no name; write letters, digits, "_", "." and "-", the first a letter or digit.',
    ],
    [
      'an impossible MTU',
      { conf: { mtu: 100 } },
      '7 The network configuration has mtu 100; write a whole number of octets from 576 to 65535.',
    ],
    [
      'an ipam section with a range of its own',
      { conf: { ipam: { type: 'host-local', subnet: '10.0.0.0/8' } } },
      '2 The network configuration has ipam = {"type":"host-local","subnet":"10.0.0.0/8"}. Tortie gives addresses of the Node’s spec.podCIDRs only; write "subnet": "usePodCidr" (and "usePodCidrIPv6" in ranges).',
    ],
    [
      'an IPAM that is not ours',
      { conf: { ipam: { type: 'dhcp' } } },
      '2 The network configuration has ipam.type = "dhcp". Tortie gives addresses itself; write "calico-ipam" (blocks of the IPPools), or "host-local" with subnet "usePodCidr".',
    ],
    [
      'no family at all',
      { conf: { ipam: { type: 'calico-ipam', assign_ipv4: 'false' } } },
      '7 ipam has assign_ipv4 and assign_ipv6 "false": pods would get no address. Set one to "true".',
    ],
    [
      'a pool of the other family',
      { conf: { ipam: { type: 'calico-ipam', ipv4_pools: ['fd00::/64'] } } },
      '7 ipam.ipv4_pools has fd00::/64, which is not IPv4; put it in the other list.',
    ],
    [
      'etcd',
      { conf: { datastore_type: 'etcdv3' } },
      '2 The network configuration has datastore_type = "etcdv3". Tortie reads the Kubernetes API; leave it out.',
    ],
    [
      'a bad MAC of the runtime',
      { conf: { runtimeConfig: { mac: '01:00:5e:00:00:01' } } },
      '7 runtimeConfig.mac is "01:00:5e:00:00:01"; write a unicast MAC address.',
    ],
    [
      'two addresses of one family',
      { conf: { runtimeConfig: { ips: ['10.0.0.1/24', '10.0.0.2'] } } },
      '7 runtimeConfig.ips has two IPv4 addresses; a pod gets one of each family.',
    ],
    [
      'a field of another plugin',
      { conf: { bridge: 'br0' } },
      '2 The network configuration has bridge = "br0". Tortie has no such field; leave it out.',
    ],
    [
      'masquerading',
      { conf: { ipMasq: true } },
      '2 The network configuration has ipMasq = true. Tortie does not masquerade pods; leave it out.',
    ],
    [
      'capabilities',
      { conf: { capabilities: { portMappings: true } } },
      '2 The network configuration has capabilities = {"portMappings":true}. Tortie has the capabilities ips and mac; give others to the plugin that has them, e.g. portMappings to portmap and bandwidth to bandwidth, after tortie.',
    ],
    [
      'a prevResult that is none',
      { conf: { prevResult: {} } },
      '7 The network configuration has a prevResult without a list of ips that can be read. It must be the result of the plugin before tortie.',
    ],
    [
      'policy only of nothing',
      { conf: { policyOnly: true } },
      '7 The network configuration says policyOnly and has no prevResult. Put tortie after the plugin that makes the interface, e.g. ptp.',
    ],
    [
      'CHECK without prevResult',
      { env: { CNI_COMMAND: 'CHECK' } },
      '7 CHECK needs the result of ADD as prevResult, with ips, in the network configuration.',
    ],
    [
      'GC without the list',
      { env: { CNI_COMMAND: 'GC' }, conf: { cniVersion: '1.1.0' } },
      '7 GC needs "cni.dev/valid-attachments", a list of {"containerID", "ifname"}, in the network configuration.',
    ],
  ];
  test.each(cases)('%s', (_, given, sentence) => {
    expect(refusal(given)).toBe(sentence);
  });

  test('text that is not JSON', () => {
    expect(refusal({ stdin: '{"cniVersion": ' })).toMatch(
      /^6 The network configuration on stdin is not JSON: /,
    );
  });

  test('the error is labelled with the version of the call', () => {
    const result = parse({ env: { CNI_NETNS: '' }, conf: { cniVersion: '0.4.0' } });
    expect(result.ok ? undefined : result.error.cniVersion).toBe('0.4.0');
  });
});
