/** Where the fields of a set stand among its words (pack.ts): for who reads or copies them as words. */
import { bit, countMask } from './pack.ts';
import type { Words } from './slab.ts';

/** A field that is not there has the place of the next one. */
export class Layout {
  bits = 0;
  path = 0;
  med = 0;
  localPref = 0;
  aggregator = 0;
  originatorId = 0;
  otc = 0;
  linkLocal = 0;
  communities = 0;
  clusterList = 0;
  extendedCommunities = 0;
  largeCommunities = 0;
  unknown = 0;

  /** Of the set that begins at `at`. */
  read(words: Words, at: number): void {
    const bits = words[at] as number;
    this.bits = bits;
    this.path = at + ((bits & bit.nextHop6) === 0 ? 2 : 5);
    this.med = endOfPath(words, this.path);
    this.localPref = this.med + ((bits & bit.med) === 0 ? 0 : 1);
    this.aggregator = this.localPref + ((bits & bit.localPref) === 0 ? 0 : 1);
    this.originatorId = this.aggregator + ((bits & bit.aggregator) === 0 ? 0 : 2);
    this.otc = this.originatorId + ((bits & bit.originatorId) === 0 ? 0 : 1);
    this.linkLocal = this.otc + ((bits & bit.otc) === 0 ? 0 : 1);
    this.communities = this.linkLocal + ((bits & bit.linkLocal) === 0 ? 0 : 4);
    this.clusterList =
      this.communities + ((bits & bit.communities) === 0 ? 0 : sizeAt(words, this.communities));
    this.extendedCommunities =
      this.clusterList + ((bits & bit.clusterList) === 0 ? 0 : sizeAt(words, this.clusterList));
    this.largeCommunities =
      this.extendedCommunities +
      ((bits & bit.extendedCommunities) === 0 ? 0 : 2 * sizeAt(words, this.extendedCommunities) - 1);
    this.unknown =
      this.largeCommunities +
      ((bits & bit.largeCommunities) === 0 ? 0 : sizeAt(words, this.largeCommunities));
  }
}

/** Of a list, the word with its length included. */
const sizeAt = (words: Words, at: number): number => (words[at] as number) + 1;

function endOfPath(words: Words, at: number): number {
  let end = at + 1;
  for (let left = words[at] as number; left > 0; left -= 1) end += ((words[end] as number) & countMask) + 1;
  return end;
}

/** How often an AS is in the path of the set that begins at `at`, in segments of whatever kind. */
export function timesInWords(words: Words, at: number, asn: number): number {
  let place = at + (((words[at] as number) & bit.nextHop6) === 0 ? 2 : 5);
  const segments = words[place] as number;
  place += 1;
  let times = 0;
  for (let segment = 0; segment < segments; segment += 1) {
    const end = place + 1 + ((words[place] as number) & countMask);
    for (place += 1; place < end; place += 1) if (words[place] === asn) times += 1;
  }
  return times;
}

/** Puts every AS of the path of the set that begins at `at` into `asns`, of segments of whatever kind. */
export function addAsns(words: Words, at: number, asns: Set<number>): void {
  let place = at + (((words[at] as number) & bit.nextHop6) === 0 ? 2 : 5);
  for (let left = words[place] as number; left > 0; left -= 1) {
    place += 1;
    const end = place + ((words[place] as number) & countMask);
    while (place < end) {
      place += 1;
      asns.add(words[place] as number);
    }
  }
}
