/**
 * Bounded reading and writing of network-order bytes: the only code that indexes wire bytes.
 *
 * A Reader never throws on short input: it returns zeros and remembers that it ran out, so a decoder
 * reads its fields in a row and asks `failed` once. A Writer grows as needed.
 */
import { type Ipv4, type Ipv6, ipv4, ipv6 } from './net.ts';

export class Reader {
  readonly #view: DataView;
  readonly #end: number;
  #at: number;
  #failed = false;

  /** Reads `bytes[start..end)`. Nothing is copied: copy what you keep. */
  constructor(bytes: Uint8Array, start = 0, end = bytes.byteLength) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = start;
    this.#end = end;
  }

  /** Octets not yet read. */
  get left(): number {
    return this.#end - this.#at;
  }

  /** Offset of the next octet from the start of the underlying bytes. */
  get at(): number {
    return this.#at;
  }

  /** True once something was read past the end; every value read since was zero. */
  get failed(): boolean {
    return this.#failed;
  }

  u8(): number {
    const at = this.#take(1);
    return at < 0 ? 0 : this.#view.getUint8(at);
  }

  u16(): number {
    const at = this.#take(2);
    return at < 0 ? 0 : this.#view.getUint16(at);
  }

  u32(): number {
    const at = this.#take(4);
    return at < 0 ? 0 : this.#view.getUint32(at);
  }

  ipv4(): Ipv4 {
    return ipv4(this.u32());
  }

  ipv6(): Ipv6 {
    const at = this.#take(16);
    return ipv6(at < 0 ? 0n : (this.#view.getBigUint64(at) << 64n) | this.#view.getBigUint64(at + 8));
  }

  /** A view (not a copy) of the next `length` octets; empty if there are not so many. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return at < 0 ? new Uint8Array(0) : new Uint8Array(this.#view.buffer, this.#view.byteOffset + at, length);
  }

  /** A Reader of the next `length` octets, which are skipped here; a failed empty one if there are not so many. */
  sub(length: number): Reader {
    const at = this.#take(length);
    const whole = new Uint8Array(this.#view.buffer, this.#view.byteOffset, this.#view.byteLength);
    const reader = at < 0 ? new Reader(whole, this.#end, this.#end) : new Reader(whole, at, at + length);
    if (at < 0) reader.#failed = true;
    return reader;
  }

  #take(length: number): number {
    if (length < 0 || length > this.left) {
      this.#failed = true;
      this.#at = this.#end;
      return -1;
    }
    const at = this.#at;
    this.#at += length;
    return at;
  }
}

export class Writer {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Octets written so far; also the offset of the next one. */
  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    const at = this.#grow(1); // first: it may replace the view
    this.#view.setUint8(at, value);
    return this;
  }

  u16(value: number): this {
    const at = this.#grow(2);
    this.#view.setUint16(at, value);
    return this;
  }

  u32(value: number): this {
    const at = this.#grow(4);
    this.#view.setUint32(at, value);
    return this;
  }

  ipv4(address: Ipv4): this {
    return this.u32(address);
  }

  ipv6(address: Ipv6): this {
    const at = this.#grow(16);
    this.#view.setBigUint64(at, address >> 64n);
    this.#view.setBigUint64(at + 8, address & 0xffffffffffffffffn);
    return this;
  }

  bytes(bytes: Uint8Array): this {
    const at = this.#grow(bytes.byteLength);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** Writes over a u16 already written at `at`, for lengths known only afterwards. */
  patchU16(at: number, value: number): this {
    this.#view.setUint16(at, value);
    return this;
  }

  /** A copy of what was written. */
  done(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  #grow(by: number): number {
    const at = this.#length;
    this.#length += by;
    if (this.#length > this.#bytes.byteLength) {
      const bigger = new Uint8Array(Math.max(this.#length, this.#bytes.byteLength * 2));
      bigger.set(this.#bytes);
      this.#bytes = bigger;
      this.#view = new DataView(bigger.buffer);
    }
    return at;
  }
}
