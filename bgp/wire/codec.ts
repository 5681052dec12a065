/**
 * The door of this room: one message from bytes, and back. Pure; nothing is kept between messages, and every decoded
 * value is a copy, so the bytes may be reused.
 */
import { assert, err, ok, type Result } from '../../src/lib/result.ts';
import { checkHeader, frameMessage, kindAt } from './frame.ts';
import { headerErrors } from './iana.ts';
import type { CodecContext, Message, WireError } from './message.ts';
import { decodeNotification, encodeNotification } from './notification.ts';
import { decodeOpen, encodeOpen } from './open.ts';
import { decodeRouteRefresh, encodeRouteRefresh } from './refresh.ts';
import { decodeUpdate, viewUpdate } from './update.ts';
import { encodeUpdates } from './update-encode.ts';
import { headerError } from './wire-error.ts';

/** What holds before the OPENs are exchanged. */
export const openingContext: CodecContext = { fourOctetAs: false, peerType: 'ebgp', families: new Set() };

const decoders: {
  readonly [K in Message['kind']]: (frame: Uint8Array, ctx: CodecContext) => Result<Message, WireError>;
} = {
  open: decodeOpen,
  update: decodeUpdate,
  notification: (frame) => ok(decodeNotification(frame)),
  keepalive: () => ok({ kind: 'keepalive' }),
  routeRefresh: decodeRouteRefresh,
};

/**
 * One whole message, header included, as `FrameReader.next` yields them.
 * Fails with the NOTIFICATION to send; never throws, whatever the bytes.
 */
export function decodeMessage(frame: Uint8Array, ctx: CodecContext): Result<Message, WireError> {
  if (frame.byteLength < 19) return tooShort(frame.byteLength);
  const header = checkHeader(frame, 0, ctx.extendedReceive);
  if (!header.ok) return err(header.error);
  if (header.value.length !== frame.byteLength) return tooShort(header.value.length);
  return decoders[header.value.kind](frame, ctx);
}

/**
 * As `decodeMessage`, of what `FrameReader.next` gave: its header was checked there. The attributes of an UPDATE may be an
 * AttributeView.
 */
export function decodeFrame(frame: Uint8Array, ctx: CodecContext): Result<Message, WireError> {
  const kind = kindAt(frame, 0);
  return kind === 'update' ? viewUpdate(frame, ctx) : decoders[kind](frame, ctx);
}

const tooShort = (length: number): Result<never, WireError> =>
  headerError(
    headerErrors.badLength,
    `A message says it is ${length} octets long, and is not.`,
    Uint8Array.of(length >> 8, length & 255),
  );

/**
 * The octets of one message. An UPDATE must fit one message: throws if it does not, or says more than one can
 * (withdrawals and announcements, or two families); `encodeUpdates` splits as needed.
 */
export function encodeMessage(message: Message, ctx: CodecContext): Uint8Array {
  switch (message.kind) {
    case 'open':
      return encodeOpen(message);
    case 'notification':
      return encodeNotification(message, ctx);
    case 'keepalive':
      return frameMessage('keepalive', new Uint8Array(0));
    case 'routeRefresh':
      return encodeRouteRefresh(message);
    case 'update': {
      const [frame, ...more] = encodeUpdates(message, ctx);
      assert(frame !== undefined && more.length === 0, 'an UPDATE that is not one message');
      return frame;
    }
  }
}
