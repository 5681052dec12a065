/** The attributes of a view as octets, from its words: what their rows write of the same attributes. */
import type { Writer } from '../../src/lib/bytes.ts';
import { Layout } from '../rib/layout.ts';
import { bit, countMask, kindShift } from '../rib/pack.ts';
import type { Words } from '../rib/slab.ts';
import type { AttributeView } from '../rib/view.ts';
import { attributeRows } from './attributes.ts';
import { EXTENDED_LENGTH } from './iana.ts';

const layout = new Layout();
/** By code. */
const flags = new Uint8Array(256);
for (const row of attributeRows) flags[row.code] = row.flags;

/** An AS_PATH segment on the wire counts its members in one octet. */
const longestSegment = 255;

/**
 * In ascending order of their codes, AS numbers of four octets.
 * @param hop  NEXT_HOP, where it is sent in an attribute of its own
 * @param isInside  to a neighbour inside the AS
 * @returns  false: nothing was written, as there is something that only the rows know
 */
export function writeView(
  writer: Writer,
  { words, at }: AttributeView,
  hop: number | undefined,
  isInside: boolean,
): boolean {
  layout.read(words, at);
  const { bits } = layout;
  if ((bits & bit.unknown) !== 0) return false;
  const octets = octetsOfPath(words, layout.path);
  if (octets < 0) return false;
  head(writer, 1, 1);
  writer.u8(bits & 3);
  head(writer, 2, octets);
  writePath(writer, words, layout.path);
  if (hop !== undefined) writeWord(writer, 3, hop);
  if ((bits & bit.med) !== 0) writeWord(writer, 4, words[layout.med] as number);
  if (isInside && (bits & bit.localPref) !== 0) writeWord(writer, 5, words[layout.localPref] as number);
  writeAggregate(writer, words, bits);
  writeList(writer, 8, words, layout.communities, bits & bit.communities);
  if (isInside && (bits & bit.originatorId) !== 0) writeWord(writer, 9, words[layout.originatorId] as number);
  if (isInside) writeList(writer, 10, words, layout.clusterList, bits & bit.clusterList);
  writeExtended(writer, words, bits);
  writeList(writer, 32, words, layout.largeCommunities, bits & bit.largeCommunities);
  if ((bits & bit.otc) !== 0) writeWord(writer, 35, words[layout.otc] as number);
  return true;
}

function head(writer: Writer, code: number, octets: number): void {
  const own = flags[code] as number;
  if (octets > 255)
    writer
      .u8(own | EXTENDED_LENGTH)
      .u8(code)
      .u16(octets);
  else writer.u8(own).u8(code).u8(octets);
}

function writeWord(writer: Writer, code: number, word: number): void {
  head(writer, code, 4);
  writer.u32(word);
}

function writeWords(writer: Writer, words: Words, from: number, count: number): void {
  for (let place = from; place < from + count; place += 1) writer.u32(words[place] as number);
}

/** -1: with a segment that is empty, or longer than the wire can say. */
function octetsOfPath(words: Words, path: number): number {
  let octets = 0;
  let place = path + 1;
  for (let left = words[path] as number; left > 0; left -= 1) {
    const count = (words[place] as number) & countMask;
    if (count === 0 || count > longestSegment) return -1;
    octets += 2 + 4 * count;
    place += 1 + count;
  }
  return octets;
}

/** Kinds count from 0 in words and from 1 on the wire. */
function writePath(writer: Writer, words: Words, path: number): void {
  let place = path + 1;
  for (let left = words[path] as number; left > 0; left -= 1) {
    const first = words[place] as number;
    const count = first & countMask;
    writer.u8((first >>> kindShift) + 1).u8(count);
    writeWords(writer, words, place + 1, count);
    place += 1 + count;
  }
}

function writeAggregate(writer: Writer, words: Words, bits: number): void {
  if ((bits & bit.atomicAggregate) !== 0) head(writer, 6, 0);
  if ((bits & bit.aggregator) === 0) return;
  head(writer, 7, 8);
  writeWords(writer, words, layout.aggregator, 2);
}

/** An empty list is not sent. */
function writeList(writer: Writer, code: number, words: Words, list: number, isThere: number): void {
  const count = isThere === 0 ? 0 : (words[list] as number);
  if (count === 0) return;
  head(writer, code, 4 * count);
  writeWords(writer, words, list + 1, count);
}

/** Each is two words. */
function writeExtended(writer: Writer, words: Words, bits: number): void {
  const list = layout.extendedCommunities;
  const count = (bits & bit.extendedCommunities) === 0 ? 0 : (words[list] as number);
  if (count === 0) return;
  head(writer, 16, 8 * count);
  writeWords(writer, words, list + 1, 2 * count);
}
