/**
 * What is to be written to a socket, until the turn of the loop is over: then it leaves as one system call, in as few pieces as it
 * lies in memory. Messages are cut off one sheet one after the other, so that hundreds of them are most often one piece: a stream
 * that is handed each by itself makes half a dozen objects for it.
 */
import type { Writable } from 'node:stream';

export class Outbox {
  readonly #socket: Writable;
  #pieces: Uint8Array[] = [];
  /** The piece that still grows: `#buffer[#start..#end)`. */
  #buffer: ArrayBufferLike | undefined;
  #start = 0;
  #end = 0;
  #octets = 0;

  constructor(socket: Writable) {
    this.#socket = socket;
  }

  /** Octets not yet taken by the kernel. */
  get queued(): number {
    return this.#socket.writableLength + this.#octets;
  }

  /** False: the socket will have more than its mark once it is handed all, and emits `drain` when that is gone. The bytes must not be changed after. */
  add({ buffer, byteOffset, byteLength }: Uint8Array): boolean {
    if (this.#octets === 0) process.nextTick(this.flush);
    this.#octets += byteLength;
    if (this.#buffer !== buffer || this.#end !== byteOffset) {
      this.#cut();
      this.#buffer = buffer;
      this.#start = byteOffset;
    }
    this.#end = byteOffset + byteLength;
    return this.queued < this.#socket.writableHighWaterMark;
  }

  /** Hands all to the socket now, in order. */
  readonly flush = (): void => {
    if (this.#octets === 0) return;
    this.#octets = 0;
    this.#cut();
    const pieces = this.#pieces;
    this.#pieces = [];
    if (this.#socket.destroyed) return;
    const isOne = pieces.length === 1;
    if (!isOne) this.#socket.cork();
    for (const piece of pieces) this.#socket.write(piece);
    if (!isOne) this.#socket.uncork();
  };

  #cut(): void {
    if (this.#buffer !== undefined)
      this.#pieces.push(Buffer.from(this.#buffer, this.#start, this.#end - this.#start));
    this.#buffer = undefined;
  }
}
