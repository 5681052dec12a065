/**
 * Netlink requests on one socket: one exchange at a time, first come first served. Owns the socket and its sequence numbers.
 *
 * The kernel answers rtnetlink requests inside the send call, and goes on with a dump inside each receive call, so there is
 * nothing to wait for: send, then receive until the answer is complete. Between receive calls of a long answer the event
 * loop gets its turn. A batch of changes is sent on another thread: the kernel spends most of the time there is on it, and
 * now and then a tenth of a second on one route, when its table of 100,000 grows or shrinks.
 */
import { setImmediate } from 'node:timers/promises';
import { errnoName, isKernelError, type KernelError, kernelError } from '../kernel-error.ts';
import { check, native } from '../native.ts';
import { NLM_F, NLMSG } from './constants.ts';
import { decodeError, type NetlinkError } from './error.ts';
import type { Message } from './reader.ts';
import { EAGAIN, ENOBUFS, openNetlink, ReceiveBuffer, type SocketOptions } from './socket.ts';
import { MessageWriter } from './writer.ts';

/** How long the kernel may keep silent in the middle of an answer before we call it a fault. */
const SILENCE_MS = 5_000;
/** After a request that took the kernel so long, as the end of an interface does, the event loop gets its turn before the next. */
const SLOW_MS = 4;
/** So many octets are a batch. */
const BATCH_OCTETS = 2048;
/** 1 comes after it. */
const lastSeq = 0xffff_ffff;
/** A dump that changed under the kernel's hands is asked for again so often, then taken as it is. */
const DUMP_TRIES = 5;

export interface Request {
  /** In words, for the error: "set link cali123 up". */
  readonly asked: string;
  readonly type: number;
  /** Beside NLM_F_REQUEST and NLM_F_ACK. */
  readonly flags?: number;
  /** Writes the fixed header and the attributes. */
  readonly write: (writer: MessageWriter) => void;
}

/** Decodes the body view[start, end); undefined for what the caller does not want. */
export type Decode<T> = (view: DataView, start: number, end: number) => T | undefined;

/** How many requests after the one numbered `first` that numbered `seq` is. */
export const seqsBetween = (first: number, seq: number): number =>
  seq >= first ? seq - first : seq - first + lastSeq;

/** The kernel had more to answer than the socket's buffer holds: what became of the requests is not known. */
export interface AnswersLost extends KernelError {
  readonly isLost: true;
}

export const isAnswersLost = (error: unknown): error is AnswersLost =>
  isKernelError(error) && 'isLost' in error;

/** Sequence numbers of requests whose answer ends an exchange. */
interface Ends {
  readonly last: number;
  readonly begin: number | undefined;
}

export class Requests {
  readonly fd: number;
  readonly #buffer = new ReceiveBuffer();
  #tail: Promise<unknown> = Promise.resolve();
  #open = true;
  /** Another thread has the socket. */
  #lent = false;
  #seq = 0;

  constructor(options: SocketOptions) {
    this.fd = openNetlink(options);
  }

  close(): void {
    if (this.#open && !this.#lent) native().close(this.fd);
    this.#open = false;
  }

  /** A fresh sequence number, 1..2^32-1. */
  nextSeq(): number {
    this.#seq = this.#seq === lastSeq ? 1 : this.#seq + 1;
    return this.#seq;
  }

  /** Makes one change. Fails with a KernelError in the kernel's words. */
  async change(request: Request): Promise<void> {
    await this.get(request, () => undefined);
  }

  /** Asks for one object; undefined if the kernel acknowledges without one. Fails with a KernelError. */
  async get<T>({ asked, type, flags = 0, write }: Request, decode: Decode<T>): Promise<T | undefined> {
    const seq = this.nextSeq();
    const writer = new MessageWriter(512);
    writer.begin(type, NLM_F.REQUEST | NLM_F.ACK | flags, seq);
    write(writer);
    let found: T | undefined;
    const { errno, words } = await this.exchange(asked, writer.end().written, seq, (message) => {
      if (message.seq === seq) found = decode(message.view, message.start, message.end);
    });
    if (errno !== 0) throw kernelError(asked, errnoName(errno), words);
    return found;
  }

  /** Asks for all objects of a kind, again if they changed meanwhile. Fails with a KernelError. */
  async dump<T>(request: Request, decode: Decode<T>): Promise<T[]> {
    for (let attempt = 1; ; attempt++) {
      const { found, interrupted } = await this.#dumpOnce(request, decode);
      if (!interrupted || attempt === DUMP_TRIES) return found;
    }
  }

  async #dumpOnce<T>({ asked, type, write }: Request, decode: Decode<T>) {
    const seq = this.nextSeq();
    const writer = new MessageWriter(64);
    writer.begin(type, NLM_F.REQUEST | NLM_F.DUMP, seq);
    write(writer);
    const found: T[] = [];
    let interrupted = false;
    const { errno, words } = await this.exchange(asked, writer.end().written, seq, (message) => {
      if (message.seq !== seq) return;
      if ((message.flags & NLM_F.DUMP_INTR) !== 0) interrupted = true;
      const item = decode(message.view, message.start, message.end);
      if (item !== undefined) found.push(item);
    });
    if (errno !== 0) throw kernelError(asked, errnoName(errno), words);
    return { found, interrupted };
  }

