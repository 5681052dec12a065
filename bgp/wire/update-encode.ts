/**
 * Writing UPDATEs (RFC 4271 §4.3, RFC 4760): many prefixes that share their attributes go into as few messages as
 * they fit. A message carries one thing only, withdrawals or one announcement of one family, and MP_REACH_NLRI comes
 * first (RFC 7606 §5.1).
 *
 * Messages are put together in one buffer that is used again and again, and copied out whole.
 */
import { Writer } from '../../src/lib/bytes.ts';
import { isIpv4, type Prefix, versionOf } from '../../src/lib/net.ts';
import { AttributeView } from '../rib/view.ts';
import { closeAttribute } from './attribute-list.ts';
import { attributeRows } from './attributes.ts';
import { canCarry, encodeNextHop, encodePrefix, families, type NextHops } from './family.ts';
import { beginMessage, cutMessage, finishMessage } from './frame.ts';
import { attributeCodes, HEADER_LENGTH, longestMessage, OPTIONAL, PARTIAL, TRANSITIVE } from './iana.ts';
import type {
  Announcement,
  CodecContext,
  Family,
  PathAttributes,
  RawAttribute,
  UpdateMessage,
} from './message.ts';
import { writeView } from './view-encode.ts';

/** Octets of a message outside of attributes and prefixes: header and the two length fields. */
const FRAMING = HEADER_LENGTH + 4;
/** Octets of an MP attribute before its prefixes: its header, AFI, SAFI, next hop with length, reserved. */
const MP_OVERHEAD = 4 + 3 + 33 + 1;
/** A prefix of any family takes no more, its Path Identifier included. */
const LONGEST_PREFIX = 4 + 17;

/** The message that is being written, and the attributes that go into it. Nothing is left in them between calls. */
const message = new Writer(65535 + 2 * LONGEST_PREFIX);
const others = new Writer(4096);

/**
 * The messages that say what `update` says: its withdrawals, then its announcements, then its End-of-RIB.
 * An announcement whose attributes leave no room for a prefix, or whose next hop was not agreed on, cannot be sent; the
 * neighbour gets a withdrawal instead, so that it does not keep an older route (RFC 4271 §9.2 leaves it unsent; see
 * `attributesFit`).
 */
export function encodeUpdates(
  update: Pick<UpdateMessage, 'withdrawn' | 'withdrawnIds' | 'announced' | 'endOfRib'>,
  ctx: CodecContext,
): Uint8Array[] {
  const frames: Uint8Array[] = [];
  const { withdrawn, withdrawnIds, announced, endOfRib: ended } = update;
  if (withdrawn.length > 0) {
    writeWithdrawals('ipv4-unicast', withdrawn, withdrawnIds, ctx, frames);
    writeWithdrawals('ipv6-unicast', withdrawn, withdrawnIds, ctx, frames);
  }
  for (const announcement of announced) writeAnnouncement(announcement, ctx, frames);
  if (ended !== undefined) frames.push(endOfRib(ended));
  return frames;
}

/** Those of `prefixes` that are of the family. @param ids  Path Identifiers, one for each of `prefixes` */
export function encodeWithdrawals(
  family: Family,
  prefixes: readonly Prefix[],
  ctx: CodecContext,
  ids?: readonly number[],
): Uint8Array[] {
  const frames: Uint8Array[] = [];
  writeWithdrawals(family, prefixes, ids, ctx, frames);
  return frames;
}

/** Empty `prefixes` make no message. */
export function encodeAnnouncement(announcement: Announcement, ctx: CodecContext): Uint8Array[] {
  const frames: Uint8Array[] = [];
  writeAnnouncement(announcement, ctx, frames);
  return frames;
}

/** Whether these attributes can be told to this neighbour: the next hop is of a kind it takes, and a prefix fits beside them. */
export function attributesFit(attributes: PathAttributes, family: Family, ctx: CodecContext): boolean {
  if (!canCarry(family, attributes.nextHop, ctx)) return false;
  writeAttributes(attributes, family, ctx);
  return FRAMING + others.length + MP_OVERHEAD + LONGEST_PREFIX <= longestMessage(ctx.extendedMessages);
}

/** RFC 4724 §2. */
export function endOfRib(family: Family): Uint8Array {
  beginMessage(message, 'update').u16(0);
  if (family === 'ipv4-unicast') message.u16(0);
  else
    message
      .u16(6)
      .u8(OPTIONAL)
      .u8(attributeCodes.mpUnreach)
      .u8(3)
      .u16(families[family].afi)
      .u8(families[family].safi);
  return finishMessage(message);
}

/** Only IPv4 prefixes with an IPv4 next hop travel in the fields of RFC 4271 rather than in MP_REACH_NLRI (RFC 8950 §3). */
const isClassic = (family: Family, { nextHop }: NextHops): boolean =>
  family === 'ipv4-unicast' && isIpv4(nextHop);

