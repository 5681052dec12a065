import { execFileSync } from 'node:child_process';
import { createServer } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { guestKey, type Range, type Target } from '../../../bgp/transport/sockets.ts';
import { prefixOf } from '../../../src/lib/net.ts';
import { virtualClock } from '../../support/clock.ts';
import { eventually } from '../../support/eventually.ts';
import { address, type Station, station } from '../../support/sockets.ts';

const stations: Station[] = [];
const made = (...options: Parameters<typeof station>): Station => {
  const one = station(...options);
  stations.push(one);
  return one;
};

afterEach(async () => {
  await Promise.all(stations.splice(0).map(({ sockets }) => sockets.stop()));
});

const loopback = new Map([[address('127.0.0.1'), 'us']]);
const soon = (check: () => void) => eventually(check, { within: 15_000, every: 2 });
const pattern = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => index % 251);

/** Two stations with one connection, dialled by the first. */
async function pair(): Promise<readonly [Station, Station]> {
  const [dialler, listener] = [made(), made()];
  listener.sockets.setNeighbours({ keys: loopback });
  dialler.sockets.connect('them', await listener.listens('127.0.0.1'));
  await dialler.hears('connected');
  await listener.hears('connected');
  return [dialler, listener];
}

test('a dial connects both ends, and bytes arrive whole and in order both ways', async () => {
  const [dialler, listener] = await pair();
  expect(await dialler.hears('connected')).toEqual({ kind: 'connected', key: 'them', side: 'outgoing' });
  expect(await listener.hears('connected')).toEqual({ kind: 'connected', key: 'us', side: 'incoming' });
  for (const part of [pattern(200_000), pattern(7)]) dialler.sockets.send('them', 'outgoing', part);
  listener.sockets.send('us', 'incoming', pattern(300));
  await soon(() => expect(listener.received().length).toBe(200_007));
  expect(Buffer.compare(listener.received(), Buffer.concat([pattern(200_000), pattern(7)]))).toBe(0);
  await soon(() => expect(dialler.received()).toEqual(pattern(300)));
});

test('a refused dial says that nobody listens there', async () => {
  const dialler = made();
  dialler.sockets.connect('them', { address: address('127.0.0.1'), port: 1 });
  expect(await dialler.hears('failed')).toEqual({
    kind: 'failed',
    key: 'them',
    side: 'outgoing',
    errno: 'ECONNREFUSED',
    why: '127.0.0.1 port 1 refuses connections: no BGP speaker listens there (ECONNREFUSED)',
  });
});

test('a dial to where no route leads says so', async () => {
  const dialler = made();
  dialler.sockets.connect('them', { address: address('203.0.113.1'), port: 179 });
  expect((await dialler.hears('failed')).why).toBe('there is no route to 203.0.113.1 port 179 (ENETUNREACH)');
});

test('a dial that nobody answers fails after its time', async () => {
  // The other end of the pair has no address: whatever is sent there stays unanswered.
  const ip = (...words: string[]) => execFileSync('ip', words);
  ip('link', 'add', 'sockmute0', 'type', 'veth', 'peer', 'name', 'sockmute1');
  try {
    ip('addr', 'add', '198.51.100.1/24', 'dev', 'sockmute0');
    for (const end of ['sockmute0', 'sockmute1']) ip('link', 'set', end, 'up');
    const clock = virtualClock();
    const dialler = made({ clock, connectTimeoutMs: 20_000 });
    dialler.sockets.connect('them', { address: address('198.51.100.2'), port: 179 });
    clock.advance(19_999);
    expect(dialler.said).toEqual([]);
    clock.advance(1);
    expect((await dialler.hears('failed')).why).toBe('198.51.100.2 port 179 does not answer (ETIMEDOUT)');
    expect(clock.pending).toBe(0);
  } finally {
    ip('link', 'del', 'sockmute0');
  }
});

test('a dial comes from the source address it was given', async () => {
  const [dialler, listener] = [made(), made()];
  listener.sockets.setNeighbours({ keys: new Map([[address('127.0.0.9'), 'nine']]) });
  const target = await listener.listens('127.0.0.1');
  dialler.sockets.connect('them', { ...target, localAddress: address('127.0.0.9') });
  expect((await listener.hears('connected')).key).toBe('nine');
});

test('a source address that is not ours is named as the reason', async () => {
  const dialler = made();
  dialler.sockets.connect('them', {
    address: address('127.0.0.1'),
    port: 179,
    localAddress: address('203.0.113.7'),
  });
  expect((await dialler.hears('failed')).why).toContain('is not an address of this node (EADDRNOTAVAIL)');
});

