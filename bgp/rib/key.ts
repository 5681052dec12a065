/** Path attributes as text: the order of paths that are alike in all that counts. */
import type { AsPathSegment, PathAttributes, RawAttribute } from '../wire/message.ts';

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
