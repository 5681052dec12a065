import { expect, test } from 'vitest';
import { hostSysctls, planPlumbing, podMac } from '../../../src/cni/plan.ts';
import { formatAddress, formatPrefix, parseAddress } from '../../../src/lib/net.ts';

const wiring = (...texts: readonly string[]) => ({
  interface: 'cali1',
  ifname: 'eth0',
  netns: '/run/netns/p',
  mtu: 1450,
  mac: '02:00:00:00:00:01',
  addresses: texts.flatMap((text) => parseAddress(text) ?? []),
});

/** The plan as a person would type it. */
function words(...texts: readonly string[]): {
  readonly host: readonly string[];
  readonly pod: readonly string[];
} {
  const plan = planPlumbing(wiring(...texts));
  const say = (op: (typeof plan.host)[number]): string => {
    switch (op.kind) {
      case 'sysctl':
        return `${op.path}=${op.value}`;
      case 'route':
        return `route ${formatPrefix(op.dst)}${op.via === undefined ? '' : ` via ${formatAddress(op.via)}`} dev ${op.link}`;
      case 'address':
        return `address ${formatAddress(op.address)}/${op.length} dev ${op.link}`;
      case 'neighbour':
        return `neighbour ${formatAddress(op.address)} ${op.mac} dev ${op.link}`;
      case 'up':
        return `up ${op.link}`;
      case 'delete-link':
        return `delete ${op.name}`;
      case 'veth':
        return `veth ${op.name} ${op.mac} peer ${op.peer} ${op.peerMac} mtu ${op.mtu} in ${op.netns}`;
    }
  };
  return { host: plan.host.map(say), pod: plan.pod.map(say) };
}

test('an IPv4 pod gets its /32 and a way out through 169.254.1.1', () => {
  expect(words('10.1.0.5').pod).toEqual([
    'up eth0',
    'address 10.1.0.5/32 dev eth0',
    'route 169.254.1.1/32 dev eth0',
    'neighbour 169.254.1.1 ee:ee:ee:ee:ee:ee dev eth0',
    'route 0.0.0.0/0 via 169.254.1.1 dev eth0',
  ]);
});

test("an IPv6 pod goes out through the host end's link-local address, without waiting for DAD", () => {
  expect(words('fd00::5').pod).toEqual([
    'net/ipv6/conf/eth0/disable_ipv6=0',
    'net/ipv6/conf/eth0/accept_dad=0',
    'net/ipv6/conf/eth0/accept_ra=0',
    'up eth0',
    'address fd00::5/128 dev eth0',
    'neighbour fe80::ecee:eeff:feee:eeee ee:ee:ee:ee:ee:ee dev eth0',
    'route ::/0 via fe80::ecee:eeff:feee:eeee dev eth0',
  ]);
});

test('on the host a stale pair goes first and the settings are in place before the link is up', () => {
  const { host } = words('10.1.0.5', 'fd00::5');
  expect(host.slice(0, 2)).toEqual([
    'delete cali1',
    'veth cali1 ee:ee:ee:ee:ee:ee peer eth0 02:00:00:00:00:01 mtu 1450 in /run/netns/p',
  ]);
  expect(host.at(-1)).toBe('up cali1');
  expect(host).toContain('net/ipv4/conf/cali1/proxy_arp=1');
  expect(host).toContain('net/ipv6/conf/cali1/addr_gen_mode=0');
});

test('a pod without IPv6 leaves the IPv6 settings alone, and the other way round', () => {
  expect(hostSysctls('cali1', [4]).every(({ path }) => path.startsWith('net/ipv4/'))).toBe(true);
  expect(hostSysctls('cali1', [6]).every(({ path }) => path.startsWith('net/ipv6/'))).toBe(true);
});

test("a pod's MAC is locally administered and the same for the same container", () => {
  expect(podMac('abc', 'eth0')).toMatch(/^02(:[0-9a-f]{2}){5}$/);
  expect(podMac('abc', 'eth0')).toBe(podMac('abc', 'eth0'));
  expect(podMac('abc', 'eth0')).not.toBe(podMac('abd', 'eth0'));
});
