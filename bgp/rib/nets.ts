/**
 * The prefixes that anything is known of, each with a small number that tables are indexed by.
 *
 * One open-addressing hash over typed arrays for both families: a net is found by a 32-bit word (the IPv4 address, or a
 * hash of the IPv6 prefix) and its kind (the length, shifted for IPv6). A million nets cost some 20 MB, and no object.
 * Numbers are given again once a net is removed; 0 is none.
 */
import {
  digestOf,
  isPrefix4,
  lengthOf,
  networkOf,
  type Prefix,
  type Prefix4,
  type Prefix6,
} from '../../src/lib/net.ts';
import { grown8, grownWords } from './columns.ts';
import { doubled, removeFrom } from './slots.ts';

/** Kinds above are those of IPv6. */
const shift6 = 64;
const unused = 255;
/** 2^32 over the golden ratio: neighbouring words go far apart. */
const factor = 0x9e37_79b1;

export class Nets {
  /** By net: the address, or the hash; of a removed net the next one that is free. */
  #words = new Uint32Array(256);
  #kinds = new Uint8Array(256).fill(unused);
  /** By net, of IPv6 only. */
  readonly #sixes: (Prefix6 | undefined)[] = [];
  /** Nets by hash; at most half of it is taken. */
  #slots = new Int32Array(512);
  /** So many bits of the hash are not used. */
  #shift = 23;
  #free = 0;
  #limit = 1;
  #size = 0;
  /** Looked for last, while nothing has moved: where it is, or belongs. Who does not find a prefix mostly adds it then. */
  #sought: Prefix | undefined;
  #slot = 0;
  #word = 0;
  #kind = 0;

  get size(): number {
    return this.#size;
  }

  /** Greater than every number in use; tables by net are this long. */
  get limit(): number {
    return this.#limit;
  }

  has(net: number): boolean {
    return this.#kinds[net] !== unused;
  }

  isIpv6(net: number): boolean {
    return (this.#kinds[net] as number) >= shift6;
  }

  prefix(net: number): Prefix {
    const kind = this.#kinds[net] as number;
    return kind < shift6
      ? (((this.#words[net] as number) * 64 + kind) as Prefix4)
      : (this.#sixes[net] as Prefix6);
  }

  /** 0: there is none. */
  find(prefix: Prefix): number {
    return this.#slots[this.#look(prefix)] as number;
  }

  /** The net of this prefix, a new one if need be. */
  add(prefix: Prefix): number {
    const slot = prefix === this.#sought ? this.#slot : this.#look(prefix);
    const known = this.#slots[slot] as number;
    if (known !== 0) return known;
    const net = this.#take();
    this.#words[net] = this.#word;
    this.#kinds[net] = this.#kind;
    if (!isPrefix4(prefix)) this.#note(net, prefix);
    this.#slots[slot] = net;
    this.#sought = undefined;
    this.#size += 1;
    if (this.#size * 2 > this.#slots.length) this.#rehash();
    return net;
  }

  remove(net: number): void {
    removeFrom(this.#slots, net, this.#home);
    this.#sought = undefined;
    this.#kinds[net] = unused;
    if (net < this.#sixes.length) this.#sixes[net] = undefined;
    this.#words[net] = this.#free;
    this.#free = net;
    this.#size -= 1;
  }

  #take(): number {
    const net = this.#free;
    if (net !== 0) {
      this.#free = this.#words[net] as number;
      return net;
    }
    const fresh = this.#limit;
    this.#limit += 1;
    if (fresh === this.#words.length) {
      this.#words = grownWords(this.#words);
      const before = this.#kinds.length;
      this.#kinds = grown8(this.#kinds).fill(unused, before);
    }
    return fresh;
  }

  /** Without IPv6 nothing is kept; with it no place is left out, as arrays with holes are slow. */
  #note(net: number, prefix: Prefix6): void {
    while (this.#sixes.length < net) this.#sixes.push(undefined);
    this.#sixes[net] = prefix;
  }

  readonly #home = (net: number): number =>
    hash(this.#words[net] as number, this.#kinds[net] as number, this.#shift);

  /** Where the prefix is, or belongs. */
  #look(prefix: Prefix): number {
    const word = wordOf(prefix);
    const kind = kindOf(prefix);
    this.#sought = prefix;
    this.#word = word;
    this.#kind = kind;
    this.#slot = this.#slotOf(prefix, word, kind);
    return this.#slot;
  }

  #slotOf(prefix: Prefix, word: number, kind: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = hash(word, kind, this.#shift);
    for (let net = slots[slot] as number; net !== 0; net = slots[slot] as number) {
      if (
        this.#words[net] === word &&
        this.#kinds[net] === kind &&
        (kind < shift6 || this.#sixes[net] === prefix)
      )
        return slot;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  #rehash(): void {
    this.#shift -= 1;
    this.#slots = doubled(this.#slots, this.#home);
  }
}

const wordOf = (prefix: Prefix): number => (isPrefix4(prefix) ? networkOf(prefix) : digestOf(prefix));

const kindOf = (prefix: Prefix): number => (isPrefix4(prefix) ? lengthOf(prefix) : shift6 + lengthOf(prefix));

/**
 * Sixteen IPv4 neighbours of one length share a line of the cache: tables come nearly in order, and the hash is the one
 * thing that is not read in order.
 */
function hash(word: number, kind: number, shift: number): number {
  if (kind > 32 || kind < 4) return Math.imul(word ^ kind, factor) >>> shift;
  const line = Math.imul(((word >>> (32 - kind)) >>> 4) ^ (kind << 27), factor) >>> shift;
  return (line & ~15) | ((word >>> (32 - kind)) & 15);
}
