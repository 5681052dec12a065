/** A hash of 53 bits, so that it is an exact integer: two multiplicative ones side by side. Not against those who mean harm. */
import type { MessageWriter } from '../../../src/kernel/netlink/writer.ts';

export class Hash {
  #high = 0x6a09_e667;
  #low = 0x3c6e_f372;

  word(word: number): void {
    this.#high = Math.imul(this.#high ^ word, 0x9e37_79b1);
    this.#high = (this.#high << 13) | (this.#high >>> 19);
    this.#low = Math.imul(this.#low ^ word, 0x5f35_6495);
    this.#low = (this.#low << 15) | (this.#low >>> 17);
  }

  text(text: string): void {
    for (let at = 0; at < text.length; at++) this.word(text.charCodeAt(at));
    this.word(text.length);
  }

  octets(bytes: Uint8Array, more: number): void {
    for (const byte of bytes) this.word(byte);
    this.word((bytes.byteLength << 8) | more);
  }

  /** What was written from `start`, a multiple of 4, on. */
  written(writer: MessageWriter, start: number): void {
    for (let at = start; at < writer.length; at += 4) this.word(writer.wordAt(at));
  }

  /** 0..2^53-1 */
  get value(): number {
    const high = finish(this.#high ^ (this.#low >>> 11));
    const low = finish(this.#low ^ (this.#high >>> 7));
    return (high >>> 11) * 0x1_0000_0000 + (low >>> 0);
  }
}

function finish(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return mixed ^ (mixed >>> 16);
}
