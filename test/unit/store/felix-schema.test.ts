import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseAddress, parsePrefix } from '../../../src/lib/net.ts';
import { felixFields } from '../../../src/model/felix-fields.ts';
import { refusedFelixFields } from '../../../src/model/felix-refused.ts';
import { formatDuration } from '../../../src/model/felix-shown.ts';
import { parseDuration, readFelixFields } from '../../../src/store/schema/felix-configuration.ts';
import { flaws, resource } from './schema.ts';

const felix = (spec: string, name = 'default') =>
  `{apiVersion: projectcalico.org/v3, kind: FelixConfiguration, metadata: {name: ${name}}, spec: ${spec}}`;
const given = (spec: string): unknown => {
  const read = resource(felix(spec));
  return read.kind === 'FelixConfiguration' ? read.given : undefined;
};

describe('FelixConfiguration', () => {
  test.each<[string, unknown]>([
    ['{}', {}],
    ['{defaultEndpointToHostAction: Drop}', { defaultEndpointToHostAction: 'Drop' }],
    ['{defaultEndpointToHostAction: ACCEPT}', { defaultEndpointToHostAction: 'Accept' }],
    ['{routeRefreshInterval: 1m30s}', { routeRefreshInterval: 90_000 }],
    ['{iptablesRefreshInterval: 500ms, iptablesLockProbeInterval: 50ms}', { iptablesRefreshInterval: 500 }],
    ['{natPortRange: "32768:60999"}', { natPortRange: { first: 32768, last: 60999 } }],
    ['{natPortRange: "0:0"}', {}],
    ['{natOutgoingAddress: 192.0.2.1}', { natOutgoingAddress: parseAddress('192.0.2.1') }],
    ['{logActionRateLimit: 10/minute}', { logActionRateLimit: { count: 10, unit: 'minute' } }],
    ['{interfaceExclude: "kube-ipvs0, /^veth/"}', { interfaceExclude: ['kube-ipvs0', '/^veth/'] }],
    ['{failsafeInboundHostPorts: []}', { failsafeInboundHostPorts: [] }],
    [
      '{failsafeInboundHostPorts: [{protocol: udp, port: 53, net: 10.0.0.0/8}, {port: 22, net: ""}]}',
      {
        failsafeInboundHostPorts: [
          { protocol: 17, port: 53, net: parsePrefix('10.0.0.0/8') },
          { protocol: 6, port: 22 },
        ],
      },
    ],
    ['{bpfEnabled: false, ipipEnabled: false, interfacePrefix: cali, wireguardEnabled: false}', {}],
    ['{connectionPolicy: Reevaluate}', { connectionPolicy: 'Reevaluate' }],
  ])('%s is read', (spec, expected) => {
    expect(given(spec)).toEqual(expected);
  });

  test.each<[string, string]>([
    [
      '{defaultEndpointToHostAction: Deny}',
      'spec.defaultEndpointToHostAction: must be one of Drop, Accept, Return',
    ],
    ['{routeRefreshInterval: 90}', 'spec.routeRefreshInterval: must be a duration like "90s"'],
    ['{dataplaneWatchdogTimeout: 1s}', 'spec.dataplaneWatchdogTimeout: is out of range'],
    ['{natPortRange: "5:4"}', 'spec.natPortRange: is no range of ports'],
    ['{deviceRouteSourceAddress: "fd00::1"}', 'spec.deviceRouteSourceAddress: must be an IPv4 address'],
    ['{mtuIfacePattern: "("}', 'spec.mtuIfacePattern: is not a regular expression'],
    ['{interfaceExclude: "/(/"}', 'spec.interfaceExclude: has the text "/(/"'],
    ['{logActionRateLimit: 10/week}', 'spec.logActionRateLimit: must be a rate like 10/second'],
    ['{failsafeInboundHostPorts: [{protocol: icmp, port: 1}]}', 'protocol: must be TCP, UDP or SCTP'],
    ['{bpfEnabled: true}', 'spec.bpfEnabled: is not supported in this version: there is no eBPF dataplane'],
    [
      '{wireguardEnabled: true}',
      'spec.wireguardEnabled: is not supported in this version: there is no WireGuard',
    ],
    ['{interfacePrefix: tap}', 'spec.interfacePrefix: is not supported in this version'],
    ['{chainInsertmode: Insert}', 'Did you mean chainInsertMode?'],
    ['{nodeSelector: all()}', 'spec.nodeSelector: cannot stand in an object whose name says'],
  ])('%s is refused', (spec, why) => {
    expect(flaws(felix(spec)).join('\n')).toContain(why);
  });

  test('an object is for all nodes, for one, or for those its nodeSelector takes', () => {
    expect(flaws(felix('{}', 'node.n1'))).toEqual([]);
    expect(flaws(felix('{nodeSelector: has(gpu)}', 'gpu'))).toEqual([]);
    expect(flaws(felix('{}', 'gpu')).join()).toContain('metadata.name: does not say which nodes');
    expect(flaws(felix('{nodeSelector: ""}', 'node.')).join()).toContain('metadata.name');
  });

  test('no field is both done and refused, and every refusal says why', () => {
    const both = Object.keys(felixFields).filter((name) => Object.hasOwn(refusedFelixFields, name));
    expect(both).toEqual([]);
    for (const { why } of Object.values(refusedFelixFields)) expect(why.length).toBeGreaterThan(10);
  });

  test('what asks for nothing of a refused field is taken', () => {
    for (const [name, { harmless }] of Object.entries(refusedFelixFields))
      for (const value of harmless)
        expect([name, readFelixFields({ [name]: value })]).toEqual([name, { ok: true, value: {} }]);
  });

  test('a duration is written so that it is read back the same', () => {
    fc.assert(
      fc.property(fc.nat(86_400_000), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms);
      }),
    );
  });
});
