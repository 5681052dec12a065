/**
 * Host endpoints by packets: a host between two networks with a pod, its ruleset loaded as text, TCP connections tried.
 *
 *     out 192.0.2.1 ── eth0 host eth1 ── 198.51.100.7 back
 *                          │ cali…
 *                        web 10.244.1.2
 */
import { execFileSync } from 'node:child_process';
import type { Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RulesSettings } from '../../felix/rules/settings.ts';
import { renderRuleset } from '../../felix/rules/text.ts';
import { tcpConnect, tcpListen } from '../../src/kernel/sockets.ts';
import { ipv4 } from '../../src/lib/net.ts';
import type { Resource } from '../../src/model/resource.ts';
import { address } from '../support/clusters.ts';
import { eventually } from '../support/eventually.ts';
import { createPlayground } from '../support/namespaces.ts';
import { calico, pod, podInterface, policyScene } from '../support/policy-scene.ts';

const playground = createPlayground('hep');
const servers: Server[] = [];
const ports = { out: [80, 179, 8080], host: [22, 80], back: [80], web: [80] } as const;
const names = ['out', 'host', 'back', 'web'] as const;
type Name = (typeof names)[number];
const pathOf = (name: Name): string => `/run/netns/${playground.netns(name)}`;
const inHost = (command: string): Promise<string> => playground.exec('host', command);
const nft = (script: string): void => {
  execFileSync('nsenter', [`--net=${pathOf('host')}`, 'nft', '-f', '-'], { input: script });
};

beforeAll(async () => {
  const veth = podInterface('web');
  playground.link(['host', 'eth0', '192.0.2.2/24'], ['out', 'eth0', '192.0.2.1/24']);
  playground.link(['host', 'eth1', '198.51.100.2/24'], ['back', 'eth0', '198.51.100.7/24']);
  playground.link(['host', veth, '10.244.1.1/32'], ['web', 'eth0', '10.244.1.2/32']);
  await playground.exec('out', 'ip route add default via 192.0.2.2');
  await playground.exec('back', 'ip route add default via 198.51.100.2');
  await playground.exec('web', 'ip route add 10.244.1.1 dev eth0; ip route add default via 10.244.1.1');
  // A Service's address would leave by the other interface than what it stands for.
  await inHost(
    `sysctl -qw net.ipv4.ip_forward=1; ip route add 10.244.1.2 dev ${veth}; ip route add 10.96.0.0/12 via 198.51.100.7`,
  );
  nft(`table ip services {
    chain in { type nat hook prerouting priority -100; tcp dport 30080 dnat to 10.244.1.2:80; }
    chain seen { type filter hook input priority 10; tcp dport 80 ct state untracked counter; }
    chain out { type nat hook output priority -100; ip daddr 10.96.0.1 tcp dport 80 dnat to 192.0.2.1:8080; }
  }`);
  for (const name of names)
    for (const port of ports[name])
      servers.push(await tcpListen(pathOf(name), ipv4(0), port, (socket) => socket.destroy()));
}, 60_000);
afterAll(async () => {
  for (const server of servers) server.close();
  await playground.close();
});

function load(objects: readonly Resource[], settings: Partial<RulesSettings> = {}): void {
  const scene = policyScene([pod('web', { app: 'web' }, ['10.244.1.2']), ...objects], settings);
  nft(renderRuleset(scene.ruleset));
}

