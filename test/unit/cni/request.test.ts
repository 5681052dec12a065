import { describe, expect, test } from 'vitest';
import { type CniEnvironment, environmentOf } from '../../../src/cni/environment.ts';
import { parseCniRequest } from '../../../src/cni/request.ts';
import { supportedVersions } from '../../../src/cni/spec.ts';
import { formatAddress } from '../../../src/lib/net.ts';

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
        pod: { namespace: 'shop', name: 'web-0' },
        mtu: 1400,
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
      result.ok && result.value.command === 'CHECK' ? result.value.addresses.map(formatAddress) : result,
    ).toEqual(['10.1.0.5', 'fd00::5']);
  });

  test('GC reads the valid attachments', () => {
    const conf = { cniVersion: '1.1.0', 'cni.dev/valid-attachments': [{ containerID: 'a', ifname: 'eth0' }] };
    expect(parse({ env: { CNI_COMMAND: 'GC' }, conf })).toEqual({
      ok: true,
      value: { command: 'GC', version: '1.1.0', valid: [{ containerId: 'a', ifname: 'eth0' }] },
    });
  });

  test('the headers of the plugin become the environment, and other headers do not', () => {
    expect(environmentOf({ 'cni-command': 'ADD', 'cni-ifname': 'eth0', host: 'tortie' })).toEqual({
      CNI_COMMAND: 'ADD',
      CNI_IFNAME: 'eth0',
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
      'an ipam section',
      { conf: { ipam: { type: 'host-local' } } },
      '2 The network configuration has ipam = {"type":"host-local"}. Tortie gives addresses from the pod CIDRs of the Node itself; leave it out.',
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
      '2 The network configuration has capabilities = {"portMappings":true}. Give capabilities to the plugin that has them, e.g. portmap after tortie.',
    ],
    [
      'a plugin before us',
      { conf: { prevResult: {} } },
      '7 The network configuration has a prevResult: another plugin made an interface before tortie. Put tortie first in the list of plugins.',
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
