/** Routes as netlink messages: against what iproute2 6.1 sends for the same wish, and round trips of arbitrary ones. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { NextHop, Route } from '../../../src/kernel/kernel.ts';
import { RTM } from '../../../src/kernel/netlink/constants.ts';
import { decodeRoute, encodeRoute, encodeRouteToDelete } from '../../../src/kernel/netlink/route.ts';
import {
  type Address,
  ipv4,
  ipv6,
  isPrefix4,
  parseAddress,
  parsePrefix,
  prefix4,
  prefix6,
} from '../../../src/lib/net.ts';
import { bodyBytes, fromHex, messageIn, parts, viewOf } from '../../support/netlink.ts';

const RTMSG = 12;
const RTA_TABLE = 15;

const a = (text: string): Address => parseAddress(text) ?? ipv4(0);
const route = (dst: string, nextHops: readonly NextHop[], rest: Partial<Route> = {}): Route => ({
  dst: parsePrefix(dst) ?? prefix4(ipv4(0), 0),
  table: 254,
  protocol: 80,
  metric: 0,
  type: 'unicast',
  nextHops,
  ...rest,
});

const hop = (via: string, rest: Partial<NextHop> = {}): NextHop => ({ via: a(via), ifindex: 3, ...rest });

/** [command, the message it sends, the same as a Route] */
const vectors: readonly (readonly [string, string, Route])[] = [
  [
    'ip route replace 10.2.0.0/16 via 10.0.0.2 dev v0 proto 80',
    '34000000180005052964016b0000000002100000fe50000100000000080001000a020000080005000a0000020800040003000000',
    route('10.2.0.0/16', [hop('10.0.0.2')]),
  ],
  [
    'ip route replace 10.2.0.0/16 proto 80 nexthop via 10.0.0.2 dev v0 weight 1 nexthop via 10.0.0.3 dev v0 weight 3',
    `48000000180005052964016b0000000002100000fe50000100000000080001000a0200002400090010000000030000000800
     05000a0000021000000203000000080005000a000003`,
    route('10.2.0.0/16', [hop('10.0.0.2'), hop('10.0.0.3', { weight: 3 })]),
  ],
  [
    'ip -6 route replace fd02::/48 proto 80 metric 1024 nexthop via fd00::2 dev v0 nexthop via fd00::3 dev v0',
    `74000000180005052964016b000000000a300000fe5000010000000014000100fd02000000000000000000000000000008000600
     000400003c0009001c0000000300000014000500fd0000000000000000000000000000021c0000000300000014000500fd00000000
     0000000000000000000003`,
    route('fd02::/48', [hop('fd00::2'), hop('fd00::3')], { metric: 1024 }),
  ],
  [
    'ip route add unreachable 10.3.0.0/16 proto 80',
    '24000000180005062964016b0000000002100000fe50000700000000080001000a030000',
    route('10.3.0.0/16', [], { type: 'unreachable' }),
  ],
  [
    'ip route add 10.4.0.1/32 dev v0 proto 81 scope link',
    '2c000000180005062964016b0000000002200000fe51fd0100000000080001000a0400010800040003000000',
    route('10.4.0.1/32', [{ ifindex: 3 }], { protocol: 81 }),
  ],
  [
    'ip route add 10.5.0.0/16 via inet6 fd00::9 dev v0 proto 80 metric 7 table 1000',
    `54000000180005062964016b00000000021000000050000100000000080001000a050000160012000a00fd000000000000000000000000
     0000090000080006000700000008000f00e80300000800040003000000`,
    route('10.5.0.0/16', [hop('fd00::9')], { metric: 7, table: 1000 }),
  ],
  [
    'ip route add 10.6.0.0/16 via 172.16.0.1 dev v0 onlink src 10.0.0.1 proto 80',
    `3c000000180005062964016b0000000002100000fe50000104000000080001000a06000008000500ac100001080007000a000001
     0800040003000000`,
    route('10.6.0.0/16', [hop('172.16.0.1', { onlink: true })], { prefSrc: a('10.0.0.1') }),
  ],
];

const decode = (bytes: Uint8Array): Route | undefined => {
  const { view, start, end } = messageIn(bytes);
  return decodeRoute(view, start, end);
};

describe('a route written is what iproute2 writes, with the table always as an attribute too', () => {
  test.each(vectors)('%s', (_, hex, wanted) => {
    const theirs = parts(fromHex(hex), RTMSG);
    const ours = parts(
      bodyBytes((writer) => encodeRoute(writer, wanted), RTM.NEWROUTE),
      RTMSG,
    );
    const table = Buffer.alloc(4);
    table.writeUInt32LE(wanted.table);
    expect(ours).toEqual({
      ...theirs,
      attributes: { ...theirs.attributes, [RTA_TABLE]: table.toString('hex') },
    });
  });
});

