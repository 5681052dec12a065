/** Writing netlink messages, many into one buffer. All integers are in host order; messages and attributes are padded to 4. */
import { type Address, isIpv4 } from '../../lib/net.ts';
import { NLM_F } from './constants.ts';
import { littleEndian } from './reader.ts';

const NLA_F_NESTED = 0x8000;
const utf8 = new TextEncoder();

export class MessageWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #length = 0;
  #message = 0;

  constructor(capacity = 4096) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Octets written so far. */
  get length(): number {
    return this.#length;
  }

  /** What was written: a view, valid until the next write. */
  get written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    this.truncate(0);
  }

  /** Takes back what was written from `length` on. */
  truncate(length: number): void {
    this.#bytes.fill(0, length, this.#length); // what is yet to be written is zero, so padding need not be
    this.#length = length;
  }

  /** Starts a message; the fixed header and the attributes follow, then `end`. */
  begin(type: number, flags: number, seq: number): this {
    this.#message = this.#length;
    const at = this.#grow(16);
    this.#view.setUint16(at + 4, type, littleEndian);
    this.#view.setUint16(at + 6, flags, littleEndian);
    this.#view.setUint32(at + 8, seq, littleEndian);
    return this;
  }

  end(): this {
    this.#view.setUint32(this.#message, this.#length - this.#message, littleEndian);
    return this;
  }

  /** Asks for an ACK of the message last begun, or of the one that starts at `message`. */
  acknowledge(message = this.#message): this {
    const at = message + 6;
    this.#view.setUint16(at, this.#view.getUint16(at, littleEndian) | NLM_F.ACK, littleEndian);
    return this;
  }

  u8(value: number): this {
    const at = this.#grow(1); // before #view is read: growing replaces it
    this.#view.setUint8(at, value);
    return this;
  }

  /** Four octets, in this order. */
  four(first: number, second: number, third: number, fourth: number): this {
    const at = this.#grow(4);
    const bytes = this.#bytes;
    bytes[at] = first;
    bytes[at + 1] = second;
    bytes[at + 2] = third;
    bytes[at + 3] = fourth;
    return this;
  }

  u16(value: number): this {
    const at = this.#grow(2);
    this.#view.setUint16(at, value, littleEndian);
    return this;
  }

  u32(value: number): this {
    const at = this.#grow(4);
    this.#view.setUint32(at, value, littleEndian);
    return this;
  }

  /** In network order, as nf_tables has them. */
  be16(value: number): this {
    const at = this.#grow(2);
    this.#view.setUint16(at, value);
    return this;
  }

  be32(value: number): this {
    const at = this.#grow(4);
    this.#view.setUint32(at, value);
    return this;
  }

  be32Attribute(type: number, value: number): this {
    const at = this.#grow(8);
    this.#view.setUint16(at, 8, littleEndian);
    this.#view.setUint16(at + 2, type, littleEndian);
    this.#view.setUint32(at + 4, value);
    return this;
  }

  be64Attribute(type: number, value: bigint): this {
    this.u16(12).u16(type);
    const at = this.#grow(8);
    this.#view.setBigUint64(at, value);
    return this;
  }

  /** Writes over four octets already there. */
  patchBe32(at: number, value: number): void {
    this.#view.setUint32(at, value);
  }

  /** A 32-bit word already written, in host order. */
  wordAt(at: number): number {
    return this.#view.getUint32(at, littleEndian);
  }

  /** As many zeros as make what there is a multiple of 4. */
  pad(): this {
    this.#grow(-this.#length & 3);
    return this;
  }

  /** ASCII octets without NUL, in a field of `length` octets that zeros fill up. */
  field(text: string, length: number): this {
    const at = this.#grow(length);
    for (let index = 0; index < text.length && index < length; index++)
      this.#bytes[at + index] = text.charCodeAt(index);
    return this;
  }

  /** Starts an attribute whose value what follows is, until `close`. Returns what `close` needs. */
  open(type: number, flag = NLA_F_NESTED): number {
    const at = this.#length;
    this.u16(0).u16(type | flag);
    return at;
  }

  close(at: number): this {
    return this.patchLength(at);
  }

  /** As they are; after an attribute's, `pad`. */
  bytes(bytes: Uint8Array): this {
    const at = this.#grow(bytes.byteLength);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** In network order, without padding. */
  address(address: Address): this {
    const at = this.#grow(isIpv4(address) ? 4 : 16);
    if (isIpv4(address)) {
      this.#view.setUint32(at, address);
    } else {
      this.#view.setBigUint64(at, address >> 64n);
      this.#view.setBigUint64(at + 8, address & 0xffffffffffffffffn);
    }
    return this;
  }

  u32Attribute(type: number, value: number): this {
    const at = this.#grow(8);
    this.#view.setUint16(at, 8, littleEndian);
    this.#view.setUint16(at + 2, type, littleEndian);
    this.#view.setUint32(at + 4, value, littleEndian);
    return this;
  }

  addressAttribute(type: number, address: Address): this {
    return this.u16(isIpv4(address) ? 8 : 20)
      .u16(type)
      .address(address);
  }

  bytesAttribute(type: number, bytes: Uint8Array): this {
    this.u16(4 + bytes.byteLength).u16(type);
    const at = this.#grow((bytes.byteLength + 3) & ~3);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** With the NUL the kernel expects. */
  stringAttribute(type: number, text: string): this {
    const start = this.#length;
    this.u16(5 + text.length).u16(type);
    const at = this.#grow((text.length + 4) & ~3);
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (code > 127) {
        this.truncate(start);
        return this.bytesAttribute(type, utf8.encode(`${text}\0`));
      }
      this.#bytes[at + index] = code;
    }
    return this;
  }

  /** @param mac  "02:42:ac:11:00:02" */
  macAttribute(type: number, mac: string): this {
    return this.bytesAttribute(
      type,
      Uint8Array.from(mac.split(':'), (octet) => Number.parseInt(octet, 16)),
    );
  }

  /** An attribute whose value is what `write` writes. @param flag  0 for the few kinds that must not be marked nested */
  nest(type: number, write: () => void, flag = NLA_F_NESTED): this {
    const at = this.#length;
    this.u16(0).u16(type | flag);
    write();
    return this.patchLength(at);
  }

  /** Sets the u16 at `at` to the octets written since; for rtnexthop, whose length comes first as an attribute's does. */
  patchLength(at: number): this {
    this.#view.setUint16(at, this.#length - at, littleEndian);
    return this;
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
