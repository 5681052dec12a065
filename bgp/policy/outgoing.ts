/** How path attributes change on their way out: RFC 4271 §5.1 and, for what we do not know, §5. */
import type { Asn, Ipv4 } from '../../src/lib/net.ts';
import { timesInWords } from '../rib/layout.ts';
import type { Path } from '../rib/path.ts';
import type { AsPath, AsPathSegment, PathAttributes, RawAttribute } from '../wire/message.ts';

const optional = 0x80;
const transitive = 0x40;
const partial = 0x20;
/** RFC 4360 §2: type octet, bit T: 1 is non-transitive across ASes. */
const nonTransitiveCommunity = 0x4000_0000_0000_0000n;
/** An AS_SEQUENCE counts its members in one octet. */
const longestSegment = 255;
const defaultLocalPref = 100;

/** Inside the AS: all is kept, LOCAL_PREF always present (§5.1.5). */
export function towardsInternal(attributes: PathAttributes): PathAttributes {
  const { localPref = defaultLocalPref } = attributes;
  if (attributes.linkLocal === undefined && attributes.unknown === undefined)
    return localPref === attributes.localPref ? attributes : { ...attributes, localPref };
  const { linkLocal: _, unknown, ...kept } = attributes;
  const further = passedOn(unknown);
  return { ...kept, localPref, ...(further === undefined ? {} : { unknown: further }) };
}

/**
 * To another AS: our AS in front (§5.1.2 b 1), without LOCAL_PREF (§5.1.5), MED (§5.1.4: not to other neighbouring
 * ASes), ORIGINATOR_ID and CLUSTER_LIST (RFC 4456 §8: non-transitive).
 */
export function towardsExternal(attributes: PathAttributes, localAsn: Asn): PathAttributes {
  const { origin, asPath, nextHop, atomicAggregate, aggregator, communities, largeCommunities, otc } =
    attributes;
  const told: Mutable = { origin, asPath: prepend(localAsn, asPath), nextHop };
  if (atomicAggregate !== undefined) told.atomicAggregate = atomicAggregate;
  if (aggregator !== undefined) told.aggregator = aggregator;
  if (communities !== undefined) told.communities = communities;
  const extended = attributes.extendedCommunities?.filter((one) => (one & nonTransitiveCommunity) === 0n);
  if (extended !== undefined && extended.length > 0) told.extendedCommunities = extended;
  if (largeCommunities !== undefined) told.largeCommunities = largeCommunities;
  if (otc !== undefined) told.otc = otc;
  const unknown = passedOn(attributes.unknown);
  if (unknown !== undefined) told.unknown = unknown;
  return told;
}

/** Written field by field, as copies of what is left of an object are slow. */
type Mutable = { -readonly [K in keyof PathAttributes]: PathAttributes[K] };

/**
 * RFC 4456 §8: ORIGINATOR_ID is set once, by who reflects first; our cluster goes in front of CLUSTER_LIST.
 * @param from  BGP identifier of the neighbour we have it from
 */
export const reflected = (attributes: PathAttributes, from: Ipv4, clusterId: Ipv4): PathAttributes => ({
  ...attributes,
  originatorId: attributes.originatorId ?? from,
  clusterList: [clusterId, ...(attributes.clusterList ?? [])],
});

/** RFC 6996 §5. */
const isPrivate = (asn: Asn): boolean =>
  (asn >= 64_512 && asn <= 65_534) || (asn >= 4_200_000_000 && asn <= 4_294_967_294);

/** The path without AS numbers that mean nothing outside, or with `instead` in their place, which keeps its length. */
export function withoutPrivate(attributes: PathAttributes, instead: Asn | undefined): PathAttributes {
  const { asPath } = attributes;
  if (!asPath.some(({ asns }) => asns.some(isPrivate))) return attributes;
  const kept = asPath.map(({ kind, asns }) => ({
    kind,
    asns: asns.flatMap((asn) => (!isPrivate(asn) ? [asn] : instead === undefined ? [] : [instead])),
  }));
  return { ...attributes, asPath: kept.filter(({ asns }) => asns.length > 0) };
}

/** How often an AS is in the path, in segments of whatever kind. */
function timesIn(asPath: AsPath, asn: Asn): number {
  let times = 0;
  for (const { asns } of asPath)
    for (let index = 0; index < asns.length; index += 1) if (asns[index] === asn) times += 1;
  return times;
}

/** The same of a path, as words where it has them. */
export const timesOn = (path: Path, asn: Asn): number =>
  path.words === undefined ? timesIn(path.attributes.asPath, asn) : timesInWords(path.words, path.at, asn);

/** As the first of a sequence (§5.1.2 b). */
export function prepend(asn: Asn, asPath: AsPath): AsPath {
  const [first] = asPath;
  const fits = first?.kind === 'sequence' && first.asns.length < longestSegment;
  // As long as they are: what is spread into a list leaves room behind it, and there are a hundred thousand paths.
  const segment: AsPathSegment = { kind: 'sequence', asns: fits ? [asn].concat(first.asns) : [asn] };
  if (asPath.length === (fits ? 1 : 0)) return [segment];
  return [segment].concat(fits ? asPath.slice(1) : asPath);
}

/** §5: unrecognised transitive ones go on with Partial set, the others stay here. */
function passedOn(unknown: readonly RawAttribute[] | undefined): readonly RawAttribute[] | undefined {
  const kept = unknown?.filter((raw) => (raw.flags & optional) !== 0 && (raw.flags & transitive) !== 0);
  return kept !== undefined && kept.length > 0
    ? kept.map((raw) => ({ ...raw, flags: raw.flags | partial }))
    : undefined;
}
