/**
 * --mrt-updates: each message that comes and each change of state, as MRT records (RFC 6396 §4.4) in files of a directory,
 * of which the oldest go. Written behind the speaker's back: what the disk does not take in time is dropped and counted.
 */
import {
  createWriteStream,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  type WriteStream,
} from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '../../src/host/log.ts';
import type { BgpState } from '../../src/model/bgp-state.ts';
import { messageRecord, stateChangeRecord, type Wire } from '../monitor/mrt.ts';
import { type Monitor, type SeenSession, wireOf } from '../monitor/seen.ts';
import type { Neighbour } from '../speaker/neighbour.ts';

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
/** After an error, so long nothing is tried. */
const retryMs = 10_000;
/** "updates.20260102T030405.678Z.mrt": sorts by time. */
const ours = /^updates\.\d{8}T\d{6}\.\d{3}Z\.mrt$/;

export class MrtLog implements Monitor {
  readonly #options: MrtLogOptions;
  #stream: WriteStream | undefined;
  #octets = 0;
  #dropped = 0;
  #isBroken = false;
  #triesAgainAt = Number.NEGATIVE_INFINITY;
  /** Of the file written before, which may not be all on disk yet. */
  #last: Promise<void> = Promise.resolve();

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
    const stream = this.#stream;
    this.#stream = undefined;
    if (stream === undefined) return this.#last;
    const ended = new Promise<void>((resolve) => {
      stream.once('close', resolve);
      stream.end();
    });
    this.#last = Promise.all([this.#last, ended]).then(() => {});
    return this.#last;
  }

  #write(record: Uint8Array): void {
    const { fileOctets = defaultFileOctets } = this.#options;
    if (this.#octets + record.byteLength > fileOctets) void this.stop();
    this.#stream ??= this.#open();
    if (this.#stream === undefined || this.#stream.writableLength > mostWaiting) {
      this.#dropped += 1;
      return;
    }
    this.#stream.write(record, (error) => {
      if (error) this.#dropped += 1;
      else this.#isBroken = false;
    });
    this.#octets += record.byteLength;
  }

  #open(): WriteStream | undefined {
    const { directory, now } = this.#options;
    if (now() < this.#triesAgainAt) return undefined;
    const name = `updates.${new Date(now()).toISOString().replaceAll(/[-:]/g, '')}.mrt`;
    const file = join(directory, name);
    this.#octets = 0;
    let fd: number;
    try {
      mkdirSync(directory, { recursive: true });
      this.#forgetOldest(name);
      fd = openSync(file, 'a', 0o600);
    } catch (error) {
      this.#complain(error as Error);
      return undefined;
    }
    const opened = createWriteStream(file, { fd });
    opened.on('error', (error) => {
      this.#complain(error);
      if (this.#stream === opened) this.#stream = undefined;
      forgetIfEmpty(file);
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
    this.#triesAgainAt = this.#options.now() + retryMs;
    if (!this.#isBroken)
      this.#options.log.warn(
        `updates are not recorded: ${error.message}; make room, or name another directory with --mrt-updates`,
      );
    this.#isBroken = true;
  }
}

/** Or files that a full disk left empty would push out those with something in them. */
function forgetIfEmpty(file: string): void {
  if (statSync(file, { throwIfNoEntry: false })?.size === 0) rmSync(file, { force: true });
}

const seconds = (at: number): number => Math.floor(at / 1000);
