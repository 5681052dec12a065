/**
 * nftables transactions as netlink messages: one send, all or nothing, without a process. The kernel has done it all when
 * the send returns.
 */
import { errnoName, isKernelError, type KernelError, kernelError } from './kernel-error.ts';
import { check, int32, native } from './native.ts';
import { NLMSG } from './netlink/constants.ts';
import { decodeError } from './netlink/error.ts';
import { MARK_OCTETS, type NftBatch, type NftObject, type NftTransaction } from './netlink/nft/batch.ts';
import { littleEndian, type Message } from './netlink/reader.ts';
import { isAnswersLost, type Requests, seqsBetween } from './netlink/requests.ts';

const asked = 'run an nft transaction';
const SOL_SOCKET = 1;
const SO = { SNDBUF: 7, SNDBUFFORCE: 32 } as const;
/** The kernel counts more than our octets against the buffer. */
const OVERHEAD = 65_536;
/** Of a part, when the whole is more than the socket takes; the least SO_SNDBUF there is takes it. */
const PART_OCTETS = 128 * 1024;

/** What the kernel did not like, and why. */
export interface Refused {
  /** Absent: it refused the whole, not one message. */
  readonly object?: NftObject;
  readonly errno: string;
  /** The kernel's own words, or empty. */
  readonly words: string;
}

/** A KernelError that tells of which objects. */
export interface NftRefusal extends KernelError {
  readonly refused: readonly Refused[];
}

export const isNftRefusal = (error: unknown): error is NftRefusal =>
  isKernelError(error) && 'refused' in error;

/** Of the errors in the queue so many are kept. */
const REFUSED_KEPT = 1000;

export interface RunOptions {
  /** The kernel only says what it would say, and takes nothing. */
  readonly check?: true;
}

/**
 * Fails with an NftRefusal. A batch that is more than the socket takes, although it asked for more room, goes in parts one after
 * the other, and is then no longer all or nothing.
 * @returns  how many transactions it took
 */
export async function runBatch(
  requests: Requests,
  batch: NftBatch,
  { check: isCheck }: RunOptions = {},
): Promise<number> {
  const whole = batch.transaction();
  if (whole === undefined) return 0;
  makeRoom(requests.fd, whole.bytes.byteLength);
  try {
    // Without its end a transaction is judged and given up.
    await runTransaction(requests, batch, isCheck === true ? endless(whole) : whole);
    return 1;
  } catch (error) {
    if (!isTooLarge(error) || isCheck === true || whole.bytes.byteLength <= PART_OCTETS) throw error;
  }
  const parts = batch.parts(PART_OCTETS);
  for (const part of parts) await runTransaction(requests, batch, part);
  return parts.length;
}

const endless = (whole: NftTransaction): NftTransaction => ({
  ...whole,
  bytes: whole.bytes.subarray(0, -MARK_OCTETS),
});

/** Of the send. What was sent and is not known to be taken does not go again in parts: it may be refused, and parts of it not. */
const isTooLarge = (error: unknown): boolean =>
  isKernelError(error) &&
  !isNftRefusal(error) &&
  !isAnswersLost(error) &&
  (error.code === 'EMSGSIZE' || error.code === 'ENOBUFS');

/** Asks for a send buffer that takes so many octets; in a user namespace the kernel gives no more than net.core.wmem_max. */
function makeRoom(fd: number, octets: number): void {
  const value = new Uint8Array(4);
  const { getsockopt, setsockopt } = native();
  check(asked, getsockopt(fd, SOL_SOCKET, SO.SNDBUF, value));
  if (new DataView(value.buffer).getInt32(0, littleEndian) > octets + OVERHEAD) return;
  const wanted = int32(octets + OVERHEAD);
  if (setsockopt(fd, SOL_SOCKET, SO.SNDBUFFORCE, wanted) < 0) setsockopt(fd, SOL_SOCKET, SO.SNDBUF, wanted);
}

async function runTransaction(
  requests: Requests,
  batch: NftBatch,
  transaction: NftTransaction,
): Promise<void> {
  const { bytes, messages, first } = transaction;
  const { begin, last } = number(requests, bytes, messages);
  const refused: Refused[] = [];
  const tell = (seq: number, errno: number, words: string): void => {
    if (errno === 0 || refused.length >= REFUSED_KEPT) return;
    // 0 is BATCH_BEGIN: the right to ask at all, or the whole at its end.
    const index = seqsBetween(begin, seq);
    const object = index === 0 ? undefined : batch.objectOf(first + index - 2);
    refused.push({ errno: errnoName(errno), words, ...(object === undefined ? {} : { object }) });
  };
  const visit = (message: Message): void => {
    const index = seqsBetween(begin, message.seq);
    if (message.type !== NLMSG.ERROR || index > messages) return;
    const { errno, words } = decodeError(message);
    tell(message.seq, errno, words);
  };
  try {
    const end = await requests.exchange(asked, bytes, last, visit, begin);
    tell(end.seq, end.errno, end.words);
  } catch (error) {
    // One refusal is enough to know that nothing was taken.
    if (!isAnswersLost(error) || refused.length === 0) throw error;
  }
  const [one] = refused;
  if (one === undefined) return;
  throw Object.assign(kernelError(asked, one.errno, wordsOf(one)), { refused });
}

function wordsOf({ object, words }: Refused): string {
  const what =
    object === undefined ? '' : `${object.removed === true ? 'to remove ' : ''}${object.kind} ${object.name}`;
  return [what, words].filter((part) => part !== '').join(': ');
}

/** Gives every message a sequence number of its own on this socket. */
function number(requests: Requests, bytes: Uint8Array, messages: number): { begin: number; last: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const begin = requests.nextSeq();
  let last = begin;
  let at = 0;
  for (let index = 0; at < bytes.byteLength; index++) {
    const seq = index === 0 ? begin : requests.nextSeq();
    if (index === messages) last = seq;
    view.setUint32(at + 8, seq, littleEndian);
    at += (view.getUint32(at, littleEndian) + 3) & ~3;
  }
  return { begin, last };
}
