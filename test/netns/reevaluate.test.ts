/** connectionPolicy by real connections: what a new policy forbids ends, and nothing else does. */
import type { Server, Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { askSocket } from '../../src/host/socket.ts';
import { tcpConnect, tcpListen } from '../../src/kernel/sockets.ts';
import { ipv4, ipv6, isIpv4, parseAddress } from '../../src/lib/net.ts';
import type { Connections } from '../../src/model/flow.ts';
import { eventually } from '../support/eventually.ts';
import { createFelixNode, namespaceObject, nodeObject, podObject } from '../support/felix.ts';
import type { Running } from '../support/namespaces.ts';

const soon = { within: 20_000 };

/** One connection, and what its far end has of it. */
interface Line {
  readonly near: Socket;
  readonly far: Socket;
  /** Whether something new from the one reaches the other. */
  carries(way: 'there' | 'back'): Promise<boolean>;
}

describe.each([
  ['nftables', 1],
  ['iptables', 0],
] as const)('with rules written by %s, address %d of the pods', (renderer, family) => {
  const node = createFelixNode(`re${renderer[0]}${family}`, 'node1');
  const pods = ['shop/db', 'shop/front', 'shop/other'];
  const addresses = new Map<string, readonly string[]>();
  const servers: Server[] = [];
  let felix: Running;

  const store = (connectionPolicy: 'Keep' | 'Reevaluate', isClosed: boolean): void =>
    node.store([
      nodeObject('node1', '10.65.1.0/24', 'fd00:65:1::/64'),
      namespaceObject('shop'),
      ...pods.map((pod) =>
        podObject(pod, 'node1', { labels: { app: pod.slice(5) }, ips: addresses.get(pod) ?? [] }),
      ),
      {
        apiVersion: 'projectcalico.org/v3',
        kind: 'FelixConfiguration',
        metadata: { name: 'default' },
        spec: { connectionPolicy },
      },
      ...(isClosed
        ? [
            {
              apiVersion: 'networking.k8s.io/v1',
              kind: 'NetworkPolicy',
              metadata: { namespace: 'shop', name: 'only-front' },
              spec: {
                podSelector: { matchLabels: { app: 'db' } },
                policyTypes: ['Ingress'],
                ingress: [{ from: [{ podSelector: { matchLabels: { app: 'front' } } }] }],
              },
            },
          ]
        : []),
    ]);

  async function connect(from: string, to: string, port: number): Promise<Line> {
    const address = parseAddress(addresses.get(to)?.[family] ?? '') ?? ipv4(0);
    const accepted = Promise.withResolvers<Socket>();
    const any = isIpv4(address) ? ipv4(0) : ipv6(0n);
    servers.push(await tcpListen(node.netns(to), any, port, accepted.resolve));
    const near = await tcpConnect(node.netns(from), address, port, { timeoutMs: 15_000 });
    const far = await accepted.promise;
    const heard = { there: 0, back: 0 };
    far.on('data', () => {
      heard.there += 1;
    });
    near.on('data', () => {
      heard.back += 1;
    });
    for (const socket of [near, far]) socket.on('error', () => undefined);
    return {
      near,
      far,
      carries: async (way) => {
        const before = heard[way];
        (way === 'there' ? near : far).write('x');
        try {
          await eventually(() => expect(heard[way]).toBeGreaterThan(before), { within: 700 });
          return true;
        } catch {
          return false;
        }
      },
    };
  }

  const lines = new Map<string, Line>();
  const line = (name: string): Line => {
    const found = lines.get(name);
    if (found === undefined) throw new Error(`no line ${name}`);
    return found;
  };
  const closed = (is: boolean) => (): Promise<void> =>
    eventually(async () => {
      const { tiers } = (await node.policy('shop/db')).ingress;
      expect(tiers.flatMap(({ policies }) => policies).length > 0).toBe(is);
      expect((await node.status()).pending).toBe(false);
    }, soon);

  const start = (): Promise<Running> =>
    node.start(['--set', `nftablesMode=${renderer === 'nftables' ? 'Enabled' : 'Disabled'}`]);
  const loose = async (): Promise<string> =>
    (await node.ground.exec('node1', 'sysctl -n net.netfilter.nf_conntrack_tcp_loose')).trim();

  beforeAll(async () => {
    store('Keep', false);
    felix = await start();
    for (const pod of pods) addresses.set(pod, await node.add({ container: `c-${pod.slice(5)}`, pod }));
    store('Keep', false);
    await node.settled(({ endpoints }) => endpoints.length === 3 && endpoints.every(({ ready }) => ready));
    lines.set('allowed', await connect('shop/front', 'shop/db', 5000));
    lines.set('forbidden', await connect('shop/other', 'shop/db', 5001));
    lines.set('unrelated', await connect('shop/other', 'shop/front', 5002));
    lines.set('outward', await connect('shop/db', 'shop/other', 5003));
  }, 60_000);

  afterAll(async () => {
    for (const { near, far } of lines.values()) for (const socket of [near, far]) socket.destroy();
    for (const server of servers) server.close();
    await node.close();
  });

  test('the agent tells which connections of its pods there are', async () => {
    const socket = /--socket (\S+)/.exec(felix.process.spawnargs.join(' '))?.[1] ?? '';
    const answer = await askSocket(socket, '/connections');
    const { connections } = (answer.ok ? answer.value.body : undefined) as Connections;
    const of = (pod: string): string => addresses.get(pod)?.[family] ?? '';
    expect(connections).toContainEqual({
      ...{ source: of('shop/other'), destination: of('shop/db'), protocol: 6, port: 5001, count: 1 },
    });
  });

  test('Keep: what was allowed once goes on', async () => {
    store('Keep', true);
    await closed(true)();
    for (const name of lines.keys()) expect(await line(name).carries('there')).toBe(true);
    expect(await line('forbidden').carries('back')).toBe(true);
  });

  test('Reevaluate: exactly what is forbidden ends, and neither end can take it up again', async () => {
    store('Reevaluate', true);
    await eventually(
      async () => {
        const script =
          "fetch('http://127.0.0.1:9091/metrics').then((answer) => answer.text()).then(console.log)";
        const text = await node.ground.exec('node1', `${process.execPath} -e "${script}"`);
        expect(text).toMatch(/^felix_connections_ended_total 1$/m);
      },
      { within: 20_000, every: 200 },
    );
    // The far end first: what it sends would be allowed as a connection of its own.
    expect(await line('forbidden').carries('back')).toBe(false);
    expect(await line('forbidden').carries('there')).toBe(false);
    for (const name of ['allowed', 'unrelated', 'outward']) {
      expect(await line(name).carries('there')).toBe(true);
      expect(await line(name).carries('back')).toBe(true);
    }
  });

  test('Keep, first seen by a process after the one that set it, puts back what the middle of a stream may do', async () => {
    expect(await loose()).toBe('0');
    await felix.end('SIGKILL');
    store('Keep', true);
    felix = await start();
    await eventually(async () => expect(await loose()).toBe('1'), { within: 20_000 });
  });
});