test('RFC 4271 §8.1.4: who is no neighbour is turned away, which is said once a minute', async () => {
  const clock = virtualClock();
  const [dialler, listener] = [made(), made({ clock })];
  const target = await listener.listens('127.0.0.1');
  const turnedAway = async (times: number): Promise<void> => {
    dialler.sockets.connect('them', target);
    await soon(() => expect(dialler.count('failed')).toBe(times));
  };
  await turnedAway(1);
  expect(await listener.hears('rejected')).toEqual({
    kind: 'rejected',
    address: '127.0.0.1',
    why: '127.0.0.1 dialled us but is not a configured neighbour',
  });
  await turnedAway(2);
  expect(listener.count('rejected')).toBe(1);
  clock.advance(60_000);
  await turnedAway(3);
  expect(listener.count('rejected')).toBe(2);
  expect(listener.count('connected')).toBe(0);
});

test('RFC 4724 §4.2: a neighbour that dials again gets the place of our own dial; a third connection is turned away', async () => {
  const [first, listener] = await pair();
  const target = { address: address('127.0.0.1'), port: (await listener.hears('listening')).port };
  const [second, third] = [made(), made()];
  second.sockets.connect('them', target);
  await soon(() => expect(listener.count('connected')).toBe(2));
  const sides = listener.said.flatMap((event) => (event.kind === 'connected' ? [event.side] : []));
  expect(sides).toEqual(['incoming', 'outgoing']);
  third.sockets.connect('them', target);
  await third.hears('failed');
  expect((await listener.hears('rejected')).why).toContain('while its earlier connections are still there');
  expect([first.count('failed'), second.count('failed')]).toEqual([0, 0]);
  listener.sockets.close('us', 'incoming');
  await first.hears('failed');
  first.sockets.connect('them', target);
  await soon(() => expect(listener.count('connected')).toBe(3));
});

test('a neighbour that dials again while we have a connection of our own is turned away', async () => {
  const [, listener] = await pair();
  const { port } = await listener.hears('listening');
  const elsewhere = made();
  elsewhere.sockets.setNeighbours({ keys: loopback });
  listener.sockets.connect('us', await elsewhere.listens('127.0.0.2'));
  await soon(() => expect(listener.count('connected')).toBe(2));
  const second = made();
  second.sockets.connect('them', { address: address('127.0.0.1'), port });
  await second.hears('failed');
});

test('without an address it listens on IPv4 and IPv6 alike', async () => {
  const [dialler, listener] = [made(), made()];
  listener.sockets.setNeighbours({ keys: new Map([...loopback, [address('::1'), 'six']]) });
  // The same port for both: one that was free a moment ago.
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen({ port: 0, host: '::' }, resolve));
  const bound = probe.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  await new Promise((resolve) => probe.close(resolve));
  listener.sockets.listen({ port });
  await soon(() => expect(listener.count('listening')).toBe(2));
  dialler.sockets.connect('four', { address: address('127.0.0.1'), port });
  dialler.sockets.connect('six', { address: address('::1'), port });
  await soon(() => expect(listener.count('connected')).toBe(2));
  const keys = listener.said.flatMap((event) => (event.kind === 'connected' ? [event.key] : []));
  expect(keys.sort()).toEqual(['six', 'us']);
});

test('a port owned by someone else is a problem in words, said once, and taken when it is free', async () => {
  const owner = createServer();
  await new Promise<void>((resolve) => owner.listen({ port: 0, host: '127.0.0.1' }, resolve));
  const bound = owner.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  const clock = virtualClock();
  const listener = made({ clock });
  listener.sockets.listen({ addresses: [address('127.0.0.1')], port });
  const { problem } = await listener.hears('listenProblem');
  expect(problem.where).toBe(`listening on 127.0.0.1 port ${port}`);
  expect(problem.what).toBe(
    `Port ${port} is owned by someone else, so neighbours cannot reach us at 127.0.0.1.`,
  );
  clock.advance(1_000);
  await soon(() => expect(clock.pending).toBe(1)); // it failed again and waits
  await new Promise((resolve) => owner.close(resolve));
  clock.advance(2_000);
  await listener.hears('listening');
  expect(listener.count('listenProblem')).toBe(1);
});

