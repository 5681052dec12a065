/**
 * Address families: their AFI and SAFI numbers and how their prefixes and next hops are written
 * (RFC 4271 §4.3, RFC 4760 §3-5, RFC 2545 §3, RFC 7911 §3, RFC 8950 §3). To speak a further family, add a row.
 */
import { type Reader, Writer } from '../../src/lib/bytes.ts';
import {
  type Address,
  firstWordOf,
  type Ipv6,
  ipv4,
  isIpv4,
  isLinkLocal6,
  isPrefix4,
  lengthOf,
  networkOf,
  type Prefix,
  prefix4,
  prefix6OfWords,
  secondWordOf,
  unscoped,
} from '../../src/lib/net.ts';
import { err, ok, type Result } from '../../src/lib/result.ts';
import type { Announcement, CodecContext, Family, PathAttributes } from './message.ts';

export interface NextHops {
  readonly nextHop: Address;
  readonly linkLocal?: Ipv6;
}

/** The prefixes of one field. */
export interface Nlri {
  readonly prefixes: readonly Prefix[];
  /** Path Identifiers (RFC 7911), one for each; absent where the family has none. */
  readonly ids?: readonly number[];
}

export const noNlri: Nlri = { prefixes: [] };

export const announcementOf = (
  family: Family,
  attributes: PathAttributes,
  { prefixes, ids }: Nlri,
): Announcement =>
  ids === undefined ? { family, attributes, prefixes } : { family, attributes, prefixes, pathIds: ids };

interface FamilyRow {
  readonly afi: number;
  readonly safi: number;
  /** Longest prefix, in bits. */
  readonly width: number;
  /** Reads the `octets`, at most width/8, that a prefix of `length` bits takes. */
  readonly decodePrefix: (reader: Reader, length: number, octets: number) => Prefix;
  /** How a next hop of MP_REACH_NLRI is written that needs no agreement; undefined if it cannot have this length. */
  readonly decodeNextHop: (reader: Reader) => NextHops | undefined;
}

function decodeNextHop4(reader: Reader): NextHops | undefined {
  return reader.left === 4 ? { nextHop: reader.ipv4() } : undefined;
}

/**
 * RFC 2545 §3: the global next hop, and optionally a link-local one after it. A speaker that has only a link-local one
 * sends it alone, twice, or after an empty place: each is a link-local `nextHop` here.
 */
function decodeNextHop6(reader: Reader): NextHops | undefined {
  if (reader.left === 16) return { nextHop: reader.ipv6() };
  if (reader.left !== 32) return undefined;
  const nextHop = reader.ipv6();
  const second = reader.ipv6();
  if (!isLinkLocal6(second)) return { nextHop };
  return nextHop === 0n || isLinkLocal6(nextHop) ? { nextHop: second } : { nextHop, linkLocal: second };
}

const decodePrefix4 = (reader: Reader, length: number, octets: number): Prefix =>
  prefix4(ipv4(reader.word(octets)), length);

function decodePrefix6(reader: Reader, length: number, octets: number): Prefix {
  const first = reader.word(Math.min(octets, 4));
  const second = octets <= 4 ? 0 : reader.word(Math.min(octets - 4, 4));
  if (octets <= 8) return prefix6OfWords(first, second, 0, 0, length);
  const third = reader.word(Math.min(octets - 8, 4));
  return prefix6OfWords(first, second, third, octets <= 12 ? 0 : reader.word(octets - 12), length);
}

export const families = {
  'ipv4-unicast': {
    afi: 1,
    safi: 1,
    width: 32,
    decodePrefix: decodePrefix4,
    decodeNextHop: decodeNextHop4,
  },
  'ipv6-unicast': {
    afi: 2,
    safi: 1,
    width: 128,
    decodePrefix: decodePrefix6,
    decodeNextHop: decodeNextHop6,
  },
} as const satisfies Record<Family, FamilyRow>;

/** Undefined for a family we do not speak. */
export function familyOf(afi: number, safi: number): Family | undefined {
  if (safi !== 1) return undefined;
  return afi === 1 ? 'ipv4-unicast' : afi === 2 ? 'ipv6-unicast' : undefined;
}

/**
 * The next hop field of MP_REACH_NLRI, all that `reader` has left. An IPv4 prefix may have an IPv6 one where that was
 * agreed (RFC 8950 §4). Undefined if it cannot have this length.
 */