/** What the one who connects is told. */
async function attempt(from: Name, to: string, port: number, timeoutMs: number): Promise<string> {
  try {
    const socket = await tcpConnect(pathOf(from), address(to), port, { timeoutMs });
    socket.on('error', () => undefined);
    socket.destroy();
    return 'passes';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const expectPass = (from: Name, to: string, port: number): Promise<void> =>
  eventually(async () => expect(await attempt(from, to, port, 2000)).toBe('passes'), { within: 20_000 });
const expectDrop = async (from: Name, to: string, port: number): Promise<void> =>
  expect(await attempt(from, to, port, 400)).toContain('ETIMEDOUT');

const host = '192.0.2.2';
const endpoint = (interfaceName: string, profiles: readonly string[] = []): Resource =>
  calico(
    'HostEndpoint',
    'here',
    { node: 'here', interfaceName, expectedIPs: [host], profiles },
    { role: 'node' },
  );
const open = ['projectcalico-default-allow'];
const policy = (name: string, spec: object): Resource =>
  calico('GlobalNetworkPolicy', name, { selector: 'role == "node"', ...spec });
const tcp = (action: string, port: number): object => ({
  action,
  protocol: 'TCP',
  destination: { ports: [port] },
});
const early = { applyOnForward: true, types: ['Ingress'] };

describe('in the kernel, of a host endpoint', () => {
  test('without policy and profile only failsafe ports are open, and what is forwarded passes', async () => {
    load([endpoint('eth0')]);
    await expectPass('out', host, 22);
    await expectDrop('out', host, 80);
    await expectPass('host', '192.0.2.1', 179);
    await expectDrop('host', '192.0.2.1', 80);
    await expectPass('out', '198.51.100.7', 80);
    await expectPass('back', host, 80);
    await expectPass('host', '10.244.1.2', 80);
  });

  test('of all interfaces there is none that is not closed, but the loopback and those of pods', async () => {
    load([endpoint('*')]);
    await expectDrop('back', host, 80);
    await expectPass('host', '127.0.0.1', 80);
    await expectPass('host', '10.244.1.2', 80);
    await expectPass('web', host, 80);
  });

  test('policies of ingress and of forwarding each judge what is theirs', async () => {
    load([endpoint('eth0', open), policy('p', { types: ['Ingress'], ingress: [tcp('Allow', 443)] })]);
    await expectDrop('out', host, 80);
    await expectPass('out', '198.51.100.7', 80);
    load([
      endpoint('eth0', open),
      policy('p', { ...early, ingress: [tcp('Deny', 80), { action: 'Allow' }] }),
    ]);
    await expectDrop('out', '198.51.100.7', 80);
    await expectDrop('out', host, 80);
    await expectPass('back', '192.0.2.1', 80);
  });

  test('what it sends to a Service is judged by what that stands for, and by the interface it then leaves by', async () => {
    const to = (port: number) => policy('e', { types: ['Egress'], egress: [tcp('Allow', port)] });
    load([endpoint('eth0', open), to(8080)]);
    await expectPass('host', '10.96.0.1', 80);
    load([endpoint('eth0', open), to(80)]);
    await expectDrop('host', '10.96.0.1', 80);
    await expectPass('host', '192.0.2.1', 80);
  });

  test('preDNAT policy sees the port that was dialled, and what it allows is not asked about on forward', async () => {
    const forward = policy('f', { ...early, ingress: [{ action: 'Deny' }] });
    load([endpoint('eth0', open)]);
    await expectPass('out', host, 30080);
    load([endpoint('eth0', open), policy('d', { ...early, preDNAT: true, ingress: [tcp('Deny', 30080)] })]);
    await expectDrop('out', host, 30080);
    load([endpoint('eth0', open), forward]);
    await expectDrop('out', host, 30080);
    load([
      endpoint('eth0', open),
      forward,
      policy('d', { ...early, preDNAT: true, ingress: [tcp('Allow', 30080)] }),
    ]);
    await expectPass('out', host, 30080);
  });

  test('untracked policy must allow both directions, and then nothing is tracked', async () => {
    const rules = { ingress: [tcp('Allow', 80)] };
    const back = { action: 'Allow', protocol: 'TCP', source: { ports: [80] } };
    load([endpoint('eth0'), policy('u', { ...early, ...rules, doNotTrack: true })]);
    await expectDrop('out', host, 80);
    const both = { types: ['Ingress', 'Egress'], ...rules, egress: [back] };
    load([endpoint('eth0'), policy('u', { ...early, ...both, doNotTrack: true })]);
    await expectPass('out', host, 80);
    const seen = await inHost('nft list chain ip services seen');
    expect(Number(/counter packets (\d+)/.exec(seen)?.[1])).toBeGreaterThan(0);
  });

  test('where Deny rejects, who knocks is told at once', async () => {
    load([endpoint('eth0', open), policy('p', { ...early, ingress: [{ action: 'Deny' }] })], {
      deny: 'Reject',
    });
    for (const to of [host, '198.51.100.7'])
      expect(await attempt('out', to, 80, 20_000)).toMatch(/EHOSTUNREACH|EACCES|ECONNREFUSED|EPERM/);
  });
}, 120_000);
