/**
 * Bytes ⇄ messages of one connection: owns what has arrived and not been read, and the codec the two OPENs settled.
 *
 * It is pulled, message by message, so that whoever reads can stop at any point and go on later from what is buffered,
 * and so that what a message changes is in force before the next one is decoded: UPDATEs depend on the OPENs.
 * UPDATEs that lie one behind the other come out as one, if it says the same (gather.ts).
 */
import { ok, type Result } from '../../src/lib/result.ts';
import type { PeerEvent, Side } from '../session/event.ts';
import { decodeFrame, encodeMessage, openingContext } from '../wire/codec.ts';
import { FrameReader } from '../wire/frame.ts';
import { messageTypes } from '../wire/iana.ts';
import type { CodecContext, Message, UpdateMessage, WireError } from '../wire/message.ts';
import { encodeUpdates } from '../wire/update-encode.ts';
import { Gathering } from './gather.ts';

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
  /** Messages that what `next` told last came in. */
  readonly count: number;
  /** The octets of the message `next` told last, until its next call; for who records what came. */
  readonly frame: Uint8Array | undefined;
}

/** @param gathers  false: each UPDATE comes out by itself, with its octets */
export const createConnection = (side: Side, gathers = true): Connection => new Framed(side, gathers);

class Framed implements Connection {
  readonly side: Side;
  readonly #reader = new FrameReader();
  readonly #gathering: Gathering | undefined;
  #codec: CodecContext | undefined;
  /** The session is about to be up: UPDATEs cannot be decoded before it is. */
  #isConfirmed = false;
  #waiting: Uint8Array | undefined;
  #isBroken = false;
  #ending: Omit<Extract<ConnectionEvent, { readonly kind: 'TcpFails' }>, 'kind' | 'side'> | undefined;
  #hasEnded = false;
  #frame: Uint8Array | undefined;
  /** What came behind those that were gathered, and is told next. */
  #behind: ConnectionEvent | undefined;
  #count = 1;

  constructor(side: Side, gathers: boolean) {
    this.side = side;
    this.#gathering = gathers ? new Gathering() : undefined;
  }

  push(bytes: Uint8Array): void {
    if (!this.#isBroken) this.#reader.push(bytes);
  }

  end(why: string, errno?: string): void {
    if (!this.#hasEnded) this.#ending = errno === undefined ? { why } : { why, errno };
    this.#hasEnded = true;
  }

  next(): ConnectionEvent | undefined {
    return this.#gathered() ?? (this.#waiting === undefined ? this.#lastWord() : undefined);
  }

  useCodec(context: CodecContext): void {
    this.#codec = context;
  }

  encode(message: Message): readonly Uint8Array[] {
    const codec = this.#codec ?? openingContext;
    if (message.kind === 'update') return encodedOnce(message, codec);
    // RFC 8654 §4: whoever has said so must take them from here on
    if (message.kind === 'open')
      this.#reader.isExtended = message.capabilities.some(({ kind }) => kind === 'extendedMessage');
    return [encodeMessage(message, codec)];
  }

  get isFull(): boolean {
    return this.#reader.full;
  }

  get count(): number {
    return this.#count;
  }

  get frame(): Uint8Array | undefined {
    return this.#frame;
  }

  /** The next message, and with an UPDATE those behind it that can be told with it. */
  #gathered(): ConnectionEvent | undefined {
    const first = this.#behind ?? this.#message();
    this.#behind = undefined;
    this.#count = 1;
    const gathering = this.#gathering;
    if (gathering === undefined || first?.kind !== 'Message' || !gathering.begin(first.message)) return first;
    while (!gathering.isFull) {
      const next = this.#message();
      if (next?.kind !== 'Message' || !gathering.add(next.message)) {
        this.#behind = next;
        break;
      }
      this.#count += 1;
    }
    return { kind: 'Message', side: this.side, message: gathering.take() };
  }

  #message(): ConnectionEvent | undefined {
    const frame = this.#nextFrame();
    this.#frame = frame?.ok ? frame.value : undefined;
    if (frame === undefined) return undefined;
    const message = frame.ok ? decodeFrame(frame.value, this.#codec ?? openingContext) : frame;
    if (message.ok) {
      this.#isConfirmed ||= message.value.kind === 'keepalive';
      return { kind: 'Message', side: this.side, message: message.value };
    }
    this.#isBroken = true;
    return { kind: 'WireError', side: this.side, error: message.error };
  }

  #nextFrame(): Result<Uint8Array, WireError> | undefined {
    if (this.#isBroken) return undefined;
    const frame = this.#waiting === undefined ? this.#reader.next() : ok(this.#waiting);
    this.#waiting = undefined;
    const isEarly = this.#isConfirmed && this.#codec === undefined;
    if (!isEarly || !frame?.ok || frame.value[TYPE_AT] !== messageTypes.update.type) return frame;
    this.#waiting = frame.value.slice();
    return undefined;
  }

  #lastWord(): ConnectionEvent | undefined {
    if (this.#ending === undefined) return undefined;
    const last = this.#ending;
    this.#ending = undefined;
    this.#isBroken = true;
    return { kind: 'TcpFails', side: this.side, ...last };
  }
}

/** What is told to many is encoded for the first of them. */
function encodedOnce(message: UpdateMessage, codec: CodecContext): readonly Uint8Array[] {
  const { once } = message;
  if (once === undefined) return encodeUpdates(message, codec);
  once.frames ??= encodeUpdates(message, codec);
  return once.frames;
}
