/** AS_PATH and AS4_PATH on the wire (RFC 4271 §4.3 b, RFC 6793 §4, RFC 7607) and their reconciliation. */
import type { Reader, Writer } from '../../src/lib/bytes.ts';
import { type Asn, asn } from '../../src/lib/net.ts';
import { err, ok, type Result } from '../../src/lib/result.ts';
import { AS_TRANS } from './iana.ts';
import type { AsPath, AsPathSegment } from './message.ts';

const segmentTypes = { set: 1, sequence: 2, confedSequence: 3, confedSet: 4 } as const;
const segmentKinds: readonly (AsPathSegment['kind'] | undefined)[] = [
  undefined,
  'set',
  'sequence',
  'confedSequence',
  'confedSet',
];

/** Most AS numbers one segment can count (RFC 4271 §4.3 b). */
const SEGMENT_LIMIT = 255;

export const isConfederation = (segment: AsPathSegment): boolean =>
  segment.kind === 'confedSequence' || segment.kind === 'confedSet';

/**
 * All segments up to the end of `reader`, AS numbers of `octets` octets each.
 * Fails with a reason on an unknown segment type, an empty segment, an overrun or underrun (RFC 7606 §7.2), AS 0 (RFC 7607 §2).
 */
export function decodeAsPath(reader: Reader, octets: 2 | 4): Result<AsPath> {
  let path: AsPathSegment[] | undefined;
  while (reader.left > 0) {
    if (reader.left === 1) return err('has a single octet after its last segment');
    const type = reader.u8();
    const count = reader.u8();
    const kind = segmentKinds[type];
    if (kind === undefined) return err(`has a segment of unknown type ${type}`);
    if (count === 0) return err('has an empty segment');
    if (count * octets > reader.left)
      return err(`has a segment of ${count} AS numbers that runs past its end`);
    const asns = decodeAsns(reader, count, octets);
    if (asns === undefined) return err('contains AS 0');
    if (path === undefined) path = [{ kind, asns }];
    else path.push({ kind, asns });
  }
  return ok(path ?? []);
}

/** Undefined if one of them is 0. */
function decodeAsns(reader: Reader, count: number, octets: 2 | 4): readonly Asn[] | undefined {
  const asns = new Array<Asn>(count); // one that grows keeps room for 17, in a hundred thousand paths
  for (let index = 0; index < count; index += 1) {
    const number = octets === 2 ? reader.u16() : reader.u32();
    if (number === 0) return undefined;
    asns[index] = asn(number);
  }
  return asns;
}

/** Segments of more than 255 AS numbers are split. With two octets, larger numbers become AS_TRANS (RFC 6793 §4.2.2). */
export function encodeAsPath(writer: Writer, path: AsPath, octets: 2 | 4): void {
  for (const { kind, asns } of path) {
    for (let at = 0; at < asns.length; at += SEGMENT_LIMIT) {
      const end = Math.min(at + SEGMENT_LIMIT, asns.length);
      writer.u8(segmentTypes[kind]).u8(end - at);
      encodeAsns(writer, asns, at, end, octets);
    }
  }
}

function encodeAsns(writer: Writer, asns: readonly Asn[], from: number, to: number, octets: 2 | 4): void {
  for (let at = from; at < to; at += 1) {
    const number = asns[at] ?? AS_TRANS;
    if (octets === 4) writer.u32(number);
    else writer.u16(number > 65535 ? AS_TRANS : number);
  }
}

export const needsFourOctets = (path: AsPath): boolean =>
  path.some((segment) => segment.asns.some((number) => number > 65535));

/** As the decision process counts: a set is one, confederation segments are none (RFC 4271 §9.1.2.2 a, RFC 5065 §5.3). */
export function asPathLength(path: AsPath): number {
  let length = 0;
  for (const segment of path) {
    if (segment.kind === 'sequence') length += segment.asns.length;
    else if (segment.kind === 'set') length += 1;
  }
  return length;
}

/**
 * The true path behind a two-octet speaker (RFC 6793 §4.2.3): the leading part of AS_PATH that AS4_PATH does not cover,
 * then AS4_PATH; or AS_PATH alone if it counts fewer AS numbers than AS4_PATH.
 */
export function mergeAs4Path(path: AsPath, as4Path: AsPath): AsPath {
  let missing = asPathLength(path) - asPathLength(as4Path);
  if (missing < 0) return path;
  const lead: AsPathSegment[] = [];
  for (const segment of path) {
    if (missing === 0) break;
    const asns = segment.kind === 'sequence' ? segment.asns.slice(0, missing) : segment.asns;
    missing -= segment.kind === 'sequence' ? asns.length : 1;
    lead.push({ kind: segment.kind, asns });
  }
  return join(lead, as4Path);
}

/** Two sequences that meet become one again: OLD speakers only split what is longer than a segment can hold. */
function join(lead: readonly AsPathSegment[], rest: AsPath): AsPath {
  const last = lead.at(-1);
  const first = rest[0];
  if (last?.kind !== 'sequence' || first?.kind !== 'sequence') return [...lead, ...rest];
  const asns = [...last.asns, ...first.asns];
  if (asns.length > SEGMENT_LIMIT) return [...lead, ...rest];
  return [...lead.slice(0, -1), { kind: 'sequence', asns }, ...rest.slice(1)];
}
