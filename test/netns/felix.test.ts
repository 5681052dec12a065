/** `tortie felix` and the CNI plugin against the real kernel: what pods see, and what survives. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tcpConnect, tcpListen, udpSocket } from '../../src/kernel/sockets.ts';
import { type Address, parseAddress } from '../../src/lib/net.ts';
import { interfaceName } from '../../src/model/endpoint.ts';
import { eventually } from '../support/eventually.ts';
import { createFelixNode, namespaceObject, nodeObject, podObject } from '../support/felix.ts';
import type { Running } from '../support/namespaces.ts';

const node = createFelixNode('fx', 'node1');
const pods = ['shop/web', 'shop/friend', 'shop/stranger'];
const addresses = new Map<string, readonly string[]>();
const servers: Server[] = [];
let felix: Running | undefined;

const addressOf = (pod: string, index = 0): Address => {
  const address = parseAddress(addresses.get(pod)?.[index] ?? '');
  if (address === undefined) throw new Error(`${pod} has no address ${index}`);
  return address;
};

/** web takes TCP 80 from friend only. */
const onlyFriend = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'only-friend', namespace: 'shop' },
  spec: {
    podSelector: { matchLabels: { app: 'web' } },
    ingress: [{ from: [{ podSelector: { matchLabels: { app: 'friend' } } }], ports: [{ port: 80 }] }],
  },
};

/** friend takes anything from a block with a hole: a set of ranges. */
const blockWithHole = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'block-with-hole', namespace: 'shop' },
  spec: {
    podSelector: { matchLabels: { app: 'friend' } },
    ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.9.0.0/16', '10.11.0.0/16'] } }] }],
  },
};

function store(more: readonly object[] = []): void {
  node.store([
    nodeObject('node1', '10.244.1.0/24', 'fd00:1::/64'),
    namespaceObject('shop'),
    ...[...pods, 'shop/late'].map((pod) =>
      podObject(pod, 'node1', { labels: { app: pod.slice(5) }, ips: addresses.get(pod) ?? [] }),
    ),
    ...more,
  ]);
}

/** Connects and gets back what it sends: a connection that only lies in the listener's queue does not count. */
async function reaches(
  from: string,
  to: string,
  port: number,
  { index = 0, timeoutMs = 2000 } = {},
): Promise<boolean> {
  try {
    const socket = await tcpConnect(node.netns(from), addressOf(to, index), port, { timeoutMs });
    socket.write('?');
    await new Promise((resolve) => socket.once('data', resolve));
    socket.destroy();
    return true;
  } catch {
    return false;
  }
}

/** A listing without the order of its objects and elements, which a replacement need not keep. */
const contents = (listing: string): readonly string[] =>
  listing
    .replaceAll(/packets \d+ bytes \d+/g, 'packets')
    .split('\n')
    .map((line) => line.replace(/elements = \{|,$| \}$/g, '').trim())
    .sort();

const nft = (command: string): Promise<string> => node.ground.exec('node1', `nft ${command}`);

beforeAll(async () => {
  store();
  felix = await node.start();
  for (const pod of pods) addresses.set(pod, await node.add({ container: `c-${pod.slice(5)}`, pod }));
  for (const any of ['0.0.0.0', '::']) {
    const address = parseAddress(any);
    if (address === undefined) continue;
    for (const port of [80, 81]) {
      servers.push(await tcpListen(node.netns('shop/web'), address, port, (socket) => socket.pipe(socket)));
    }
  }
  store();
  await node.settled(({ endpoints }) => endpoints.every(({ ready }) => ready));
});
afterAll(async () => {
  for (const server of servers) server.close();
  await node.close();
});

