/**
 * Writing UPDATEs (RFC 4271 §4.3, RFC 4760): many prefixes that share their attributes go into as few messages as
 * they fit. A message carries one thing only, withdrawals or one announcement of one family, and MP_REACH_NLRI comes
 * first (RFC 7606 §5.1).
 */
import { Writer } from '../../src/lib/bytes.ts';
import { isPrefix4, type Prefix } from '../../src/lib/net.ts';
import { writeAttribute } from './attribute-list.ts';
import { attributeRows } from './attributes.ts';
import { encodePrefix, prefixSize } from './family.ts';
import { frameMessage } from './frame.ts';
import { attributeCodes, HEADER_LENGTH, MAX_MESSAGE_LENGTH, OPTIONAL, PARTIAL, TRANSITIVE } from './iana.ts';
import type { Announcement, CodecContext, Family, PathAttributes, UpdateMessage } from './message.ts';
import { mpReachValue, mpUnreachValue, usesClassicFields } from './mp-nlri.ts';

const nothing = new Uint8Array(0);
/** Octets of a message for everything after the header and the two length fields. */
const ROOM = MAX_MESSAGE_LENGTH - HEADER_LENGTH - 4;
/** Octets of an MP attribute before its prefixes: its header, AFI, SAFI, next hop with length, reserved. */
const MP_OVERHEAD = 4 + 3 + 33 + 1;
/** A prefix of any family takes no more. */
const LONGEST_PREFIX = 17;

/**
 * The messages that say what `update` says: its withdrawals, then its announcements, then its End-of-RIB.
 * An announcement whose attributes leave no room for a prefix cannot be sent; the neighbour gets a withdrawal instead,
 * so that it does not keep an older route (RFC 4271 §9.2 leaves it unsent; see `attributesFit`).
 */
export function encodeUpdates(
  update: Pick<UpdateMessage, 'withdrawn' | 'announced' | 'endOfRib'>,
  ctx: CodecContext,
): Uint8Array[] {
  return [
    ...encodeWithdrawals(
      'ipv4-unicast',
      update.withdrawn.filter((prefix) => isPrefix4(prefix)),
    ),
    ...encodeWithdrawals(
      'ipv6-unicast',
      update.withdrawn.filter((prefix) => !isPrefix4(prefix)),
    ),
    ...update.announced.flatMap((announcement) => encodeAnnouncement(announcement, ctx)),
    ...(update.endOfRib === undefined ? [] : [endOfRib(update.endOfRib)]),
  ];
}

export function encodeWithdrawals(family: Family, prefixes: readonly Prefix[]): Uint8Array[] {
  if (usesClassicFields(family)) return pack(prefixes, ROOM, (nlri) => frameUpdate(nlri, nothing, nothing));
  return pack(prefixes, ROOM - MP_OVERHEAD, (nlri) =>
    frameUpdate(nothing, mpUnreachAttribute(family, nlri), nothing),
  );
}

/** Empty `prefixes` make no message. */
export function encodeAnnouncement(announcement: Announcement, ctx: CodecContext): Uint8Array[] {
  const { family, attributes, prefixes } = announcement;
  const others = encodeAttributes(attributes, family, ctx);
  if (!leavesRoom(others)) return encodeWithdrawals(family, prefixes);
  const room = ROOM - others.byteLength;
  if (usesClassicFields(family)) return pack(prefixes, room, (nlri) => frameUpdate(nothing, others, nlri));
  return pack(prefixes, room - MP_OVERHEAD, (nlri) => {
    const writer = new Writer(nlri.byteLength + others.byteLength + MP_OVERHEAD);
    writeAttribute(writer, OPTIONAL, attributeCodes.mpReach, mpReachValue(family, attributes, nlri));
    return frameUpdate(nothing, writer.bytes(others).done(), nothing);
  });
}

/** Whether a message can hold these attributes and a prefix. */
export const attributesFit = (attributes: PathAttributes, family: Family, ctx: CodecContext): boolean =>
  leavesRoom(encodeAttributes(attributes, family, ctx));

const leavesRoom = (others: Uint8Array): boolean => others.byteLength + MP_OVERHEAD + LONGEST_PREFIX <= ROOM;

/** RFC 4724 §2. */
export function endOfRib(family: Family): Uint8Array {
  const attributes = usesClassicFields(family) ? nothing : mpUnreachAttribute(family, nothing);
  return frameUpdate(nothing, attributes, nothing);
}

function mpUnreachAttribute(family: Family, nlri: Uint8Array): Uint8Array {
  const writer = new Writer(nlri.byteLength + MP_OVERHEAD);
  writeAttribute(writer, OPTIONAL, attributeCodes.mpUnreach, mpUnreachValue(family, nlri));
  return writer.done();
}

function frameUpdate(withdrawn: Uint8Array, attributes: Uint8Array, nlri: Uint8Array): Uint8Array {
  const body = new Writer(withdrawn.byteLength + attributes.byteLength + nlri.byteLength + 4)
    .u16(withdrawn.byteLength)
    .bytes(withdrawn)
    .u16(attributes.byteLength)
    .bytes(attributes)
    .bytes(nlri)
    .done();
  return frameMessage('update', body);
}

/** Everything but MP_REACH_NLRI, by ascending code. */
function encodeAttributes(attributes: PathAttributes, family: Family, ctx: CodecContext): Uint8Array {
  const parts: { readonly flags: number; readonly code: number; readonly body: Uint8Array }[] = [];
  for (const row of attributeRows) {
    if (row.internalOnly && ctx.peerType === 'ebgp') continue;
    if (row.code === attributeCodes.nextHop && !usesClassicFields(family)) continue;
    const body = new Writer(32);
    if (row.encode?.(body, attributes, ctx))
      parts.push({ flags: row.flags, code: row.code, body: body.done() });
  }
  // We did not understand these, and whoever gets them should know (RFC 4271 §5).
  for (const { flags, code, body } of attributes.unknown ?? [])
    if ((flags & TRANSITIVE) !== 0) parts.push({ flags: flags | PARTIAL, code, body });
  parts.sort((a, b) => a.code - b.code);
  const writer = new Writer();
  for (const { flags, code, body } of parts) writeAttribute(writer, flags, code, body);
  return writer.done();
}

/** Fills messages with prefixes, each with up to `room` octets of them. */
function pack(
  prefixes: readonly Prefix[],
  room: number,
  frame: (nlri: Uint8Array) => Uint8Array,
): Uint8Array[] {
  const frames: Uint8Array[] = [];
  let nlri = new Writer();
  for (const prefix of prefixes) {
    if (nlri.length + prefixSize(prefix) > room) {
      frames.push(frame(nlri.done()));
      nlri = new Writer(room);
    }
    encodePrefix(nlri, prefix);
  }
  if (nlri.length > 0) frames.push(frame(nlri.done()));
  return frames;
}