  /**
   * Sends the messages in `bytes`, which stay the caller's until it resolves, and resolves with the end of the answer: the
   * ACK or error of the request numbered `last`, or the end of a dump. `visit` gets every message before it: data, and
   * errors of other requests. Fails with a KernelError if the exchange itself does not work; with AnswersLost after it visited
   * those that were not lost.
   * @param begin  number of a first message whose refusal is that of all: then `last` has no answer, or one that means nothing
   */
  exchange(
    asked: string,
    bytes: Uint8Array,
    last: number,
    visit: (message: Message) => void,
    begin?: number,
  ): Promise<NetlinkError> {
    const turn = this.#tail.then(() => this.#talk(asked, bytes, { last, begin }, visit));
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  async #talk(asked: string, bytes: Uint8Array, ends: Ends, visit: (message: Message) => void) {
    this.#assertOpen(asked);
    const asking = performance.now();
    const isLent = bytes.length >= BATCH_OCTETS;
    check(asked, isLent ? await this.#lend(bytes) : native().send(this.fd, bytes, 0));
    this.#assertOpen(asked);
    let heard = performance.now();
    const isSlow = !isLent && heard - asking > SLOW_MS;
    let isLost = false;
    for (;;) {
      const { end, messages, errno } = this.#receive(asked, ends, visit);
      if (end !== undefined) {
        if (isSlow) await setImmediate();
        return end;
      }
      isLost ||= errno === ENOBUFS;
      if (isLost && errno === EAGAIN) throw answersLost(asked);
      if (messages > 0) heard = performance.now();
      else if (performance.now() - heard > SILENCE_MS) throw kernelError(asked, 'ETIMEDOUT', 'no answer');
      await setImmediate();
      this.#assertOpen(asked);
    }
  }

  async #lend(bytes: Uint8Array): Promise<number> {
    this.#lent = true;
    const sent = await native().sendElsewhere(this.fd, bytes, 0);
    this.#lent = false;
    if (!this.#open) native().close(this.fd);
    return sent;
  }

  #receive(asked: string, { last, begin }: Ends, visit: (message: Message) => void) {
    let end: NetlinkError | undefined;
    let messages = 0;
    const errno = this.#buffer.receive(this.fd, (message) => {
      messages += 1;
      const ends = message.type === NLMSG.DONE || message.type === NLMSG.ERROR;
      if (ends && (message.seq === last || message.seq === begin)) end ??= decodeError(message);
      else visit(message);
    });
    const isFault = errno !== 0 && errno !== EAGAIN && errno !== ENOBUFS;
    if (end === undefined && isFault) throw kernelError(asked, errnoName(errno));
    return { end, messages, errno };
  }

  #assertOpen(asked: string): void {
    if (!this.#open) throw kernelError(asked, 'EBADF', 'the kernel port is closed');
  }
}

const answersLost = (asked: string): AnswersLost =>
  Object.assign(kernelError(asked, 'ENOBUFS', 'there were more answers than the socket holds'), {
    isLost: true as const,
  });
