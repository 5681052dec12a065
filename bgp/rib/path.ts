/**
 * One way to reach a prefix as one source gave it: who said so, and with which attributes.
 *
 * Thousands of prefixes share one Path: in the tables there is one for each source and content (`Paths`), be it as
 * received or as a policy leaves it, so that paths compare with `===` there. Were there two, they would be two choices.
 */
import type { Address, Asn, Ipv4, Prefix } from '../../src/lib/net.ts';
import { isPrefix4 } from '../../src/lib/net.ts';
import type { AsPath, Family, Origin, PathAttributes } from '../wire/message.ts';
import { blackhole, llgrStale } from './communities.ts';

/** Who a path came from: one Established session, or this node itself. */
export interface Source {
  /** `PeerConfig.key`, or 'local'. */
  readonly key: string;
  readonly type: 'local' | 'ebgp' | 'ibgp';
  /** The neighbour's BGP Identifier; for local the own one. */
  readonly bgpId: Ipv4;
  /** The neighbour's address; for local never compared, as there is only one. */
  readonly address: Address;
  readonly port: number;
  /** It is a client of ours (RFC 4456): what it tells is reflected to everyone inside the AS. */
  readonly isClient?: true;
  /** It is a pod of this node: nobody else reaches it, nor what it names as next hop. */
  readonly isWorkload?: true;
}

/** What of a path's attributes is asked for so often that it stands beside them. */
export interface Marks {
  /** RFC 4271 §9.1.2.2 a: a set counts one; RFC 5065 §5.3: confederation segments count nothing. */
  readonly asPathLength: number;
  /** neighborAS() of §9.1.2.2 c; undefined stands for the local AS: AS_PATH empty or beginning with a set. */
  readonly neighbourAs: Asn | undefined;
  readonly nextHop: Address;
  readonly med: number | undefined;
  readonly originatorId: Ipv4 | undefined;
  /** In CLUSTER_LIST. */
  readonly clusters: number;
  /** The less, the better: what the steps before MED come to (decide.ts), as one number. */
  readonly rank: number;
  /** Carries LLGR_STALE: whoever told it has been away for long, and any other path is better (RFC 9494 §4.3). */
  readonly isStale: boolean;
  /** Carries BLACKHOLE (RFC 7999). */
  readonly isBlackhole: boolean;
}

export interface Path extends Marks {
  readonly source: Source;
  /** Of a path in the tables the object may be another each time: compare paths, not these. */
  readonly attributes: PathAttributes;
}

export function pathOf(source: Source, attributes: PathAttributes): Path {
  const { asPath, nextHop, med, communities, originatorId, clusterList } = attributes;
  const length = asPathLength(asPath);
  const isStale = communities?.includes(llgrStale) === true;
  return {
    source,
    attributes,
    asPathLength: length,
    neighbourAs: neighbourAs(asPath),
    nextHop,
    med,
    originatorId,
    clusters: clusterList?.length ?? 0,
    rank: rankOf(source, attributes, length, isStale),
    isStale,
    isBlackhole: communities?.includes(blackhole) === true,
  };
}

const defaultLocalPref = 100;
const originRanks: Readonly<Record<Origin, number>> = { igp: 0, egp: 1, incomplete: 2 };
/** More than an AS_PATH can count in the longest message there is. */
const lengths = 2 ** 15;
const origins = 4;

const mostPreferred = 2 ** 32 - 1;

/** 51 bits, from the first step down: stale, not our own, low LOCAL_PREF, long AS_PATH, ORIGIN. */
function rankOf(
  source: Source,
  { localPref = defaultLocalPref, origin }: PathAttributes,
  length: number,
  isStale: boolean,
): number {
  const kind = (isStale ? 2 : 0) + (source.type === 'local' ? 0 : 1);
  const preferred = kind * 2 ** 32 + (mostPreferred - localPref);
  return (preferred * lengths + length) * origins + originRanks[origin];
}

/** Of a path of this rank. §9.1.1: a route without LOCAL_PREF, as eBGP has it, gets the default. */
export const localPrefOf = ({ rank }: Marks): number =>
  mostPreferred - (Math.floor(rank / (lengths * origins)) % 2 ** 32);

/** Of a path of this rank: igp 0, egp 1, incomplete 2. */
export const originRankOf = ({ rank }: Marks): number => rank % origins;

export const familyOf = (prefix: Prefix): Family => (isPrefix4(prefix) ? 'ipv4-unicast' : 'ipv6-unicast');

function asPathLength(asPath: AsPath): number {
  let length = 0;
  for (const segment of asPath) {
    if (segment.kind === 'sequence') length += segment.asns.length;
    else if (segment.kind === 'set') length += 1;
  }
  return length;
}

function neighbourAs(asPath: AsPath): Asn | undefined {
  const first = asPath.find((segment) => segment.kind === 'sequence' || segment.kind === 'set');
  return first?.kind === 'sequence' ? first.asns[0] : undefined;
}
