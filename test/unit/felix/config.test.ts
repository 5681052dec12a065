import { describe, expect, test } from 'vitest';
import { fromCommandLine, fromEnvironment } from '../../../felix/config/environment.ts';
import { floatingOf, parseDscp, parseQuantity, readTraffic } from '../../../felix/config/pod.ts';
import { rulesSettingsOf } from '../../../felix/config/rules.ts';
import { Configured } from '../../../felix/configured.ts';
import { bucketOf } from '../../../felix/dataplane/bandwidth.ts';
import { smallestMtu } from '../../../felix/dataplane/mtu.ts';
import { defaultRulesSettings } from '../../../felix/rules/settings.ts';
import { ipv4, parseAddress, parsePrefix } from '../../../src/lib/net.ts';
import { type FelixSettings, felixDefaults } from '../../../src/model/felix-fields.ts';

const address = (text: string) => parseAddress(text) ?? ipv4(0);

describe('from outside the cluster', () => {
  test('the environment says fields in Calico’s names and forms', () => {
    const { override, problems } = fromEnvironment({
      FELIX_DEFAULTENDPOINTTOHOSTACTION: 'ACCEPT',
      FELIX_IPTABLESREFRESHINTERVAL: '60',
      FELIX_FAILSAFEINBOUNDHOSTPORTS: 'tcp:22, udp:10.0.0.0/8:53,udp:[fd00::/8]:53,179',
      FELIX_FAILSAFEOUTBOUNDHOSTPORTS: 'none',
      FELIX_DISABLECONNTRACKINVALIDCHECK: 'true',
      FELIX_NFTABLESMARKMASK: '0xff000000',
      FELIX_IPINIPENABLED: '',
      FELIX_BPFENABLED: 'false',
      FELIX_SERVICE_HOST: '10.96.0.1',
      PATH: '/bin',
    });
    expect(problems).toEqual([]);
    expect(override).toEqual({
      from: 'environment',
      given: {
        defaultEndpointToHostAction: 'Accept',
        iptablesRefreshInterval: 60_000,
        failsafeInboundHostPorts: [
          { protocol: 6, port: 22 },
          { protocol: 17, port: 53, net: parsePrefix('10.0.0.0/8') },
          { protocol: 17, port: 53, net: parsePrefix('fd00::/8') },
          { protocol: 6, port: 179 },
        ],
        failsafeOutboundHostPorts: [],
        disableConntrackInvalidCheck: true,
        nftablesMarkMask: 0xff000000,
      },
    });
  });

  test.each([
    [{ FELIX_BPFENABLED: 'true' }, /FELIX_BPFENABLED.*is not supported/],
    [{ FELIX_VXLANPORT: 'many' }, /FELIX_VXLANPORT/],
    [{ FELIX_NONSENSE: '1' }, /FELIX_NONSENSE.*is no field/],
  ])('%j is said, and the rest counts', (environment, said) => {
    const { override, problems } = fromEnvironment({ ...environment, FELIX_FLOATINGIPS: 'Enabled' });
    expect(problems.map(({ where, what }) => `${where} ${what}`).join()).toMatch(said);
    expect(override.given).toEqual({ floatingIPs: 'Enabled' });
  });

  test('the command line says field=value, in any case', () => {
    expect(fromCommandLine(['natportrange=1000:2000', 'logPrefix=a=b']).problems[0]?.where).toContain(
      '--set logPrefix',
    );
    expect(fromCommandLine(['natportrange=1000:2000']).override.given).toEqual({
      natPortRange: { first: 1000, last: 2000 },
    });
  });
});

describe('what rules are made by', () => {
  test('without a FelixConfiguration it is the default of the rules', () => {
    expect(rulesSettingsOf(felixDefaults, 'nftables')).toEqual(defaultRulesSettings);
  });

  test.each<[Partial<FelixSettings>, object]>([
    [{ nftablesFilterDenyAction: 'Reject' }, { deny: 'Reject' }],
    [{ iptablesFilterDenyAction: 'Reject' }, { deny: 'Drop' }],
    [{ allowVXLANPacketsFromWorkloads: true, vxlanPort: 1 }, { denyVxlanPort: undefined }],
    [{ denyLogRateLimit: 0 }, { denied: undefined }],
    [
      { logActionRateLimit: { count: 600, unit: 'minute' }, logActionRateLimitBurst: 7 },
      { log: { prefix: 'calico-packet', rate: { perSecond: 10, burst: 7 } } },
    ],
    [{ nftablesMarkMask: 0x00f0_0000 }, { acceptedMark: 0x0010_0000 }],
    [{ nftablesMarkMask: 0x8000_0000 }, { acceptedMark: 0x8000_0000 }],
    [{ workloadSourceSpoofing: 'Any' }, { sourceSpoofing: true }],
  ])('%j', (given, expected) => {
    const { denyVxlanPort, denied, ...rest } = rulesSettingsOf({ ...felixDefaults, ...given }, 'nftables');
    expect({ ...rest, denyVxlanPort, denied }).toMatchObject(expected);
  });
});