export function decodeNextHops(reader: Reader, family: Family, ctx: CodecContext): NextHops | undefined {
  return ctx.extendedNextHop?.has(family) && reader.left !== 4
    ? decodeNextHop6(reader)
    : families[family].decodeNextHop(reader);
}

/** Whether the next hop can be told to this neighbour together with prefixes of the family. */
export const canCarry = (family: Family, nextHop: Address, ctx: CodecContext): boolean =>
  isIpv4(nextHop) === (family === 'ipv4-unicast') ||
  (!isIpv4(nextHop) && ctx.extendedNextHop?.has(family) === true);

/**
 * All prefixes up to the end of `reader`. Host bits are cleared, as RFC 4271 §4.3 calls them irrelevant.
 * @param hasIds  a Path Identifier comes before each (RFC 7911 §3)
 * Fails with a reason if the field is syntactically incorrect (RFC 7606 §5.3).
 */
export function decodeNlri(reader: Reader, family: Family, hasIds: boolean): Result<Nlri> {
  if (reader.left === 0) return nothing;
  const alone = hasIds ? undefined : decodeAlone(reader, families[family]);
  return alone === undefined ? decodeSeveral(reader, family, hasIds) : ok({ prefixes: [alone] });
}

function decodeSeveral(reader: Reader, family: Family, hasIds: boolean): Result<Nlri> {
  const row: FamilyRow = families[family];
  const prefixes: Prefix[] = [];
  const ids: number[] | undefined = hasIds ? [] : undefined;
  while (reader.left > 0) {
    if (ids !== undefined) {
      if (reader.left < 5) return err(`a Path Identifier in ${family} with ${reader.left} octets left`);
      ids.push(reader.u32());
    }
    const length = reader.u8();
    if (length > row.width) return err(`a prefix length of ${length} in ${family}`);
    const octets = (length + 7) >> 3;
    if (octets > reader.left) return err(`a /${length} prefix in ${family} with ${reader.left} octets left`);
    prefixes.push(row.decodePrefix(reader, length, octets));
  }
  return ok(ids === undefined ? { prefixes } : { prefixes, ids });
}

const nothing: Result<Nlri> = ok(noNlri);

/** Of a field of one sound prefix, as a change mostly has: a list that grows has room for 17. Else nothing is read. */
function decodeAlone(reader: Reader, row: FamilyRow): Prefix | undefined {
  const length = reader.peek();
  const octets = (length + 7) >> 3;
  if (length > row.width || reader.left !== 1 + octets) return undefined;
  reader.skip(1);
  return row.decodePrefix(reader, length, octets);
}

export function encodePrefix(writer: Writer, prefix: Prefix): void {
  const length = lengthOf(prefix);
  const end = writer.u8(length).length + ((length + 7) >> 3);
  if (isPrefix4(prefix)) writer.u32(networkOf(prefix));
  else if (length > 64) writer.ipv6(networkOf(prefix));
  else writer.u32(firstWordOf(prefix)).u32(secondWordOf(prefix));
  writer.rewind(end); // more was written than the length asks for
}

/** The next hop field of MP_REACH_NLRI, its length first. */
export function encodeNextHop(writer: Writer, { nextHop, linkLocal }: NextHops): void {
  if (isIpv4(nextHop)) {
    writer.u8(4).ipv4(nextHop);
    return;
  }
  writer.u8(linkLocal === undefined ? 16 : 32).bytes(octetsOf(nextHop));
  if (linkLocal !== undefined) writer.ipv6(unscoped(linkLocal));
}

/** Of the next hop that was asked for last: many messages in a row have the same. */
let lastHop: Ipv6 | undefined;
let lastOctets = new Uint8Array(16);

function octetsOf(nextHop: Ipv6): Uint8Array {
  if (nextHop !== lastHop) lastOctets = new Writer(16).ipv6(unscoped(nextHop)).done();
  lastHop = nextHop;
  return lastOctets;
}

/** ff00::/8 is the last of all. */
const firstMulticast6 = 0xffn << 120n;

/** RFC 4271 §6.3: a next hop must be able to be a host; not 0/8, 127/8, 224/3, ::, ::1 or ff00::/8. */
export function isHost(address: Address): boolean {
  if (typeof address === 'number') {
    const net = address >>> 24;
    return net !== 0 && net !== 127 && net < 224;
  }
  return address > 1n && address < firstMulticast6;
}
