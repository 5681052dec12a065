/** Connections followed by a real kernel: listed, forgotten one by one, by end, and by address. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Conntrack, forgetAddress, openConntrack } from '../../src/kernel/conntrack.ts';
import { openKernel } from '../../src/kernel/linux.ts';
import { ctStatus, type Flow } from '../../src/kernel/netlink/conntrack.ts';
import { rawSocket, udpSocket } from '../../src/kernel/sockets.ts';
import { type Address, formatAddress, ipv4, parseAddress } from '../../src/lib/net.ts';
import { eventually } from '../support/eventually.ts';
import { createPlayground } from '../support/namespaces.ts';

const playground = createPlayground('ct');
const path = `/run/netns/${playground.netns('node')}`;
const soon = { within: 15_000 };
const address = (text: string): Address => parseAddress(text) ?? ipv4(0);

let conntrack: Conntrack;

beforeAll(async () => {
  playground.link(
    ['node', 'eth0', '10.9.0.1/24', 'fd09::1/64'],
    ['peer', 'eth0', '10.9.0.2/24', 'fd09::2/64'],
  );
  const kernel = openKernel(path);
  // A rule that asks for the state makes the kernel follow connections in this namespace.
  await kernel.nft(
    'table inet follow { chain out { type filter hook output priority 0; ct state new counter; }; chain nat { type nat hook output priority -100; ip daddr 10.99.0.1 dnat ip to 10.9.0.2; }; }',
  );
  kernel.close();
  await playground.exec('node', 'ip route add 10.99.0.0/16 via 10.9.0.2');
  conntrack = openConntrack(path);
});
afterAll(async () => {
  conntrack.close();
  await playground.close();
});

/** One datagram; the answer does not matter. */
async function send(to: string, port: number): Promise<void> {
  const socket = await udpSocket(path, address(to.includes(':') ? '::' : '0.0.0.0'), 0);
  await new Promise<void>((resolve, reject) =>
    socket.send('x', port, to, (error) => (error === null ? resolve() : reject(error))),
  );
  socket.close();
}

const portsTo = async (to: string): Promise<readonly number[]> =>
  (await conntrack.dump({ direction: 'original', side: 'destination', address: address(to) })).map(
    ({ original }) => original.destinationPort ?? 0,
  );

describe('connection tracking', () => {
  test('a flow is listed with both its directions, and forgotten by name, once', async () => {
    await send('10.9.0.2', 7001);
    const find = async (): Promise<Flow | undefined> =>
      (await conntrack.dump(4)).find(({ original }) => original.destinationPort === 7001);
    const flow = await eventually(async () => {
      const found = await find();
      if (found === undefined) throw new Error('not there yet');
      return found;
    }, soon);
    expect(flow).toMatchObject({
      original: { source: address('10.9.0.1'), destination: address('10.9.0.2'), protocol: 17 },
      reply: { source: address('10.9.0.2'), destination: address('10.9.0.1'), sourcePort: 7001 },
    });
    expect(flow.status & ctStatus.confirmed).not.toBe(0);
    expect(await conntrack.deleteFlow(flow)).toBe(true);
    expect(await find()).toBeUndefined();
    expect(await conntrack.deleteFlow(flow)).toBe(false);
  });

  test('a translated flow answers from whom it was translated to', async () => {
    await send('10.99.0.1', 7002);
    const [flow] = await conntrack.dump({
      direction: 'original',
      side: 'destination',
      address: address('10.99.0.1'),
    });
    expect(flow && formatAddress(flow.reply.source)).toBe('10.9.0.2');
    expect((flow?.status ?? 0) & ctStatus.destinationTranslated).not.toBe(0);
    await conntrack.deleteWhere({ direction: 'reply', side: 'source', address: address('10.9.0.2') });
    expect(await portsTo('10.99.0.1')).toEqual([]);
  });

  test.each([
    ['10.9.0.2', '10.9.0.3', '10.9.0.1'],
    ['fd09::2', 'fd09::3', 'fd09::1'],
  ])('only the flows of the address %s are forgotten', async (gone, stays, own) => {
    await playground.exec('peer', `ip address add ${stays}/${stays.includes(':') ? 64 : 24} dev eth0`);
    await send(gone, 7003);
    await send(gone, 7004);
    await send(stays, 7005);
    expect([...(await portsTo(gone))].sort()).toEqual([7003, 7004]);
    await forgetAddress(conntrack, address(gone));
    expect(await portsTo(gone)).toEqual([]);
    expect(await portsTo(stays)).toEqual([7005]);
    await forgetAddress(conntrack, address(own));
    expect(await portsTo(stays)).toEqual([]);
  });

  test('ICMP flows have an identifier, and are forgotten like others', async () => {
    const raw = rawSocket(path, 4, 1, () => undefined);
    raw.send(Uint8Array.of(8, 0, 0xf7, 0xfd, 0, 1, 0, 1), address('10.9.0.2')); // an echo request
    raw.close();
    const icmp = async () => (await conntrack.dump(4)).filter(({ original }) => original.protocol === 1);
    const [flow] = await icmp();
    expect(flow?.original.icmp).toMatchObject({ type: 8, code: 0 });
    expect(flow?.reply.icmp).toMatchObject({ type: 0 });
    expect(flow && (await conntrack.deleteFlow(flow))).toBe(true);
    expect(await icmp()).toEqual([]);
  });

  test('a kernel that cannot look itself is helped: flows are listed and named one by one', async () => {
    await send('10.9.0.2', 7006);
    const flows = await conntrack.dump({
      direction: 'original',
      side: 'destination',
      address: address('10.9.0.2'),
    });
    const ended = await Promise.all(flows.map((flow) => conntrack.deleteFlow(flow)));
    expect(ended).toEqual(flows.map(() => true));
    expect(await portsTo('10.9.0.2')).toEqual([]);
  });

  test('of a namespace that is not there nothing is listed', async () => {
    const none = openConntrack('/run/netns/ct-none');
    await expect(none.dump(4)).rejects.toThrow(/ct-none/);
    none.close();
  });
});
