/**
 * --mrt-updates: each message that comes and each change of state, as MRT records (RFC 6396 §4.4) in files of a directory,
 * of which the oldest go. Written behind the speaker's back: what the disk does not take in time is dropped and counted.
 */
import { createWriteStream, mkdirSync, readdirSync, rmSync, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '../src/host/log.ts';
import type { BgpState } from '../src/model/bgp-state.ts';
import { messageRecord, stateChangeRecord, type Wire } from './monitor/mrt.ts';
import { type Monitor, type SeenSession, wireOf } from './monitor/seen.ts';
import type { Neighbour } from './speaker/neighbour.ts';

export interface MrtLogOptions {
  readonly directory: string;
  readonly log: Pick<Logger, 'warn'>;
  /** Octets of one file, and how many files are kept. */
  readonly fileOctets?: number;
  readonly files?: number;
  /** The wall clock, in ms. */
  readonly now: () => number;
}

const defaultFileOctets = 64 * 1024 * 1024;
const defaultFiles = 8;
/** Octets that may wait for the disk. */
const mostWaiting = 16 * 1024 * 1024;
/** "updates.20260102T030405.678Z.mrt": sorts by time. */
const ours = /^updates\.\d{8}T\d{6}\.\d{3}Z\.mrt$/;

export class MrtLog implements Monitor {
  readonly #options: MrtLogOptions;
  #stream: WriteStream | undefined;
  #octets = 0;
  #dropped = 0;
  #isBroken = false;

  constructor(options: MrtLogOptions) {
    this.#options = options;
  }

  /** Records that were not written. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Octets that wait for the disk. */
  get waiting(): number {
    return this.#stream?.writableLength ?? 0;
  }

  state(wire: Wire, from: BgpState, to: BgpState, at: number): void {
    this.#write(stateChangeRecord(seconds(at), wire, from, to));
  }

  message(neighbour: Neighbour, seen: SeenSession | undefined, frame: Uint8Array, at: number): void {
    const codec = seen?.session.negotiated.codec;
    const addPath = (codec?.addPathReceive?.size ?? 0) > 0;
    const wire = seen?.wire ?? wireOf(neighbour, undefined);
    this.#write(messageRecord(seconds(at), wire, frame, { isAs4: codec?.fourOctetAs ?? true, addPath }));
  }

  /** Resolves when all is on disk. */
  stop(): Promise<void> {
    const last = this.#stream;
    this.#stream = undefined;
    return new Promise((resolve) => {
      if (last === undefined) resolve();
      else last.end(() => resolve());
    });
  }

  #write(record: Uint8Array): void {
    const { fileOctets = defaultFileOctets } = this.#options;
    if (this.#octets + record.byteLength > fileOctets) void this.stop();
    this.#stream ??= this.#open();
    if (this.#stream === undefined || this.#stream.writableLength > mostWaiting) {
      this.#dropped += 1;
      return;
    }
    this.#stream.write(record);
    this.#octets += record.byteLength;
  }

  #open(): WriteStream | undefined {
    const { directory, now } = this.#options;
    const name = `updates.${new Date(now()).toISOString().replaceAll(/[-:]/g, '')}.mrt`;
    this.#octets = 0;
    try {
      mkdirSync(directory, { recursive: true });
      this.#forgetOldest(name);
    } catch (error) {
      this.#complain(error as Error);
      return undefined;
    }
    const opened = createWriteStream(join(directory, name), { flags: 'a', mode: 0o600 });
    opened.on('open', () => {
      this.#isBroken = false;
    });
    opened.on('error', (error) => {
      this.#complain(error);
      if (this.#stream === opened) this.#stream = undefined;
    });
    return opened;
  }

  #forgetOldest(next: string): void {
    const { directory, files = defaultFiles } = this.#options;
    const old = readdirSync(directory)
      .filter((file) => ours.test(file) && file !== next)
      .sort();
    for (const file of old.slice(0, Math.max(0, old.length - files + 1)))
      rmSync(join(directory, file), { force: true });
  }

  /** Once, until it works again. */
  #complain(error: Error): void {
    if (!this.#isBroken)
      this.#options.log.warn(
        `updates are not recorded: ${error.message}; make room, or name another directory with --mrt-updates`,
      );
    this.#isBroken = true;
  }
}

const seconds = (at: number): number => Math.floor(at / 1000);
