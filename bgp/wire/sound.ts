/**
 * Announcements in which nothing is out of the ordinary, which is nearly all of them: their attributes become words
 * (rib/pack.ts) straight from octets, and no objects. Whatever else there is, be it an attribute that is not in the table
 * below or one that RFC 7606 has something to say about, is left to `attribute-list.ts`; so no remedy is known here.
 *
 * What is told here is what that one tells of the same octets.
 */
import type { Reader } from '../../src/lib/bytes.ts';
import { isIpv4 } from '../../src/lib/net.ts';
import { bit, kindShift, writeIpv6 } from '../rib/pack.ts';
import { Sheet } from '../rib/view.ts';
import { type Found, nothingFound } from './attribute-row.ts';
import { attributeRows } from './attributes.ts';
import { announcementOf, isHost, type NextHops, type Nlri } from './family.ts';
import { EXTENDED_LENGTH, OPTIONAL, TRANSITIVE } from './iana.ts';
import type { Announcement, CodecContext } from './message.ts';
import { mpReach } from './mp-nlri.ts';

/** Octets of its value; of a list, of each member. `isAs`: it begins with an AS number, which cannot be 0. */
interface Shape {
  readonly code: number;
  readonly bit: number;
  readonly octets: number;
  readonly isAs?: true;
}

/** In the order of their words. */
const fixed: readonly Shape[] = [
  { code: 4, bit: bit.med, octets: 4 },
  { code: 5, bit: bit.localPref, octets: 4 },
  { code: 6, bit: bit.atomicAggregate, octets: 0 },
  { code: 7, bit: bit.aggregator, octets: 8, isAs: true },
  { code: 9, bit: bit.originatorId, octets: 4 },
  { code: 35, bit: bit.otc, octets: 4, isAs: true },
];
const lists: readonly Shape[] = [
  { code: 8, bit: bit.communities, octets: 4 },
  { code: 10, bit: bit.clusterList, octets: 4 },
  { code: 16, bit: bit.extendedCommunities, octets: 8 },
  { code: 32, bit: bit.largeCommunities, octets: 12 },
];
const shapes = [...fixed, ...lists];

/** An attribute is a place here: what the lists above have, and then these. */
const [origin, asPath, nextHop, reach] = [10, 11, 12, 13] as const;
const codes = [...shapes.map(({ code }) => code), 1, 2, 3, 14];
const rows = codes.map((code) => [...attributeRows, mpReach].find((row) => row.code === code));
const flags = Uint8Array.from(rows, (row) => row?.flags ?? 0);
/** By code; -1: none of them, or not from such a neighbour. */
function placesFrom(type: CodecContext['peerType']): Int8Array {
  const places = new Int8Array(256).fill(-1);
  for (const [place, row] of rows.entries())
    if (row !== undefined && (type === 'ibgp' || row.internalOnly !== true)) places[row.code] = place;
  return places;
}
const places = { ibgp: placesFrom('ibgp'), ebgp: placesFrom('ebgp') } as const;

const always = (1 << origin) | (1 << asPath);
const mandatory = { ibgp: always | (1 << codes.indexOf(5)), ebgp: always } as const;

/** Octets of all attributes; whoever says more is heard the other way. */
const longest = 4096;
/** Of the message that is read, by place: where the value begins, and its length. */
const starts = new Int32Array(codes.length);
const lengths = new Int32Array(codes.length);
const sheet = new Sheet();
/** Of what is being written. */
let words = sheet.words;
let end = 0;

/**
 * @param reader  of the attributes
 * @param announced  of the NLRI field, of a neighbour that speaks IPv4 unicast if there is any
 * @returns  undefined: it has to be looked at closely
 */
export function soundAnnouncement(
  reader: Reader,
  announced: Nlri,
  ctx: CodecContext,
): Announcement | undefined {
  const { peerType } = ctx;
  if (!ctx.fourOctetAs || reader.left > longest) return undefined;
  const from = sheet.room((reader.left >> 1) + 32);
  const seen = walk(reader, places[peerType]);
  const needed = mandatory[peerType];
  if ((seen & needed) !== needed) return undefined;
  const isMp = has(seen, reach);
  if (isMp === announced.prefixes.length > 0 || isMp === has(seen, nextHop)) return undefined;
  words = sheet.words;
  end = from + 1;
  const mp = isMp ? reached(reader, ctx) : undefined;
  const hopBits = mp === undefined ? hopOf(reader) : writeHop(mp.hops);
  if (hopBits < 0 || (isMp && mp === undefined)) return undefined;
  const bits = written(reader, seen, hopBits, mp?.hops);
  if (bits < 0) return undefined;
  const attributes = sheet.cut(from, end, bits);
  return mp === undefined
    ? announcementOf('ipv4-unicast', attributes, announced)
    : announcementOf(mp.family, attributes, mp.nlri);
}

