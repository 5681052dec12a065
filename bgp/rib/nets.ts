/**
 * The prefixes that anything is known of, each with a small number that tables are indexed by.
 *
 * One hash for both families, over rows of four words. Of IPv4 the hash and the kind are the prefix, written otherwise; of IPv6 there are the
 * 64 bits that it is packed into besides, and of one that is longer than those the value itself. A million nets of IPv4 cost some
 * 25 MB, and no object. Numbers are given again once a net is removed; 0 is none.
 *
 * In a net's row stands besides what the table of routes and the Loc-RIB ask of it whenever it changes, as it is far from everything else
 * in memory: one line of the cache has it all.
 *
 * A net that is removed stays in the hash until its number is needed: a table that goes often comes again, and while it goes others wait to
 * be told of it.
 */
import {
  isPrefix4,
  isShort6,
  lengthOf,
  lowerWordOf,
  networkOf,
  type Prefix,
  type Prefix4,
  type Prefix6,
  short6OfWords,
  upperWordOf,
} from '../../src/lib/net.ts';
import { grown32, grownRows } from './columns.ts';
import { Lately } from './lately.ts';
import { SlotTable } from './slots.ts';

/** The kind of a prefix is its length and this, which tells the family. 0: of no prefix; it was removed. */
const shift4 = 1;
const shift6 = 64;

/** A row is so many words: those that follow; a line of the cache has four rows. */
const rowShift = 2;
/** Of a removed net what it was. */
const hashWord = 0;
/** Its kind, and above it what is small. 0: nothing is left of the net, and its number can be given. */
const marksWord = 1;
const lastWord = 2;
const chosenWord = 3;

const kindMask = 0xff;
const lookShift = 8;
const lookMask = 3 << lookShift;
/** The highest bits. */
const toldShift = 10;
const toldOne = 1 << toldShift;

export class Nets {
  #rows: Int32Array = new Int32Array(256 << rowShift);
  /** By net, of IPv6 only: the two words of the lowest 64 bits. */
  #sixes: Int32Array = new Int32Array(0);
  /** By net, where these are not all. */
  readonly #longs: (Prefix6 | undefined)[] = [];
  /** By hash. */
  readonly #slots = new SlotTable(rowShift);
  /** Of them so many are removed. */
  #removed = 0;
  readonly #lately = new Lately(rowShift, marksWord);
  #limit = 1;
  #given = 0;

  /** How often the number of a net was given to another: while it stays, numbers that are remembered hold. */
  get given(): number {
    return this.#given;
  }

  get size(): number {
    return this.#slots.size - this.#removed;
  }

  /** Greater than every number in use; tables by net are this long. */
  get limit(): number {
    return this.#limit;
  }

  has(net: number): boolean {
    return this.#kind(net) !== 0;
  }

  isIpv6(net: number): boolean {
    return this.#kind(net) >= shift6;
  }

