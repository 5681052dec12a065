/** Values as the kernel's registers and set keys have them. */
import { type Address, isIpv4 } from '../../../src/lib/net.ts';

export const octet = (value: number): Uint8Array => Uint8Array.of(value);

/** In network order: ports. */
export const u16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 0xff);

/** In host order: marks, states, and what the kernel counts itself. */
export const hostU32 = (value: number): Uint8Array => new Uint8Array(new Uint32Array([value >>> 0]).buffer);

/** 4 or 16, in network order. */
export function addressOctets(address: Address): Uint8Array {
  const bytes = new Uint8Array(isIpv4(address) ? 4 : 16);
  putAddress(bytes, address);
  return bytes;
}

/** At the start of `bytes`. */
export function putAddress(bytes: Uint8Array, address: Address): void {
  if (isIpv4(address)) putWord(bytes, 0, address);
  else
    for (let at = 12, rest: bigint = address; at >= 0; at -= 4, rest >>= 32n)
      putWord(bytes, at, Number(BigInt.asUintN(32, rest)));
}

function putWord(bytes: Uint8Array, at: number, word: number): void {
  bytes[at] = word >>> 24;
  bytes[at + 1] = word >>> 16;
  bytes[at + 2] = word >>> 8;
  bytes[at + 3] = word;
}

/** address . protocol . port: every field takes a multiple of 4 octets. */
export function portOctets(address: Address, protocol: number, port: number): Uint8Array {
  const length = isIpv4(address) ? 4 : 16;
  const bytes = new Uint8Array(length + 8);
  putAddress(bytes, address);
  bytes[length] = protocol;
  bytes.set(u16(port), length + 4);
  return bytes;
}

/** protocol . port */
export const transportOctets = (protocol: number, port: number): Uint8Array =>
  Uint8Array.of(protocol, 0, 0, 0, ...u16(port), 0, 0);

/** IFNAMSIZ octets, filled up with NUL. */
export function ifnameOctets(name: string): Uint8Array {
  const bytes = new Uint8Array(16);
  for (let at = 0; at < name.length && at < 15; at++) bytes[at] = name.charCodeAt(at);
  return bytes;
}

/** A name without filling: what a name starts with. */
export const prefixOctets = (name: string): Uint8Array => Uint8Array.from(name, (char) => char.charCodeAt(0));

/** `length` octets whose first `bits` bits are one. */
export function maskOctets(bits: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = 0xff << (8 - Math.min(8, Math.max(0, bits - 8 * at)));
  return bytes;
}
