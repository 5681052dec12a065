/** Sockets in other namespaces, from this one process: what the lab's probes and listeners stand on. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inNetns } from '../../src/kernel/linux.ts';
import { portOf, rawSocket, tcpConnect, tcpListen, udpSocket } from '../../src/kernel/sockets.ts';
import { type Address, formatAddress, ipv4, parseAddress } from '../../src/lib/net.ts';
import { createPlayground } from '../support/namespaces.ts';

const playground = createPlayground('sockets');
const server = `/run/netns/${playground.netns('server')}`;
const client = `/run/netns/${playground.netns('client')}`;
const address = (text: string): Address => parseAddress(text) ?? ipv4(0);

beforeAll(async () => {
  await inNetns(server, (kernel) => kernel.addVeth({ name: 'eth0', peer: { name: 'eth0', netns: client } }));
  for (const [path, last] of [
    [server, 1],
    [client, 2],
  ] as const)
    await inNetns(path, async (kernel) => {
      await kernel.setLink('eth0', { up: true });
      await kernel.addAddress('eth0', { address: address(`10.7.0.${last}`), length: 24 });
      await kernel.addAddress('eth0', { address: address(`fd07::${last}`), length: 64, nodad: true });
    });
});
afterAll(() => playground.close());

describe.each([
  [4, '10.7.0.1', '10.7.0.2', '0.0.0.0', 20],
  [6, 'fd07::1', 'fd07::2', '::', 0],
] as const)('IPv%i', (version, here, there, any, header) => {
  test('TCP: a listener in one namespace is reached from another, and both see the other address', async () => {
    const listener = await tcpListen(server, address(any), 0, (socket) =>
      socket.end(`hello ${socket.remoteAddress}`),
    );
    const socket = await tcpConnect(client, address(here), portOf(listener), { timeoutMs: 2_000 });
    const text = await new Promise((resolve) => socket.on('data', (data) => resolve(data.toString())));
    expect(text).toBe(`hello ${there}`);
    expect(socket.remoteAddress).toBe(here);
    socket.destroy();
    listener.close();
  });

  test('TCP: nobody listening is ECONNREFUSED, nobody there is ETIMEDOUT', async () => {
    await expect(tcpConnect(client, address(here), 9)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    const nobody = address(version === 4 ? '10.7.0.99' : 'fd07::99');
    await expect(tcpConnect(client, nobody, 9, { timeoutMs: 100 })).rejects.toMatchObject({
      code: 'ETIMEDOUT',
    });
  });

  test('TCP: a source address not on the machine is refused with a sentence', async () => {
    const source = address(version === 4 ? '10.7.0.77' : 'fd07::77');
    await expect(tcpConnect(client, address(here), 9, { source })).rejects.toThrow(
      /connect to tcp .*EADDRNOTAVAIL/,
    );
  });

  test('UDP: a datagram comes with its sender', async () => {
    const receiver = await udpSocket(server, address(here), 0);
    const sender = await udpSocket(client, address(there), 0);
    const received = new Promise((resolve) => {
      receiver.on('message', (message, from) => resolve([message.toString(), from.address, from.port]));
    });
    sender.send('ping', portOf(receiver), here);
    expect(await received).toEqual(['ping', there, portOf(sender)]);
    sender.close();
    receiver.close();
  });

  test('a raw packet of any protocol arrives, for IPv4 with its header', async () => {
    const experimental = 253; // RFC 3692
    const payload = Uint8Array.of(1, 2, 3, 4);
    const received = new Promise<readonly [string, Uint8Array]>((resolve) => {
      const receiver = rawSocket(server, version, experimental, (packet, from) => {
        receiver.close();
        resolve([formatAddress(from), packet.slice(header)]);
      });
    });
    const sender = rawSocket(client, version, experimental, () => undefined);
    sender.send(payload, address(here));
    expect(await received).toEqual([there, payload]);
    sender.close();
  });

  test('two listeners on one port are refused with EADDRINUSE, in two namespaces they are not', async () => {
    const one = await tcpListen(server, address(any), 7000, () => undefined);
    const two = await tcpListen(client, address(any), 7000, () => undefined);
    await expect(tcpListen(server, address(any), 7000, () => undefined)).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
    one.close();
    two.close();
  });
});

test('IPv4 and IPv6 listeners share a port', async () => {
  const six = await tcpListen(server, address('::'), 7100, () => undefined);
  const four = await tcpListen(server, address('0.0.0.0'), 7100, () => undefined);
  six.close();
  four.close();
});

test('a namespace that is not there is a rejection with its path', async () => {
  await expect(tcpListen('/run/netns/none', address('::'), 1, () => undefined)).rejects.toThrow(
    /\/run\/netns\/none/,
  );
});
