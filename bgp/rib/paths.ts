/** When path attributes are the same: how the tables come to hold each set of them once. */
import type { AsPath, AsPathSegment, PathAttributes, RawAttribute } from '../wire/message.ts';
import type { Alike } from './counted.ts';

export const mix = (hash: number, value: number): number =>
  Math.imul(hash ^ value, 0x9e37_79b1) ^ (hash >>> 15);

/** 32 bits, of what differs most. */
export function hashOf({
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
  return hash;
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
export function sameAttributes(a: PathAttributes, b: PathAttributes): boolean {
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

export const alikeAttributes: Alike<PathAttributes> = { hash: hashOf, same: sameAttributes };

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
