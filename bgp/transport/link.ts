/**
 * One TCP connection, from its first SYN to its last byte: a Node socket with bounded queues and one owner.
 *
 * After `close` nothing is said any more; what was written still goes out, for a short while. Reading can be paused; what
 * the kernel holds back then slows the neighbour down, as TCP does.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../../src/host/clock.ts';
import { isKernelError } from '../../src/kernel/kernel-error.ts';
import { fdOf, type Hear, sendNow, sendProgress } from '../../src/kernel/tcp.ts';
import { type Millis, millis } from '../../src/lib/net.ts';
import { describeErrno, errnoOf } from './errno.ts';
import { Outbox, type Take } from './outbox.ts';
import { type SendState, watchStall } from './stall.ts';

/** What a closed connection may still take to send its last bytes (a NOTIFICATION, say). */
const lingerMs = 2_000;
/** A neighbour that lets this much wait unsent is dropped: no queue is without a bound. */
const mostQueued = 16 * 1024 * 1024;

export interface LinkEvents {
  readonly onConnected: () => void;
  /** The bytes are the receiver's until it returns; copy what is kept. */
  readonly onData: (bytes: Uint8Array) => void;
  /** There is room again after a `send` that returned false. */
  readonly onDrained: () => void;
  /** The end, said once: the dial failed, the connection broke, or the neighbour closed it. */
  readonly onFailed: (why: string, errno?: string) => void;
  /** See `watchSend`; said once. */
  readonly onStalled: () => void;
}

/** Of a connection that was made. Addresses as text, ports as numbers. */
export interface Ends {
  readonly localAddress: string;
  readonly localPort: number;
  readonly remotePort: number;
}

export interface LinkOptions {
  /** "10.0.0.1 port 179", for words. */
  readonly where: string;
  readonly clock: Clock;
  /** For a socket that is still connecting. */
  readonly connectTimeoutMs: number;
}

export interface Link {
  /** False: enough is queued, wait for `onDrained`. What was given is queued all the same. */
  send(bytes: Uint8Array): boolean;
  /** Octets not yet taken by the kernel. */
  readonly queued: number;
  /** Undefined while it is not connected. */
  readonly ends: Ends | undefined;
  /** From now on: says so when bytes have waited so long without the neighbour's TCP taking any. */
  watchSend(after: Millis): void;
  pause(): void;
  resume(): void;
  /** With `flush` what was sent still goes out (bounded by time), else the connection is reset. */
  close(flush: boolean): void;
  /** Resolves when the socket is gone. */
  readonly gone: Promise<void>;
}

/** @param open  makes the socket, which hands what comes in to `hear` */
export function createLink(
  open: (hear: Hear) => Socket,
  events: LinkEvents,
  { where, clock, connectTimeoutMs }: LinkOptions,
): Link {
  let told: LinkEvents | undefined = events;
  let cancelTimer = (): void => {};
  let unwatch = (): void => {};
  const tap = new Tap((bytes) => told?.onData(bytes));
  // Of one that is closed all is read, and dropped.
  const socket = open((bytes) => told === undefined || tap.hear(bytes));
  const outbox = new Outbox(socket, sending(socket), () => told?.onDrained());
  const fail = (why: string, errno?: string): void => {
    const { onFailed } = told ?? {};
    told = undefined;
    cancelTimer();
    unwatch();
    socket.destroy();
    onFailed?.(why, errno);
  };
  const failed = (errno: string): void => fail(describeErrno(errno, where), errno);

  socket.on('end', () => fail(`${where} closed the connection`));
  socket.on('error', (error) => failed(errnoOf(error)));
  const gone = new Promise<void>((resolve) => {
    socket.once('close', () => {
      fail(`the connection to ${where} is closed`);
      resolve();
    });
  });

  if (socket.connecting) {
    socket.once('connect', () => {
      cancelTimer();
      told?.onConnected();
    });
    cancelTimer = clock.after(millis(connectTimeoutMs), () => failed('ETIMEDOUT'));
  }

  return {
    send(bytes) {
      if (told === undefined) return true;
      if (outbox.queued + bytes.byteLength <= mostQueued) return outbox.add(bytes);
      fail(`${where} takes nothing: ${mostQueued >> 20} MiB wait unsent`);
      return true;
    },
    get queued() {
      return outbox.queued;
    },
    get ends() {
      const { localAddress, localPort, remotePort } = socket;
      if (localAddress === undefined || localPort === undefined || remotePort === undefined) return undefined;
      return { localAddress, localPort, remotePort };
    },
    watchSend(after) {
      unwatch();
      if (told === undefined) return;
      const look = () => sendStateOf(socket);
      unwatch = watchStall({ clock, after, look, onStalled: () => told?.onStalled() });
    },
    pause: tap.pause,
    resume: () => tap.resume(socket),
    close(flush) {
      if (told === undefined) return;
      told = undefined;
      cancelTimer();
      unwatch();
      if (!flush || socket.connecting) {
        socket.destroy();
        return;
      }
      outbox.flush();
      // What still comes in is read and dropped: unread bytes would turn our FIN into a reset that overtakes our words.
      tap.resume(socket);
      socket.resume();
      socket.end();
      cancelTimer = clock.after(millis(lingerMs), () => socket.destroy());
    },
    gone,
  };
}

/**
 * Reading. Who is paused is read once more, and what came is heard as soon as it goes on: the few octets of one neighbour that came in
 * time do not wait in the kernel behind the flood of another, for which all are paused.
 */
class Tap {
  readonly #onData: (bytes: Uint8Array) => void;
  #isPaused = false;
  #held: Uint8Array | undefined;

  constructor(onData: (bytes: Uint8Array) => void) {
    this.#onData = onData;
  }

  readonly hear: Hear = (bytes) => {
    if (this.#isPaused) this.#held = bytes.slice();
    else this.#onData(bytes);
    return this.#held === undefined;
  };

  readonly pause = (): void => {
    this.#isPaused = true;
  };

  /** What is held is not heard at once, as it may be that all must be paused again. */
  readonly resume = (socket: Socket): void => {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    if (this.#held !== undefined) queueMicrotask(() => this.#release(socket));
  };

  #release(socket: Socket): void {
    const held = this.#held;
    if (this.#isPaused || held === undefined) return;
    this.#held = undefined;
    this.#onData(held);
    socket.resume();
  }
}

/** Straight to the kernel, as long as it takes what it is given; an error ends the socket. */
function sending(socket: Socket): Take {
  let fd: number | undefined;
  return (bytes) => {
    if (socket.connecting) return 0;
    fd ??= fdOf(socket);
    if (fd === undefined) return 0;
    try {
      return sendNow(fd, bytes);
    } catch (error) {
      if (!isKernelError(error)) throw error;
      socket.destroy(error);
      return 0;
    }
  };
}

/** The kernel's own word where it gives one: small messages wait in its buffers, not in ours. */
function sendStateOf(socket: Socket): SendState {
  const fd = fdOf(socket);
  const progress = fd === undefined ? undefined : sendProgress(fd);
  const isWaiting = socket.writableLength > 0 || progress?.isWaiting === true;
  return { isWaiting, taken: progress?.acknowledged ?? socket.bytesWritten - socket.writableLength };
}
