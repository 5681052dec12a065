import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import type { PeerConfig } from '../../../bgp/config.ts';
import { createTransport, type Transport, type TransportSays } from '../../../bgp/transport.ts';
import { encodeMessage } from '../../../bgp/wire/codec.ts';
import type { Message } from '../../../bgp/wire/message.ts';
import { realClock } from '../../../src/host/clock.ts';
import { millis, prefixOf } from '../../../src/lib/net.ts';
import { eventually } from '../../support/eventually.ts';
import { codec, endOfRib, openMessage, peerConfig } from '../../support/peer.ts';
import { address } from '../../support/sockets.ts';

const soon = (check: () => void) => eventually(check, { within: 15_000, every: 2 });
const keepalive: Message = { kind: 'keepalive' };
const withdrawal = (at: string): Message => ({
  kind: 'update',
  withdrawn: [prefixOf(address(at), 24)],
  announced: [],
  flaws: [],
});
const bytesOf = (...messages: readonly Message[]): Buffer =>
  Buffer.concat(messages.map((message) => encodeMessage(message, codec)));

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

interface Bench {
  readonly transport: Transport;
  /** Posted and not yet taken. */
  readonly inbox: TransportSays[];
  readonly logged: string[];
  /** Takes all there is; gives those that were to be heard, in words. */
  turn(): string[];
  readonly port: () => number;
}

const inWords = (event: TransportSays): string => {
  if (event.kind === 'writable') return `${event.side} writable`;
  if (event.kind === 'arrived') return `arrived ${event.dynamic}`;
  const { event: inner } = event;
  return `${inner.side} ${inner.kind === 'Message' ? inner.message.kind : inner.kind}`;
};

async function bench(
  peers: readonly PeerConfig[] = [],
  port: number | undefined = undefined,
): Promise<Bench> {
  const inbox: TransportSays[] = [];
  const logged: string[] = [];
  let bound = 0;
  const transport = createTransport({
    clock: realClock,
    log: {
      info: (_message, fields) => {
        bound = Number(fields?.['port']);
      },
      warn: (message) => logged.push(message),
    },
    onEvent: (event) => inbox.push(event),
  });
  stops.push(() => transport.stop());
  transport.configure({ addresses: [address('127.0.0.1')], port, peers });
  if (port !== undefined) await soon(() => expect(bound).toBeGreaterThan(0));
  const turn = (): string[] =>
    inbox.splice(0).flatMap((event) => (transport.take(event) ? [inWords(event)] : []));
  return { transport, inbox, logged, turn, port: () => bound };
}

const neighbour = (port: number): PeerConfig => peerConfig({ key: 'n', address: address('127.0.0.1'), port });

/** A neighbour that accepts: raw sockets, so that a test decides each byte. */
async function acceptor(): Promise<{
  readonly port: number;
  readonly accepted: Socket[];
  readonly server: Server;
}> {
  const accepted: Socket[] = [];
  const server = createServer((socket) => accepted.push(socket.on('error', () => {})));
  await new Promise<void>((resolve) => server.listen({ port: 0, host: '127.0.0.1' }, resolve));
  stops.push(() => {
    for (const socket of accepted) socket.destroy();
    server.close();
  });
  const bound = server.address();
  return { port: typeof bound === 'object' && bound !== null ? bound.port : 0, accepted, server };
}

async function dialler(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' }).on('error', () => {});
  stops.push(() => socket.destroy());
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  return socket;
}

/** A transport whose dial was accepted. */
async function dialled() {
  const far = await acceptor();
  const near = await bench([neighbour(far.port)]);
  near.transport.connect('n');
  await soon(() => expect(near.inbox.length).toBe(1));
  await soon(() => expect(far.accepted.length).toBe(1));
  expect(near.turn()).toEqual(['outgoing TcpConnected']);
  const [socket] = far.accepted;
  if (socket === undefined) throw new Error('one was accepted');
  return { ...near, far, socket };
}

