/** The speaker beside real routers: sessions, routes and logs as each router's own CLI tells them, and our bytes as tshark reads them. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TorKind } from '../../src/lab/tor/tor.ts';
import { type Capture, captureTcp } from '../support/capture.ts';
import { eventually } from '../support/eventually.ts';
import { bgpPeer, createRack, ipPool, isUp, type Rack } from '../support/rack.ts';
import { type Router, startRouter } from '../support/routers.ts';

const inPool = ['10.244.9.0/24', 'fd00:244:9::/64'];
const outOfPool = ['203.0.113.0/24', '2001:db8:9::/64', '0.0.0.0/0', '::/0'];
const kinds: readonly TorKind[] = ['bird', 'frr', 'gobgp'];

describe.each(kinds)('beside %s', (kind) => {
  let rack: Rack;
  let router: Router;
  let capture: Capture;

  beforeAll(async () => {
    rack = createRack(`br${kind}`, 2);
    capture = captureTcp(rack.ground.netns('tor'));
    rack.put(
      bgpPeer('tor', '172.30.0.1', 65000),
      ipPool('pool4', '10.244.0.0/16'),
      ipPool('pool6', 'fd00:244::/32'),
    );
    router = await startRouter(rack, kind, {
      asn: 65000,
      host: 'tor',
      number: 1,
      announces: [...inPool, ...outOfPool],
    });
    await Promise.all(rack.nodes.map((node) => node.start()));
    await Promise.all(rack.nodes.map((node) => node.peer('172.30.0.1', isUp)));
  });
  afterAll(async () => {
    capture.close();
    await rack.close();
  });

  test('each session is Established for both families, as the router itself says', async () => {
    await eventually(
      async () => {
        expect([...(await router.sessions())].sort((a, b) => (a.neighbour < b.neighbour ? -1 : 1))).toEqual(
          ['172.30.0.11', '172.30.0.12'].map((neighbour) => ({
            neighbour,
            established: true,
            state: 'Established',
            families: ['ipv4', 'ipv6'],
          })),
        );
      },
      { within: 30_000 },
    ).catch((error) => {
      throw new Error(`${error}\n${router.running.map((one) => one.output()).join('')}`);
    });
  });

  test("each node's pod CIDRs are in the router's table, IPv4 and IPv6, by the node's own address and AS", async () => {
    await eventually(
      async () => {
        const found = (await router.routes()).filter(({ prefix }) => /244:?\.?[12]\b/.test(prefix));
        expect([...found].sort((a, b) => (a.prefix < b.prefix ? -1 : 1))).toEqual([
          { prefix: '10.244.1.0/24', nextHop: '172.30.0.11', asPath: '64512' },
          { prefix: '10.244.2.0/24', nextHop: '172.30.0.12', asPath: '64512' },
          { prefix: 'fd00:244:1::/64', nextHop: 'fd00:30::11', asPath: '64512' },
          { prefix: 'fd00:244:2::/64', nextHop: 'fd00:30::12', asPath: '64512' },
        ]);
      },
      { within: 30_000 },
    );
  });

  test('what the router announces inside a pool is in the kernel of the nodes, and nothing else of it', async () => {
    for (const [node, other] of [
      [rack.node(1), rack.node(2)],
      [rack.node(2), rack.node(1)],
    ] as const)
      await node.forwards([
        '10.244.9.0/24 via 172.30.0.1',
        'fd00:244:9::/64 via fd00:30::1',
        `${other.cidrs[0]} via ${other.address.v4}`,
        `${other.cidrs[1]} via ${other.address.v6}`,
        `unreachable ${node.cidrs[0]}`,
        `unreachable ${node.cidrs[1]}`,
      ]);
  });

  test('the received routes say of each prefix outside the pools why it was not taken', async () => {
    await eventually(
      async () => {
        const received = await rack.node(1).routes('?received=172.30.0.1');
        const reasons = Object.fromEntries(received.map(({ prefix, reason }) => [prefix, reason]));
        for (const prefix of outOfPool) expect(reasons[prefix]).toMatch(/^not accepted: /);
        expect(reasons['0.0.0.0/0']).toContain('default route');
        for (const prefix of inPool) expect(reasons[prefix]).not.toMatch(/^not accepted/);
      },
      { within: 30_000 },
    );
  });

  test('when the nodes stop, all they ever sent is well-formed to tshark and gave the router nothing to complain of', async () => {
    await Promise.all(rack.nodes.map((node) => node.stop()));
    await eventually(
      async () => {
        expect((await router.sessions()).filter(({ established }) => established)).toEqual([]);
      },
      { within: 30_000 },
    );
    capture.write(join(rack.directory, 'bgp.pcap'));
    const read = (filter: string, ...more: string[]): readonly string[] =>
      execFileSync('tshark', ['-r', join(rack.directory, 'bgp.pcap'), '-Y', filter, ...more], {
        stdio: ['ignore', 'pipe', 'ignore'],
      })
        .toString()
        .trim()
        .split('\n')
        .filter((line) => line !== '');
    const ours = 'bgp && (ip.src == 172.30.0.11 || ip.src == 172.30.0.12)';
    const types = new Set(read(ours, '-T', 'fields', '-e', 'bgp.type').flatMap((line) => line.split(',')));
    expect([...types].sort()).toEqual(['1', '2', '3', '4']);
    expect(read(`${ours} && (_ws.malformed || _ws.expert.severity >= "Warning")`)).toEqual([]);
    expect(router.complaints()).toEqual([]);
  });
});
