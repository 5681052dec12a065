/** What our table holds beside policy, by packets: translation, service loops, floating addresses, limits of pods. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { together } from '../../felix/rules/addition.ts';
import { floatingAddresses } from '../../felix/rules/floating.ts';
import { serviceLoop } from '../../felix/rules/loop.ts';
import { clampMss } from '../../felix/rules/mss.ts';
import { type NatPlan, natOutgoing, poolSets } from '../../felix/rules/nat.ts';
import { podLimits } from '../../felix/rules/qos.ts';
import { tcpConnect, tcpListen, udpSocket } from '../../src/kernel/sockets.ts';
import { ipv4, type Prefix, parsePrefix, prefix4 } from '../../src/lib/net.ts';
import { address, createSmallNode, names, type SmallNode } from '../support/additions.ts';
import { eventually } from '../support/eventually.ts';

const prefix = (text: string): Prefix => parsePrefix(text) ?? prefix4(ipv4(0), 0);

describe.each(['nftables', 'iptables'] as const)('by %s', (renderer) => {
  let node: SmallNode;
  beforeAll(async () => {
    node = await createSmallNode(`add${renderer}`, renderer);
  });
  afterAll(() => node.close());

  /** How many packets the rule with this in its comment took. */
  async function dropped(comment: string): Promise<number> {
    const listing = await node.playground.exec(
      'node',
      renderer === 'nftables' ? 'nft list table inet tortie' : 'iptables-save -c',
    );
    const line = listing.split('\n').find((one) => one.includes(comment)) ?? '';
    return Number(/(?:packets |^\[)(\d+)/.exec(line)?.[1] ?? 0);
  }

  const pools: NatPlan['pools'] = [
    { cidr: prefix('10.65.0.0/16'), natOutgoing: true },
    { cidr: prefix('10.66.0.0/16'), natOutgoing: false },
    { cidr: prefix('fd65::/64'), natOutgoing: true },
    { cidr: prefix('fd66::/64'), natOutgoing: false },
  ];
  const nat = (more: Partial<NatPlan> = {}): Promise<void> => {
    const plan = { pools, ...more };
    return node.load(together([poolSets(plan), natOutgoing(plan)]));
  };

  describe('natOutgoing', () => {
    test.each([4, 6] as const)(
      'IPv%s: outside the pools the source is the node, inside it is the pod',
      async (version) => {
        await nat();
        const { pod, neighbour, node: own, outside } = names;
        expect(await node.sourceOf('pod', outside[version], 'outside', 5000)).toBe(own[version]);
        expect(await node.sourceOf('pod', neighbour[version], 'neighbour', 5001)).toBe(pod[version]);
        expect(await node.sourceOf('neighbour', outside[version], 'outside', 5002)).toBe(neighbour[version]);
        expect(await node.sourceOf('neighbour', pod[version], 'pod', 5003)).toBe(neighbour[version]);
      },
    );

    test('with IPPoolsAndHostIPs the nodes see the pod itself', async () => {
      await nat({ hosts: [address(names.outside[4]), address(names.outside[6])] });
      expect(await node.sourceOf('pod', names.outside[4], 'outside', 5004)).toBe(names.pod[4]);
      expect(await node.sourceOf('pod', names.outside[6], 'outside', 5005)).toBe(names.pod[6]);
    });

    test('natOutgoingAddress is the source, of its own family only', async () => {
      await node.playground.exec('node', 'ip address add 192.0.2.77/32 dev eth0');
      await nat({ address: address('192.0.2.77') });
      expect(await node.sourceOf('pod', names.outside[4], 'outside', 5006)).toBe('192.0.2.77');
      expect(await node.sourceOf('pod', names.outside[6], 'outside', 5007)).toBe(names.node[6]);
    });

    test('natPortRange says which ports', async () => {
      await nat({ ports: { first: 40_000, last: 40_003 } });
      const server = await udpSocket(node.path('outside'), address('0.0.0.0'), 5008);
      const client = await udpSocket(node.path('pod'), address('0.0.0.0'), 0);
      const seen = new Promise<number>((resolve) => server.on('message', (_, { port }) => resolve(port)));
      const again = setInterval(() => client.send('x', 5008, names.outside[4]), 50);
      const port = await seen;
      clearInterval(again);
      server.close();
      client.close();
      expect(port).toBeGreaterThanOrEqual(40_000);
      expect(port).toBeLessThanOrEqual(40_003);
    });

    test('only what leaves by the interface of the filter is translated', async () => {
      await nat({ outInterface: 'wan+' });
      expect(await node.sourceOf('pod', names.outside[4], 'outside', 5009)).toBe(names.pod[4]);
      await nat({ outInterface: 'eth+' });
      expect(await node.sourceOf('pod', names.outside[4], 'outside', 5010)).toBe(names.node[4]);
    });

    test('without a pool that asks there is nothing', () => {
      expect(natOutgoing({ pools: pools.map((pool) => ({ ...pool, natOutgoing: false })) })).toEqual({
        chains: [],
        sets: [],
      });
    });
  });

  describe('service-loop prevention', () => {
    const ranges = [prefix('10.96.0.0/16'), prefix('fd96::/64')];
    const bounced = async (): Promise<number> => {
      const listing = await node.playground.exec('node', 'nft list chain inet watch out');
      return Number(/packets (\d+)/.exec(listing)?.[1]);
    };

    test('what no Service translated ends at the node, and what one did goes on', async () => {
      // Counts what would go back to the router, and is a Service of somebody else.
      await node.nft(
        'table inet watch { chain out { type filter hook postrouting priority 0; oifname "eth0" ip daddr 10.96.0.0/16 counter; }; chain svc { type nat hook prerouting priority -100; ip daddr 10.96.0.9 dnat ip to 10.65.0.2; }; }',
      );
      await node.load(serviceLoop({ action: 'Disabled', ranges }));
      const stop = await node.sendAgain('outside', '10.96.0.1', 5100);
      await eventually(
        async () => {
          if ((await bounced()) === 0) throw new Error('nothing comes back');
        },
        { within: 15_000 },
      );
      await node.load(serviceLoop({ action: 'Drop', ranges }));
      const before = await bounced();
      await eventually(
        async () => {
          if ((await dropped('no Service has')) === 0) throw new Error('nothing was dropped');
        },
        { within: 15_000 },
      );
      stop();
      expect(await bounced()).toBe(before);
      expect(await node.sourceOf('outside', '10.96.0.9', 'pod', 5102)).toBe(names.outside[4]);
      await node.load(serviceLoop({ action: 'Reject', ranges }));
      await expect(
        tcpConnect(node.path('outside'), address('10.96.0.1'), 80, { timeoutMs: 15_000 }),
      ).rejects.toThrow(/ECONNREFUSED|EHOSTUNREACH|EACCES/);
      expect(await bounced()).toBe(before);
      await node.nft('delete table inet watch');
    });
  });

  describe('floating addresses', () => {
    const floating = [{ floating: address('198.51.100.7'), own: address(names.pod[4]) }];

    test('what comes for it goes to the pod, from outside, from pods and from the node itself', async () => {
      await node.load(floatingAddresses(floating));
      expect(await node.sourceOf('outside', '198.51.100.7', 'pod', 5200)).toBe(names.outside[4]);
      expect(await node.sourceOf('neighbour', '198.51.100.7', 'pod', 5201)).toBe(names.neighbour[4]);
      expect(await node.sourceOf('node', '198.51.100.7', 'pod', 5202)).toBeDefined();
    });

    test('a pod that calls itself by it gets its own packet, from the floating address', async () => {
      await node.load(floatingAddresses(floating));
      expect(await node.sourceOf('pod', '198.51.100.7', 'pod', 5203)).toBe('198.51.100.7');
    });
  });

  describe('MSS clamping', () => {
    test('a connection of a pod begins with no more than its route allows', async () => {
      await node.nft(
        'table inet watch { chain out { type filter hook postrouting priority 0; oifname "eth0" tcp option maxseg size 1160 counter; }; }',
      );
      await node.playground.exec('node', 'ip route add 192.0.2.2/32 dev eth0 mtu 1200');
      const narrow = async (): Promise<number> =>
        Number(
          /packets (\d+)/.exec(await node.playground.exec('node', 'nft list chain inet watch out'))?.[1],
        );
      await node.load({ chains: [], sets: [] });
      expect(await node.connects('pod', names.outside[4], 'outside', 5250)).toBe(true);
      expect(await narrow()).toBe(0);
      await node.load(clampMss);
      expect(await node.connects('pod', names.outside[4], 'outside', 5251)).toBe(true);
      expect(await narrow()).toBeGreaterThan(0);
      await node.playground.exec('node', 'ip route delete 192.0.2.2/32');
      await node.nft('delete table inet watch');
    });
  });

  describe('limits of pods', () => {
    const limits = (more: object) =>
      together([
        poolSets({ pools }),
        podLimits(
          [
            {
              interface: 'cali0000000000a',
              label: 'shop/web',
              addresses: [address(names.pod[4]), address(names.pod[6])],
              ...more,
            },
          ],
          false,
        ),
      ]);

    test('of connections at once only so many come about; one that ends makes room', async () => {
      await node.load(limits({ ingress: { maxConnections: 2 } }));
      const server = await tcpListen(node.path('pod'), address('0.0.0.0'), 5300, (socket) => {
        socket.on('error', () => undefined);
        socket.on('end', () => socket.end());
        socket.resume();
      });
      const open = () => tcpConnect(node.path('outside'), address(names.pod[4]), 5300, { timeoutMs: 15_000 });
      const first = await open();
      await open();
      await expect(open()).rejects.toThrow(/ECONNREFUSED|EHOSTUNREACH/);
      expect(await node.connects('outside', names.neighbour[4], 'neighbour', 5301)).toBe(true);
      first.destroy();
      await playgroundForgets();
      const again = await eventually(open, { within: 15_000 });
      again.destroy();
      server.close();
    });

    /** A closed connection is followed for two minutes more. */
    const playgroundForgets = async (): Promise<void> => {
      await node.playground.exec(
        'node',
        'echo 1 > /proc/sys/net/netfilter/nf_conntrack_tcp_timeout_time_wait',
      );
      const conntrack = await import('../../src/kernel/conntrack.ts');
      const open = conntrack.openConntrack(node.path('node'));
      const filter = { direction: 'original', side: 'destination', address: address(names.pod[4]) } as const;
      await eventually(
        async () => {
          const closed = (await open.dump(filter)).find(({ tcpState }) => (tcpState ?? 0) > 3);
          if (closed === undefined) throw new Error('still open');
          await open.deleteFlow(closed);
        },
        { within: 15_000 },
      );
      open.close();
    };

    test('more packets a second than allowed are dropped', async () => {
      await node.load(limits({ egress: { packetRate: { perSecond: 5, burst: 5 } } }));
      const server = await udpSocket(node.path('outside'), address('0.0.0.0'), 5302);
      const client = await udpSocket(node.path('pod'), address('0.0.0.0'), 0);
      let seen = 0;
      server.on('message', () => {
        seen += 1;
      });
      for (let sent = 0; sent < 200; sent++) client.send('x', 5302, names.outside[4]);
      const most = await eventually(
        async () => {
          const found = await dropped('packets a second');
          if (found < 100) throw new Error(`only ${found} dropped`);
          return found;
        },
        { within: 15_000 },
      );
      expect(most + seen).toBeLessThanOrEqual(200);
      server.close();
      client.close();
    });

    test('DSCP is set on what leaves the pools, and on nothing else', async () => {
      await node.load(limits({ dscp: 46 }));
      await node.nft(
        'table inet watch { chain out { type filter hook postrouting priority 0; oifname "eth0" ip dscp 46 counter comment "four"; oifname "eth0" ip6 dscp 46 counter comment "six"; oifname "cali*" ip dscp 46 counter comment "in"; }; }',
      );
      await node.sourceOf('pod', names.outside[4], 'outside', 5303);
      await node.sourceOf('pod', names.outside[6], 'outside', 5304);
      await node.sourceOf('pod', names.neighbour[4], 'neighbour', 5305);
      const listing = await node.playground.exec('node', 'nft list chain inet watch out');
      const count = (name: string): number =>
        Number(new RegExp(`packets (\\d+).*"${name}"`).exec(listing)?.[1]);
      expect(count('four')).toBeGreaterThan(0);
      expect(count('six')).toBeGreaterThan(0);
      expect(count('in')).toBe(0);
      await node.nft('delete table inet watch');
    });
  });
});