const has = (seen: number, place: number): boolean => (seen & (1 << place)) !== 0;

/** Where each attribute is. @returns  a bit for each place; 0: something is out of the ordinary */
function walk(reader: Reader, known: Int8Array): number {
  let seen = 0;
  while (reader.left > 2) {
    const flag = reader.u8();
    const place = known[reader.u8()] as number;
    const length = (flag & EXTENDED_LENGTH) === 0 ? reader.u8() : reader.u16();
    if (place < 0 || reader.failed || length > reader.left) return 0;
    if (has(seen, place) || ((flag ^ (flags[place] as number)) & (OPTIONAL | TRANSITIVE)) !== 0) return 0;
    seen |= 1 << place;
    starts[place] = reader.at;
    lengths[place] = length;
    reader.skip(length);
  }
  return reader.left === 0 ? seen : 0;
}

interface Reached {
  readonly family: Announcement['family'];
  readonly nlri: Nlri;
  readonly hops: NextHops;
}
const found: Found = nothingFound();

/** MP_REACH_NLRI of a family that is spoken, with prefixes and a sound next hop. */
function reached(reader: Reader, ctx: CodecContext): Reached | undefined {
  reader.jump(starts[reach] as number);
  const after = reader.enter(lengths[reach] as number);
  const complaint = mpReach.decode(reader, found, ctx);
  reader.leave(after);
  const one = found.mpReach;
  found.mpReach = undefined;
  if (complaint !== undefined || one?.family === undefined || one.hops === undefined) return undefined;
  return one.carriesNlri ? { family: one.family, nlri: one.nlri, hops: one.hops } : undefined;
}

/** @returns  bits of the first word, as all that write; -1: something is out of the ordinary */
function hopOf(reader: Reader): number {
  if (lengths[nextHop] !== 4) return -1;
  reader.jump(starts[nextHop] as number);
  const hop = reader.ipv4();
  put(hop);
  return isHost(hop) ? 0 : -1;
}

function writeHop({ nextHop: hop }: NextHops): number {
  if (isIpv4(hop)) {
    put(hop);
    return 0;
  }
  writeIpv6(words, end, hop);
  end += 4;
  return bit.nextHop6;
}

/** All but the next hop, which was written. */
function written(reader: Reader, seen: number, hopBits: number, hops: NextHops | undefined): number {
  reader.jump(starts[origin] as number);
  const value = reader.u8();
  if (lengths[origin] !== 1 || value > 2 || !writePath(reader)) return -1;
  let bits = value | hopBits;
  for (let place = 0; place < fixed.length; place += 1) {
    if (!has(seen, place)) continue;
    if (!writeFixed(reader, place)) return -1;
    bits |= (shapes[place] as Shape).bit;
  }
  if (hops?.linkLocal !== undefined) {
    bits |= bit.linkLocal;
    writeIpv6(words, end, hops.linkLocal);
    end += 4;
  }
  for (let place = fixed.length; place < shapes.length; place += 1) {
    if (!has(seen, place)) continue;
    if (!writeList(reader, place)) return -1;
    bits |= (shapes[place] as Shape).bit;
  }
  return bits;
}

/** Segments that are sets or sequences, as rib/pack.ts counts them from 0 and the wire from 1. */
function writePath(reader: Reader): boolean {
  const head = end;
  put(0);
  reader.jump(starts[asPath] as number);
  const stop = reader.at + (lengths[asPath] as number);
  let segments = 0;
  for (; reader.at < stop; segments += 1) {
    const kind = reader.u8() - 1;
    const count = reader.u8();
    if ((kind !== 0 && kind !== 1) || count === 0 || count * 4 > stop - reader.at) return false;
    put((kind << kindShift) | count);
    if (!copy(reader, count, true)) return false;
  }
  words[head] = segments;
  return true;
}

function writeFixed(reader: Reader, place: number): boolean {
  const { octets, isAs } = shapes[place] as Shape;
  if (lengths[place] !== octets) return false;
  reader.jump(starts[place] as number);
  const first = end;
  copy(reader, octets >> 2, false);
  return isAs !== true || words[first] !== 0;
}

function writeList(reader: Reader, place: number): boolean {
  const { octets } = shapes[place] as Shape;
  const length = lengths[place] as number;
  if (length === 0 || length % octets !== 0) return false;
  put(octets === 8 ? length >> 3 : length >> 2);
  reader.jump(starts[place] as number);
  return copy(reader, length >> 2, false);
}

/** So many words. False: one of them is 0, and none may be. */
function copy(reader: Reader, count: number, isAs: boolean): boolean {
  const to = words;
  const from = end;
  for (let index = 0; index < count; index += 1) {
    const word = reader.u32();
    if (isAs && word === 0) return false;
    to[from + index] = word;
  }
  end = from + count;
  return true;
}

function put(word: number): void {
  words[end] = word;
  end += 1;
}
