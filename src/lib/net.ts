/**
 * The values of the field: addresses, prefixes, AS numbers, moments.
 *
 * An address or prefix is one immutable primitive, so it compares with `===` and keys a Map: IPv4 in a
 * number, IPv6 in a bigint. `typeof` therefore tells the family, and `Map<Prefix, …>` needs no string keys.
 */
declare const brand: unique symbol;
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** Autonomous System number, 0..2^32-1 (RFC 6793). */
export type Asn = Brand<number, 'Asn'>;
/** IPv4 address in host order, 0..2^32-1. */
export type Ipv4 = Brand<number, 'Ipv4'>;
/** IPv6 address, 0n..2^128-1. */
export type Ipv6 = Brand<bigint, 'Ipv6'>;
export type Address = Ipv4 | Ipv6;
/** IPv4 prefix packed as address*64+length: an exact integer below 2^38. Host bits are zero. */
export type Prefix4 = Brand<number, 'Prefix4'>;
/**
 * IPv6 prefix, whose length stands in bits 56 to 63. Of up to 56 bits, as the routes between networks are, these stand below it:
 * 64 bits in all, which V8 makes in one piece. A longer one has its address above, and below 56 bits that tell nothing more: a
 * Map hashes no other bits of a bigint than the lowest 64, which are zero in the address of every /64. Host bits are zero.
 */
export type Prefix6 = Brand<bigint, 'Prefix6'>;
export type Prefix = Prefix4 | Prefix6;
/** A moment, or a span, on the injected monotonic clock. Never compare with wall-clock time. */
export type Millis = Brand<number, 'Millis'>;
/** The two address families, by IP version. */
export type IpVersion = 4 | 6;

export const asn = (value: number): Asn => value as Asn;
export const millis = (value: number): Millis => value as Millis;
export const ipv4 = (value: number): Ipv4 => value as Ipv4;
export const ipv6 = (value: bigint): Ipv6 => value as Ipv6;

export const isIpv4 = (address: Address): address is Ipv4 => typeof address === 'number';
export const isPrefix4 = (prefix: Prefix): prefix is Prefix4 => typeof prefix === 'number';
export const versionOf = (value: Address | Prefix): IpVersion => (typeof value === 'number' ? 4 : 6);
/** Bits of a full-length prefix: 32 or 128. */
export const widthOf = (value: Address | Prefix): 32 | 128 => (typeof value === 'number' ? 32 : 128);

function mask4(address: number, length: number): number {
  return length === 0 ? 0 : (address & (0xffffffff << (32 - length))) >>> 0;
}

/** Host bits are cleared. `length` must be 0..32. */
export const prefix4 = (address: Ipv4, length: number): Prefix4 =>
  (mask4(address, length) * 64 + length) as Prefix4;
/** Host bits are cleared. `length` must be 0..128. */
export function prefix6(address: Ipv6, length: number): Prefix6 {
  half64[0] = address;
  const third = half32[upper] as number;
  const fourth = half32[lower] as number;
  half64[0] = address >> 64n;
  return prefix6OfWords(half32[upper] as number, half32[lower] as number, third, fourth, length);
}

/** As `prefix6`, of the four 32-bit words of an address: it makes as few bigints as it can, for they are slow. */
export function prefix6OfWords(
  first: number,
  second: number,
  third: number,
  fourth: number,
  length: number,
): Prefix6 {
  const one = maskWord(first, length);
  const two = maskWord(second, length - 32);
  if (length <= mostShort) return longOf((length << 24) | (one >>> 8), (one << 24) | (two >>> 8)) as Prefix6;
  const high = longOf(one, two);
  if (length <= 64) return ((high << 128n) | tailOf(one, two, 0, 0, length)) as Prefix6;
  const three = maskWord(third, length - 64);
  const four = maskWord(fourth, length - 96);
  const network = (high << 64n) | longOf(three, four);
  return ((network << 64n) | tailOf(one, two, three, four, length)) as Prefix6;
}

/** The longest that is packed into 64 bits. */
const mostShort = 56;

/** The lowest 64 bits of a long packed prefix: its length above 56 bits in which networks differ. */
function tailOf(first: number, second: number, third: number, fourth: number, length: number): bigint {
  const mixed = Math.imul(first ^ Math.imul(fourth, factorB), factorA) ^ Math.imul(third, factorC);
  const low = second ^ Math.imul(third, factorA) ^ Math.imul(fourth, factorC);
  return longOf((length << 24) | (mixed >>> 8), low);
}
/** Odd, and without a pattern of their own: addresses whose halves are alike still differ. */
const factorA = 0x9e37_79b1;
const factorB = 0x85eb_ca6b;
const factorC = 0xc2b2_ae35;