describe('what a pod asks by annotations', () => {
  const read = (annotations: Readonly<Record<string, string>>) => readTraffic('Pod/shop/web', annotations);

  test('limits, floating addresses and further sources are read', () => {
    const { traffic, problems } = read({
      'qos.projectcalico.org/ingressBandwidth': '10M',
      'qos.projectcalico.org/ingressPeakrate': '20M',
      'qos.projectcalico.org/egressBandwidth': '1Gi',
      'qos.projectcalico.org/egressBurst': '8k',
      'qos.projectcalico.org/egressPacketRate': '100',
      'qos.projectcalico.org/ingressMaxConnections': '7',
      'qos.projectcalico.org/dscp': 'AF11',
      'cni.projectcalico.org/floatingIPs': '["192.0.2.1", "fd00::1"]',
      'cni.projectcalico.org/allowedSourcePrefixes': '["10.0.0.0/8"]',
    });
    expect(problems).toEqual([]);
    expect(traffic).toEqual({
      floating: [address('192.0.2.1'), address('fd00::1')],
      sources: [parsePrefix('10.0.0.0/8')],
      ingress: { maxConnections: 7 },
      egress: { packetRate: { perSecond: 100, burst: 5 } },
      bandwidth: {
        ingress: { rate: 10e6, burst: 2 ** 32, peak: { rate: 20e6 } },
        egress: { rate: 2 ** 30, burst: 8000 },
      },
      dscp: 10,
    });
    expect(floatingOf(traffic.floating, [address('10.1.0.1')])).toEqual([
      { floating: address('192.0.2.1'), own: address('10.1.0.1') },
    ]);
  });

  test.each([
    [{ 'qos.projectcalico.org/ingressBandwidth': '10' }, 'must be a quantity from 1000'],
    [{ 'qos.projectcalico.org/egressMaxConnections': 'many' }, 'must be a quantity'],
    [{ 'qos.projectcalico.org/dscp': '64' }, 'write 0 to 63'],
    [{ 'cni.projectcalico.org/floatingIPs': '192.0.2.1' }, 'write a JSON list'],
    [{ 'cni.projectcalico.org/allowedSourcePrefixes': '["x"]' }, 'write a JSON list'],
  ])('%j is a problem, and counts as not said', (annotations, why) => {
    const { traffic, problems } = read(annotations);
    expect(problems).toHaveLength(1);
    expect(problems[0]?.what).toContain(why);
    expect(traffic).toEqual(read({}).traffic);
  });

  test('quantities and code points', () => {
    expect(['1', '1.5k', '2Mi', '1x', '', '-1'].map(parseQuantity)).toEqual([
      1,
      1500,
      2 ** 21,
      undefined,
      undefined,
      undefined,
    ]);
    expect(['EF', 'cs6', 'AF43', '63', '64', 'XX'].map(parseDscp)).toEqual([
      46,
      48,
      38,
      63,
      undefined,
      undefined,
    ]);
  });

  test('a bucket holds at least the greatest packet', () => {
    expect(bucketOf({ rate: 8e6, burst: 8000 })).toEqual({
      rate: 1e6,
      burst: 65_536,
      limit: 25_000 + 65_536,
    });
  });
});

test('the MTU of pods is the smallest of the interfaces that are up and match', () => {
  const links = [
    { name: 'lo', mtu: 65_536, up: true },
    { name: 'eth0', mtu: 9000, up: true },
    { name: 'eth1', mtu: 1450, up: true },
    { name: 'eth2', mtu: 576, up: false },
    { name: 'docker0', mtu: 1400, up: true },
  ];
  expect(smallestMtu(links, felixDefaults.mtuIfacePattern)).toBe(1450);
  expect(smallestMtu(links, '^wlan')).toBeUndefined();
});

describe('a change', () => {
  const put = (name: string, given: Partial<FelixSettings>) =>
    ({
      kind: 'put',
      resource: { kind: 'FelixConfiguration', meta: { name, labels: {}, annotations: {} }, given },
    }) as const;

  test('of what is taken only at the start needs a new start, and no other', () => {
    const configured = new Configured('n1');
    configured.change(put('default', { maxIpsetSize: 5 }));
    configured.start();
    expect(configured.outdated()).toEqual([]);
    configured.change(put('default', { maxIpsetSize: 5, floatingIPs: 'Enabled' }));
    expect(configured.outdated()).toEqual([]);
    expect(configured.features.floatingIPs).toBe(true);
    configured.change(put('node.n1', { maxIpsetSize: 6 }));
    expect(configured.outdated()).toEqual(['maxIpsetSize']);
    configured.change({ kind: 'delete', ref: { kind: 'FelixConfiguration', name: 'node.n1' } });
    expect(configured.outdated()).toEqual([]);
  });
});