test('two transports exchange messages', async () => {
  const listener = await bench([neighbour(0)], 0);
  const near = await bench([neighbour(listener.port())]);
  near.transport.connect('n');
  await soon(() => expect(near.turn()).toEqual(['outgoing TcpConnected']));
  near.transport.send('n', 'outgoing', openMessage());
  await soon(() => expect(listener.inbox.length).toBe(2));
  expect(listener.turn()).toEqual(['incoming TcpConnected', 'incoming open']);
  listener.transport.send('n', 'incoming', openMessage());
  listener.transport.send('n', 'incoming', keepalive);
  await soon(() => expect(near.inbox.length).toBe(2));
  expect(near.turn()).toEqual(['outgoing open', 'outgoing keepalive']);
});

test('of several neighbours at one address, who dials us from there is the first that is configured', async () => {
  const [first, second] = ['a', 'b'].map((key) => ({ ...neighbour(key === 'a' ? 1790 : 1791), key }));
  if (first === undefined || second === undefined) throw new Error('two were made');
  const near = await bench([first, second], 0);
  await dialler(near.port());
  await soon(() => expect(near.inbox.length).toBe(1));
  expect(near.inbox[0]).toMatchObject({ peer: 'a', event: { kind: 'TcpConnected' } });
});

test('a refused dial is heard as TcpFails', async () => {
  const near = await bench([neighbour(1)]);
  near.transport.connect('n');
  await soon(() => expect(near.turn()).toEqual(['outgoing TcpFails']));
});

test('nothing is heard of a connection that was closed, not even what waits in the inbox', async () => {
  const { transport, inbox, turn, socket } = await dialled();
  socket.write(bytesOf(keepalive, keepalive));
  await soon(() => expect(inbox.length).toBe(2));
  transport.close('n', 'outgoing');
  expect(turn()).toEqual([]);
});

test('what a connection said is heard before the next one takes its name', async () => {
  const near = await bench([neighbour(0)], 0);
  const first = await dialler(near.port());
  await soon(() => expect(near.turn()).toEqual(['incoming TcpConnected']));
  first.end(bytesOf(keepalive));
  await soon(() => expect(near.inbox.map(inWords)).toEqual(['incoming keepalive', 'incoming TcpFails']));
  const second = await dialler(near.port());
  await soon(() => expect(near.inbox.length).toBe(3));
  // What is done now still concerns the first connection, which is gone: the second must not get it.
  const got: Buffer[] = [];
  second.on('data', (bytes) => got.push(bytes));
  near.transport.send('n', 'incoming', keepalive);
  expect(near.turn()).toEqual(['incoming keepalive', 'incoming TcpFails', 'incoming TcpConnected']);
  near.transport.send('n', 'incoming', openMessage());
  await soon(() => expect(Buffer.concat(got)).toEqual(bytesOf(openMessage())));
});

test('closing the first connection leaves the one that has come meanwhile alone', async () => {
  const near = await bench([neighbour(0)], 0);
  const first = await dialler(near.port());
  await soon(() => expect(near.turn()).toEqual(['incoming TcpConnected']));
  first.end();
  await soon(() => expect(near.inbox.length).toBe(1));
  await dialler(near.port());
  await soon(() => expect(near.inbox.length).toBe(2));
  near.transport.close('n', 'incoming');
  expect(near.turn()).toEqual(['incoming TcpConnected']);
});

test('UPDATEs that come with the KEEPALIVE are decoded once the session has its codec', async () => {
  const { transport, inbox, turn, socket } = await dialled();
  socket.write(bytesOf(openMessage(), keepalive, endOfRib, endOfRib));
  await soon(() => expect(inbox.length).toBe(2));
  expect(turn()).toEqual(['outgoing open', 'outgoing keepalive']);
  transport.setCodec('n', 'outgoing', codec);
  expect(turn()).toEqual(['outgoing update', 'outgoing update']);
});

