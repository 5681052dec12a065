/**
 * Bounded reading and writing of network-order bytes: the only code that indexes wire bytes.
 *
 * A Reader never throws on short input: it returns zeros and remembers that it ran out, so a decoder
 * reads its fields in a row and asks `failed` once. A Writer grows as needed.
 */
import { type Ipv4, type Ipv6, ipv4, ipv6, ipv6OfWords } from './net.ts';

export class Reader {
  #bytes: Uint8Array;
  #end: number;
  #at: number;
  #failed = false;

  /** Reads `bytes[start..end)`. Nothing is copied: copy what you keep. */
  constructor(bytes: Uint8Array, start = 0, end = bytes.byteLength) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  /** Begins anew, as if made with these. */
  over(bytes: Uint8Array, start: number, end = bytes.byteLength): this {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.#failed = false;
    return this;
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

  /** The next octet, which is not taken; 0 at the end. */
  peek(): number {
    return this.left > 0 ? (this.#bytes[this.#at] as number) : 0;
  }

  u8(): number {
    const at = this.#take(1);
    return at < 0 ? 0 : (this.#bytes[at] as number);
  }

  u16(): number {
    const at = this.#take(2);
    return at < 0 ? 0 : ((this.#bytes[at] as number) << 8) | (this.#bytes[at + 1] as number);
  }

  u32(): number {
    const at = this.#take(4);
    return at < 0 ? 0 : this.#word(at);
  }

  u64(): bigint {
    const at = this.#take(8);
    return at < 0 ? 0n : this.#long(at);
  }

  ipv4(): Ipv4 {
    return ipv4(this.u32());
  }

  ipv6(): Ipv6 {
    const at = this.#take(16);
    if (at < 0) return ipv6(0n);
    return ipv6OfWords(this.#word(at), this.#word(at + 4), this.#word(at + 8), this.#word(at + 12));
  }

  /** The next 0 to 4 octets as the first of a 32-bit word; the others are zero. */
  word(octets: number): number {
    const at = this.#take(octets);
    if (at < 0 || octets === 0) return 0;
    if (at + 4 <= this.#bytes.length) return (this.#word(at) & (0xffffffff << ((4 - octets) * 8))) >>> 0;
    let word = 0;
    for (let octet = 0; octet < 4; octet += 1)
      word = word * 256 + (octet < octets ? (this.#bytes[at + octet] as number) : 0);
    return word;
  }

  /**
   * From here to `leave` this reader ends after the next `length` octets, of which there must be so many. Costs no
   * object, which `sub` does.
   * @returns what `leave` takes
   */
  enter(length: number): number {
    const end = this.#end;
    this.#end = this.#at + length;
    return end;
  }

  /** Skips what is left of the part that was entered; what was read past its end is forgiven. */
  leave(end: number): void {
    this.#at = this.#end;
    this.#end = end;
    this.#failed = false;
  }

  /** A view (not a copy) of the next `length` octets; empty if there are not so many. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return at < 0 ? new Uint8Array(0) : viewOf(this.#bytes, at, length);
  }

  /** A Reader of the next `length` octets, which are skipped here; a failed empty one if there are not so many. */
  sub(length: number): Reader {
    const at = this.#take(length);
    const reader =
      at < 0 ? new Reader(this.#bytes, this.#end, this.#end) : new Reader(this.#bytes, at, at + length);
    if (at < 0) reader.#failed = true;
    return reader;
  }

  /** Goes on from this offset, as `at` gave it; what was read past the end is forgiven. */
  jump(at: number): void {
    this.#at = at;
    this.#failed = false;
  }

  /** Skips the next `length` octets; fails if there are not so many. */
  skip(length: number): void {
    this.#take(length);
  }

  #word(at: number): number {
    const bytes = this.#bytes;
    return (
      (((bytes[at] as number) << 24) |
        ((bytes[at + 1] as number) << 16) |
        ((bytes[at + 2] as number) << 8) |
        (bytes[at + 3] as number)) >>>
      0
    );
  }

  #long(at: number): bigint {
    return (BigInt(this.#word(at)) << 32n) | BigInt(this.#word(at + 4));
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

/** A plain one whatever it is of: `subarray` of a Buffer is a Buffer. */
const viewOf = (bytes: Uint8Array, at: number, length: number): Uint8Array =>
  new Uint8Array(bytes.buffer, bytes.byteOffset + at, length);

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

  /** The low 64 bits. */
  u64(value: bigint): this {
    const at = this.#grow(8);
    this.#view.setBigUint64(at, value);
    return this;
  }

  ipv4(address: Ipv4): this {
    return this.u32(address);
  }

  ipv6(address: Ipv6): this {
    return this.u64(address >> 64n).u64(address);
  }

  bytes(bytes: Uint8Array): this {
    const at = this.#grow(bytes.byteLength);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** All that another has written. */
  append(other: Writer): this {
    const { length } = other;
    const at = this.#grow(length); // first: it may replace the bytes
    other.copyTo(this.#bytes, at);
    return this;
  }

  /** Writes over a u16 already written at `at`, for lengths known only afterwards. */
  patchU16(at: number, value: number): this {
    this.#view.setUint16(at, value);
    return this;
  }

  patchU8(at: number, value: number): this {
    this.#view.setUint8(at, value);
    return this;
  }

  /** Forgets what was written from `length` on. */
  rewind(length: number): this {
    this.#length = length;
    return this;
  }

  /** Moves what was written from `at` on one octet further, and leaves a zero there. */
  widen(at: number): this {
    const end = this.#length;
    this.#grow(1);
    this.#bytes.copyWithin(at + 1, at, end);
    this.#bytes[at] = 0;
    return this;
  }

  /** A view (not a copy) of what was written, until something else is. */
  peek(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Copies what was written to `target`, from `start` on, where there must be room. */
  copyTo(target: Uint8Array, start: number): void {
    const length = this.#length;
    if (length > 256) target.set(this.peek(), start);
    else for (let octet = 0; octet < length; octet += 1) target[start + octet] = this.#bytes[octet] as number;
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
