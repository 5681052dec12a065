/**
 * Our plugin in a chain with the CNI project's own (Debian's containernetworking-plugins), in network namespaces: portmap and
 * bandwidth after us, and ourselves as a plugin of policy only after ptp and host-local.
 */
import type { Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { conflistText } from '../../src/cni/conflist.ts';
import { tcpConnect, tcpListen } from '../../src/kernel/sockets.ts';
import { type Address, parseAddress } from '../../src/lib/net.ts';
import { interfaceName } from '../../src/model/endpoint.ts';
import { eventually } from '../support/eventually.ts';
import { createFelixNode, namespaceObject, nodeObject, podObject } from '../support/felix.ts';
import {
  type Container,
  createRuntime,
  type PluginList,
  pluginsHere,
  type Result,
} from '../support/plugins.ts';

const node = createFelixNode('ch', 'node1');
const servers: Server[] = [];
const pods = ['shop/web', 'shop/friend', 'shop/stranger'];
const addresses = new Map<string, string>();

const onlyFriend = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'only-friend', namespace: 'shop' },
  spec: {
    podSelector: { matchLabels: { app: 'web' } },
    ingress: [{ from: [{ podSelector: { matchLabels: { app: 'friend' } } }], ports: [{ port: 80 }] }],
  },
};

function store(more: readonly object[] = []): void {
  node.store([
    nodeObject('node1', '10.244.1.0/24', 'fd00:1::/64'),
    namespaceObject('shop'),
    ...pods.map((pod) => {
      const ip = addresses.get(pod);
      return podObject(pod, 'node1', { labels: { app: pod.slice(5) }, ips: ip === undefined ? [] : [ip] });
    }),
    ...more,
  ]);
}

const addressOf = (text: string): Address => {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(text);
  return address;
};

async function reaches(from: string, to: string, port: number): Promise<boolean> {
  try {
    const socket = await tcpConnect(from, addressOf(to), port, { timeoutMs: 1500 });
    socket.write('?');
    await new Promise((resolve, reject) => {
      socket.once('data', resolve);
      socket.once('error', reject);
      socket.setTimeout(1500, () => reject(new Error('silence')));
    });
    socket.destroy();
    return true;
  } catch {
    return false;
  }
}

const becomes = (from: string, to: string, port: number, is: boolean): Promise<void> =>
  eventually(async () => expect(await reaches(from, to, port)).toBe(is), { within: 20_000 });

const ipOf = (result: Result): string => result.ips[0]?.address.replace(/\/.*/, '') ?? '';
const container = (pod: string, more: Partial<Container> = {}): Container => ({
  id: `c-${pod.slice(5)}`,
  netns: node.netns(pod),
  pod,
  ...more,
});

const nodePath = (): string => `/run/netns/${node.ground.netns('node1')}`;
const outside = (): string => `/run/netns/${node.ground.netns('outside')}`;
const inNode = (command: string): Promise<string> => node.ground.exec('node1', command);
const runtimeOf = (list: PluginList) =>
  createRuntime({ list, run: pluginsHere(nodePath(), join(node.stateDir, '..', 'felix.sock')) });

beforeAll(async () => {
  store();
  node.ground.link(['node1', 'uplink', '192.0.2.1/24'], ['outside', 'eth0', '192.0.2.2/24']);
  await node.start();
});
afterAll(async () => {
  for (const server of servers) server.close();
  await node.close();
});

async function serve(pod: string): Promise<Server> {
  const server = await tcpListen(node.netns(pod), addressOf('0.0.0.0'), 80, (socket) => socket.pipe(socket));
  servers.push(server);
  return server;
}

describe('portmap and bandwidth after us', () => {
  const list = JSON.parse(
    conflistText({ ipam: 'pod-cidrs', chain: ['portmap', 'bandwidth'], isNewest: false }),
  ) as PluginList;
  const runtimeConfig = {
    portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }],
    bandwidth: {
      ingressRate: 8_000_000,
      ingressBurst: 8_000_000,
      egressRate: 8_000_000,
      egressBurst: 8_000_000,
    },
  };

  test('a host port leads to the pod, its rate is limited, CHECK agrees, and DEL leaves nothing', async () => {
    const runtime = runtimeOf(list);
    const web = container('shop/web', { runtimeConfig });
    const result = await runtime.add(web);
    const host = interfaceName('shop', 'web');
    expect(result.interfaces.map(({ name, sandbox }) => [name, sandbox])).toEqual(
      expect.arrayContaining([
        [host, undefined],
        ['eth0', web.netns],
      ]),
    );
    expect(result.ips.map(({ interface: index }) => result.interfaces[index ?? -1]?.name)).toEqual([
      'eth0',
      'eth0',
    ]);
    addresses.set('shop/web', ipOf(result));
    const server = await serve('shop/web');
    await becomes(outside(), '192.0.2.1', 8080, true);
    expect(await inNode(`tc qdisc show dev ${host}`)).toContain('tbf');
    // Not portmap 1.1.1: its CHECK looks for IPv4 rules in ip6tables, whoever is before it.
    await runtime.check(web, ['tortie', 'bandwidth']);
    server.close();
    await runtime.del(web);
    await runtime.del(web); // a runtime that was cut off asks again
    expect(await inNode('iptables -t nat -S')).not.toContain('dport 8080');
    const links = await inNode('ip -br link');
    expect(links).not.toContain(host);
    expect(links).not.toMatch(/bwp|ifb/);
  });
});

describe('as a plugin of policy only, after ptp and host-local', () => {
  const list = (): PluginList => ({
    cniVersion: '1.0.0',
    name: 'chained',
    plugins: [
      {
        type: 'ptp',
        ipam: {
          type: 'host-local',
          dataDir: join(node.stateDir, 'host-local'),
          ranges: [[{ subnet: '10.9.0.0/24' }]],
          routes: [{ dst: '0.0.0.0/0' }],
        },
      } as PluginList['plugins'][number],
      { type: 'tortie', policyOnly: true } as PluginList['plugins'][number],
    ],
  });

  test('the policy holds from the first packet, the result is ptp’s own, CHECK agrees, and DEL leaves nothing', async () => {
    addresses.clear();
    store([onlyFriend]);
    const runtime = runtimeOf(list());
    for (const pod of pods) {
      const result = await runtime.add(container(pod));
      expect(ipOf(result)).toMatch(/^10\.9\.0\.\d+$/);
      expect(result.interfaces[0]?.name).toMatch(/^veth/);
      addresses.set(pod, ipOf(result));
    }
    const server = await serve('shop/web');
    const web = addresses.get('shop/web') ?? '';
    // Nobody is known by address yet: closed to all.
    expect(await reaches(node.netns('shop/stranger'), web, 80)).toBe(false);
    store([onlyFriend]);
    await becomes(node.netns('shop/friend'), web, 80, true);
    expect(await reaches(node.netns('shop/stranger'), web, 80)).toBe(false);
    expect(await reaches(outside(), web, 80)).toBe(false);
    store();
    await becomes(node.netns('shop/stranger'), web, 80, true);
    for (const pod of pods) await runtime.check(container(pod));

    server.close();
    await runtime.gc(pods.slice(1).map((pod) => container(pod)));
    expect((await node.status()).endpoints.map(({ pod }) => pod).sort()).toEqual(['friend', 'stranger']);
    for (const pod of pods) await runtime.del(container(pod));
    await node.settled(({ endpoints }) => endpoints.length === 0);
    expect(await inNode('nft list set inet tortie foreign-endpoints')).not.toContain('veth');
    expect(await inNode('ip -br link')).not.toContain('veth');
  });
});
