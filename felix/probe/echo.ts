/** ICMP and ICMPv6 as octets: the echo that is sent, and what comes back of it. RFC 792, RFC 4443 §2.4, §3, §4. */
import { decodeHead } from '../../src/kernel/netlink/nflog.ts';
import { Reader, Writer } from '../../src/lib/bytes.ts';
import type { IpVersion } from '../../src/lib/net.ts';

export const icmpProtocol = { 4: 1, 6: 58 } as const;
const request = { 4: 8, 6: 128 } as const;
const reply = { 4: 0, 6: 129 } as const;
/** Destination unreachable, time exceeded, parameter problem; of IPv6 also a packet that is too big. */
const errors: Readonly<Record<IpVersion, readonly number[]>> = { 4: [3, 11, 12], 6: [1, 2, 3, 4] };

/** @param id  16 bit */
export function encodeEcho(version: IpVersion, id: number): Uint8Array {
  const bytes = (sum: number): Uint8Array =>
    new Writer(8).u8(request[version]).u8(0).u16(sum).u16(id).u16(1).done();
  // Of ICMPv6 the kernel writes it (RFC 3542 §3.1).
  return version === 6 ? bytes(0) : bytes(checksum(bytes(0)));
}

/** RFC 1071, of an even number of octets. */
export function checksum(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let sum = 0;
  for (let at = 0; at < bytes.byteLength; at += 2) sum += view.getUint16(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** How a probe is recognised in what comes back: by its source port, or by the identifier of an echo. */
export interface Mark {
  readonly protocol: number;
  readonly sourcePort?: number | undefined;
  readonly icmpId?: number | undefined;
}

export type Heard =
  | { readonly kind: 'reply' }
  | { readonly kind: 'error'; readonly type: number; readonly code: number };

/**
 * Undefined: it is not about this probe.
 * @param packet  from its ICMP header on
 */
export function hear(version: IpVersion, packet: Uint8Array, mark: Mark): Heard | undefined {
  const reader = new Reader(packet);
  const [type, code] = [reader.u8(), reader.u8()];
  reader.u16();
  const id = reader.u16();
  reader.u16();
  if (reader.failed) return undefined;
  if (type === reply[version])
    return mark.icmpId !== undefined && id === mark.icmpId ? { kind: 'reply' } : undefined;
  if (!errors[version].includes(type)) return undefined;
  return isAbout(packet.subarray(8), mark) ? { kind: 'error', type, code } : undefined;
}

/** An error carries the beginning of the packet that it is about. */
function isAbout(inner: Uint8Array, { protocol, sourcePort, icmpId }: Mark): boolean {
  const view = new DataView(inner.buffer, inner.byteOffset, inner.byteLength);
  const head = decodeHead(view, 0, inner.byteLength);
  if (head === undefined || head.protocol !== protocol) return false;
  if (icmpId === undefined) return head.sourcePort === sourcePort;
  const at = view.getUint8(0) >> 4 === 4 ? (view.getUint8(0) & 0xf) * 4 : 40;
  return at + 6 <= inner.byteLength && view.getUint16(at + 4) === icmpId;
}