/** The address that begins with the word `first`. Many in a row are mostly the same, and then it is one bigint. */
export function ipv6OfWords(first: number, second: number, third: number, fourth: number): Ipv6 {
  const words = lastWords;
  if (words[0] === first && words[1] === second && words[2] === third && words[3] === fourth) return lastIpv6;
  lastIpv6 = ipv6((longOf(first, second) << 64n) | longOf(third, fourth));
  words[0] = first;
  words[1] = second;
  words[2] = third;
  words[3] = fourth;
  return lastIpv6;
}

/** What `ipv6OfWords` gave last, and of what. */
let lastIpv6 = 0n as Ipv6;
const lastWords = new Uint32Array(4);

function longOf(high: number, low: number): bigint {
  half32[upper] = high;
  half32[lower] = low;
  return half64[0] as bigint;
}

/** The first `bits` bits; none if negative, all if 32 or more. */
const maskWord = (word: number, bits: number): number =>
  bits >= 32 ? word : bits <= 0 ? 0 : (word & (0xffffffff << (32 - bits))) >>> 0;

/** 64 bits, as one bigint and as two words whose order is the machine's. */
const half64 = new BigUint64Array(1);
const half32 = new Uint32Array(half64.buffer);
half64[0] = 1n;
const lower = half32[0] === 1 ? 0 : 1;
const upper = 1 - lower;

/** Host bits are cleared. `length` must lie within the family's width. */
export const prefixOf = (address: Address, length: number): Prefix =>
  isIpv4(address) ? prefix4(address, length) : prefix6(address, length);
/** The /32 or /128 that holds just this address. */
export const hostPrefix = (address: Address): Prefix => prefixOf(address, widthOf(address));

export function networkOf(prefix: Prefix4): Ipv4;
export function networkOf(prefix: Prefix6): Ipv6;
export function networkOf(prefix: Prefix): Address;
/** The first address of the prefix. */
export function networkOf(prefix: Prefix): Address {
  if (isPrefix4(prefix)) return ((prefix / 64) >>> 0) as Ipv4;
  if (lengthOf(prefix) > mostShort) return (prefix >> 64n) as Ipv6;
  return ipv6(longOf(firstWordOf(prefix), secondWordOf(prefix)) << 64n);
}

/** The first 32 bits of its network. */
export function firstWordOf(prefix: Prefix6): number {
  if (lengthOf(prefix) > mostShort) return Number(prefix >> 160n);
  half64[0] = prefix;
  return (((half32[upper] as number) << 8) | ((half32[lower] as number) >>> 24)) >>> 0;
}

/** The next 32. */
export function secondWordOf(prefix: Prefix6): number {
  if (lengthOf(prefix) > mostShort) return Number(BigInt.asUintN(32, prefix >> 128n));
  half64[0] = prefix;
  return ((half32[lower] as number) << 8) >>> 0;
}

export function lengthOf(prefix: Prefix): number {
  if (isPrefix4(prefix)) return prefix & 63; // of so large a number only the lowest 32 bits are looked at
  half64[0] = prefix;
  return (half32[upper] as number) >>> 24;
}

/** Whether a prefix of this length is packed into 64 bits, and so is what `short6OfWords` makes of its words. */
export const isShort6 = (length: number): boolean => length <= mostShort;

/** The higher 32 of the lowest 64 bits of a packed prefix, signed; the highest 8 are its length. */
export function upperWordOf(prefix: Prefix6): number {
  half64[0] = prefix;
  return (half32[upper] as number) | 0;
}

/** The lower 32, signed. */
export function lowerWordOf(prefix: Prefix6): number {
  half64[0] = prefix;
  return (half32[lower] as number) | 0;
}

/** The prefix that is packed into these 64 bits. */
export const short6OfWords = (high: number, low: number): Prefix6 => longOf(high, low) as Prefix6;

/** True if `inner` lies within `outer`; equal prefixes contain each other. Families never mix. */
export function contains(outer: Prefix, inner: Prefix): boolean {
  if (versionOf(outer) !== versionOf(inner)) return false;
  const length = lengthOf(outer);
  return length <= lengthOf(inner) && prefixOf(networkOf(inner), length) === outer;
}

export const containsAddress = (outer: Prefix, address: Address): boolean =>
  contains(outer, hostPrefix(address));

export const overlaps = (a: Prefix, b: Prefix): boolean => contains(a, b) || contains(b, a);

/** The address `offset` places after `address`; the caller keeps it inside the family's range. */
export const addressAt = (address: Address, offset: number): Address =>
  isIpv4(address) ? ipv4(address + offset) : ipv6(address + BigInt(offset));

/** IPv4 before IPv6, then numerically by network, then shorter first. */
export function comparePrefixes(a: Prefix, b: Prefix): number {
  if (isPrefix4(a) && isPrefix4(b)) return a - b;
  if (!isPrefix4(a) && !isPrefix4(b))
    return compareAddresses(networkOf(a), networkOf(b)) || lengthOf(a) - lengthOf(b);
  return isPrefix4(a) ? -1 : 1;
}