describe('pods', () => {
  test('get an address of each family in turn and reach each other over both', async () => {
    expect([...addresses.values()]).toEqual([
      ['10.244.1.1', 'fd00:1::1'],
      ['10.244.1.2', 'fd00:1::2'],
      ['10.244.1.3', 'fd00:1::3'],
    ]);
    for (const from of ['shop/friend', 'shop/stranger']) {
      expect(await reaches(from, 'shop/web', 80)).toBe(true);
      expect(await reaches(from, 'shop/web', 80, { index: 1 })).toBe(true);
    }
  });

  test('are reached by what a policy allows and by nothing else, over both families', async () => {
    store([onlyFriend]);
    await node.settled(() => true);
    await eventually(async () => expect(await reaches('shop/stranger', 'shop/web', 80)).toBe(false), {
      within: 15_000,
    });
    const tries = ['shop/friend', 'shop/stranger'].flatMap((from) =>
      [80, 81].flatMap((port) => [0, 1].map((index) => [from, port, index] as const)),
    );
    const reached = await Promise.all(
      tries.map(([from, port, index]) => reaches(from, 'shop/web', port, { index })),
    );
    expect(tries.filter((_, n) => reached[n])).toEqual([
      ['shop/friend', 80, 0],
      ['shop/friend', 80, 1],
    ]);
    expect((await node.policy('shop/web')).ingress).toMatchObject({
      isolated: true,
      tiers: [{ name: 'default', policies: [{ namespace: 'shop', name: 'only-friend' }] }],
    });
  });

  test('cannot send from an address that is not theirs', async () => {
    await node.ground.exec('shop-stranger', 'ip address add 10.244.1.2/32 dev eth0');
    const spoofed = parseAddress('10.244.1.2');
    const stolen = tcpConnect(node.netns('shop/stranger'), addressOf('shop/web'), 80, {
      timeoutMs: 400,
      ...(spoofed === undefined ? {} : { source: spoofed }),
    });
    await expect(stolen).rejects.toThrow('ETIMEDOUT');
    await node.ground.exec('shop-stranger', 'ip address del 10.244.1.2/32 dev eth0');
  });
});

describe('the table', () => {
  test('is put back when somebody flushes or deletes it, and the tables of others are left alone', async () => {
    store([onlyFriend, blockWithHole]);
    await eventually(async () => expect((await node.policy('shop/friend')).ingress.isolated).toBe(true), {
      within: 15_000,
    });
    await node.settled(() => true);
    await nft('add table inet other; nft add chain inet other mine');
    const others = await nft('list table inet other');
    const before = contents(await nft('list table inet tortie'));
    for (const harm of [
      'flush table inet tortie',
      'delete table inet tortie',
      'flush chain inet tortie to-pods; delete chain inet tortie to-pods',
      'add chain inet tortie stray; add set inet tortie stray { type ipv4_addr; }; add map inet tortie m { type ifname : verdict; elements = { "x" : jump stray }; }',
      'add counter inet tortie stray',
      'delete table inet tortie; add table inet tortie; add map inet tortie from-endpoint { type ipv4_addr : verdict; }',
    ]) {
      await nft(`'${harm}'`);
      const listing = async (): Promise<readonly string[]> => contents(await nft('list table inet tortie'));
      await eventually(async () => expect(await listing()).toEqual(before), { within: 15_000 });
    }
    expect(await nft('list table inet other')).toBe(others);
    expect(await reaches('shop/stranger', 'shop/web', 80)).toBe(false);
  });

  test('pod routes come back when somebody deletes them, and routes of others are left alone', async () => {
    await node.ground.exec('node1', 'ip route add 10.99.0.0/24 dev lo proto static');
    await node.ground.exec('node1', 'ip route del 10.244.1.1/32');
    await eventually(
      async () => expect(await node.ground.exec('node1', 'ip route show 10.244.1.1')).toContain('proto 81'),
      { within: 15_000 },
    );
    expect(await node.ground.exec('node1', 'ip route show 10.99.0.0/24')).toContain('proto static');
  });
});

