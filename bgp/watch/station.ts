/**
 * The connection to a monitoring station: dialled again and again, bounded in what may wait for it. Knows no BMP.
 */
import { createConnection, type Socket } from 'node:net';
import type { Clock } from '../../src/host/clock.ts';
import type { Logger } from '../../src/host/log.ts';
import { type Backoff, backoffDelay } from '../../src/lib/backoff.ts';
import { millis } from '../../src/lib/net.ts';
import type { Random } from '../../src/lib/random.ts';

export interface StationOptions {
  readonly host: string;
  readonly port: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  /** Octets that may wait; more, and the connection is closed. */
  readonly mostWaiting: number;
  readonly onConnected: () => void;
  /** The station takes more. */
  readonly onDrained: () => void;
  /** Of a connection that was made. */
  readonly onLost: () => void;
}

const retry: Backoff = { firstMs: 1000, lastMs: 60_000 };
const connectTimeoutMs = 10_000;
const goodbyeMs = 2000;

export class Station {
  readonly #options: StationOptions;
  #socket: Socket | undefined;
  #isConnected = false;
  #isStopped = false;
  #failures = 0;
  #cancel = (): void => {};

  constructor(options: StationOptions) {
    this.#options = options;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Octets. */
  get waiting(): number {
    return this.#socket?.writableLength ?? 0;
  }

  dial(): void {
    const { host, port, clock, onConnected, onDrained } = this.#options;
    if (this.#isStopped) return;
    const socket = createConnection({ host, port });
    this.#socket = socket;
    this.#cancel = clock.after(millis(connectTimeoutMs), () =>
      socket.destroy(new Error(`no answer within ${connectTimeoutMs / 1000} s`)),
    );
    let why = 'it closed the connection';
    socket.on('connect', () => {
      this.#cancel();
      this.#isConnected = true;
      onConnected();
    });
    socket.on('data', () => {}); // a station has nothing to say (RFC 7854 §3.2)
    socket.on('drain', onDrained);
    socket.on('error', (error) => {
      why = error.message;
    });
    socket.on('close', () => this.#lost(socket, why));
  }

  /** Nothing is kept for a station that is away. */
  write(bytes: Uint8Array): void {
    const { mostWaiting } = this.#options;
    if (this.#socket === undefined || !this.#isConnected || this.#socket.destroyed) return;
    if (this.#socket.writableLength + bytes.byteLength > mostWaiting)
      this.#socket.destroy(new Error(`${mostWaiting} octets wait unread, so it is told everything anew`));
    else this.#socket.write(bytes);
  }

  /** Resolves when it is gone; a station that does not read is not waited for. */
  stop(lastWords: Uint8Array): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    const socket = this.#socket;
    if (socket === undefined || !this.#isConnected) {
      socket?.destroy();
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const giveUp = this.#options.clock.after(millis(goodbyeMs), () => socket.destroy());
      socket.once('close', () => {
        giveUp();
        resolve();
      });
      socket.end(lastWords);
    });
  }

  #lost(socket: Socket, why: string): void {
    if (this.#socket !== socket) return;
    const { host, port, clock, random, log, onLost } = this.#options;
    const wasConnected = this.#isConnected;
    this.#cancel();
    this.#socket = undefined;
    this.#isConnected = false;
    this.#failures = wasConnected ? 1 : this.#failures + 1;
    if (wasConnected) onLost();
    if (this.#isStopped) return;
    const after = backoffDelay(retry, this.#failures, random);
    if (this.#failures === 1)
      log.warn(`the BMP station ${host}:${port} hears nothing: ${why}; it is dialled again until it answers`);
    this.#cancel = clock.after(after, () => this.dial());
  }
}
