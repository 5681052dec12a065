/**
 * What is to be written to a socket, until the turn of the loop is over: then it leaves as one system call, in as few pieces as it
 * lies in memory. Messages are cut off one sheet one after the other, so that hundreds of them are most often one piece.
 *
 * While the kernel takes all, it is handed to the kernel; only what it does not take waits in the stream, which makes half a dozen
 * objects for each piece.
 */
import type { Writable } from 'node:stream';

/** How many of these octets are taken at once: 0 if there is no room, or if that ended the socket. */
export type Take = (bytes: Uint8Array) => number;

const over = Promise.resolve();

export class Outbox {
  readonly #socket: Writable;
  readonly #take: Take;
  readonly #onDrained: () => void;
  #pieces: Uint8Array[] = [];
  /** The piece that still grows: `#buffer[#start..#end)`, of which `#last` is all or the end. */
  #last: Uint8Array | undefined;
  #buffer: ArrayBufferLike | undefined;
  #start = 0;
  #end = 0;
  #octets = 0;
  /** Somebody was told to wait. */
  #isAwaited = false;

  /** @param onDrained  there is room again after an `add` that returned false */
  constructor(socket: Writable, take: Take, onDrained: () => void) {
    this.#socket = socket;
    this.#take = take;
    this.#onDrained = onDrained;
    socket.on('drain', this.#drained);
  }

  /** Octets not yet taken by the kernel. */
  get queued(): number {
    return this.#socket.writableLength + this.#octets;
  }

  /** False: wait for `onDrained`; they are sent nevertheless. The bytes must not be changed after. */
  add(bytes: Uint8Array): boolean {
    const { buffer, byteOffset, byteLength } = bytes;
    // Less than half of what nextTick costs.
    if (this.#octets === 0) void over.then(this.flush);
    this.#octets += byteLength;
    if (this.#buffer !== buffer || this.#end !== byteOffset) {
      this.#cut();
      this.#buffer = buffer;
      this.#start = byteOffset;
    }
    this.#last = bytes;
    this.#end = byteOffset + byteLength;
    if (this.queued < this.#socket.writableHighWaterMark) return true;
    this.#isAwaited = true;
    return false;
  }

  /** Hands over all now, in order. */
  readonly flush = (): void => {
    if (this.#octets === 0) return;
    this.#octets = 0;
    this.#cut();
    const pieces = this.#pieces;
    this.#pieces = [];
    let sent = 0;
    while (sent < pieces.length && this.#leaves(pieces, sent)) sent += 1;
    if (this.#socket.destroyed) return;
    if (sent < pieces.length) this.#write(sent === 0 ? pieces : pieces.slice(sent));
    if (!this.#socket.writableNeedDrain) this.#drained();
  };

  /** Whether the kernel has all of this piece; of what it has not, the rest stands in its place. */
  #leaves(pieces: Uint8Array[], at: number): boolean {
    const piece = pieces[at];
    if (piece === undefined || this.#socket.destroyed || this.#socket.writableLength > 0) return false;
    const taken = this.#take(piece);
    if (taken < piece.byteLength) pieces[at] = piece.subarray(taken);
    return taken === piece.byteLength;
  }

  #write(pieces: readonly Uint8Array[]): void {
    const isOne = pieces.length === 1;
    if (!isOne) this.#socket.cork();
    for (const piece of pieces) this.#socket.write(piece);
    if (!isOne) this.#socket.uncork();
  }

  readonly #drained = (): void => {
    if (!this.#isAwaited) return;
    this.#isAwaited = false;
    this.#onDrained();
  };

  #cut(): void {
    if (this.#last === undefined || this.#buffer === undefined) return;
    const octets = this.#end - this.#start;
    this.#pieces.push(
      this.#last.byteLength === octets ? this.#last : new Uint8Array(this.#buffer, this.#start, octets),
    );
    this.#last = undefined;
    this.#buffer = undefined;
  }
}
