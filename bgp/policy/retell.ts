/**
 * How a path is told on, from words to words: what outgoing.ts says of attributes, for those in which nothing is out of the
 * ordinary and of which no filter wants anything. What is told here is what is told there.
 */
import { type Address, type Asn, type Ipv4, isIpv4 } from '../../src/lib/net.ts';
import { Layout } from '../rib/layout.ts';
import { bit, countMask, kindShift, lengthOf, writeIpv6 } from '../rib/pack.ts';
import type { Words } from '../rib/slab.ts';
import { type AttributeView, Sheet } from '../rib/view.ts';

const sheet = new Sheet();
const layout = new Layout();
/** Of what is being written. */
let words = sheet.words;
let end = 0;

const sequence = 1;
/** An AS_SEQUENCE counts its members in one octet. */
const longestSegment = 255;
const defaultLocalPref = 100;

const keptOutside =
  3 | bit.atomicAggregate | bit.aggregator | bit.communities | bit.largeCommunities | bit.otc;
/** What has to be looked at closely. */
const unusual = bit.unknown;

/** To another AS (`towardsExternal`). @returns  undefined: it has to be looked at closely */
export function retoldOutside(
  from: Words,
  at: number,
  asn: Asn,
  nextHop: Address,
): AttributeView | undefined {
  layout.read(from, at);
  const { bits } = layout;
  if ((bits & unusual) !== 0) return undefined;
  const start = begin(from, at, nextHop);
  prepend(from, layout.path, layout.med, asn);
  copy(from, layout.aggregator, layout.originatorId);
  copy(from, layout.otc, layout.linkLocal);
  copy(from, layout.communities, layout.clusterList);
  const extended =
    (bits & bit.extendedCommunities) !== 0 && putTransitive(from) ? bit.extendedCommunities : 0;
  copy(from, layout.largeCommunities, layout.unknown);
  return sheet.cut(start, end, (bits & keptOutside) | extended | hopBit(nextHop));
}

/** Who brings a path in from a neighbour inside the AS to another (RFC 4456 §8). */
export interface Reflection {
  readonly from: Ipv4;
  readonly clusterId: Ipv4;
}

/** Inside the AS (`towardsInternal`, `reflected`). @returns  undefined: it has to be looked at closely */
export function retoldInside(
  from: Words,
  at: number,
  nextHop: Address,
  reflection: Reflection | undefined,
): AttributeView | undefined {
  layout.read(from, at);
  const { bits } = layout;
  if ((bits & unusual) !== 0) return undefined;
  const start = begin(from, at, nextHop);
  copy(from, layout.path, layout.localPref);
  put((bits & bit.localPref) === 0 ? defaultLocalPref : (from[layout.localPref] as number));
  copy(from, layout.aggregator, layout.otc);
  if (reflection !== undefined && (bits & bit.originatorId) === 0) put(reflection.from);
  copy(from, layout.otc, layout.linkLocal);
  copy(from, layout.communities, layout.clusterList);
  if (reflection !== undefined) lengthen(from, (bits & bit.clusterList) !== 0, reflection.clusterId);
  else copy(from, layout.clusterList, layout.extendedCommunities);
  copy(from, layout.extendedCommunities, layout.unknown);
  const more = bit.localPref | (reflection === undefined ? 0 : bit.originatorId | bit.clusterList);
  const kept = bits & countedBits & ~(bit.nextHop6 | bit.linkLocal);
  return sheet.cut(start, end, kept | more | hopBit(nextHop));
}

/** All of the first word but the length. */
const countedBits = 2 * bit.unknown - 1;

const hopBit = (nextHop: Address): number => (isIpv4(nextHop) ? 0 : bit.nextHop6);

/** @returns  where the set begins */
function begin(from: Words, at: number, nextHop: Address): number {
  const start = sheet.room(lengthOf(from[at] as number) + 16);
  words = sheet.words;
  end = start + 1;
  if (isIpv4(nextHop)) put(nextHop);
  else {
    writeIpv6(words, end, nextHop);
    end += 4;
  }
  return start;
}

function put(word: number): void {
  words[end] = word;
  end += 1;
}

function copy(from: Words, start: number, stop: number): void {
  const to = words;
  const by = end - start;
  for (let place = start; place < stop; place += 1) to[place + by] = from[place] as number;
  end += stop - start;
}

/** RFC 4360 §2: in the first of the two words of a community; it goes no further than one AS. */
const nonTransitive = 0x4000_0000;

/** Extended communities that go on to another AS. False: there are none. */
function putTransitive(from: Words): boolean {
  const start = end;
  put(0);
  for (let place = layout.extendedCommunities + 1; place < layout.largeCommunities; place += 2)
    if (((from[place] as number) & nonTransitive) === 0) copy(from, place, place + 2);
  words[start] = (end - start - 1) / 2;
  if (end === start + 1) end = start;
  return end > start;
}

/** The path with an AS in front (`prepend` of outgoing.ts). */
function prepend(from: Words, path: number, stop: number, asn: Asn): void {
  const segments = from[path] as number;
  const head = from[path + 1] as number;
  const count = head & countMask;
  const fits = segments > 0 && head >>> kindShift === sequence && count < longestSegment;
  put(fits ? segments : segments + 1);
  put((sequence << kindShift) | (fits ? count + 1 : 1));
  put(asn);
  copy(from, fits ? path + 2 : path + 1, stop);
}

/** CLUSTER_LIST with one more in front. */
function lengthen(from: Words, isThere: boolean, clusterId: Ipv4): void {
  const list = layout.clusterList;
  put(isThere ? (from[list] as number) + 1 : 1);
  put(clusterId);
  if (isThere) copy(from, list + 1, layout.extendedCommunities);
}
