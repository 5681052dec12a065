/**
 * From a stream of bytes to single messages and back: the header of RFC 4271 §4.1 and its checks, §6.1.
 *
 * A FrameReader owns the bytes that have arrived and not been taken. Its reader may stop at any frame and go on later
 * from what is buffered, without waiting for the socket; `full` says when to stop reading from the socket.
 */
import { Writer } from '../../src/lib/bytes.ts';
import { assert, ok, type Result } from '../../src/lib/result.ts';
import { HEADER_LENGTH, headerErrors, longestMessage, MAX_MESSAGE_LENGTH, messageTypes } from './iana.ts';
import type { Message, WireError } from './message.ts';
import { headerError } from './wire-error.ts';

export interface Header {
  readonly kind: Message['kind'];
  /** Of the whole message, header included. */
  readonly length: number;
}

/** Octet of the header where the length stands, behind the marker; then comes the type. */
const LENGTH_AT = 16;
const kinds: readonly Message['kind'][] = ['open', 'update', 'notification', 'keepalive', 'routeRefresh'];
/** By type. */
const kindOf: readonly (Message['kind'] | undefined)[] = (() => {
  const table = new Array<Message['kind'] | undefined>(256).fill(undefined);
  for (const kind of kinds) table[messageTypes[kind].type] = kind;
  return table;
})();
const two = (value: number) => new Writer(2).u16(value).done();

function hasMarker(bytes: Uint8Array, offset: number): boolean {
  for (let at = offset; at < offset + LENGTH_AT; at += 1) if (bytes[at] !== 0xff) return false;
  return true;
}

/**
 * Checks the header at `offset`, where at least 19 octets must follow (RFC 4271 §6.1).
 * @param isExtended  we said that we take messages of up to 65535 octets (RFC 8654)
 * Fails: 1/1 on a marker that is not all ones, 1/2 (data: the length) on a length outside what the type allows,
 * 1/3 (data: the type) on a type we do not know.
 */
export function checkHeader(bytes: Uint8Array, offset = 0, isExtended = false): Result<Header, WireError> {
  return (
    headerFlaw(bytes, offset, isExtended) ??
    ok({ kind: kindAt(bytes, offset), length: lengthAt(bytes, offset) })
  );
}

/** Of a header that was checked. */
const lengthAt = (bytes: Uint8Array, offset: number): number =>
  ((bytes[offset + LENGTH_AT] as number) << 8) | (bytes[offset + LENGTH_AT + 1] as number);
export const kindAt = (bytes: Uint8Array, offset: number): Message['kind'] =>
  kindOf[bytes[offset + LENGTH_AT + 2] as number] as Message['kind'];

/** Undefined: there is nothing wrong with it. */
function headerFlaw(
  bytes: Uint8Array,
  offset: number,
  isExtended: boolean,
): Result<never, WireError> | undefined {
  if (!hasMarker(bytes, offset))
    return headerError(headerErrors.notSynchronized, 'The marker is not all ones.');
  const length = lengthAt(bytes, offset);
  const type = bytes[offset + LENGTH_AT + 2] as number;
  const most = longestMessage(isExtended);
  if (length < HEADER_LENGTH || length > most)
    return headerError(
      headerErrors.badLength,
      `A message says it is ${length} octets long; 19 to ${most} is possible.`,
      two(length),
    );
  const kind = kindOf[type];
  if (kind === undefined)
    return headerError(headerErrors.badType, `There is no message type ${type}.`, Uint8Array.of(type));
  const { minLength, isExtensible } = messageTypes[kind];
  if (
    length < minLength ||
    (kind === 'keepalive' && length !== minLength) ||
    (!isExtensible && length > MAX_MESSAGE_LENGTH)
  )
    return headerError(
      headerErrors.badLength,
      `A message of type ${kind} cannot be ${length} octets long.`,
      two(length),
    );
  return undefined;
}

/** Starts a message in `writer`, which forgets what it held; its length comes with `finishMessage`. */
export function beginMessage(writer: Writer, kind: Message['kind']): Writer {
  return writer
    .rewind(0)
    .u32(0xffffffff)
    .u32(0xffffffff)
    .u32(0xffffffff)
    .u32(0xffffffff)
    .u16(0)
    .u8(messageTypes[kind].type);
}