test.each([
  [false, 1, 'UPDATEs that come together are heard as one, and counted each'],
  [true, 3, 'UPDATEs whose octets are kept are heard each by itself, with them'],
])('keepFrames %s, %i: %s', async (keepFrames, heard, _what) => {
  const far = await acceptor();
  const inbox: TransportSays[] = [];
  const transport = createTransport({
    clock: realClock,
    log: { info: () => {}, warn: () => {} },
    onEvent: (event) => inbox.push(event),
    keepFrames,
  });
  stops.push(() => transport.stop());
  transport.configure({ addresses: undefined, port: undefined, peers: [neighbour(far.port)] });
  transport.connect('n');
  await soon(() => expect(inbox.length).toBe(1));
  await soon(() => expect(far.accepted.length).toBe(1));
  for (const event of inbox.splice(0)) transport.take(event);
  transport.setCodec('n', 'outgoing', codec);
  const updates = ['10.1.0.0', '10.2.0.0', '10.3.0.0'].map(withdrawal);
  far.accepted[0]?.write(bytesOf(...updates));
  await soon(() => expect(transport.account('n').received.update).toBe(3));
  expect(inbox.length).toBe(heard);
  expect(inbox.map((event) => transport.frame(event))).toEqual(
    keepFrames ? updates.map((one) => new Uint8Array(bytesOf(one))) : [undefined],
  );
});

test('a pressed inbox gets nothing more before it has room', async () => {
  const { transport, inbox, socket } = await dialled();
  transport.pause(true);
  socket.write(bytesOf(keepalive, keepalive));
  await new Promise((resolve) => socket.write(bytesOf(keepalive), resolve));
  await new Promise(setImmediate);
  expect(inbox).toEqual([]);
  transport.pause(false);
  await soon(() => expect(inbox.length).toBe(3));
});

test('pressure stops a burst in the middle, and the rest comes from the buffer, not from the socket', async () => {
  const far = await acceptor();
  const inbox: TransportSays[] = [];
  const transport = createTransport({
    clock: realClock,
    log: { info: () => {}, warn: () => {} },
    onEvent: (event) => {
      inbox.push(event);
      if (inbox.length === 3) transport.pause(true);
    },
  });
  stops.push(() => transport.stop());
  transport.configure({ addresses: undefined, port: undefined, peers: [neighbour(far.port)] });
  transport.connect('n');
  await soon(() => expect(far.accepted.length).toBe(1));
  far.accepted[0]?.write(bytesOf(keepalive, keepalive, keepalive, keepalive, keepalive));
  await soon(() => expect(inbox.length).toBe(3));
  transport.pause(false);
  expect(inbox.length).toBe(6); // synchronously, from the buffer
});

test('wantWrite is answered at once while the socket takes bytes, and after the queue ran empty otherwise', async () => {
  const { transport, turn, inbox, socket } = await dialled();
  transport.wantWrite('n', 'outgoing');
  expect(turn()).toEqual(['outgoing writable']);
  socket.pause();
  transport.setCodec('n', 'outgoing', codec);
  const many: Message = { kind: 'notification', code: 6, subcode: 2, data: new Uint8Array(4000) };
  for (let sent = 0; sent < 2000; sent += 1) transport.send('n', 'outgoing', many);
  transport.wantWrite('n', 'outgoing');
  expect(inbox).toEqual([]);
  socket.resume();
  await soon(() => expect(turn()).toEqual(['outgoing writable']));
});

describe('RFC 9687 §3.2: a neighbour that stops reading', () => {
  const many: Message = { kind: 'notification', code: 6, subcode: 2, data: new Uint8Array(4000) };
  const flooded = async () => {
    const made = await dialled();
    made.socket.pause();
    made.transport.setCodec('n', 'outgoing', codec);
    for (let sent = 0; sent < 3000; sent += 1) made.transport.send('n', 'outgoing', many);
    return made;
  };
  test('is noticed once the send hold time has passed', async () => {
    const { transport, turn } = await flooded();
    transport.watchSend('n', 'outgoing', millis(800));
    await soon(() => expect(turn()).toEqual(['outgoing SendStalled']));
  });
  test('and reads on in time is left alone', async () => {
    const { transport, turn, socket } = await flooded();
    transport.watchSend('n', 'outgoing', millis(60_000));
    socket.resume();
    transport.wantWrite('n', 'outgoing');
    await soon(() => expect(turn()).toEqual(['outgoing writable']));
  });
});

