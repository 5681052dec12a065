/**
 * Path attributes as 32-bit words and back, nothing lost: how the tables keep them. Equal words are equal attributes, and an
 * absent field differs from any present one.
 *
 * The first word says which fields there are, the origin and how many words there are; the fields follow, a list as its
 * length and its members.
 */
import { type Address, type Asn, type Ipv4, type Ipv6, ipv4, ipv6 } from '../../src/lib/net.ts';
import type { AsPath, AsPathSegment, Origin, PathAttributes, RawAttribute } from '../wire/message.ts';
import type { Words } from './slab.ts';

const origins: readonly Origin[] = ['igp', 'egp', 'incomplete'];
const kinds: readonly AsPathSegment['kind'][] = ['set', 'sequence', 'confedSequence', 'confedSet'];

/** Bits of the first word; the lowest two are the origin. */
export const bit = {
  nextHop6: 1 << 2,
  linkLocal: 1 << 3,
  med: 1 << 4,
  localPref: 1 << 5,
  atomicAggregate: 1 << 6,
  aggregator: 1 << 7,
  communities: 1 << 8,
  originatorId: 1 << 9,
  clusterList: 1 << 10,
  extendedCommunities: 1 << 11,
  largeCommunities: 1 << 12,
  otc: 1 << 13,
  unknown: 1 << 14,
} as const;
/** Above them: how many words. */
const lengthShift = 15;
/** Of an AS_PATH segment: its kind, a set being 0 and a sequence 1, above its length. */
export const kindShift = 30;
export const countMask = (1 << kindShift) - 1;

/** Of a record that begins with this word. */
export const lengthOf = (first: number): number => first >>> lengthShift;

/** The first word of a record of so many. */
export const firstOf = (bits: number, length: number): number => bits | (length << lengthShift);

/** Octets of bigints on their way to words, most significant first. */
const wide = new DataView(new ArrayBuffer(16));

/** The address that was written or read last, and its words: many sets in a row mostly have the same. */
let lastIpv6: Ipv6 = ipv6(0n);
const lastWords: Words = new Uint32Array(4);

/** Its four words. */
export function writeIpv6(words: Words, at: number, address: Ipv6): void {
  if (address !== lastIpv6) {
    wide.setBigUint64(0, address >> 64n);
    wide.setBigUint64(8, address);
    for (let word = 0; word < 4; word += 1) lastWords[word] = wide.getUint32(word * 4);
    lastIpv6 = address;
  }
  for (let word = 0; word < 4; word += 1) words[at + word] = lastWords[word] as number;
}

/** The address whose four words are there. */
export function readIpv6(words: Words, at: number): Ipv6 {
  let isLast = true;
  for (let word = 0; word < 4; word += 1) {
    const one = words[at + word] as number;
    isLast &&= one === lastWords[word];
    lastWords[word] = one;
  }
  if (!isLast) {
    for (let word = 0; word < 4; word += 1) wide.setUint32(word * 4, lastWords[word] as number);
    lastIpv6 = ipv6((wide.getBigUint64(0) << 64n) | wide.getBigUint64(8));
  }
  return lastIpv6;
}

/** What is being written; it grows, and is used again and again. */
class Packer {
  words: Words = new Uint32Array(1024);
  #end = 0;

  /** Forgets all, and leaves the first word free. */
  begin(): void {
    this.#end = 1;
  }

