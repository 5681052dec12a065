/**
 * One way to reach a prefix as one source gave it: who said so, and with which attributes.
 *
 * Thousands of prefixes share one Path: in the tables there is one for each source and content (`Paths`), be it as
 * received or as a policy leaves it, so that paths compare with `===` there. Were there two, they would be two choices.
 */
import { type Address, type Asn, asn, type Ipv4, ipv4, isPrefix4, type Prefix } from '../../src/lib/net.ts';
import type { AsPath, Family, Origin, PathAttributes } from '../wire/message.ts';
import { blackhole, llgrStale } from './communities.ts';
import { Layout } from './layout.ts';
import { bit, countMask, kindShift } from './pack.ts';
import type { Words } from './slab.ts';
import { AttributeView } from './view.ts';

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
  /** Bits of `trait`. */
  readonly traits: number;
}

/** What few paths have, and policy has something to say about. */
export const trait = {
  /** A segment of its AS_PATH is no sequence. */
  set: 1,
  linkLocal: 2,
  otc: 4,
  /** A community of the range that BGP itself gives a meaning (RFC 1997). */
  wellKnown: 8,
} as const;
const firstWellKnown = 0xffff_0000;

export interface Path extends Marks {
  readonly source: Source;
  /** Of a path in the tables the object may be another each time: compare paths, not these. */
  readonly attributes: PathAttributes;
  /** The same as words (pack.ts) that begin at `at`, until anything changes in the tables; undefined: there are none. */
  readonly words: Words | undefined;
  readonly at: number;
}

export function pathOf(source: Source, attributes: PathAttributes): Path {
  if (attributes instanceof AttributeView) return pathOfView(source, attributes);
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
    rank: rankOf(source, attributes.localPref, originRanks[attributes.origin], length, isStale),
    isStale,
    isBlackhole: communities?.includes(blackhole) === true,
    traits: traitsOf(attributes),
    words: undefined,
    at: 0,
  };
}

const traitsOf = ({ asPath, linkLocal, otc, communities }: PathAttributes): number =>
  (asPath.some(({ kind }) => kind !== 'sequence') ? trait.set : 0) |
  (linkLocal === undefined ? 0 : trait.linkLocal) |
  (otc === undefined ? 0 : trait.otc) |
  (communities?.some((one) => one >= firstWellKnown) === true ? trait.wellKnown : 0);

const layout = new Layout();

/** As `pathOf`, from words. */
function pathOfView(source: Source, attributes: AttributeView): Path {
  const { words, at } = attributes;
  layout.read(words, at);
  const { bits, path, localPref } = layout;
  const length = lengthInWords(words, path);
  const isWellKnown = (bits & bit.communities) !== 0 && hasWellKnown(words, layout.communities);
  const isStale = isWellKnown && includes(words, layout.communities, llgrStale);
  const preference = (bits & bit.localPref) === 0 ? undefined : (words[localPref] as number);
  return {
    source,
    attributes,
    asPathLength: length,
    neighbourAs: neighbourInWords(words, path),
    nextHop: attributes.nextHop,
    med: medInWords(words),
    originatorId: originatorInWords(words),
    clusters: clustersInWords(words),
    rank: rankOf(source, preference, bits & 3, length, isStale),
    isStale,
    isBlackhole: isWellKnown && includes(words, layout.communities, blackhole),
    traits:
      (hasOther(words, path) ? trait.set : 0) |
      ((bits & bit.linkLocal) === 0 ? 0 : trait.linkLocal) |
      ((bits & bit.otc) === 0 ? 0 : trait.otc) |
      (isWellKnown ? trait.wellKnown : 0),
    words,
    at,
  };
}

/** Marks that few ask for, of the set that begins at `at`. */
export function neighbourAsAt(words: Words, at: number): Asn | undefined {
  layout.read(words, at);
  return neighbourInWords(words, layout.path);
}

export function medAt(words: Words, at: number): number | undefined {
  layout.read(words, at);
  return medInWords(words);
}

export function originatorAt(words: Words, at: number): Ipv4 | undefined {
  layout.read(words, at);
  return originatorInWords(words);
}

export function clustersAt(words: Words, at: number): number {
  layout.read(words, at);
  return clustersInWords(words);
}

/** Of the words that `layout` was read from. */
const medInWords = (words: Words): number | undefined =>
  (layout.bits & bit.med) === 0 ? undefined : (words[layout.med] as number);

const originatorInWords = (words: Words): Ipv4 | undefined =>
  (layout.bits & bit.originatorId) === 0 ? undefined : ipv4(words[layout.originatorId] as number);

const clustersInWords = (words: Words): number =>
  (layout.bits & bit.clusterList) === 0 ? 0 : (words[layout.clusterList] as number);

function hasWellKnown(words: Words, list: number): boolean {
  const end = list + (words[list] as number);
  for (let place = list + 1; place <= end; place += 1)
    if ((words[place] as number) >= firstWellKnown) return true;
  return false;
}

function includes(words: Words, list: number, member: number): boolean {
  const end = list + (words[list] as number);
  for (let place = list + 1; place <= end; place += 1) if (words[place] === member) return true;
  return false;
}

/** Kinds of segments as pack.ts numbers them. */
const [set, sequence] = [0, 1];

function lengthInWords(words: Words, path: number): number {
  let length = 0;
  let place = path + 1;
  for (let left = words[path] as number; left > 0; left -= 1) {
    const head = words[place] as number;
    const kind = head >>> kindShift;
    if (kind === sequence) length += head & countMask;
    else if (kind === set) length += 1;
    place += 1 + (head & countMask);
  }
  return length;
}

function hasOther(words: Words, path: number): boolean {
  let place = path + 1;
  for (let left = words[path] as number; left > 0; left -= 1) {
    const head = words[place] as number;
    if (head >>> kindShift !== sequence) return true;
    place += 1 + (head & countMask);
  }
  return false;
}

function neighbourInWords(words: Words, path: number): Asn | undefined {
  let place = path + 1;
  for (let left = words[path] as number; left > 0; left -= 1) {
    const head = words[place] as number;
    const kind = head >>> kindShift;
    if (kind === sequence) return (head & countMask) === 0 ? undefined : asn(words[place + 1] as number);
    if (kind === set) return undefined;
    place += 1 + (head & countMask);
  }
  return undefined;
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
  localPref: number | undefined,
  originRank: number,
  length: number,
  isStale: boolean,
): number {
  const kind = (isStale ? 2 : 0) + (source.type === 'local' ? 0 : 1);
  const preferred = kind * 2 ** 32 + (mostPreferred - (localPref ?? defaultLocalPref));
  return (preferred * lengths + length) * origins + originRank;
}

/** Of a path of this rank. §9.1.1: a route without LOCAL_PREF, as eBGP has it, gets the default. */
export const localPrefOf = ({ rank }: Marks): number =>
  mostPreferred - (Math.floor(rank / (lengths * origins)) % 2 ** 32);

/** Of a path of this rank: igp 0, egp 1, incomplete 2. */
export const originRankOf = ({ rank }: Marks): number => rank % origins;

/** `Marks.asPathLength` of a path of this rank. */
export const lengthOfRank = (rank: number): number => Math.floor(rank / origins) % lengths;

/** `Marks.isStale` of a path of this rank. */
export const isStaleRank = (rank: number): boolean => rank >= 2 * 2 ** 32 * lengths * origins;

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
