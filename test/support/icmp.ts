/** ICMP and ICMPv6 requests as bytes: what a policy does to them is seen by whether they arrive. RFC 792, RFC 4443, RFC 4620. */
import { checksum } from '../../felix/probe/echo.ts';
import { Reader, Writer } from '../../src/lib/bytes.ts';
import type { IpVersion } from '../../src/lib/net.ts';

/** Protocol numbers. */
export const icmpNumbers = { 4: 1, 6: 58 } as const;

/** Requests, by their type in IPv4: an echo, and another that IPv6 answers to as well (there a node's name is asked for). */
const icmpTypes: ReadonlyMap<number, Readonly<Record<IpVersion, number>>> = new Map([
  [8, { 4: 8, 6: 128 }],
  [13, { 4: 13, 6: 139 }],
]);

/** @param type  as in IPv4. @param id  16 bit */
export function encodeIcmp(version: IpVersion, type: number, id: number): Uint8Array {
  const own = icmpTypes.get(type)?.[version];
  if (own === undefined) throw new Error(`ICMP type ${type} is not known here`);
  const bytes = (sum: number): Uint8Array =>
    new Writer(20).u8(own).u8(0).u16(sum).u16(id).u16(1).u32(0).u32(0).u32(0).done();
  // Of ICMPv6 the kernel writes it (RFC 3542 section 3.1).
  return version === 6 ? bytes(0) : bytes(checksum(bytes(0)));
}

/** A request without its IP header; its type as in IPv4. Undefined: something else. */
export function icmpSeen(
  version: IpVersion,
  packet: Uint8Array,
): { readonly type: number; readonly id: number } | undefined {
  const reader = new Reader(packet);
  const own = reader.u8();
  reader.u8();
  reader.u16();
  const id = reader.u16();
  const [type] = [...icmpTypes].find(([, types]) => types[version] === own) ?? [];
  return reader.failed || type === undefined ? undefined : { type, id };
}
