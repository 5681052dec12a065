/** UPDATEs that lie one behind the other come out of a connection as one: bgp/transport/gather.ts. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Connection, createConnection } from '../../../bgp/transport/connection.ts';
import { encodeMessage } from '../../../bgp/wire/codec.ts';
import type { Message, UpdateMessage } from '../../../bgp/wire/message.ts';
import { asn, formatPrefix, ipv4, type Prefix, prefix4 } from '../../../src/lib/net.ts';
import { codec, endOfRib } from '../../support/peer.ts';

const prefixAt = (index: number): Prefix => prefix4(ipv4(0x0a000000 + index * 256), 24);
const upTo = (count: number, from = 0): readonly Prefix[] =>
  Array.from({ length: count }, (_, index) => prefixAt(from + index));

const announcing = (med: number, prefixes: readonly Prefix[]): UpdateMessage => ({
  kind: 'update',
  withdrawn: [],
  announced: [
    {
      family: 'ipv4-unicast',
      attributes: {
        origin: 'igp',
        asPath: [{ kind: 'sequence', asns: [asn(65001)] }],
        nextHop: ipv4(0x0a000001),
        med,
      },
      prefixes,
    },
  ],
  flaws: [],
});
const withdrawing = (withdrawn: readonly Prefix[]): UpdateMessage => ({
  kind: 'update',
  withdrawn,
  announced: [],
  flaws: [],
});
const keepalive: Message = { kind: 'keepalive' };

interface Told {
  readonly what: string;
  readonly count: number;
  readonly message: Message | undefined;
}

function told(octets: readonly Uint8Array[], gathers?: boolean): readonly Told[] {
  const connection: Connection = createConnection('incoming', gathers);
  connection.useCodec(codec);
  const all: Told[] = [];
  const pull = (): void => {
    for (let next = connection.next(); next !== undefined; next = connection.next()) {
      const message = next.kind === 'Message' ? next.message : undefined;
      all.push({ what: message?.kind ?? next.kind, count: connection.count, message });
    }
  };
  for (const one of octets) {
    connection.push(one);
    if (connection.isFull) pull();
  }
  pull();
  return all;
}

const encoded = (...messages: readonly Message[]): readonly Uint8Array[] =>
  messages.map((message) => encodeMessage(message, codec));

/** What a neighbour's routes are after all that: RFC 4271 §4.3, what an UPDATE withdraws goes before what it announces. */
function routesAfter(all: readonly Told[]): ReadonlyMap<string, number | undefined> {
  const routes = new Map<string, number | undefined>();
  for (const { message } of all) {
    if (message?.kind !== 'update') continue;
    for (const prefix of message.withdrawn) routes.delete(formatPrefix(prefix));
    for (const { attributes, prefixes } of message.announced)
      for (const prefix of prefixes) routes.set(formatPrefix(prefix), attributes.med);
  }
  return routes;
}

const sum = (all: readonly Told[]): number => all.reduce((total, { count }) => total + count, 0);

test('routes are the same whether UPDATEs come out as one or each by itself, and none is left out of the count', () => {
  const some = fc.uniqueArray(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 30 });
  const message = fc.oneof(
    fc.record({ med: fc.nat(5), at: some }).map(({ med, at }) => announcing(med, at.map(prefixAt))),
    some.map((at) => withdrawing(at.map(prefixAt))),
    fc.record({ med: fc.nat(5), gone: some, at: some }).map(({ med, gone, at }) => ({
      ...announcing(med, at.map(prefixAt)),
      withdrawn: gone.map(prefixAt),
    })),
    fc.constantFrom(keepalive, endOfRib),
  );
  fc.assert(
    fc.property(fc.array(message, { maxLength: 40 }), (messages) => {
      const octets = messages.flatMap((one) =>
        one.kind === 'update' && one.withdrawn.length > 0 && one.announced.length > 0
          ? [mixed(one)]
          : encoded(one),
      );
      const gathered = told(octets);
      const single = told(octets, false);
      expect([...routesAfter(gathered)].sort()).toEqual([...routesAfter(single)].sort());
      expect(sum(gathered)).toBe(messages.length);
      expect(sum(single)).toBe(messages.length);
      const others = (all: readonly Told[]) => all.filter(({ what }) => what !== 'update').length;
      expect(others(gathered)).toBe(others(single));
    }),
  );
});

/** We never say both in one message, but others do. */
function mixed(update: UpdateMessage): Uint8Array {
  const [gone, told] = [
    encodeMessage({ ...update, announced: [] }, codec),
    encodeMessage({ ...update, withdrawn: [] }, codec),
  ];
  const [header, empty] = [19, 2];
  const withdrawn = gone.subarray(header, gone.length - empty);
  const both = Buffer.concat([told.subarray(0, header), withdrawn, told.subarray(header + empty)]);
  both.writeUInt16BE(both.length, 16);
  return both;
}

test('what is announced in one UPDATE after the other comes out as one, and an End-of-RIB by itself', () => {
  const all = told(encoded(...[1, 2, 3].map((med) => announcing(med, [prefixAt(med)])), endOfRib, keepalive));
  expect(all.map(({ what, count }) => [what, count])).toEqual([
    ['update', 3],
    ['update', 1],
    ['keepalive', 1],
  ]);
});

test('what is withdrawn after something was announced is told after it (RFC 4271 §4.3)', () => {
  const [first, second] = [announcing(1, [prefixAt(1)]), withdrawing([prefixAt(1)])];
  expect(told(encoded(first, second)).map(({ count }) => count)).toEqual([1, 1]);
  expect(routesAfter(told(encoded(first, second))).size).toBe(0);
  expect(told(encoded(second, first)).map(({ count }) => count)).toEqual([2]);
  expect(routesAfter(told(encoded(second, first))).size).toBe(1);
});

test('what could be read comes out before the error of the message behind it', () => {
  const [first, broken] = encoded(announcing(1, [prefixAt(1)]), announcing(2, [prefixAt(2)]));
  if (first === undefined || broken === undefined) throw new Error('there are two');
  broken[19] = 0xff; // more withdrawn routes than the message is long
  const all = told([first, first, broken, first]);
  expect(all.map(({ what, count }) => [what, count])).toEqual([
    ['update', 2],
    ['WireError', 1],
  ]);
});

test('an UPDATE with a flaw comes out by itself, with what is wrong with it', () => {
  const [first, flawed] = encoded(announcing(1, [prefixAt(1)]), announcing(2, [prefixAt(2)]));
  if (first === undefined || flawed === undefined) throw new Error('there are two');
  flawed[19 + 4 + 3] = 9; // ORIGIN
  const all = told([first, flawed, first, first]);
  expect(all.map(({ count }) => count)).toEqual([1, 1, 2]);
  expect(all[1]?.message).toMatchObject({ flaws: [{ remedy: 'treat-as-withdraw' }] });
});

test('no turn gets more than some hundred prefixes beside those of one message', () => {
  const many = Array.from({ length: 300 }, (_, index) => announcing(index, upTo(20, index * 20)));
  const all = told(encoded(...many));
  expect(sum(all)).toBe(many.length);
  for (const { count, message } of all) {
    expect(count).toBeLessThanOrEqual(16);
    const prefixes =
      message?.kind === 'update' ? message.announced.flatMap(({ prefixes: some }) => some) : [];
    expect(prefixes.length).toBeLessThan(128 + 20);
  }
});
