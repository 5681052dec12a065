/**
 * An attribute set as words (pack.ts) that reads as the objects it would be, and becomes them only when somebody asks: most
 * sets go from a neighbour to the tables and on to others, and nobody looks into them.
 *
 * What `...` copies of a view is nothing: `plainOf` gives what can be copied.
 */
import { type Address, type Asn, type Ipv4, type Ipv6, ipv4 } from '../../src/lib/net.ts';
import type { AsPath, Origin, PathAttributes, RawAttribute } from '../wire/message.ts';
import { bit, firstOf, lengthOf, readIpv6, unpack } from './pack.ts';
import type { Words } from './slab.ts';

export class AttributeView implements PathAttributes {
  /** They never change. */
  readonly words: Words;
  /** Where they begin. */
  readonly at: number;
  #objects: PathAttributes | undefined;
  #hop: Address | undefined;
  declare readonly origin: Origin;
  declare readonly asPath: AsPath;
  declare readonly med?: number;
  declare readonly localPref?: number;
  declare readonly atomicAggregate?: true;
  declare readonly aggregator?: { readonly asn: Asn; readonly address: Ipv4 };
  declare readonly communities?: readonly number[];
  declare readonly originatorId?: Ipv4;
  declare readonly clusterList?: readonly Ipv4[];
  declare readonly extendedCommunities?: readonly bigint[];
  declare readonly largeCommunities?: readonly (readonly [number, number, number])[];
  declare readonly linkLocal?: Ipv6;
  declare readonly otc?: Asn;
  declare readonly unknown?: readonly RawAttribute[];

  constructor(words: Words, at: number) {
    this.words = words;
    this.at = at;
    this.#objects = undefined;
    this.#hop = undefined;
  }

  get plain(): PathAttributes {
    this.#objects ??= unpack(this.words, this.at);
    return this.#objects;
  }

  /** Each message is asked for it, so nothing else is read for it. */
  get nextHop(): Address {
    this.#hop ??= nextHopAt(this.words, this.at);
    return this.#hop;
  }
}

const always = ['origin', 'asPath'] as const satisfies (keyof PathAttributes)[];
for (const field of always)
  Object.defineProperty(AttributeView.prototype, field, {
    get(this: AttributeView) {
      return this.plain[field];
    },
  });

/** Those that may be absent: of most sets there is nothing to make for the answer. */
const optional = [
  'med',
  'localPref',
  'atomicAggregate',
  'aggregator',
  'communities',
  'originatorId',
  'clusterList',
  'extendedCommunities',
  'largeCommunities',
  'linkLocal',
  'otc',
  'unknown',
] as const satisfies (keyof PathAttributes & keyof typeof bit)[];
for (const field of optional) {
  const isThere = bit[field];
  Object.defineProperty(AttributeView.prototype, field, {
    get(this: AttributeView) {
      return ((this.words[this.at] as number) & isThere) === 0 ? undefined : this.plain[field];
    },
  });
}

/** The same as plain objects. */
export const plainOf = (attributes: PathAttributes): PathAttributes =>
  attributes instanceof AttributeView ? attributes.plain : attributes;

/** Of the set whose words begin there. */
export const nextHopAt = (words: Words, at: number): Address =>
  ((words[at] as number) & bit.nextHop6) === 0 ? ipv4(words[at + 1] as number) : readIpv6(words, at + 1);

/** So many words at once: what still needs one set keeps all of them. */
const sheetWords = 4096;

/** Where sets are written one behind the other. */
export class Sheet {
  words: Words = new Uint32Array(sheetWords);
  #end = 0;

  /** @returns  from where on there is room for so many in `words`, which may be others than before */
  room(most: number): number {
    if (this.#end + most > this.words.length) {
      this.words = new Uint32Array(Math.max(sheetWords, most));
      this.#end = 0;
    }
    return this.#end;
  }

  /** The same set once more, whatever becomes of the words it is copied from. @returns  where it begins in `words` */
  copy(from: Words, start: number): number {
    const length = lengthOf(from[start] as number);
    const at = this.room(length);
    for (let index = 0; index < length; index += 1) this.words[at + index] = from[start + index] as number;
    this.#end = at + length;
    return at;
  }

  /** What was written where `room` said, up to `end`, is a set; its first word says all but how long it is. */
  cut(at: number, end: number, bits: number): AttributeView {
    this.words[at] = firstOf(bits, end - at);
    this.#end = end;
    return new AttributeView(this.words, at);
  }
}