test('close sends what was written, and then nothing more is said of the connection', async () => {
  const [dialler, listener] = await pair();
  const before = dialler.said.length;
  dialler.sockets.send('them', 'outgoing', pattern(3_000_000));
  dialler.sockets.close('them', 'outgoing');
  listener.sockets.send('us', 'incoming', pattern(1000));
  expect((await listener.hears('failed')).why).toMatch(/^127\.0\.0\.1 port \d+ closed the connection$/);
  expect(listener.received().length).toBe(3_000_000);
  expect(dialler.said.length).toBe(before);
});

test('a neighbour that does not read makes send say so, and is told of when it reads again', async () => {
  const [dialler, listener] = await pair();
  listener.sockets.pause('us', 'incoming');
  let total = 0;
  while (dialler.sockets.queued('them', 'outgoing') < 1_000_000) {
    total += 100_000;
    if (dialler.sockets.send('them', 'outgoing', pattern(100_000))) await new Promise(setImmediate);
  }
  expect(dialler.sockets.send('them', 'outgoing', pattern(1))).toBe(false);
  listener.sockets.resume('us', 'incoming');
  await dialler.hears('drained');
  await soon(() => expect(listener.received().length).toBe(total + 1));
});

test('a neighbour that lets 16 MiB wait unsent is dropped', async () => {
  const [dialler, listener] = await pair();
  listener.sockets.pause('us', 'incoming');
  const part = new Uint8Array(1024 * 1024);
  for (let sent = 0; sent < 64 && dialler.count('failed') === 0; sent += 1)
    dialler.sockets.send('them', 'outgoing', part);
  expect((await dialler.hears('failed')).why).toContain('takes nothing: 16 MiB wait unsent');
});

test('a paused connection is not read, and goes on where it stopped', async () => {
  const [dialler, listener] = await pair();
  listener.sockets.pause('us', 'incoming');
  dialler.sockets.send('them', 'outgoing', pattern(500_000));
  dialler.sockets.close('them', 'outgoing');
  await new Promise(setImmediate);
  expect(listener.count('failed')).toBe(0);
  listener.sockets.resume('us', 'incoming');
  await listener.hears('failed');
  expect(Buffer.compare(listener.received(), pattern(500_000))).toBe(0);
});

test('a reset that is not read yet is what a send says', async () => {
  const [dialler, listener] = await pair();
  listener.sockets.pause('us', 'incoming');
  dialler.sockets.pause('them', 'outgoing');
  // Who is paused is read once more.
  dialler.sockets.send('them', 'outgoing', pattern(1));
  listener.sockets.send('us', 'incoming', pattern(200_000));
  await soon(() => expect(listener.sockets.queued('us', 'incoming')).toBe(0));
  await new Promise(setImmediate);
  // Bytes that nobody has read make the kernel reset.
  dialler.sockets.close('them', 'outgoing', false);
  await soon(() => {
    listener.sockets.send('us', 'incoming', pattern(1));
    expect(listener.count('failed')).toBe(1);
  });
  // The second word for it, if the kernel was late to deliver what was not read.
  const words =
    /(reset the connection \(ECONNRESET\)|closed the connection while we were sending \(EPIPE\))$/;
  expect((await listener.hears('failed')).why).toMatch(words);
});

test('dialling again in the same place gives up the earlier dial without a word', async () => {
  const [dialler, listener] = [made(), made()];
  listener.sockets.setNeighbours({ keys: loopback });
  const target = await listener.listens('127.0.0.1');
  dialler.sockets.connect('them', { address: address('127.0.0.1'), port: 1 });
  dialler.sockets.connect('them', target);
  await dialler.hears('connected');
  expect(dialler.count('failed')).toBe(0);
});

test('listening elsewhere ends listening where it was', async () => {
  const listener = made();
  const old = await listener.listens('127.0.0.1');
  listener.sockets.listen({ addresses: [address('127.0.0.2')], port: 0 });
  const dialler = made();
  dialler.sockets.connect('them', old);
  expect((await dialler.hears('failed')).why).toContain('ECONNREFUSED');
});

test('a connection is guarded as its own target asks, not as another neighbour at that address', async () => {
  const listener = made();
  listener.sockets.setNeighbours({ keys: new Map([[address('127.0.0.1'), 'them']]) });
  const target = await listener.listens('127.0.0.1');
  const signature = { kind: 'md5', key: Buffer.from('secret') } as const;
  const dialler = made();
  dialler.sockets.setNeighbours({
    keys: new Map([[target.address, 'signed']]),
    guards: new Map([[target.address, { signature }]]),
  });
  dialler.sockets.connect('plain', { ...target, guard: {} });
  expect(await dialler.hears('connected')).toMatchObject({ key: 'plain' });
});

