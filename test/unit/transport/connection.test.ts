import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type Connection,
  type ConnectionEvent,
  createConnection,
} from '../../../bgp/transport/connection.ts';
import { encodeMessage, openingContext } from '../../../bgp/wire/codec.ts';
import type { Message, UpdateMessage } from '../../../bgp/wire/message.ts';
import { asn, ipv4, prefix4 } from '../../../src/lib/net.ts';
import { codec, notification, openMessage } from '../../support/peer.ts';
import { withoutViews } from '../../support/wire.ts';

const prefixes = [prefix4(ipv4(0x0a010000), 24)];
const update: UpdateMessage = {
  kind: 'update',
  withdrawn: [],
  announced: [
    {
      family: 'ipv4-unicast',
      attributes: {
        origin: 'igp',
        asPath: [{ kind: 'sequence', asns: [asn(4_200_000_000)] }],
        nextHop: ipv4(0x0a000001),
      },
      prefixes,
    },
  ],
  flaws: [],
};
const keepalive: Message = { kind: 'keepalive' };
const bytesOf = (...messages: readonly Message[]): Uint8Array =>
  new Uint8Array(Buffer.concat(messages.map((message) => encodeMessage(message, codec))));

const all = (connection: Connection): readonly ConnectionEvent[] => {
  const events: ConnectionEvent[] = [];
  for (let next = connection.next(); next !== undefined; next = connection.next()) events.push(next);
  return events;
};
const summary = (events: readonly ConnectionEvent[]): readonly string[] =>
  events.map((event) => (event.kind === 'Message' ? event.message.kind : event.kind));

test('messages come out whole however the bytes were cut', () => {
  const stream = bytesOf(openMessage(), keepalive, update, keepalive, notification(6, 2));
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: stream.length })), (cuts) => {
      const connection = createConnection('incoming');
      const heard: string[] = [];
      let from = 0;
      for (const to of [...cuts, stream.length].sort((a, b) => a - b)) {
        connection.push(stream.subarray(from, to));
        from = to;
        heard.push(...summary(all(connection)));
        if (heard.includes('keepalive')) {
          connection.useCodec(codec);
          heard.push(...summary(all(connection)));
        }
      }
      expect(heard).toEqual(['open', 'keepalive', 'update', 'keepalive', 'notification']);
    }),
  );
});

test('an UPDATE right behind the KEEPALIVE waits for the codec of the session', () => {
  const connection = createConnection('outgoing');
  connection.push(bytesOf(openMessage(), keepalive, update, keepalive));
  connection.end('gone');
  expect(summary(all(connection))).toEqual(['open', 'keepalive']);
  connection.useCodec(codec);
  const [first, ...rest] = all(connection);
  expect(first?.kind === 'Message' && withoutViews(first.message)).toEqual(update);
  expect(summary(rest)).toEqual(['keepalive', 'TcpFails']);
});

test('an UPDATE before any KEEPALIVE does not wait: it is an error of the neighbour', () => {
  const connection = createConnection('outgoing');
  connection.push(bytesOf(openMessage(), update));
  expect(all(connection)).toHaveLength(2);
});

test('after bytes that are no message nothing but the end is said', () => {
  const connection = createConnection('incoming');
  connection.push(bytesOf(keepalive));
  connection.push(new Uint8Array(19));
  connection.push(bytesOf(keepalive));
  connection.end('gone');
  expect(summary(all(connection))).toEqual(['keepalive', 'WireError', 'TcpFails']);
  connection.push(bytesOf(keepalive));
  connection.end('gone again');
  expect(all(connection)).toEqual([]);
});

test('the end comes after everything that came before it', () => {
  const connection = createConnection('incoming');
  connection.push(bytesOf(keepalive, keepalive).subarray(0, 30));
  connection.end('reset');
  expect(all(connection)).toEqual([
    { kind: 'Message', side: 'incoming', message: keepalive },
    { kind: 'TcpFails', side: 'incoming', why: 'reset' },
  ]);
});

test('messages are written with the codec in force', () => {
  const connection = createConnection('outgoing');
  expect(connection.encode(openMessage())).toEqual([encodeMessage(openMessage(), openingContext)]);
  connection.useCodec(codec);
  expect(connection.encode(update)).toEqual([encodeMessage(update, codec)]);
});

test('an UPDATE too long for one message becomes several', () => {
  const connection = createConnection('outgoing');
  connection.useCodec(codec);
  const many = Array.from({ length: 3000 }, (_, index) => prefix4(ipv4(0x0a000000 + index * 256), 24));
  const [announcement] = update.announced;
  if (announcement === undefined) throw new Error('there is one');
  const frames = connection.encode({ ...update, announced: [{ ...announcement, prefixes: many }] });
  expect(frames.length).toBeGreaterThan(2);
  for (const frame of frames) expect(frame.length).toBeLessThanOrEqual(4096);
});

test('what several neighbours are told is encoded for the first of them, and the others get the same octets', () => {
  const [one, another] = [createConnection('incoming'), createConnection('incoming')];
  for (const connection of [one, another]) connection.useCodec(codec);
  const shared: UpdateMessage = { ...update, once: { frames: undefined } };
  const frames = one.encode(shared);
  expect(frames).toEqual(one.encode(update));
  expect(another.encode(shared)).toBe(frames);
});