test('a port in use shows among the problems until it is ours', async () => {
  const far = await acceptor();
  const near = await bench();
  near.transport.configure({ addresses: [address('127.0.0.1')], port: far.port, peers: [] });
  await soon(() => expect(near.transport.problems()).toHaveLength(1));
  expect(near.logged.join()).toContain('is owned by someone else');
  far.server.close();
  await eventually(() => expect(near.transport.problems()).toEqual([]), { within: 15_000 });
});

test('who is not configured is turned away with a line in the log', async () => {
  const near = await bench([], 0);
  const socket = await dialler(near.port());
  await new Promise((resolve) => socket.once('close', resolve));
  expect(near.logged).toEqual(['127.0.0.1 dialled us but is not a configured neighbour']);
});

test('a second connection of a neighbour is one of its own, and its words are heard', async () => {
  const near = await bench([neighbour(0)], 0);
  await dialler(near.port());
  await soon(() => expect(near.turn()).toEqual(['incoming TcpConnected']));
  const second = await dialler(near.port());
  second.write(bytesOf(openMessage()));
  await soon(() => expect(near.inbox.length).toBe(2));
  expect(near.turn()).toEqual(['outgoing TcpConnected', 'outgoing open']);
  second.destroy();
  await soon(() => expect(near.turn()).toEqual(['outgoing TcpFails']));
  await dialler(near.port());
  await soon(() => expect(near.turn()).toEqual(['outgoing TcpConnected']));
});

test('a second connection that came while our own dial was being asked for is never heard of', async () => {
  const far = await acceptor();
  const near = await bench([neighbour(0)], 0);
  await dialler(near.port());
  await soon(() => expect(near.turn()).toEqual(['incoming TcpConnected']));
  const second = await dialler(near.port());
  const isGone = new Promise<void>((resolve) => void second.once('close', () => resolve()));
  await soon(() => expect(near.inbox.length).toBe(1));
  near.transport.configure({
    addresses: [address('127.0.0.1')],
    port: near.port(),
    peers: [neighbour(far.port)],
  });
  near.transport.connect('n');
  expect(near.turn()).toEqual([]);
  await isGone;
  await soon(() => expect(near.turn()).toEqual(['outgoing TcpConnected']));
  await soon(() => expect(far.accepted).toHaveLength(1));
  const got: Buffer[] = [];
  far.accepted[0]?.on('data', (bytes) => got.push(bytes));
  near.transport.send('n', 'outgoing', keepalive);
  await soon(() => expect(Buffer.concat(got)).toEqual(bytesOf(keepalive)));
});

test('of a neighbour from a range nothing is left when its last connection is gone', async () => {
  const near = await bench([], 0);
  const { key: _1, name: _2, address: _3, port: _4, peerAsn: _5, ...template } = neighbour(0);
  near.transport.configure({
    addresses: [address('127.0.0.1')],
    port: near.port(),
    peers: [],
    dynamic: [{ key: 'racks', range: prefixOf(address('127.0.0.0'), 8), peerAsns: [], limit: 5, template }],
  });
  const guest = '127.0.0.1 179';
  const socket = await dialler(near.port());
  socket.write(bytesOf(openMessage()));
  const heard: string[] = [];
  await soon(() => expect(heard.push(...near.turn())).toBeGreaterThanOrEqual(3));
  expect(heard).toEqual(['arrived racks', 'incoming TcpConnected', 'incoming open']);
  expect(near.transport.account(guest).received.open).toBe(1);
  socket.destroy();
  await soon(() => expect(heard.push(...near.turn())).toBeGreaterThanOrEqual(4));
  expect(heard.at(-1)).toBe('incoming TcpFails');
  expect(near.transport.account(guest).received.open).toBe(0);
});
