/** NOTIFICATION: RFC 4271 §4.5, and the text that may come with a shutdown, RFC 9003 §2. */
import { Reader, Writer } from '../../src/lib/bytes.ts';
import { frameMessage } from './frame.ts';
import { ceaseReasons, errorCodes, HEADER_LENGTH, longestMessage } from './iana.ts';
import type { CodecContext, NotificationMessage } from './message.ts';

/** Octets of UTF-8 that fit (RFC 9003 §2). */
const LONGEST_TEXT = 255;

/** Never fails: a NOTIFICATION cannot be answered, so whatever it says is taken (RFC 4271 §6.4). */
export function decodeNotification(frame: Uint8Array): NotificationMessage {
  const reader = new Reader(frame, HEADER_LENGTH);
  const code = reader.u8();
  const subcode = reader.u8();
  return { kind: 'notification', code, subcode, data: reader.bytes(reader.left).slice() };
}

/** Data that quotes a message longer than the neighbour takes is cut: the code says what was wrong. */
export function encodeNotification(
  { code, subcode, data }: NotificationMessage,
  { extendedMessages }: CodecContext,
): Uint8Array {
  const room = longestMessage(extendedMessages) - HEADER_LENGTH - 2;
  const body = new Writer(32).u8(code).u8(subcode).bytes(data.subarray(0, room));
  return frameMessage('notification', body.done(), extendedMessages);
}

/** A Cease (RFC 4486); `text` goes along where RFC 9003 gives it a place, and is cut at 255 octets. */
export function cease(subcode: number, text = ''): NotificationMessage {
  const hasText =
    subcode === ceaseReasons.administrativeShutdown || subcode === ceaseReasons.administrativeReset;
  const utf8 = hasText ? encodeText(text) : new Uint8Array(0);
  const data = utf8.byteLength === 0 ? utf8 : new Writer(256).u8(utf8.byteLength).bytes(utf8).done();
  return { kind: 'notification', code: errorCodes.cease, subcode, data };
}

/** UTF-8 of as many whole characters as fit. */
function encodeText(text: string): Uint8Array {
  const writer = new Writer(64);
  for (const character of text.toWellFormed()) {
    const octets = utf8Of(character.codePointAt(0) ?? 0);
    if (writer.length + octets.length > LONGEST_TEXT) break;
    for (const octet of octets) writer.u8(octet);
  }
  return writer.done();
}

function utf8Of(point: number): readonly number[] {
  const tail = (shift: number): number => 0x80 | ((point >> shift) & 0x3f);
  if (point < 0x80) return [point];
  if (point < 0x800) return [0xc0 | (point >> 6), tail(0)];
  if (point < 0x10000) return [0xe0 | (point >> 12), tail(6), tail(0)];
  return [0xf0 | (point >> 18), tail(12), tail(6), tail(0)];
}

/**
 * The words a neighbour sent with a shutdown or reset; undefined if there are none or they are not UTF-8.
 * Control characters are replaced: the text goes to logs and terminals.
 */
export function shutdownText(message: NotificationMessage): string | undefined {
  const reader = new Reader(message.data);
  const length = reader.u8();
  const octets = reader.bytes(length);
  if (length === 0 || reader.failed) return undefined;
  let escaped = '';
  for (const octet of octets) escaped += `%${octet.toString(16).padStart(2, '0')}`;
  try {
    return decodeURIComponent(escaped).replace(/\p{Cc}/gu, '\ufffd');
  } catch {
    return undefined; // not UTF-8; RFC 9003 §2 says to go on without it
  }
}
