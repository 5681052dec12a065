/** Sessions named by a link, over IPv6 link-local addresses that nobody configured, beside FRR and BIRD. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { portOf, tcpConnect, tcpListen } from '../../src/kernel/sockets.ts';
import type { PeerStatus } from '../../src/model/status.ts';
import { eventually } from '../support/eventually.ts';
import { type OwnRouter, ownRouter } from '../support/own-router.ts';
import { createRack, ipPool, type Rack } from '../support/rack.ts';
import { address } from '../support/sockets.ts';

/** A machine of CI is slow. */
const soon = 60_000;

const onLink = (name: string, link: string, asNumber: number, more: object = {}) => ({
  apiVersion: 'projectcalico.org/v3',
  kind: 'BGPPeer',
  metadata: { name },
  spec: { node: 'node1', interface: link, asNumber, keepaliveTime: '1s', connectRetry: '3s', ...more },
});

const frr = `router bgp 65000
 bgp router-id 172.30.0.31
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor eth1 interface remote-as external
 neighbor eth1 timers 1 9
 neighbor eth1 timers connect 1
 address-family ipv4 unicast
  network 10.9.0.0/24
 exit-address-family
 address-family ipv6 unicast
  neighbor eth1 activate
  network fd09::/64
 exit-address-family
`;

const bird = (neighbour: string, more = ''): string => `log stderr all;
router id 172.30.0.32;
protocol device {}
protocol static { ipv4; route 10.9.1.0/24 blackhole; }
protocol bgp node {
  local as 65001;
  neighbor ${neighbour} as 64512;
  interface "eth2";
  hold time 9; keepalive time 1; connect retry time 1; connect delay time 1; error wait time 1, 2;
  ipv4 { import all; export where source = RTS_STATIC; extended next hop; };
  ipv6 { import all; export none; };
  ${more}
}
`;

const secret = (key: string, value: string) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'passwords', namespace: 'tortie' },
  data: { [key]: Buffer.from(value).toString('base64') },
});

const peerOf = (rack: Rack, resource: string, check: (peer: PeerStatus) => boolean): Promise<PeerStatus> =>
  eventually(
    async () => {
      const { peers, problems } = await rack.node(1).status();
      const found = peers.find((peer) => peer.resource === resource);
      if (found === undefined || !check(found))
        throw new Error(`${JSON.stringify({ peers, problems })}\n${rack.node(1).log()}`);
      return found;
    },
    { within: soon },
  );
const isUp = (peer: PeerStatus): boolean => peer.state === 'Established';

const linkLocal = async (rack: Rack, host: string, link: string): Promise<string> => {
  const text = await rack.ground.exec(host, `ip -6 -o addr show dev ${link} scope link`);
  const found = /inet6 (fe80:[^/]*)/.exec(text)?.[1];
  if (found === undefined) throw new Error(text);
  return found;
};