  /** @param bits  of the first word */
  finish(bits: number): Words {
    this.words[0] = firstOf(bits, this.#end);
    return this.words;
  }

  put(word: number): void {
    if (this.#end === this.words.length) this.#grow();
    this.words[this.#end] = word;
    this.#end += 1;
  }

  putAll(list: readonly number[]): void {
    this.put(list.length);
    for (let index = 0; index < list.length; index += 1) this.put(list[index] as number);
  }

  putIpv6(address: Ipv6): void {
    if (this.#end + 4 > this.words.length) this.#grow();
    writeIpv6(this.words, this.#end, address);
    this.#end += 4;
  }

  putPath(path: AsPath): void {
    this.put(path.length);
    for (const { kind, asns } of path) {
      this.put((kinds.indexOf(kind) << kindShift) | asns.length);
      for (let index = 0; index < asns.length; index += 1) this.put(asns[index] as number);
    }
  }

  putExtended(list: readonly bigint[]): void {
    this.put(list.length);
    for (const value of list) {
      wide.setBigUint64(0, value);
      this.put(wide.getUint32(0));
      this.put(wide.getUint32(4));
    }
  }

  putUnknown(list: readonly RawAttribute[]): void {
    this.put(list.length);
    for (const { flags, code, body } of list) {
      this.put((flags << 8) | code);
      this.put(body.length);
      for (let octet = 0; octet < body.length; octet += 4)
        this.put(
          ((body[octet] as number) << 24) |
            ((body[octet + 1] ?? 0) << 16) |
            ((body[octet + 2] ?? 0) << 8) |
            (body[octet + 3] ?? 0),
        );
    }
  }

  #grow(): void {
    const bigger = new Uint32Array(this.words.length * 2);
    bigger.set(this.words);
    this.words = bigger;
  }
}

const packer = new Packer();

/** The words of these attributes; they hold until the next call, and `lengthOf` the first says how many they are. */
export function pack(attributes: PathAttributes): Words {
  const { nextHop, linkLocal, communities, clusterList, extendedCommunities, largeCommunities, unknown } =
    attributes;
  packer.begin();
  let bits = origins.indexOf(attributes.origin);
  if (typeof nextHop === 'number') packer.put(nextHop);
  else {
    bits |= bit.nextHop6;
    packer.putIpv6(nextHop);
  }
  packer.putPath(attributes.asPath);
  bits |= putNumbers(attributes);
  if (linkLocal !== undefined) {
    bits |= bit.linkLocal;
    packer.putIpv6(linkLocal);
  }
  if (communities !== undefined) {
    bits |= bit.communities;
    packer.putAll(communities);
  }
  if (clusterList !== undefined) {
    bits |= bit.clusterList;
    packer.putAll(clusterList);
  }
  if (extendedCommunities !== undefined) {
    bits |= bit.extendedCommunities;
    packer.putExtended(extendedCommunities);
  }
  if (largeCommunities !== undefined) {
    bits |= bit.largeCommunities;
    packer.putAll(largeCommunities.flat());
  }
  if (unknown !== undefined) {
    bits |= bit.unknown;
    packer.putUnknown(unknown);
  }
  return packer.finish(bits);
}

/** Fields of a word or two. @returns  their bits */
function putNumbers({
  med,
  localPref,
  atomicAggregate,
  aggregator,
  originatorId,
  otc,
}: PathAttributes): number {
  let bits = atomicAggregate === undefined ? 0 : bit.atomicAggregate;
  if (med !== undefined) {
    bits |= bit.med;
    packer.put(med);
  }
  if (localPref !== undefined) {
    bits |= bit.localPref;
    packer.put(localPref);
  }
  if (aggregator !== undefined) {
    bits |= bit.aggregator;
    packer.put(aggregator.asn);
    packer.put(aggregator.address);
  }
  if (originatorId !== undefined) {
    bits |= bit.originatorId;
    packer.put(originatorId);
  }
  if (otc !== undefined) {
    bits |= bit.otc;
    packer.put(otc);
  }
  return bits;
}

/** What is being read. */
class Unpacker {
  #words: Words = new Uint32Array(0);
  #at = 0;

  begin(words: Words, at: number): void {
    this.#words = words;
    this.#at = at;
  }

  take(): number {
    const word = this.#words[this.#at] as number;
    this.#at += 1;
    return word;
  }

  /** As long as they are: what grows leaves room behind it. */
  takeAll<T extends number>(count: number): T[] {
    const list = new Array<T>(count);
    for (let index = 0; index < count; index += 1) list[index] = this.take() as T;
    return list;
  }

  takeIpv6(): Ipv6 {
    this.#at += 4;
    return readIpv6(this.#words, this.#at - 4);
  }

  takePath(): AsPath {
    const path = new Array<AsPathSegment>(this.take());
    for (let index = 0; index < path.length; index += 1) {
      const head = this.take();
      const kind = kinds[head >>> kindShift] as AsPathSegment['kind'];
      path[index] = { kind, asns: this.takeAll<Asn>(head & countMask) };
    }
    return path;
  }

  takeExtended(): bigint[] {
    return Array.from({ length: this.take() }, () => {
      wide.setUint32(0, this.take());
      wide.setUint32(4, this.take());
      return wide.getBigUint64(0);
    });
  }

  takeLarge(): (readonly [number, number, number])[] {
    return Array.from({ length: this.take() / 3 }, () => [this.take(), this.take(), this.take()] as const);
  }

  takeUnknown(): RawAttribute[] {
    return Array.from({ length: this.take() }, () => {
      const head = this.take();
      const body = new Uint8Array(this.take());
      for (let octet = 0; octet < body.length; octet += 4) {
        const word = this.take();
        for (let index = 0; index < 4 && octet + index < body.length; index += 1)
          body[octet + index] = word >>> (24 - 8 * index);
      }
      return { flags: head >>> 8, code: head & 255, body };
    });
  }
}

const unpacker = new Unpacker();

type Mutable = { -readonly [K in keyof PathAttributes]: PathAttributes[K] };

/** The attributes that were packed into these words, from `at` on. */
export function unpack(words: Words, at: number): PathAttributes {
  const bits = words[at] as number;
  const has = (one: number): boolean => (bits & one) !== 0;
  unpacker.begin(words, at + 1);
  const nextHop: Address = has(bit.nextHop6) ? unpacker.takeIpv6() : ipv4(unpacker.take());
  const attributes: Mutable = { origin: origins[bits & 3] as Origin, asPath: unpacker.takePath(), nextHop };
  if (has(bit.med)) attributes.med = unpacker.take();
  if (has(bit.localPref)) attributes.localPref = unpacker.take();
  if (has(bit.atomicAggregate)) attributes.atomicAggregate = true;
  if (has(bit.aggregator))
    attributes.aggregator = { asn: unpacker.take() as Asn, address: ipv4(unpacker.take()) };
  if (has(bit.originatorId)) attributes.originatorId = ipv4(unpacker.take());
  if (has(bit.otc)) attributes.otc = unpacker.take() as Asn;
  if (has(bit.linkLocal)) attributes.linkLocal = unpacker.takeIpv6();
  if (has(bit.communities)) attributes.communities = unpacker.takeAll(unpacker.take());
  if (has(bit.clusterList)) attributes.clusterList = unpacker.takeAll<Ipv4>(unpacker.take());
  if (has(bit.extendedCommunities)) attributes.extendedCommunities = unpacker.takeExtended();
  if (has(bit.largeCommunities)) attributes.largeCommunities = unpacker.takeLarge();
  if (has(bit.unknown)) attributes.unknown = unpacker.takeUnknown();
  return attributes;
}
