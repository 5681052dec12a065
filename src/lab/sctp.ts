/**
 * An SCTP INIT as bytes, because the kernel may have no SCTP sockets: what a policy does to it is seen all the same.
 * RFC 9260 §3 (common header), §3.3.2 (INIT), appendix A (CRC32c: connection tracking drops a packet without it).
 */
import { Reader, Writer } from '../lib/bytes.ts';

export const sctpProtocol = 132;

const initLength = 20;

export function encodeInit(sourcePort: number, destinationPort: number): Uint8Array {
  const bytes = new Writer(12 + initLength)
    .u16(sourcePort)
    .u16(destinationPort)
    .u32(0) // verification tag: an INIT has none
    .u32(0) // checksum, below
    .u8(1)
    .u8(0)
    .u16(initLength)
    .u32(0x746f7274) // initiate tag: any number but 0
    .u32(65_535) // receiver window
    .u16(1)
    .u16(1) // streams out and in
    .u32(1)
    .done();
  new DataView(bytes.buffer).setUint32(8, crc32c(bytes), true); // appendix A: least significant octet first
  return bytes;
}

/** The ports of an SCTP packet without its IP header; undefined if it is too short. */
export function sctpPorts(
  packet: Uint8Array,
): { readonly source: number; readonly destination: number } | undefined {
  const reader = new Reader(packet);
  const source = reader.u16();
  const destination = reader.u16();
  return reader.failed ? undefined : { source, destination };
}

/** The payload of an IPv4 packet as a raw socket delivers it (raw(7)): the header's length is in its low four bits. */
export const ipv4Payload = (packet: Uint8Array): Uint8Array => packet.subarray(((packet[0] ?? 0) & 15) * 4);

/** CRC32c (Castagnoli), reflected. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}