describe('CNI', () => {
  const web = { container: 'c-web', pod: 'shop/web' };

  test('ADD again answers the same', async () => {
    expect(await node.add(web)).toEqual(addresses.get('shop/web'));
  });

  test('CHECK finds nothing wrong, then says what is', async () => {
    const prevResult = {
      ips: (addresses.get('shop/web') ?? []).map((address) => ({ address: `${address}/32` })),
    };
    const check = { ...web, config: { prevResult } };
    expect(await node.call('CHECK', check)).toEqual({ code: 0, result: undefined });
    await node.ground.exec('shop-web', 'ip route del default');
    expect(await node.call('CHECK', check)).toEqual({
      code: 1,
      result: {
        cniVersion: '1.0.0',
        code: 103,
        msg: 'The network of pod shop/web is not as ADD made it: the pod has no IPv4 default route via 169.254.1.1. Delete the pod to have it made anew.',
      },
    });
    await node.ground.exec('shop-web', 'ip route add default via 169.254.1.1 dev eth0');
  });

  test('a missing variable, an unknown container and a second interface are refused with a sentence', async () => {
    const refusals = [
      await node.call('ADD', { ...web, env: { CNI_NETNS: '' } }),
      await node.call('CHECK', { container: 'nobody', pod: 'shop/web', config: { prevResult: { ips: [] } } }),
      await node.call('ADD', { ...web, env: { CNI_IFNAME: 'net1' } }),
      await node.call('ADD', {
        container: 'c-late',
        pod: 'shop/late',
        env: { CNI_NETNS: '/run/netns/none' },
      }),
    ];
    expect(refusals.map(({ result }) => (result as { readonly msg: string }).msg)).toEqual([
      'CNI_NETNS is not set; the container runtime must set it.',
      'Container nobody has no eth0 from tortie on this node.',
      'Pod shop/web has eth0 from tortie already; it gives a pod one interface. Configure another network for a second one.',
      expect.stringContaining('CNI_NETNS /run/netns/none is no network namespace'),
    ]);
    expect(refusals.map(({ code }) => code)).toEqual([1, 1, 1, 1]);
  });

  test('DEL is done once and harmless ever after, also when the namespace is gone', async () => {
    const late = { container: 'c-late', pod: 'shop/late' };
    expect(await node.add(late)).toEqual(['10.244.1.4', 'fd00:1::4']);
    for (let times = 0; times < 2; times += 1) {
      expect(await node.call('DEL', late)).toEqual({ code: 0, result: undefined });
    }
    expect(await node.call('DEL', { ...late, env: { CNI_NETNS: '/run/netns/gone', CNI_ARGS: '' } })).toEqual({
      code: 0,
      result: undefined,
    });
    expect(await node.ground.exec('node1', 'ip route show proto 81')).not.toContain('10.244.1.4');
    expect(
      (await node.ground.exec('shop-late', 'ip -br link')).split('\n').filter((line) => line !== ''),
    ).toHaveLength(1);
  });

  test("an old sandbox's DEL does not touch the pod's new interface", async () => {
    await node.add({ container: 'old', pod: 'shop/late' });
    await node.ground.exec('shop-late', 'ip link del eth0'); // the old sandbox is gone
    const fresh = await node.add({ container: 'new', pod: 'shop/late' });
    expect((await node.call('DEL', { container: 'old', pod: 'shop/late' })).code).toBe(0);
    const { endpoints } = await node.status();
    expect(endpoints.find(({ pod }) => pod === 'late')?.addresses).toEqual(fresh);
    expect((await node.call('DEL', { container: 'new', pod: 'shop/late' })).code).toBe(0);
  });

  test('GC removes what the runtime no longer knows; STATUS says that pods can come', async () => {
    await node.add({ container: 'forgotten', pod: 'shop/late' });
    const valid = ['web', 'friend', 'stranger'].map((name) => ({ containerID: `c-${name}`, ifname: 'eth0' }));
    const gc = {
      container: '',
      pod: 'shop/late',
      cniVersion: '1.1.0',
      config: { 'cni.dev/valid-attachments': valid },
    };
    expect(await node.call('GC', gc)).toEqual({ code: 0, result: undefined });
    expect((await node.status()).endpoints.map(({ pod }) => pod)).toEqual(['web', 'friend', 'stranger']);
    expect(await node.call('STATUS', { ...gc, config: {} })).toEqual({ code: 0, result: undefined });
  });
});

