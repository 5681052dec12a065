/**
 * Bytes ⇄ messages of one connection: owns what has arrived and not been read, and the codec the two OPENs settled.
 *
 * It is pulled, message by message, so that whoever reads can stop at any point and go on later from what is buffered,
 * and so that what a message changes is in force before the next one is decoded: UPDATEs depend on the OPENs.
 */
import { ok, type Result } from '../../src/lib/result.ts';
import type { PeerEvent, Side } from '../session/event.ts';
import { decodeFrame, encodeMessage, openingContext } from '../wire/codec.ts';
import { FrameReader } from '../wire/frame.ts';
import { messageTypes } from '../wire/iana.ts';
import type { CodecContext, Message, WireError } from '../wire/message.ts';
import { encodeUpdates } from '../wire/update-encode.ts';

/** Octet of the header that tells the kind of message. */
const TYPE_AT = 18;

/** What a connection can tell a peer of itself, after it was made. */
export type ConnectionEvent = Extract<PeerEvent, { readonly kind: 'Message' | 'WireError' | 'TcpFails' }>;

export interface Connection {
  readonly side: Side;
  /** Copies the bytes in. Not to be called while `isFull`. */
  push(bytes: Uint8Array): void;
  /** TCP is gone: `next` says so after all that came before. */
  end(why: string, errno?: string): void;
  /**
   * The next thing that came; undefined: nothing whole is there yet, or an UPDATE that came right behind the KEEPALIVE
   * which establishes the session waits for `useCodec`. After a WireError no further message is decoded (the stream
   * has lost its frame), after TcpFails nothing is said.
   */
  next(): ConnectionEvent | undefined;
  /** From the next message on, in both directions. */
  useCodec(context: CodecContext): void;
  /** The message as octets; an UPDATE may need several messages, or, if it says nothing, none. */
  encode(message: Message): readonly Uint8Array[];
  /** Enough is buffered: the socket should not be read. */
  readonly isFull: boolean;
  /** The octets of the message `next` told last, until its next call; for who records what came. */
  readonly frame: Uint8Array | undefined;
}

export function createConnection(side: Side): Connection {
  const reader = new FrameReader();
  let codec: CodecContext | undefined;
  /** The session is about to be up: UPDATEs cannot be decoded before it is. */
  let isConfirmed = false;
  let waiting: Uint8Array | undefined;
  let isBroken = false;
  let ending: Omit<Extract<ConnectionEvent, { readonly kind: 'TcpFails' }>, 'kind' | 'side'> | undefined;
  let hasEnded = false;
  let frameTold: Uint8Array | undefined;

  function nextFrame(): Result<Uint8Array, WireError> | undefined {
    if (isBroken) return undefined;
    const frame = waiting === undefined ? reader.next() : ok(waiting);
    waiting = undefined;
    if (
      frame?.ok &&
      isConfirmed &&
      codec === undefined &&
      frame.value[TYPE_AT] === messageTypes.update.type
    ) {
      waiting = frame.value.slice();
      return undefined;
    }
    return frame;
  }

  function nextMessage(): ConnectionEvent | undefined {
    const frame = nextFrame();
    frameTold = frame?.ok ? frame.value : undefined;
    if (frame === undefined) return undefined;
    const message = frame.ok ? decodeFrame(frame.value, codec ?? openingContext) : frame;
    if (message.ok) {
      isConfirmed ||= message.value.kind === 'keepalive';
      return { kind: 'Message', side, message: message.value };
    }
    isBroken = true;
    return { kind: 'WireError', side, error: message.error };
  }

  function lastWord(): ConnectionEvent | undefined {
    if (ending === undefined) return undefined;
    const last = ending;
    ending = undefined;
    isBroken = true;
    return { kind: 'TcpFails', side, ...last };
  }

  return {
    side,
    push(bytes) {
      if (!isBroken) reader.push(bytes);
    },
    end(why, errno) {
      if (!hasEnded) ending = errno === undefined ? { why } : { why, errno };
      hasEnded = true;
    },
    next: () => nextMessage() ?? (waiting === undefined ? lastWord() : undefined),
    useCodec(context) {
      codec = context;
    },
    encode(message) {
      if (message.kind === 'update') return encodeUpdates(message, codec ?? openingContext);
      // RFC 8654 §4: whoever has said so must take them from here on
      if (message.kind === 'open')
        reader.isExtended = message.capabilities.some(({ kind }) => kind === 'extendedMessage');
      return [encodeMessage(message, codec ?? openingContext)];
    },
    get isFull() {
      return reader.full;
    },
    get frame() {
      return frameTold;
    },
  };
}