describe('beside FRR and BIRD', () => {
  let rack: Rack;
  let spine: OwnRouter;
  let leaf: OwnRouter;

  beforeAll(async () => {
    rack = createRack('unnum', 1);
    rack.host('spine', 31);
    rack.host('leaf', 32);
    rack.ground.link(['node1', 'eth1'], ['spine', 'eth1']);
    rack.ground.link(['node1', 'eth2'], ['leaf', 'eth2']);
    for (const host of ['node1', 'spine', 'leaf'])
      await rack.ground.exec(host, 'sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1');
    rack.put(ipPool('outside', '10.9.0.0/16'), ipPool('outside6', 'fd09::/48'));
    rack.put(onLink('spine', 'eth1', 65000));
    await rack.node(1).start('--namespace', 'tortie');
  });
  afterAll(() => rack.close());

  test('before anybody is seen there is a problem that says so, and a neighbour that is down for it; the node is not ready', async () => {
    await eventually(
      async () => {
        const { problems, peers } = await rack.node(1).status();
        expect(problems.map(({ where }) => where)).toEqual(['BGPPeer/spine spec.interface']);
        expect(peers).toMatchObject([
          {
            address: 'eth1',
            resource: 'spine',
            state: 'Idle',
            lastError: 'no router has been seen on eth1 yet',
          },
        ]);
      },
      { within: soon },
    );
    await eventually(
      async () =>
        expect(await rack.node(1).probe('/readyz')).toContain(
          'the session with eth1 of BGPPeer/spine is not up',
        ),
      { within: soon },
    );
  });

  test('FRR "neighbor eth1 interface": each finds the other by its Router Advertisements', async () => {
    spine = await ownRouter(rack, 'frr', 'spine', frr);
    const peer = await peerOf(rack, 'spine', isUp);
    expect(peer.address).toContain(await linkLocal(rack, 'spine', 'eth1'));
    expect(peer.families).toEqual(['ipv4-unicast', 'ipv6-unicast']);
    expect((await rack.node(1).status()).problems).toEqual([]);
    expect(spine.output()).not.toMatch(/malformed/i);
  });

  test('RFC 8950: IPv4 prefixes go both ways with IPv6 next hops, into both kernels, and packets after them', async () => {
    const there = await linkLocal(rack, 'spine', 'eth1');
    await eventually(
      async () => {
        expect(await rack.node(1).ip('route show 10.9.0.0/24')).toContain(`via inet6 ${there} dev eth1`);
        expect(await rack.node(1).ip('-6 route show fd09::/64')).toContain(`via ${there} dev eth1`);
        const here = await linkLocal(rack, 'node1', 'eth1');
        const theirs = await rack.ground.exec('spine', 'ip route show 10.244.1.0/24');
        expect(theirs).toContain(`via inet6 ${here} dev eth1`);
      },
      { within: soon },
    );
    await rack.ground.exec('spine', 'ip address add 10.9.0.1/32 dev lo');
    await rack.ground.exec('node1', 'ip address add 10.244.1.5/32 dev lo');
    const netnsOf = (host: string): string => `/run/netns/${rack.ground.netns(host)}`;
    const listener = await tcpListen(netnsOf('spine'), address('10.9.0.1'), 0, (socket) =>
      socket.end(`hello ${socket.remoteAddress}`),
    );
    const socket = await tcpConnect(netnsOf('node1'), address('10.9.0.1'), portOf(listener), {
      source: address('10.244.1.5'),
      timeoutMs: 30_000,
    });
    const text = await new Promise((resolve) => socket.once('data', (data) => resolve(data.toString())));
    socket.destroy();
    listener.close();
    expect(text).toBe('hello 10.244.1.5');
  });

  test('a router exchanged for another one on the same link is found', async () => {
    await rack.ground.exec('spine', 'ip link set eth1 down');
    await rack.ground.exec('spine', 'ip link set eth1 address 02:00:00:00:09:99');
    await rack.ground.exec('spine', 'ip link set eth1 up');
    const peer = await peerOf(rack, 'spine', (one) => isUp(one) && one.address.includes('999'));
    expect(peer.address).toContain(await linkLocal(rack, 'spine', 'eth1'));
  });

  test('BIRD, which advertises nothing and dials our link-local address, is found by that', async () => {
    rack.put(onLink('leaf', 'eth2', 65001));
    const here = await linkLocal(rack, 'node1', 'eth2');
    leaf = await ownRouter(rack, 'bird', 'leaf', bird(here));
    const peer = await peerOf(rack, 'leaf', isUp);
    const there = await linkLocal(rack, 'leaf', 'eth2');
    expect(peer.address).toContain(there);
    await eventually(
      async () => {
        expect(await rack.node(1).ip('route show 10.9.1.0/24')).toContain(`via inet6 ${there} dev eth2`);
        expect(await leaf.ask('show route 10.244.1.0/24')).toContain(here);
      },
      { within: soon },
    );
  });

  test('RFC 2385 and RFC 5082: signed and near, over link-local addresses too', async () => {
    rack.put(secret('leaf', 'one-key'));
    const guarded = { password: { secretKeyRef: { name: 'passwords', key: 'leaf' } }, ttlSecurity: 1 };
    rack.put(onLink('leaf', 'eth2', 65001, guarded));
    const here = await linkLocal(rack, 'node1', 'eth2');
    await peerOf(rack, 'leaf', (peer) => !isUp(peer));
    await leaf.configure(bird(here, 'password "one-key"; ttl security on;'));
    await peerOf(rack, 'leaf', isUp);
    await leaf.configure(bird(here, 'password "another"; ttl security on;'));
    await peerOf(rack, 'leaf', (peer) => !isUp(peer));
    await leaf.configure(bird(here, 'password "one-key"; ttl security on;'));
    await peerOf(rack, 'leaf', isUp);
  });
});
