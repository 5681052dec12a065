import { expect, test } from 'vitest';
import { crc32c, encodeInit, sctpPorts } from '../../../src/lab/sctp.ts';

test('RFC 3720 §B.4: the CRC32c of 32 octets of zero, of ones and of 0 to 31', () => {
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, index) => index))).toBe(0x46dd794e);
});

test('RFC 9260 §3.3.2: an INIT chunk of 20 octets behind the common header, its ports readable again', () => {
  const init = encodeInit(20001, 5433);
  expect(init.byteLength).toBe(32);
  expect([...init.subarray(12, 16)]).toEqual([1, 0, 0, 20]);
  expect(sctpPorts(init)).toEqual({ source: 20001, destination: 5433 });
});

test('RFC 9260 §6.8: the checksum is taken over the packet with zeros in its place', () => {
  const init = encodeInit(1, 2);
  const stored = new DataView(init.buffer).getUint32(8, true);
  init.fill(0, 8, 12);
  expect(crc32c(init)).toBe(stored);
});

test('a packet too short for ports has none', () => {
  expect(sctpPorts(new Uint8Array(3))).toBeUndefined();
});
