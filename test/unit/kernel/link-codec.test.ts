/** Links, addresses and neighbours as netlink messages: against iproute2 6.1, and read back by another codec. */
import fc from 'fast-check';
import { rt } from 'netlink';
import { expect, test } from 'vitest';
import { decodeAddress, encodeAddress } from '../../../src/kernel/netlink/address.ts';
import { RTM } from '../../../src/kernel/netlink/constants.ts';
import { decodeLink, encodeLink, encodeVeth } from '../../../src/kernel/netlink/link.ts';
import { decodeNeighbour, encodeNeighbour } from '../../../src/kernel/netlink/neighbour.ts';
import { type Address, ipv4, ipv6, isIpv4, parseAddress } from '../../../src/lib/net.ts';
import { bodyBytes, fromHex, messageIn, parts, viewOf } from '../../support/netlink.ts';

const a = (text: string): Address => parseAddress(text) ?? ipv4(0);
const body = (bytes: Uint8Array): Buffer => Buffer.from(bytes.subarray(16));

test('ip addr add 10.9.0.1/32 dev v0', () => {
  const theirs = fromHex('28000000140005062964016b000000000220000003000000080002000a090001080001000a090001');
  const change = { ifindex: 3, address: a('10.9.0.1'), length: 32, scope: 'global', nodad: false } as const;
  expect(
    parts(
      bodyBytes((writer) => encodeAddress(writer, change), RTM.NEWADDR),
      8,
    ),
  ).toEqual(parts(theirs, 8));
});

test('ip addr add fd09::1/128 dev v0 nodad', () => {
  const theirs =
    fromHex(`40000000140005062964016b000000000a8002000300000014000200fd09000000000000000000000000000114000100
    fd090000000000000000000000000001`);
  const change = { ifindex: 3, address: a('fd09::1'), length: 128, scope: 'global', nodad: true } as const;
  expect(
    parts(
      bodyBytes((writer) => encodeAddress(writer, change), RTM.NEWADDR),
      8,
    ),
  ).toEqual(parts(theirs, 8));
});

test('ip neigh replace 10.0.0.7 lladdr 02:00:00:00:00:07 dev v0', () => {
  const theirs = fromHex(
    '300000001c0005052a64016b00000000020000000300000080000000080001000a0000070a0002000200000000070000',
  );
  const change = { ifindex: 3, address: a('10.0.0.7'), mac: '02:00:00:00:00:07' };
  expect(
    parts(
      bodyBytes((writer) => encodeNeighbour(writer, change), RTM.NEWNEIGH),
      12,
    ),
  ).toEqual(parts(theirs, 12));
});

test('ip neigh replace proxy fd00::7 dev v0', () => {
  const theirs = fromHex(
    '300000001c0005052a64016b000000000a000000030000008000080014000100fd000000000000000000000000000007',
  );
  const change = { ifindex: 3, address: a('fd00::7'), proxy: true };
  expect(
    parts(
      bodyBytes((writer) => encodeNeighbour(writer, change), RTM.NEWNEIGH),
      12,
    ),
  ).toEqual(parts(theirs, 12));
});

test('ip link set v0 mtu 1400', () => {
  const theirs = fromHex('28000000100005002964016b00000000000000000300000000000000000000000800040078050000');
  const ours = bodyBytes((writer) => encodeLink(writer, { ifindex: 3, mtu: 1400 }), RTM.NEWLINK);
  expect(parts(ours, 16)).toEqual(parts(theirs, 16));
});

const address = fc.oneof(
  fc.integer({ min: 0, max: 0xffffffff }).map(ipv4),
  fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }).map(ipv6),
);
const ifindex = fc.integer({ min: 1, max: 0x7fffffff });
const mac = fc
  .array(fc.integer({ min: 0, max: 255 }), { minLength: 6, maxLength: 6 })
  .map((octets) => octets.map((octet) => octet.toString(16).padStart(2, '0')).join(':'));
const bytesOf = (value: Address): Buffer =>
  Buffer.from(
    isIpv4(value) ? value.toString(16).padStart(8, '0') : value.toString(16).padStart(32, '0'),
    'hex',
  );

test('another codec reads the addresses and neighbours we write, and so do we', () => {
  fc.assert(
    fc.property(address, ifindex, mac, (value, index, lladdr) => {
      const length = isIpv4(value) ? 32 : 128;
      const change = { ifindex: index, address: value, length, scope: 'link', nodad: true } as const;
      const written = bodyBytes((writer) => encodeAddress(writer, change));
      expect(rt.parseAddressMessage(body(written))).toMatchObject({
        data: { index, prefixlen: length, scope: 253 },
        attrs: { local: bytesOf(value), address: bytesOf(value) },
      });
      const read = messageIn(written);
      expect(decodeAddress(read.view, read.start, read.end)).toEqual({
        ifindex: index,
        address: value,
        length,
        scope: 'link',
      });

      const neighbour = bodyBytes((writer) =>
        encodeNeighbour(writer, { ifindex: index, address: value, mac: lladdr }),
      );
      expect(rt.parseNeighborMessage(body(neighbour))).toMatchObject({
        data: { ifindex: index },
        attrs: { dst: bytesOf(value), lladdr: Buffer.from(lladdr.replaceAll(':', ''), 'hex') },
      });
      const message = messageIn(neighbour);
      expect(decodeNeighbour(message.view, message.start, message.end)).toEqual({
        ifindex: index,
        address: value,
        mac: lladdr,
        state: 128,
      });
    }),
  );
});

test('another codec reads the veth pair we ask for, and we read its near end', () => {
  const near = { name: 'cali0123456789a', mac: '02:00:00:00:00:01', mtu: 1450 };
  const written = bodyBytes((writer) => encodeVeth(writer, near, { name: 'eth0' }, 17));
  const { attrs } = rt.parseLinkMessage(body(written));
  expect(attrs).toMatchObject({ ifname: near.name, mtu: 1450, address: Buffer.from('020000000001', 'hex') });
  const { view, start, end } = messageIn(written);
  expect(decodeLink(view, start, end)).toEqual({
    ifindex: 0,
    ...near,
    kind: 'veth',
    up: false,
    carrier: false,
  });
});

test('bridge ports, FDB and proxy entries are none of our links and neighbours', () => {
  const port = bodyBytes((writer) => encodeLink(writer, { ifindex: 3, name: 'p0' }));
  port[16] = 7; // AF_BRIDGE
  expect(decodeLink(viewOf(port), 16, port.byteLength)).toBeUndefined();
  const entry = bodyBytes((writer) =>
    encodeNeighbour(writer, { ifindex: 3, address: a('10.0.0.1'), mac: '02:00:00:00:00:01' }),
  );
  entry[16] = 7;
  expect(decodeNeighbour(viewOf(entry), 16, entry.byteLength)).toBeUndefined();
  const proxy = bodyBytes((writer) =>
    encodeNeighbour(writer, { ifindex: 3, address: a('10.0.0.1'), proxy: true }),
  );
  expect(decodeNeighbour(viewOf(proxy), 16, proxy.byteLength)).toBeUndefined();
});

test('arbitrary bytes give something or nothing, never an exception', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
      for (const decode of [decodeLink, decodeAddress, decodeNeighbour])
        decode(viewOf(bytes), 0, bytes.byteLength);
    }),
    { numRuns: 1000 },
  );
});
