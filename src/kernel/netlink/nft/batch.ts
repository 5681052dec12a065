/**
 * A transaction of nf_tables in the making: messages one after another in one growing buffer.
 *
 * Messages are numbered from 1 by their sequence number; who sends it adds what makes them unique on the socket. They are
 * grouped by what they are about, so that a refusal can be told of the object, and the last group can be taken back.
 */
import { assert } from '../../../lib/result.ts';
import { NLM_F } from '../constants.ts';
import { littleEndian } from '../reader.ts';
import { MessageWriter } from '../writer.ts';
import { BATCH, FAMILY, messageType, NFNL_SUBSYS_NFTABLES } from './numbers.ts';

/** What a run of messages is about. */
export interface NftObject {
  readonly kind: 'table' | 'set' | 'chain';
  readonly name: string;
  /** It goes away. */
  readonly removed?: true;
}

interface Group extends NftObject {
  /** Octets and messages before it. */
  readonly start: number;
  readonly messages: number;
  readonly last: number;
}

/** One transaction, whole: with its first and last message. */
export interface NftTransaction {
  /** Starts with BATCH_BEGIN, whose sequence number is 0; the last message before BATCH_END asks for an ACK. */
  readonly bytes: Uint8Array;
  /** Without BATCH_BEGIN and BATCH_END; they are numbered from `first` on. */
  readonly messages: number;
  readonly first: number;
}

/** Of BATCH_BEGIN and of BATCH_END. */
export const MARK_OCTETS = 20;
const FLAGS_AT = 6;

export class NftBatch {
  readonly writer: MessageWriter;
  readonly #groups: Group[] = [];
  readonly #family: number;
  #messages = 0;
  #setId = 0;
  /** Where the last message starts. */
  #last = 0;
  /** BATCH_END is written. */
  #ended = false;

  constructor(capacity = 4096, family: number = FAMILY.inet) {
    this.#family = family;
    this.writer = new MessageWriter(capacity);
    writeMark(this.writer, BATCH.BEGIN, 0);
  }

  /** How many messages there are. */
  get messages(): number {
    return this.#messages;
  }

  get isEmpty(): boolean {
    return this.#messages === 0;
  }

  /** Octets so far. */
  get length(): number {
    return this.writer.length;
  }

  /** An id for a set that has no name yet; of its own within the transaction. */
  nextSetId(): number {
    this.#setId += 1;
    return this.#setId;
  }

  /** What follows is about this. */
  about(object: NftObject): void {
    this.#groups.push({ ...object, start: this.writer.length, messages: this.#messages, last: this.#last });
  }

  /** Takes back all that followed the last `about`. */
  takeBack(): void {
    const last = this.#groups.pop();
    if (last === undefined) return;
    this.writer.truncate(last.start);
    this.#messages = last.messages;
    this.#last = last.last;
  }

  /** Starts a message of NFT_MSG_`kind`: attributes follow, then `end`. */
  begin(kind: number, flags = 0): MessageWriter {
    this.#messages += 1;
    assert(!this.#ended, 'a message for a transaction that is being sent');
    this.#last = this.writer.length;
    return this.writer
      .begin(messageType(kind), NLM_F.REQUEST | flags, this.#messages)
      .u8(this.#family)
      .u8(0)
      .u16(0);
  }

  /** What it is about, in order. */
  get objects(): readonly NftObject[] {
    return this.#groups;
  }

  /** What message `index`, counted from 0, is about. */
  objectOf(index: number): NftObject | undefined {
    return this.#groups.findLast(({ messages }) => messages <= index);
  }

  /** The whole; undefined if there is nothing. Its bytes are the batch's own; nothing can be added any more. */
  transaction(): NftTransaction | undefined {
    if (this.#messages === 0) return undefined;
    if (!this.#ended) {
      this.writer.acknowledge(this.#last);
      writeMark(this.writer, BATCH.END, this.#messages + 1);
    }
    this.#ended = true;
    return { bytes: this.writer.written, messages: this.#messages, first: 1 };
  }

  /** In parts of at most `most` octets as far as single objects allow it, in order: each a transaction. */
  parts(most: number): readonly NftTransaction[] {
    if (this.#messages === 0) return [];
    const whole = this.writer.written;
    const written = this.#ended ? whole.subarray(0, -MARK_OCTETS) : whole;
    const ends = [...this.#groups.slice(1), { start: written.byteLength, messages: this.#messages }];
    const parts: NftTransaction[] = [];
    let from = { start: MARK_OCTETS, messages: 0 };
    for (const [index, end] of ends.entries()) {
      const next = ends[index + 1];
      const isLast = next === undefined;
      if (end.messages === from.messages) continue;
      if (!isLast && next.start - from.start + 2 * MARK_OCTETS <= most) continue;
      parts.push(transactionOf(written.subarray(from.start, end.start), from.messages, end.messages));
      from = end;
    }
    return parts;
  }
}

function writeMark(writer: MessageWriter, type: number, seq: number): void {
  writer.begin(type, NLM_F.REQUEST, seq).u8(0).u8(0).be16(NFNL_SUBSYS_NFTABLES).end();
}

function transactionOf(body: Uint8Array, before: number, after: number): NftTransaction {
  const bytes = new Uint8Array(body.byteLength + 2 * MARK_OCTETS);
  const marks = new MessageWriter(2 * MARK_OCTETS);
  writeMark(marks, BATCH.BEGIN, 0);
  writeMark(marks, BATCH.END, after + 1);
  bytes.set(marks.written.subarray(0, MARK_OCTETS));
  bytes.set(body, MARK_OCTETS);
  bytes.set(marks.written.subarray(MARK_OCTETS), MARK_OCTETS + body.byteLength);
  acknowledgeLast(bytes, MARK_OCTETS + body.byteLength);
  return { bytes, messages: after - before, first: before + 1 };
}

/** Only the last message before `end` answers for all: those before it are heard of if they failed. */
function acknowledgeLast(bytes: Uint8Array, end: number): void {
  const view = new DataView(bytes.buffer);
  let at = MARK_OCTETS;
  for (let next = at; next < end; ) {
    at = next;
    next += (view.getUint32(at, littleEndian) + 3) & ~3;
  }
  view.setUint16(at + FLAGS_AT, view.getUint16(at + FLAGS_AT, littleEndian) | NLM_F.ACK, littleEndian);
}