function writeWithdrawals(
  family: Family,
  prefixes: readonly Prefix[],
  ids: readonly number[] | undefined,
  ctx: CodecContext,
  frames: Uint8Array[],
): void {
  const most = longestMessage(ctx.extendedMessages);
  const version = family === 'ipv4-unicast' ? 4 : 6;
  const hasIds = ctx.addPathSend?.has(family) === true;
  for (let at = next(prefixes, 0, version); at < prefixes.length; ) {
    beginMessage(message, 'update');
    if (version === 4) {
      message.u16(0);
      at = fill(prefixes, at, version, hasIds ? (ids ?? noIds) : undefined, most - 2);
      message.patchU16(HEADER_LENGTH, message.length - HEADER_LENGTH - 2).u16(0);
    } else {
      message.u16(0).u16(0);
      const start = beginMp(attributeCodes.mpUnreach, family);
      at = fill(prefixes, at, version, hasIds ? (ids ?? noIds) : undefined, most - 1);
      closeAttribute(message, start);
      message.patchU16(HEADER_LENGTH + 2, message.length - FRAMING);
    }
    frames.push(cutMessage(message));
  }
}

function writeAnnouncement(announcement: Announcement, ctx: CodecContext, frames: Uint8Array[]): void {
  const { family, attributes, prefixes, pathIds } = announcement;
  if (!attributesFit(attributes, family, ctx)) {
    writeWithdrawals(family, prefixes, pathIds, ctx, frames);
    return;
  }
  const most = longestMessage(ctx.extendedMessages);
  const ids = ctx.addPathSend?.has(family) === true ? (pathIds ?? noIds) : undefined;
  for (let at = 0; at < prefixes.length; ) {
    beginMessage(message, 'update').u16(0);
    if (isClassic(family, attributes)) {
      message.u16(others.length).append(others);
      at = fill(prefixes, at, undefined, ids, most);
    } else {
      message.u16(0);
      const start = beginMp(attributeCodes.mpReach, family);
      encodeNextHop(message, attributes);
      message.u8(0);
      at = fill(prefixes, at, undefined, ids, most - others.length - 1);
      closeAttribute(message, start);
      message.append(others).patchU16(HEADER_LENGTH + 2, message.length - FRAMING);
    }
    frames.push(cutMessage(message));
  }
}

const noIds: readonly number[] = [];

/** The first prefix of this IP version from `at` on. */
function next(prefixes: readonly Prefix[], at: number, version: 4 | 6 | undefined): number {
  if (version === undefined) return at;
  let index = at;
  for (; index < prefixes.length; index += 1) {
    const prefix = prefixes[index];
    if (prefix !== undefined && versionOf(prefix) === version) break;
  }
  return index;
}

/**
 * Appends prefixes from `at` on while the message stays within `most` octets.
 * @param version  only those; absent: all
 * @param ids  a Path Identifier goes before each, 0 where there is none; absent: none does
 * @returns where to go on
 */
function fill(
  prefixes: readonly Prefix[],
  at: number,
  version: 4 | 6 | undefined,
  ids: readonly number[] | undefined,
  most: number,
): number {
  let index = at;
  while (index < prefixes.length) {
    const prefix = prefixes[index];
    if (prefix === undefined) break;
    const before = message.length;
    if (ids !== undefined) message.u32(ids[index] ?? 0);
    encodePrefix(message, prefix);
    if (message.length > most) {
      message.rewind(before);
      break;
    }
    index = next(prefixes, index + 1, version);
  }
  return index;
}

/** @returns where the attribute begins, for `closeAttribute`, which may make it one octet longer */
function beginMp(code: number, family: Family): number {
  const start = message.length;
  message.u8(OPTIONAL).u8(code).u8(0).u16(families[family].afi).u8(families[family].safi);
  return start;
}

/** Into `others`: everything but MP_REACH_NLRI, by ascending code. */
function writeAttributes(attributes: PathAttributes, family: Family, ctx: CodecContext): void {
  others.rewind(0);
  if (attributes instanceof AttributeView && writeWords(attributes, family, ctx)) return;
  const unknown = attributes.unknown ?? noUnknown;
  let at = 0;
  for (const row of attributeRows) {
    if (row.encode === undefined || (row.internalOnly && ctx.peerType === 'ebgp')) continue;
    if (row.code === attributeCodes.nextHop && !isClassic(family, attributes)) continue;
    at = writeUnknown(unknown, at, row.code);
    const start = others.length;
    others.u8(row.flags).u8(row.code).u8(0);
    if (row.encode(others, attributes, ctx)) closeAttribute(others, start);
    else others.rewind(start);
  }
  writeUnknown(unknown, at, 256);
}

function writeWords(view: AttributeView, family: Family, ctx: CodecContext): boolean {
  if (!ctx.fourOctetAs) return false;
  const { nextHop } = view;
  const hop = family === 'ipv4-unicast' && isIpv4(nextHop) ? nextHop : undefined;
  return writeView(others, view, hop, ctx.peerType === 'ibgp');
}

const noUnknown: readonly RawAttribute[] = [];

/** From `at` on those whose code is below `limit`. @returns where to go on */
function writeUnknown(unknown: readonly RawAttribute[], at: number, limit: number): number {
  let index = at;
  for (; index < unknown.length; index += 1) {
    const attribute = unknown[index];
    if (attribute === undefined || attribute.code >= limit) break;
    if ((attribute.flags & TRANSITIVE) === 0) continue;
    const start = others.length;
    // We did not understand it, and whoever gets it should know (RFC 4271 §5).
    others
      .u8(attribute.flags | PARTIAL)
      .u8(attribute.code)
      .u8(0)
      .bytes(attribute.body);
    closeAttribute(others, start);
  }
  return index;
}