describe('kill -9', () => {
  /** A datagram every 2 ms from friend to web and back, counted. */
  async function stream() {
    const echo = await udpSocket(node.netns('shop/friend'), addressOf('shop/friend'), 7000);
    const sender = await udpSocket(node.netns('shop/web'), addressOf('shop/web'), 7001);
    let sent = 0;
    let received = 0;
    echo.on('message', (message, from) => echo.send(message, from.port, from.address));
    sender.on('message', () => {
      received += 1;
    });
    const timer = setInterval(() => {
      sent += 1;
      sender.send(String(sent), 7000, addresses.get('shop/friend')?.[0]);
    }, 2);
    return async () => {
      clearInterval(timer);
      await eventually(() => expect(received).toBe(sent), { within: 15_000 });
      echo.close();
      sender.close();
      return sent;
    };
  }

  test('under traffic loses no packet, opens nothing, and the next life keeps every address', async () => {
    store([onlyFriend]);
    await eventually(async () => expect((await node.policy('shop/web')).ingress.isolated).toBe(true), {
      within: 15_000,
    });
    await node.settled(() => true);
    const stop = await stream();
    let isOver = false;
    const opened: boolean[] = [];
    const accepted: boolean[] = [];
    const knocking = (async () => {
      while (!isOver) opened.push(await reaches('shop/stranger', 'shop/web', 80, { timeoutMs: 50 }));
    })();
    const using = (async () => {
      while (!isOver) accepted.push(await reaches('shop/friend', 'shop/web', 80, { timeoutMs: 5000 }));
    })();
    await eventually(() => expect(accepted.length).toBeGreaterThan(20), { within: 15_000 });
    await felix?.end('SIGKILL');
    const before = accepted.length;
    await eventually(() => expect(accepted.length).toBeGreaterThan(before + 50), { within: 15_000 });
    felix = await node.start();
    await eventually(() => expect(opened.length).toBeGreaterThan(20), { within: 30_000 });
    isOver = true;
    await Promise.all([knocking, using]);
    expect(accepted).not.toContain(false);
    expect(opened).not.toContain(true);
    expect(await stop()).toBeGreaterThan(200);
    const { endpoints } = await node.status();
    expect(endpoints.map(({ pod, addresses: own }) => [`shop/${pod}`, own])).toEqual(
      expect.arrayContaining([...addresses].map(([pod, own]) => [pod, own])),
    );
    const next = await node.add({ container: 'c-late', pod: 'shop/late' });
    expect([...addresses.values()].flat()).not.toContain(next[0]);
    expect((await node.call('DEL', { container: 'c-late', pod: 'shop/late' })).code).toBe(0);
  });

  test('while the agent is away somebody removes a pod and another record is damaged: both are mended', async () => {
    await felix?.end('SIGTERM');
    const records = join(node.stateDir, 'cni');
    const friend = join(records, `${interfaceName('shop', 'friend')}.json`);
    writeFileSync(friend, readFileSync(friend, 'utf8').slice(0, 30));
    await node.ground.exec('shop-stranger', 'ip link del eth0');
    felix = await node.start();
    await node.settled(({ endpoints }) => endpoints.every(({ ready }) => ready));
    const { endpoints, problems } = await node.status();
    expect(endpoints.map(({ pod, addresses: own }) => [pod, own]).sort()).toEqual([
      ['friend', addresses.get('shop/friend')],
      ['web', addresses.get('shop/web')],
    ]);
    expect(problems.map(({ where }) => where)).toEqual([friend]);
    expect(await reaches('shop/friend', 'shop/web', 80)).toBe(true);
    expect((await node.call('DEL', { container: 'c-friend', pod: 'shop/friend' })).code).toBe(0);
    expect(readdirSync(records).filter((name) => name.startsWith('cali') && name.endsWith('.json'))).toEqual([
      `${interfaceName('shop', 'web')}.json`,
    ]);
  });
});