  prefix(net: number): Prefix {
    const kind = this.#kind(net);
    if (kind < shift6) return prefixOf4(this.#word(net, hashWord), kind);
    const six = net << 1;
    return isShort6(kind - shift6)
      ? short6OfWords(this.#sixes[six] as number, this.#sixes[six + 1] as number)
      : (this.#longs[net] as Prefix6);
  }

  /** Its last route (routes.ts); 0: it has none. */
  last(net: number): number {
    return this.#word(net, lastWord);
  }

  setLast(net: number, route: number): void {
    this.#rows[(net << rowShift) + lastWord] = route;
  }

  /** What is chosen (loc-rib.ts); 0: nothing. */
  chosen(net: number): number {
    return this.#word(net, chosenWord);
  }

  setChosen(net: number, chosen: number): void {
    this.#rows[(net << rowShift) + chosenWord] = chosen;
  }

  /** How it is to be decided, of two bits (loc-rib.ts); 0: it is. */
  look(net: number): number {
    return (this.#word(net, marksWord) & lookMask) >>> lookShift;
  }

  setLook(net: number, look: number): void {
    const marks = this.#word(net, marksWord);
    this.#rows[(net << rowShift) + marksWord] = (marks & ~lookMask) | (look << lookShift);
  }

  /** How many neighbours have been told something by its number. */
  told(net: number): number {
    return this.#word(net, marksWord) >>> toldShift;
  }

  tell(net: number): void {
    this.#rows[(net << rowShift) + marksWord] = this.#word(net, marksWord) + toldOne;
  }

  /** @returns  how many still have */
  untell(net: number): number {
    const marks = this.#word(net, marksWord) - toldOne;
    this.#rows[(net << rowShift) + marksWord] = marks;
    return marks >>> toldShift;
  }

  /** 0: there is none. */
  find(prefix: Prefix): number {
    return isPrefix4(prefix) ? this.#find4(prefix) : this.#find6(prefix);
  }

  /** A net for this prefix, which has none. */
  add(prefix: Prefix): number {
    const hash = isPrefix4(prefix)
      ? hash4(networkOf(prefix), lengthOf(prefix) + shift4)
      : hash6(upperWordOf(prefix), lowerWordOf(prefix));
    const stands = this.#removed === 0 ? 0 : this.#removedOf(hash);
    const net = stands === 0 ? this.#take() : stands;
    const row = net << rowShift;
    this.#rows[row + hashWord] = hash;
    this.#rows[row + marksWord] = lengthOf(prefix) + (isPrefix4(prefix) ? shift4 : shift6);
    if (!isPrefix4(prefix)) this.#note(net, prefix);
    if (stands === 0) this.#slots.add(net, this.#rows);
    else {
      this.#removed -= 1;
      this.#given += 1;
    }
    return net;
  }

  /** It has no route, nothing is chosen, and nobody was told. */
  remove(net: number): void {
    this.#rows[(net << rowShift) + marksWord] = 0;
    if (net < this.#longs.length) this.#longs[net] = undefined;
    this.#removed += 1;
    this.#lately.add(net);
  }

  #word(net: number, word: number): number {
    return this.#rows[(net << rowShift) + word] as number;
  }

  /** 0: it is removed. */
  #kind(net: number): number {
    return this.#word(net, marksWord) & kindMask;
  }

  #find4(prefix: Prefix4): number {
    const kind = lengthOf(prefix) + shift4;
    const hash = hash4(networkOf(prefix), kind);
    for (let net = this.#slots.first(hash); net !== 0; net = this.#slots.next(hash))
      if (this.#word(net, hashWord) === hash && this.#kind(net) === kind) return net;
    return 0;
  }

  #find6(prefix: Prefix6): number {
    const upper = upperWordOf(prefix);
    const lower = lowerWordOf(prefix);
    const hash = hash6(upper, lower);
    for (let net = this.#slots.first(hash); net !== 0; net = this.#slots.next(hash))
      if (this.#word(net, hashWord) === hash && this.#is6(net, upper, lower, prefix)) return net;
    return 0;
  }

  /** The upper word has the length, too. */
  #is6(net: number, upper: number, lower: number, prefix: Prefix6): boolean {
    const kind = this.#kind(net);
    const six = net << 1;
    return (
      kind >= shift6 &&
      this.#sixes[six] === upper &&
      this.#sixes[six + 1] === lower &&
      (isShort6(kind - shift6) || this.#longs[net] === prefix)
    );
  }

  /** A removed net that stands where one of this hash would; 0: there is none. */
  #removedOf(hash: number): number {
    for (let net = this.#slots.first(hash); net !== 0; net = this.#slots.next(hash))
      if (this.#word(net, hashWord) === hash && this.#kind(net) === 0) return net;
    return 0;
  }

  /** A number that stands nowhere. */
  #take(): number {
    const known = this.#removed === 0 ? 0 : this.#lately.take(this.#rows, this.#limit);
    if (known !== 0) {
      this.#slots.remove(known, this.#rows);
      this.#removed -= 1;
      this.#given += 1;
      return known;
    }
    const fresh = this.#limit;
    this.#limit += 1;
    if (fresh << rowShift === this.#rows.length) this.#rows = grownRows(this.#rows, rowShift);
    return fresh;
  }

  /** Without IPv6 nothing is kept; of those that are long no place is left out, as arrays with holes are slow. */
  #note(net: number, prefix: Prefix6): void {
    const six = net << 1;
    if (six >= this.#sixes.length) this.#sixes = grown32(this.#sixes, six + 2);
    this.#sixes[six] = upperWordOf(prefix);
    this.#sixes[six + 1] = lowerWordOf(prefix);
    if (isShort6(lengthOf(prefix))) return;
    while (this.#longs.length < net) this.#longs.push(undefined);
    this.#longs[net] = prefix;
  }
}

/** 2^28 over the golden ratio, odd: neighbours go far apart, and no two to one place. */
const factor4 = 0x9e3_779b;
/** Times `factor4` it is 1, modulo 2^28. */
const inverse4 = [1, 2, 3, 4, 5].reduce((one) => Math.imul(one, 2 - Math.imul(factor4, one)), 1) & 0xfff_ffff;
/** Prefixes between networks are no longer, and most are as long or a little shorter. */
const usual4 = 24;
const usual6 = 48;

/**
 * Sixteen neighbours share a line of the cache, whatever their lengths if they are the usual ones: tables come nearly in order,
 * and the hash is the one thing that is not read in order. No two networks of a kind have the same.
 */
function hash4(network: number, kind: number): number {
  const place = network >>> endOf4(kind);
  return (Math.imul((place >>> 4) ^ apart4(kind), factor4) << 4) | (place & 15);
}

function prefixOf4(hash: number, kind: number): Prefix4 {
  const line = (Math.imul(hash >>> 4, inverse4) ^ apart4(kind)) & 0xfff_ffff;
  const place = (line << 4) | (hash & 15);
  return (((place << endOf4(kind)) >>> 0) * 64 + kind - shift4) as Prefix4;
}

/** Bits behind those that count. */
const endOf4 = (kind: number): number => 32 - Math.max(usual4, kind - shift4);

const apart4 = (kind: number): number => (kind - shift4 > usual4 ? kind << 23 : 0);

const factorA = 0x9e37_79b1;
const factorB = 0x85eb_ca6b;

/** The same of IPv6, from the words of the lowest 64 bits; the upper one has the length. */
function hash6(upper: number, lower: number): number {
  const length = upper >>> 24;
  const isUsual = length <= usual6;
  const end = isUsual ? 56 - usual6 : length <= 56 ? 56 - length : length <= 64 ? 64 - length : 0;
  const line = Math.imul(lower & ~(15 << end), factorB) ^ (isUsual ? upper & 0xff_ffff : upper);
  return (Math.imul(line ^ (line >>> 15), factorA) & ~15) | ((lower >>> end) & 15);
}
