import { expect, test } from 'vitest';
import { describeDiagnostic } from '../../../bgp/bfd/diagnostic.ts';
import { type ControlPacket, decodePacket, encodePacket } from '../../../bgp/bfd/packet.ts';

const packet: ControlPacket = {
  diagnostic: 1,
  state: 'up',
  poll: true,
  final: false,
  isIndependent: false,
  demand: false,
  multiplier: 3,
  myDiscriminator: 0x01020304,
  yourDiscriminator: 0x05060708,
  desiredMinTxUs: 50_000,
  requiredMinRxUs: 300_000,
  requiredMinEchoRxUs: 0,
};

test('RFC 5880 §4.1: the octets of a Control packet', () => {
  expect(Buffer.from(encodePacket(packet)).toString('hex')).toBe(
    '21e003180102030405060708' + '0000c350' + '000493e0' + '00000000',
  );
});

/** An octet that is changed, and what is then wrong with the packet. */
const flaws: readonly (readonly [what: string, at: number, octet: number, says: RegExp])[] = [
  ['another version', 0, 0x41, /version is 2, not 1/],
  ['version 0', 0, 0x01, /version is 0, not 1/],
  ['a Length below 24', 3, 23, /Length field says 23/],
  ['a Length beyond the payload', 3, 25, /Length field says 25, and 24 octets came/],
  ['Detect Mult 0', 2, 0, /Detect Mult is 0/],
  ['the Multipoint bit', 1, 0xe1, /Multipoint bit/],
  ['authentication and a Length below 26', 1, 0xe4, /Length field says 24/],
];

test.each(flaws)('RFC 5880 §6.8.6: %s has it discarded', (_, at, octet, says) => {
  const bytes = encodePacket(packet);
  bytes[at] = octet;
  expect(decodePacket(bytes)).toMatchObject({ ok: false, error: expect.stringMatching(says) });
});

test('RFC 5880 §6.8.6: a packet too short to have a Length field is discarded', () => {
  expect(decodePacket(encodePacket(packet).subarray(0, 3))).toMatchObject({ ok: false });
});

test('RFC 5880 §6.8.6: My Discriminator 0 has it discarded', () => {
  expect(decodePacket(encodePacket({ ...packet, myDiscriminator: 0 }))).toMatchObject({
    error: 'its My Discriminator is 0',
  });
});

test.each([
  ['adminDown', true],
  ['down', true],
  ['init', false],
  ['up', false],
] as const)('RFC 5880 §6.8.6: Your Discriminator 0 in state %s is heard: %s', (state, isHeard) => {
  expect(decodePacket(encodePacket({ ...packet, state, yourDiscriminator: 0 })).ok).toBe(isHeard);
});

test('RFC 5880 §6.8.6: with authentication that nobody configured it is discarded', () => {
  const bytes = new Uint8Array(28);
  bytes.set(encodePacket(packet));
  bytes[1] = 0xe4;
  bytes[3] = 28;
  expect(decodePacket(bytes)).toMatchObject({ error: expect.stringContaining('no authentication') });
});

test('octets after the Length of a packet are no part of it', () => {
  const bytes = new Uint8Array(40);
  bytes.set(encodePacket(packet));
  expect(decodePacket(bytes)).toEqual({ ok: true, value: packet });
});

test('RFC 5880 §4.1: diagnostics have words, and one of the future its number', () => {
  expect([1, 3, 7, 31].map(describeDiagnostic)).toEqual([
    'control detection time expired',
    'neighbour signalled session down',
    'administratively down',
    'diagnostic 31',
  ]);
});
