/**
 * Path attributes as an MRT table dump has them: those of an UPDATE, but of MP_REACH_NLRI only the next hop, as the prefix
 * stands elsewhere in the record (RFC 6396 §4.3.4). AS numbers always have four octets there.
 */
import { Reader, Writer } from '../../src/lib/bytes.ts';
import type { Prefix } from '../../src/lib/net.ts';
import { attributeCodes, EXTENDED_LENGTH, HEADER_LENGTH } from '../wire/iana.ts';
import type { CodecContext, Family, PathAttributes } from '../wire/message.ts';
import { encodeUpdates } from '../wire/update-encode.ts';

const context: CodecContext = {
  fourOctetAs: true,
  peerType: 'ibgp',
  families: new Set<Family>(['ipv4-unicast', 'ipv6-unicast']),
};

/** Undefined: they are too long for any UPDATE. @param prefix  any that has them, of `family` */
export function ribAttributes(
  attributes: PathAttributes,
  family: Family,
  prefix: Prefix,
): Uint8Array | undefined {
  const [frame] = encodeUpdates(
    { withdrawn: [], announced: [{ family, attributes, prefixes: [prefix] }] },
    context,
  );
  if (frame === undefined) return undefined;
  const body = new Reader(frame, HEADER_LENGTH);
  body.bytes(body.u16()); // withdrawn
  const list = body.sub(body.u16());
  const writer = new Writer();
  while (list.left > 0) copyAttribute(list, writer);
  return writer.length === 0 || list.failed ? undefined : writer.done();
}

function copyAttribute(list: Reader, writer: Writer): void {
  const flags = list.u8();
  const code = list.u8();
  const length = (flags & EXTENDED_LENGTH) === 0 ? list.u8() : list.u16();
  const value = list.bytes(length);
  if (code === attributeCodes.mpUnreach) return;
  const kept = code === attributeCodes.mpReach ? nextHopOf(value) : value;
  writer.u8(kept.byteLength > 255 ? flags | EXTENDED_LENGTH : flags & ~EXTENDED_LENGTH).u8(code);
  if (kept.byteLength > 255) writer.u16(kept.byteLength);
  else writer.u8(kept.byteLength);
  writer.bytes(kept);
}

/** Its length and itself, from behind AFI and SAFI. */
function nextHopOf(mpReach: Uint8Array): Uint8Array {
  const reader = new Reader(mpReach, 3);
  const length = reader.u8();
  return new Writer(17).u8(length).bytes(reader.bytes(length)).done();
}