describe('a route read from an iproute2 message is the route it asked for', () => {
  test.each(vectors)('%s', (_, hex, wanted) => {
    expect(decode(fromHex(hex))).toEqual(wanted);
  });
});

test('a route to delete is named by key and owner, of any scope and type: ip route del 10.2.0.0/16 proto 80', () => {
  const theirs = parts(
    fromHex('24000000190005002964016b0000000002100000fe50ff0000000000080001000a020000'),
    RTMSG,
  );
  const doomed = route('10.2.0.0/16', [hop('10.0.0.2')]);
  const ours = parts(
    bodyBytes((writer) => encodeRouteToDelete(writer, doomed), RTM.DELROUTE),
    RTMSG,
  );
  expect(ours).toEqual({ ...theirs, attributes: { ...theirs.attributes, [RTA_TABLE]: 'fe000000' } });
});

const u32 = fc.integer({ min: 0, max: 0xffffffff });
const u128 = fc.bigInt({ min: 0n, max: (1n << 128n) - 1n });
const address4 = u32.map(ipv4);
const address6 = u128.map(ipv6);
const present = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as T;

const addressOf = (isV4: boolean): fc.Arbitrary<Address> => (isV4 ? address4 : address6);

const arbitraryHop = (isV4: boolean, several: boolean): fc.Arbitrary<NextHop> =>
  fc
    .record({
      via: isV4 ? fc.oneof(address4, address6) : address6,
      ifindex: fc.integer({ min: 1, max: 0x7fffffff }),
      weight: several
        ? fc.option(fc.integer({ min: 2, max: 256 }), { nil: undefined })
        : fc.constant(undefined),
      onlink: fc.option(fc.constant(true), { nil: undefined }),
    })
    .map((value) => present(value) as NextHop);

const arbitraryRoute: fc.Arbitrary<Route> = fc
  .tuple(
    fc.boolean(),
    fc.integer({ min: 0, max: 4 }),
    fc.constantFrom('unreachable', 'blackhole', 'prohibit'),
  )
  .chain(([isV4, hops, refusal]) =>
    fc
      .record({
        dst: isV4
          ? fc
              .tuple(address4, fc.integer({ min: 0, max: 32 }))
              .map(([address, length]) => prefix4(address, length))
          : fc
              .tuple(address6, fc.integer({ min: 0, max: 128 }))
              .map(([address, length]) => prefix6(address, length)),
        table: fc.integer({ min: 1, max: 0xffffffff }),
        protocol: fc.integer({ min: 0, max: 255 }),
        metric: u32,
        type: fc.constant(hops === 0 ? refusal : 'unicast'),
        nextHops: fc.array(arbitraryHop(isV4, hops > 1), { minLength: hops, maxLength: hops }),
        prefSrc: fc.option(addressOf(isV4), { nil: undefined }),
      })
      .map((value) => present(value) as Route),
  );

test('any route survives being written and read', () => {
  fc.assert(
    fc.property(arbitraryRoute, (wanted) => {
      expect(decode(bodyBytes((writer) => encodeRoute(writer, wanted)))).toEqual(wanted);
    }),
    { numRuns: 500 },
  );
});

test('an attribute nobody knows changes nothing', () => {
  fc.assert(
    fc.property(
      arbitraryRoute,
      fc.uint8Array({ maxLength: 40 }),
      fc.integer({ min: 100, max: 0x3fff }),
      (wanted, value, type) => {
        const bytes = bodyBytes((writer) => {
          encodeRoute(writer, wanted);
          writer.bytesAttribute(type, value);
        });
        expect(decode(bytes)).toEqual(wanted);
      },
    ),
  );
});

test('a body cut anywhere, or of arbitrary bytes, gives a route or nothing, never an exception', () => {
  fc.assert(
    fc.property(arbitraryRoute, fc.double({ min: 0, max: 1, noNaN: true }), (wanted, share) => {
      const bytes = bodyBytes((writer) => encodeRoute(writer, wanted));
      const cut = bytes.subarray(0, Math.floor(bytes.byteLength * share));
      decodeRoute(viewOf(cut), Math.min(16, cut.byteLength), cut.byteLength);
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const found = decodeRoute(viewOf(bytes), 0, bytes.byteLength);
      if (found !== undefined) expect(isPrefix4(found.dst) ? bytes[0] === 2 : bytes[0] === 10).toBe(true);
    }),
    { numRuns: 1000 },
  );
});
