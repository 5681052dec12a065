/**
 * Address families: their AFI and SAFI numbers and how their prefixes and next hops are written
 * (RFC 4271 §4.3, RFC 4760 §3-5, RFC 2545 §3). To speak a further family, add a row.
 */
import type { Reader, Writer } from '../../src/lib/bytes.ts';
import {
  type Address,
  type Ipv6,
  ipv4,
  ipv6,
  isPrefix4,
  lengthOf,
  networkOf,
  type Prefix,
  prefix4,
  prefix6,
} from '../../src/lib/net.ts';
import { assert, err, ok, type Result } from '../../src/lib/result.ts';
import type { Family } from './message.ts';

export interface NextHops {
  readonly nextHop: Address;
  readonly linkLocal?: Ipv6;
}

interface FamilyRow {
  readonly afi: number;
  readonly safi: number;
  /** Longest prefix, in bits. */
  readonly width: number;
  /** Reads the `octets`, at most width/8, that a prefix of `length` bits takes. */
  readonly decodePrefix: (reader: Reader, length: number, octets: number) => Prefix;
  /** The next hop field of MP_REACH_NLRI; undefined if it cannot have this length. */
  readonly decodeNextHop: (reader: Reader) => NextHops | undefined;
}

const isLinkLocal = (address: bigint): boolean => address >> 118n === 0x3fan; // fe80::/10

/** RFC 2545 §3: the global next hop, and optionally a link-local one after it. */
function decodeNextHop6(reader: Reader): NextHops | undefined {
  if (reader.left === 16) return { nextHop: reader.ipv6() };
  if (reader.left !== 32) return undefined;
  const nextHop = reader.ipv6();
  const second = reader.ipv6();
  if (!isLinkLocal(second)) return { nextHop };
  // Without a global address some speakers leave its place empty.
  return nextHop === 0n ? { nextHop: second } : { nextHop, linkLocal: second };
}

/** The next 32 bits of a prefix whose last octets may be missing, and count as zero. */
function partialWord(reader: Reader, octets: number): number {
  if (octets >= 4) return reader.u32();
  let word = 0;
  for (let octet = 0; octet < 4; octet += 1) word = word * 256 + (octet < octets ? reader.u8() : 0);
  return word;
}

function decodePrefix6(reader: Reader, length: number, octets: number): Prefix {
  let address = 0n;
  for (let word = 0; word < 16; word += 4)
    address = (address << 32n) | (word < octets ? BigInt(partialWord(reader, octets - word)) : 0n);
  return prefix6(ipv6(address), length);
}

export const families = {
  'ipv4-unicast': {
    afi: 1,
    safi: 1,
    width: 32,
    decodePrefix: (reader, length, octets) => prefix4(ipv4(partialWord(reader, octets)), length),
    decodeNextHop: (reader) => (reader.left === 4 ? { nextHop: reader.ipv4() } : undefined),
  },
  'ipv6-unicast': {
    afi: 2,
    safi: 1,
    width: 128,
    decodePrefix: decodePrefix6,
    decodeNextHop: decodeNextHop6,
  },
} as const satisfies Record<Family, FamilyRow>;

const byNumbers = new Map<number, Family>([
  [0x10001, 'ipv4-unicast'],
  [0x20001, 'ipv6-unicast'],
]);

/** Undefined for a family we do not speak. */
export const familyOf = (afi: number, safi: number): Family | undefined => byNumbers.get(afi * 65536 + safi);

/**
 * All prefixes up to the end of `reader`. Host bits are cleared, as RFC 4271 §4.3 calls them irrelevant.
 * Fails with a reason if the field is syntactically incorrect (RFC 7606 §5.3).
 */
export function decodePrefixes(reader: Reader, family: Family): Result<Prefix[]> {
  const row: FamilyRow = families[family];
  const prefixes: Prefix[] = [];
  while (reader.left > 0) {
    const length = reader.u8();
    if (length > row.width) return err(`a prefix length of ${length} in ${family}`);
    const octets = (length + 7) >> 3;
    if (octets > reader.left) return err(`a /${length} prefix in ${family} with ${reader.left} octets left`);
    prefixes.push(row.decodePrefix(reader, length, octets));
  }
  return ok(prefixes);
}

/** Octets `encodePrefix` writes. */
export const prefixSize = (prefix: Prefix): number => 1 + ((lengthOf(prefix) + 7) >> 3);

export function encodePrefix(writer: Writer, prefix: Prefix): void {
  const length = lengthOf(prefix);
  writer.u8(length);
  if (isPrefix4(prefix)) {
    const network = networkOf(prefix);
    for (let shift = 24; shift > 24 - length; shift -= 8) writer.u8((network >>> shift) & 255);
    return;
  }
  const network = networkOf(prefix);
  for (let shift = 120; shift > 120 - length; shift -= 8)
    writer.u8(Number((network >> BigInt(shift)) & 255n));
}

/** The next hop field of MP_REACH_NLRI, its length first. Throws only if the next hop is not of the family. */
export function encodeNextHop(writer: Writer, family: Family, hops: NextHops): void {
  const { nextHop, linkLocal } = hops;
  if (typeof nextHop === 'number') {
    assert(family === 'ipv4-unicast', `an IPv4 next hop in ${family}`);
    writer.u8(4).ipv4(nextHop);
    return;
  }
  assert(family === 'ipv6-unicast', `an IPv6 next hop in ${family}`);
  writer.u8(linkLocal === undefined ? 16 : 32).ipv6(nextHop);
  if (linkLocal !== undefined) writer.ipv6(linkLocal);
}

/** RFC 4271 §6.3: a next hop must be able to be a host; not 0/8, 127/8, 224/3, ::, ::1 or ff00::/8. */
export function isHost(address: Address): boolean {
  if (typeof address === 'number') {
    const net = address >>> 24;
    return net !== 0 && net !== 127 && net < 224;
  }
  return address > 1n && address >> 120n !== 0xffn;
}