/** A copy of the whole message. Throws only if the caller let it grow beyond 65535 octets. */
export function finishMessage(writer: Writer): Uint8Array<ArrayBuffer> {
  return finished(writer).done();
}

/** As `finishMessage`, for the many that are sent and forgotten: they share a sheet of memory, as small buffers are dear. */
export function cutMessage(writer: Writer): Uint8Array<ArrayBuffer> {
  const { length } = finished(writer);
  if (length > MAX_MESSAGE_LENGTH) return writer.done();
  if (sheetEnd + length > sheet.length) {
    sheet = new Uint8Array(16 * MAX_MESSAGE_LENGTH);
    sheetEnd = 0;
  }
  const start = sheetEnd;
  sheetEnd += length;
  writer.copyTo(sheet, start);
  return sheet.subarray(start, sheetEnd);
}

/** What is cut off belongs to who has the message. */
let sheet = new Uint8Array(0);
let sheetEnd = 0;

function finished(writer: Writer): Writer {
  assert(writer.length <= longestMessage(true), `a message of ${writer.length} octets`);
  return writer.patchU16(LENGTH_AT, writer.length);
}

/** Writes one message around `body`. Throws only if the caller let it grow beyond what was agreed. */
export function frameMessage(
  kind: Message['kind'],
  body: Uint8Array,
  isExtended = false,
): Uint8Array<ArrayBuffer> {
  const length = HEADER_LENGTH + body.byteLength;
  assert(length <= longestMessage(isExtended), `a message of type ${kind} of ${length} octets`);
  return finishMessage(beginMessage(new Writer(length), kind).bytes(body));
}

/** Octets buffered at which the socket should be paused. A socket hands over at most 64 KiB at once. */
const HIGH_WATER = 65536;
const CAPACITY = 4 * HIGH_WATER;

export class FrameReader {
  #buffer = new Uint8Array(HIGH_WATER);
  #start = 0;
  #end = 0;
  #broken: Result<never, WireError> | undefined;
  #isExtended = false;

  /** From the next message on: we said that we take up to 65535 octets (RFC 8654), or not. */
  set isExtended(value: boolean) {
    this.#isExtended = value;
  }

  /** Octets that arrived and were not taken. */
  get buffered(): number {
    return this.#end - this.#start;
  }

  /** True while the socket should not be read: take frames first. */
  get full(): boolean {
    return this.buffered >= HIGH_WATER;
  }

  /** Copies `chunk` in. Frames taken before are no longer valid. Throws only if `full` was ignored. */
  push(chunk: Uint8Array): void {
    assert(this.buffered + chunk.byteLength <= CAPACITY, 'more was read than the frame reader may hold');
    if (this.#end + chunk.byteLength > this.#buffer.byteLength) this.#makeRoom(chunk.byteLength);
    this.#buffer.set(chunk, this.#end);
    this.#end += chunk.byteLength;
  }

  /**
   * The next whole message, as a view that holds until the next `push`; undefined if more bytes are needed.
   * After an error the stream has no frame boundaries any more: every later call returns that error.
   */
  next(): Result<Uint8Array, WireError> | undefined {
    if (this.#broken !== undefined) return this.#broken;
    if (this.buffered < HEADER_LENGTH) return undefined;
    const flaw = headerFlaw(this.#buffer, this.#start, this.#isExtended);
    if (flaw !== undefined) {
      this.#broken = flaw;
      return flaw;
    }
    const length = lengthAt(this.#buffer, this.#start);
    if (this.buffered < length) return undefined;
    const frame = this.#buffer.subarray(this.#start, this.#start + length);
    this.#start += length;
    return ok(frame);
  }

  #makeRoom(octets: number): void {
    const kept = this.#buffer.subarray(this.#start, this.#end);
    const needed = kept.byteLength + octets;
    const buffer =
      needed > this.#buffer.byteLength ? new Uint8Array(Math.min(CAPACITY, needed * 2)) : this.#buffer;
    buffer.set(kept);
    this.#buffer = buffer;
    this.#end = kept.byteLength;
    this.#start = 0;
  }
}