test('stop closes everything and says nothing more', async () => {
  const [dialler, listener] = await pair();
  const { port } = await listener.hears('listening');
  await listener.sockets.stop();
  await dialler.hears('failed');
  const late = made();
  late.sockets.connect('them', { address: address('127.0.0.1'), port });
  expect((await late.hears('failed')).why).toContain('ECONNREFUSED');
  expect(listener.count('failed')).toBe(0);
});

describe('who dials from a range', () => {
  const range = (more: Partial<Range> = {}): Range => ({
    dynamic: 'racks',
    range: prefixOf(address('127.0.0.0'), 8),
    limit: 2,
    guard: {},
    ...more,
  });
  const dialFrom = (source: string, { address: to, port }: Target): Station => {
    const dialler = made();
    dialler.sockets.setNeighbours({ keys: new Map([[to, 'them']]) });
    dialler.sockets.connect('them', { address: to, port, localAddress: address(source) });
    return dialler;
  };

  test('is accepted under a key of its own, and said to have arrived first', async () => {
    const listener = made();
    listener.sockets.setNeighbours({ keys: new Map(), ranges: [range()] });
    const target = await listener.listens('127.0.0.1');
    dialFrom('127.0.0.9', target);
    const arrived = await listener.hears('arrived');
    expect(arrived).toEqual({
      kind: 'arrived',
      dynamic: 'racks',
      key: guestKey(address('127.0.0.9')),
      address: address('127.0.0.9'),
    });
    expect(await listener.hears('connected')).toMatchObject({ key: arrived.key, side: 'incoming' });
  });

  test('is taken by the longest range, and by none where it is configured and must not come in', async () => {
    const listener = made();
    const narrow = range({ dynamic: 'one rack', range: prefixOf(address('127.0.0.8'), 29) });
    listener.sockets.setNeighbours({
      keys: new Map(),
      ranges: [range(), narrow],
      barred: new Set([address('127.0.0.10')]),
    });
    const target = await listener.listens('127.0.0.1');
    dialFrom('127.0.0.9', target);
    expect((await listener.hears('arrived')).dynamic).toBe('one rack');
    dialFrom('127.0.0.10', target);
    expect((await listener.hears('rejected')).why).toContain('127.0.0.10 dialled us but is not a configured');
  });

  test('comes at most once a second from one address, or each would be a new neighbour', async () => {
    const listener = made();
    listener.sockets.setNeighbours({ keys: new Map(), ranges: [range({ limit: 100 })] });
    const target = await listener.listens('127.0.0.1');
    const began = Date.now();
    let dials = 0;
    for (; dials < 200 && (dials < 20 || listener.count('rejected') === 0); dials += 1) {
      const one = dialFrom('127.0.0.9', target);
      await one.hears('connected');
      one.sockets.close('them', 'outgoing', false);
      // The first has gone again before the next one comes.
      await eventually(
        () => expect(listener.count('failed') + listener.count('rejected')).toBeGreaterThan(0),
        { within: 15_000 },
      );
    }
    const seconds = (Date.now() - began) / 1000;
    expect(listener.count('rejected')).toBe(1);
    expect(listener.count('arrived')).toBeGreaterThanOrEqual(1);
    expect(listener.count('arrived')).toBeLessThan(dials);
    expect(listener.count('arrived')).toBeLessThanOrEqual(2 + seconds);
  });

  test('is turned away beyond the limit, until one of the others has gone', async () => {
    const listener = made();
    listener.sockets.setNeighbours({ keys: new Map(), ranges: [range({ limit: 1 })] });
    const target = await listener.listens('127.0.0.1');
    const first = dialFrom('127.0.0.9', target);
    await listener.hears('connected');
    dialFrom('127.0.0.10', target);
    expect((await listener.hears('rejected')).why).toBe(
      'racks takes 1 neighbours from 127.0.0.0/8, and has them',
    );
    first.sockets.close('them', 'outgoing');
    await listener.hears('failed');
    dialFrom('127.0.0.11', target);
    await eventually(() => expect(listener.count('connected')).toBe(2), { within: 15_000 });
  });
});

test('with addresses to listen on, nobody listens on the others', async () => {
  const listener = made();
  listener.sockets.setNeighbours({ keys: new Map([[address('127.0.0.1'), 'them']]) });
  const { port } = await listener.listens('127.0.0.2');
  const dialler = made();
  dialler.sockets.connect('us', { address: address('127.0.0.3'), port });
  expect(await dialler.hears('failed')).toMatchObject({ errno: 'ECONNREFUSED' });
});
