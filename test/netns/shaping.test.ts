/** Bandwidth by a real kernel: what takes how long, each way. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openKernel } from '../../src/kernel/linux.ts';
import type { Bucket } from '../../src/kernel/netlink/tc.ts';
import { ifbOf, openShaping, type Shaping } from '../../src/kernel/shaping.ts';
import { portOf, tcpConnect, tcpListen } from '../../src/kernel/sockets.ts';
import { type Address, ipv4, parseAddress } from '../../src/lib/net.ts';
import { createPlayground } from '../support/namespaces.ts';

const playground = createPlayground('shape');
const node = `/run/netns/${playground.netns('node')}`;
const pod = `/run/netns/${playground.netns('pod')}`;
const name = 'cali0123456789a';
const own = '10.8.0.1';
const its = '10.8.0.2';
const address = (text: string): Address => parseAddress(text) ?? ipv4(0);

let shaping: Shaping;

beforeAll(() => {
  playground.link(['node', name, `${own}/24`], ['pod', 'eth0', `${its}/24`]);
  shaping = openShaping(node);
});
afterAll(async () => {
  shaping.close();
  await playground.close();
});

const megabyte = 1_000_000;

/** ms to bring so many octets from one namespace to the other. */
async function transfer(from: string, to: string, at: string, octets: number): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const server = await tcpListen(to, address(at), 0, (socket) => {
    let seen = 0;
    socket.on('data', (chunk: Buffer) => {
      seen += chunk.byteLength;
      if (seen >= octets) resolve();
    });
  });
  const client = await tcpConnect(from, address(at), portOf(server), { timeoutMs: 15_000 });
  const begun = performance.now();
  client.write(Buffer.alloc(octets));
  await promise;
  const took = performance.now() - begun;
  client.destroy();
  server.close();
  return took;
}

const qdiscs = (): Promise<string> => playground.exec('node', 'tc qdisc show');
/** 8 Mbit/s: a megabyte a second. */
const bucket: Bucket = { rate: megabyte, burst: 50_000, limit: 150_000 };
const least = 300; // half a megabyte less the burst takes 450 ms
const most = 10_000; // 20 MB would take 20 s

describe('bandwidth', () => {
  test('what goes to the pod waits, and what comes from it does not', async () => {
    await shaping.shape(name, { sent: bucket });
    expect(await qdiscs()).toMatch(/qdisc tbf 1: dev cali0123456789a root .* rate 8Mbit burst 50000b/);
    expect(await transfer(node, pod, its, megabyte / 2)).toBeGreaterThan(least);
    expect(await transfer(pod, node, own, 20 * megabyte)).toBeLessThan(most);
  });

  test('what comes from the pod waits, and what goes to it does not', async () => {
    await shaping.shape(name, { received: bucket });
    expect(await qdiscs()).toContain(`tbf 1: dev ${ifbOf(name)} root`);
    expect(await transfer(pod, node, own, megabyte / 2)).toBeGreaterThan(least);
    expect(await transfer(node, pod, its, 20 * megabyte)).toBeLessThan(most);
  });

  test('asked for twice it is there once; taken away nothing of it stays', async () => {
    const peak = { rate: 2 * megabyte, burst: 2000 };
    await shaping.shape(name, { sent: { ...bucket, peak }, received: bucket });
    await shaping.shape(name, { sent: { ...bucket, peak }, received: bucket });
    expect(await qdiscs()).toContain('peakrate 16Mbit');
    expect(
      (await playground.exec('node', `tc filter show dev ${name} ingress`)).match(/mirred/g),
    ).toHaveLength(1);
    await shaping.shape(name, {});
    expect(await qdiscs()).not.toContain('tbf');
    expect(await playground.exec('node', 'ip link')).not.toContain('ifb');
    expect(await transfer(pod, node, own, 20 * megabyte)).toBeLessThan(most);
  });

  test('rates of more than 32 bits are whole', async () => {
    await shaping.shape(name, {
      sent: { rate: 10_000 * megabyte, burst: 4_294_967_295, limit: 4_294_967_295 },
    });
    expect(await qdiscs()).toContain('rate 80Gbit');
    await shaping.shape(name, {});
  });

  test('what an earlier life left is swept, and what is wanted stays', async () => {
    await shaping.shape(name, { sent: bucket, received: bucket });
    const kernel = openKernel(node);
    await shaping.sweep(new Set([name]));
    expect(await kernel.link(ifbOf(name))).toBeDefined();
    await shaping.sweep(new Set());
    expect(await kernel.link(ifbOf(name))).toBeUndefined();
    // Else what the pod sends would go to an ifb that is gone.
    expect(await qdiscs()).not.toMatch(/ingress|tbf/);
    expect(await transfer(pod, node, own, megabyte)).toBeLessThan(most);
    kernel.close();
  });

  test('what others made is not swept', async () => {
    await playground.exec(
      'node',
      'ip link add other0 type veth peer name other1; tc qdisc add dev other0 root tbf rate 8mbit burst 50000 limit 150000; tc qdisc add dev other0 ingress',
    );
    await shaping.sweep(new Set());
    expect(await qdiscs()).toMatch(/tbf.*dev other0[\s\S]*ingress.*dev other0/);
    await playground.exec('node', 'ip link delete other0');
  });

  test('of an interface that is not there it says so', async () => {
    await expect(shaping.shape('calinone', { sent: bucket })).rejects.toThrow(/there is no link calinone/);
  });
});
