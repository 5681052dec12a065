import { expect, test } from 'vitest';
import { resultOf } from '../../../src/cni/spec.ts';
import { parseAddress } from '../../../src/lib/net.ts';

const made = {
  interface: 'cali0123456789a',
  hostMac: 'ee:ee:ee:ee:ee:ee',
  ifname: 'eth0',
  mac: '02:00:00:00:00:01',
  netns: '/run/netns/pod1',
  mtu: 1450,
  addresses: ['10.1.0.5', 'fd00::5'].flatMap((text) => parseAddress(text) ?? []),
  dns: { domain: 'cluster.local' },
};
const routes = [
  { dst: '0.0.0.0/0', gw: '169.254.1.1' },
  { dst: '::/0', gw: 'fe80::ecee:eeff:feee:eeee' },
];
const ips = [
  { address: '10.1.0.5/32', gateway: '169.254.1.1', interface: 1 },
  { address: 'fd00::5/128', gateway: 'fe80::ecee:eeff:feee:eeee', interface: 1 },
];
const interfaces = [
  { name: 'cali0123456789a', mac: 'ee:ee:ee:ee:ee:ee' },
  { name: 'eth0', mac: '02:00:00:00:00:01', sandbox: '/run/netns/pod1' },
];

test.each(['0.3.1', '0.4.0'] as const)(
  'the result of %s names the IP version of each address',
  (cniVersion) => {
    expect(resultOf(cniVersion, made)).toEqual({
      cniVersion,
      interfaces,
      ips: ips.map((ip, index) => ({ version: index === 0 ? '4' : '6', ...ip })),
      routes,
      dns: { domain: 'cluster.local' },
    });
  },
);

test('the result of 1.0.0 has neither version nor MTU', () => {
  expect(resultOf('1.0.0', made)).toEqual({
    cniVersion: '1.0.0',
    interfaces,
    ips,
    routes,
    dns: { domain: 'cluster.local' },
  });
});

test('the result of 1.1.0 tells the MTU of both interfaces', () => {
  expect(resultOf('1.1.0', { ...made, dns: {} })).toEqual({
    cniVersion: '1.1.0',
    interfaces: interfaces.map((one) => ({ ...one, mtu: 1450 })),
    ips,
    routes,
    dns: {},
  });
});
