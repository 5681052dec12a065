/**
 * Hash-consed path attributes: the same content is the same object, so equality is `===` everywhere behind this door.
 *
 * What no table refers to any more is forgotten whenever this one has doubled, so memory follows what is alive at
 * constant cost a call. Neither weak references nor text keys: with a hundred thousand sets, the collector of garbage
 * spent more on them than the speaker on everything else.
 */
import type { AsPath, AsPathSegment, PathAttributes, RawAttribute } from '../wire/message.ts';

/** By hash, or the next number that is free. */
type Buckets = Map<number, PathAttributes>;

const leastSweep = 1024;

export class AttributeTable {
  #byHash: Buckets = new Map();
  #sweepAt = leastSweep;
  #sweeps = 0;
  readonly #used: (() => Iterable<PathAttributes>) | undefined;

  /** @param used  all that some table refers to; absent: nothing is ever forgotten */
  constructor(used?: () => Iterable<PathAttributes>) {
    this.#used = used;
  }

  /** Entries held, those that nothing refers to and that are not yet swept included. */
  get size(): number {
    return this.#byHash.size;
  }

  /** How often it has forgotten: until it does again, what it gave is the one object of its content. */
  get sweeps(): number {
    return this.#sweeps;
  }

  /** The one object with this content; `attributes` itself if it is the first. It must not be changed after. */
  intern(attributes: PathAttributes): PathAttributes {
    if (this.#byHash.size >= this.#sweepAt) this.#sweep();
    return placed(this.#byHash, attributes);
  }

  /** What is forgotten and yet held somewhere, in a cache say, may come to be beside another of the same content: no harm. */
  #sweep(): void {
    if (this.#used === undefined) return;
    const kept: Buckets = new Map();
    for (const attributes of this.#used()) placed(kept, attributes);
    this.#byHash = kept;
    this.#sweeps += 1;
    this.#sweepAt = Math.max(leastSweep, kept.size * 2);
  }
}

function placed(buckets: Buckets, attributes: PathAttributes): PathAttributes {
  let place = hashOf(attributes);
  for (let known = buckets.get(place); known !== undefined; known = buckets.get(place)) {
    if (known === attributes || sameAttributes(known, attributes)) return known;
    place = (place + 1) | 0;
  }
  buckets.set(place, attributes);
  return attributes;
}

const mix = (hash: number, value: number): number => Math.imul(hash ^ value, 0x9e37_79b1) ^ (hash >>> 15);

/** Of what differs most; a Smi, so that a Map holds it without an object. */
function hashOf({
  asPath,
  nextHop,
  med,
  localPref,
  communities,
  largeCommunities,
  clusterList,
}: PathAttributes): number {
  let hash = typeof nextHop === 'number' ? nextHop : Number(BigInt.asUintN(32, nextHop));
  for (const { asns } of asPath) for (const asn of asns) hash = mix(hash, asn);
  hash = mix(mix(hash, med ?? -1), localPref ?? -1);
  if (communities !== undefined) for (const community of communities) hash = mix(hash, community);
  if (largeCommunities !== undefined)
    for (const [, second, third] of largeCommunities) hash = mix(mix(hash, second), third);
  if (clusterList !== undefined) for (const cluster of clusterList) hash = mix(hash, cluster);
  return hash >> 2;
}

type Field = keyof Required<PathAttributes>;
type Same<K extends Field> = (
  a: NonNullable<PathAttributes[K]>,
  b: NonNullable<PathAttributes[K]>,
) => boolean;

const sameList = <T>(a: readonly T[], b: readonly T[], same: (a: T, b: T) => boolean = Object.is): boolean =>
  a.length === b.length && a.every((one, index) => same(one, b[index] as T));
const sameSegment = (a: AsPathSegment, b: AsPathSegment): boolean =>
  a.kind === b.kind && sameList(a.asns, b.asns);
const samePath = (a: AsPath, b: AsPath): boolean => a === b || sameList(a, b, sameSegment);
const sameRaw = (a: RawAttribute, b: RawAttribute): boolean =>
  a.code === b.code && a.flags === b.flags && sameList([...a.body], [...b.body]);

/** Every field there is: a new one does not compile without its line. */
const fields: { readonly [K in Field]: Same<K> } = {
  origin: Object.is,
  asPath: samePath,
  nextHop: Object.is,
  linkLocal: Object.is,
  med: Object.is,
  localPref: Object.is,
  atomicAggregate: Object.is,
  aggregator: (a, b) => a.asn === b.asn && a.address === b.address,
  communities: sameList,
  originatorId: Object.is,
  clusterList: sameList,
  extendedCommunities: sameList,
  largeCommunities: (a, b) => sameList(a, b, sameList),
  otc: Object.is,
  unknown: (a, b) => sameList(a, b, sameRaw),
};
const names = Object.keys(fields) as readonly Field[];

/** An absent field differs from any present one. */
function sameAttributes(a: PathAttributes, b: PathAttributes): boolean {
  return names.every((name) => sameField(name, a, b));
}

function sameField<K extends Field>(name: K, a: PathAttributes, b: PathAttributes): boolean {
  const [left, right] = [a[name], b[name]];
  if (left === right) return true;
  return (
    left !== undefined &&
    right !== undefined &&
    (fields[name] as (a: unknown, b: unknown) => boolean)(left, right)
  );
}

/** Text equal exactly when all attributes are. Fields are parted by "|", so an absent one differs from any present. */
export function attributesKey(attributes: PathAttributes): string {
  const { aggregator } = attributes;
  return [
    attributes.origin,
    attributes.asPath.map(segmentKey).join(' '),
    // An IPv4 and an IPv6 address of equal number are different next hops.
    typeof attributes.nextHop === 'number' ? attributes.nextHop : `v6:${attributes.nextHop}`,
    attributes.linkLocal,
    attributes.med,
    attributes.localPref,
    attributes.atomicAggregate,
    aggregator && `${aggregator.asn} ${aggregator.address}`,
    listKey(attributes.communities),
    attributes.originatorId,
    listKey(attributes.clusterList),
    listKey(attributes.extendedCommunities),
    listKey(attributes.largeCommunities),
    attributes.otc,
    attributes.unknown && `[${attributes.unknown.map(rawKey).join(' ')}]`,
  ].join('|');
}

const segmentKey = (segment: AsPathSegment): string => `${segment.kind}(${segment.asns.join(',')})`;

/** Brackets keep an empty list apart from an absent one. */
const listKey = (list: readonly unknown[] | undefined): string | undefined => list && `[${list.join(' ')}]`;

const rawKey = (raw: RawAttribute): string => `${raw.code}:${raw.flags}:${raw.body.join(',')}`;