/** IPv4 before IPv6, then numerically: never by text. */
export function compareAddresses(a: Address, b: Address): number {
  if (isIpv4(a) && isIpv4(b)) return a - b;
  if (!isIpv4(a) && !isIpv4(b)) return a < b ? -1 : a > b ? 1 : 0;
  return isIpv4(a) ? -1 : 1;
}

/** The first 32 bits of fe80::/64; a scope stands in the 32 behind them. */
const linkLocalTop = 0xfe80_0000n;
const scopeShift = 64n;
const scopeMask = 0xffff_ffffn << scopeShift;

/** fe80::/10, scoped or not. */
export const isLinkLocal6 = (address: Address): boolean => !isIpv4(address) && address >> 118n === 0x3fan;

/**
 * A link-local address together with its link, as one value: the interface index stands in bits 64 to 95, which RFC 4291
 * §2.5.6 has zero. Equal addresses on two links are thus two addresses to every table; `unscoped` before they are sent.
 * @param ifindex  1..2^32-1
 */
export const scoped = (address: Ipv6, ifindex: number): Ipv6 =>
  ipv6((address & ~scopeMask) | (BigInt(ifindex) << scopeShift));

/** The interface index of a scoped link-local address; undefined for any other. */
export function scopeOf(address: Address): number | undefined {
  if (isIpv4(address) || address >> 96n !== linkLocalTop) return undefined;
  const ifindex = Number((address & scopeMask) >> scopeShift);
  return ifindex === 0 ? undefined : ifindex;
}

export const unscoped = (address: Ipv6): Ipv6 =>
  scopeOf(address) === undefined ? address : ipv6(address & ~scopeMask);

/** Parses "a.b.c.d"; undefined for anything else, leading zeros included (RFC 6943 §3.1.1). */
export function parseIpv4(text: string): Ipv4 | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let address = 0;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part)) return undefined;
    const byte = Number(part);
    if (byte > 255) return undefined;
    address = address * 256 + byte; // not <<: that would go negative at 128.0.0.0
  }
  return ipv4(address);
}

/** Parses the text forms of RFC 4291 §2.2; no zone. Undefined for anything else. */
export function parseIpv6(text: string): Ipv6 | undefined {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (dotted) {
    const tail = parseIpv4(dotted[2] ?? '');
    if (tail === undefined) return undefined;
    return parseIpv6(`${dotted[1]}${Math.floor(tail / 65536).toString(16)}:${(tail % 65536).toString(16)}`);
  }
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = groupsOf(halves[0] ?? '');
  const tail = halves.length === 2 ? groupsOf(halves[1] ?? '') : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail];
  return ipv6(groups.reduce((sum, group) => (sum << 16n) | BigInt(group), 0n));
}

function groupsOf(text: string): number[] | undefined {
  if (text === '') return [];
  const groups = text.split(':');
  return groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))
    ? groups.map((group) => Number.parseInt(group, 16))
    : undefined;
}

export const parseAddress = (text: string): Address | undefined =>
  text.includes(':') ? parseIpv6(text) : parseIpv4(text);

/** Parses "address/length". Host bits are cleared; use `isStrict` to tell whether there were any. */
export function parsePrefix(text: string): Prefix | undefined {
  const match = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text);
  const address = match ? parseAddress(match[1] ?? '') : undefined;
  if (address === undefined) return undefined;
  const length = Number(match?.[2]);
  return length <= widthOf(address) ? prefixOf(address, length) : undefined;
}

export function formatIpv4(address: Ipv4): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** Canonical text, RFC 5952 §4: lower case, the longest run of two or more zero groups shortened. */
export function formatIpv6(address: Ipv6): string {
  const groups: number[] = [];
  for (let shift = 112n; shift >= 0n; shift -= 16n) groups.push(Number((address >> shift) & 0xffffn));
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return `::ffff:${formatIpv4(ipv4(Number(address & 0xffffffffn)))}`; // RFC 5952 §5
  }
  const run = longestZeroRun(groups);
  const hex = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  if (run.length < 2) return hex(groups);
  return `${hex(groups.slice(0, run.start))}::${hex(groups.slice(run.start + run.length))}`;
}

function longestZeroRun(groups: readonly number[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  groups.forEach((group, index) => {
    if (group !== 0) start = index + 1;
    else if (index + 1 - start > best.length) best = { start, length: index + 1 - start };
  });
  return best;
}

/** A scoped link-local address is followed by its interface index: "fe80::1%7". */
export function formatAddress(address: Address): string {
  if (isIpv4(address)) return formatIpv4(address);
  const scope = scopeOf(address);
  return scope === undefined ? formatIpv6(address) : `${formatIpv6(unscoped(address))}%${scope}`;
}

export const formatPrefix = (prefix: Prefix): string =>
  `${formatAddress(networkOf(prefix))}/${lengthOf(prefix)}`;
