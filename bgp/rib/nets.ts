/**
 * The prefixes that anything is known of, each with a small number that tables are indexed by.
 *
 * One hash over columns for both families: a net is found by a 32-bit word (the IPv4 address, or a hash of the IPv6 prefix)
 * and its kind (the length, shifted for IPv6). A million nets cost some 20 MB, and no object. Numbers are given again once a
 * net is removed; 0 is none.
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
import { grown8, grown32 } from './columns.ts';
import { homeOf, SlotTable } from './slots.ts';

/** The kind of a prefix is its length and this, which tells the family. 0: of no prefix. */
const shift4 = 1;
const shift6 = 64;
/** 2^32 over the golden ratio: neighbouring words go far apart. */
const factor = 0x9e37_79b1;

export class Nets {
  /** By net: the address, or the hash, signed as V8 keeps 32 bits best; of a removed net the next one that is free. */
  #words = new Int32Array(256);
  #kinds = new Uint8Array(256);
  /** By net, of IPv6 only. */
  readonly #sixes: (Prefix6 | undefined)[] = [];
  /** By hash. */
  readonly #slots = new SlotTable((net) => hash(this.#words[net] as number, this.#kinds[net] as number));
  #free = 0;
  #limit = 1;
  /** Looked for last: who does not find a prefix mostly adds it then. */
  #sought: Prefix | undefined;
  #word = 0;
  #kind = 0;
  #hash = 0;

  get size(): number {
    return this.#slots.size;
  }

  /** Greater than every number in use; tables by net are this long. */
  get limit(): number {
    return this.#limit;
  }

  has(net: number): boolean {
    return this.#kinds[net] !== 0;
  }

  isIpv6(net: number): boolean {
    return (this.#kinds[net] as number) >= shift6;
  }

  prefix(net: number): Prefix {
    const kind = this.#kinds[net] as number;
    return kind < shift6
      ? ((((this.#words[net] as number) >>> 0) * 64 + kind - shift4) as Prefix4)
      : (this.#sixes[net] as Prefix6);
  }

  /** 0: there is none. */
  find(prefix: Prefix): number {
    const word = wordOf(prefix);
    const kind = kindOf(prefix);
    const at = hash(word, kind);
    this.#sought = prefix;
    this.#word = word;
    this.#kind = kind;
    this.#hash = at;
    const slots = this.#slots.part(at);
    const mask = slots.length - 1;
    let slot = homeOf(at, mask);
    let net = slots[slot] as number;
    while (net !== 0 && !this.#is(net, word, kind, prefix)) {
      slot = (slot + 1) & mask;
      net = slots[slot] as number;
    }
    return net;
  }

  /** A net for this prefix, which has none. */
  add(prefix: Prefix): number {
    if (prefix !== this.#sought) this.find(prefix);
    const net = this.#take();
    this.#words[net] = this.#word;
    this.#kinds[net] = this.#kind;
    if (!isPrefix4(prefix)) this.#note(net, prefix);
    this.#slots.add(net, this.#hash);
    return net;
  }

  remove(net: number): void {
    this.#slots.remove(net);
    this.#kinds[net] = 0;
    if (net < this.#sixes.length) this.#sixes[net] = undefined;
    this.#words[net] = this.#free;
    this.#free = net;
  }

  #is(net: number, word: number, kind: number, prefix: Prefix): boolean {
    return (
      this.#words[net] === word && this.#kinds[net] === kind && (kind < shift6 || this.#sixes[net] === prefix)
    );
  }

  #take(): number {
    const net = this.#free;
    if (net !== 0) {
      this.#free = this.#words[net] as number;
      return net;
    }
    const fresh = this.#limit;
    this.#limit += 1;
    if (fresh >= this.#words.length) {
      this.#words = grown32(this.#words);
      this.#kinds = grown8(this.#kinds);
    }
    return fresh;
  }

  /** Without IPv6 nothing is kept; with it no place is left out, as arrays with holes are slow. */
  #note(net: number, prefix: Prefix6): void {
    while (this.#sixes.length < net) this.#sixes.push(undefined);
    this.#sixes[net] = prefix;
  }
}

const wordOf = (prefix: Prefix): number => (isPrefix4(prefix) ? networkOf(prefix) : digestOf(prefix)) | 0;

const kindOf = (prefix: Prefix): number => lengthOf(prefix) + (isPrefix4(prefix) ? shift4 : shift6);

/**
 * Sixteen IPv4 neighbours of one length share a line of the cache: tables come nearly in order, and the hash is the one
 * thing that is not read in order.
 */
function hash(word: number, kind: number): number {
  const length = kind - shift4;
  if (length > 32 || length < 4) {
    const product = Math.imul(word ^ kind, factor);
    return product ^ (product >>> 28);
  }
  const place = word >>> (32 - length);
  return (Math.imul((place >>> 4) ^ (kind << 27), factor) & ~15) | (place & 15);
}
