/** What a message comes to, in the words of RFC 7606: sound, repaired, or the end of the session; and which clause says so. */
import { Reader } from '../../src/lib/bytes.ts';
import { type AttributeHeader, attributeHeaders } from './attribute-list.ts';
import { decodeMessage } from './codec.ts';
import { errorCodes, HEADER_LENGTH } from './iana.ts';
import type { CodecContext, Flaw, Message, Remedy, WireError } from './message.ts';

export type Outcome =
  | 'accept'
  /** Sound, and an optional non-transitive attribute that nobody knows is not passed on (RFC 4271 §5). */
  | 'attribute-ignored'
  | Remedy
  /** The OPEN is refused, so there is no session. */
  | 'reject-open';

export interface Judgement {
  readonly outcome: Outcome;
  /** The NOTIFICATION it is answered with. */
  readonly notification?: WireError['notification'];
  /** The strongest that was applied. */
  readonly remedy?: Remedy;
  /** "RFC 7606 §7.2": where the remedy stands. */
  readonly clause?: string;
  /** Sentences, one for each thing that is wrong. */
  readonly why: readonly string[];
  readonly message?: Message;
  /** Of an UPDATE, those whose framing is sound. */
  readonly attributes: readonly AttributeHeader[];
}

/** Mildest first (RFC 7606 §2). */
const remedies: readonly Remedy[] = ['attribute-discard', 'treat-as-withdraw', 'session-reset'];

/** Of errors whose sentence names none, by NOTIFICATION code. */
const clauses: Readonly<Record<number, string>> = {
  [errorCodes.header]: 'RFC 4271 §6.1',
  [errorCodes.open]: 'RFC 4271 §6.2',
  [errorCodes.update]: 'RFC 4271 §6.3',
};

const clauseOf = (why: string): string | undefined => /\((RFC \d+ §[^)]*)\)/.exec(why)?.[1];

/** @param frame  one whole message, header included */
export function judge(frame: Uint8Array, ctx: CodecContext): Judgement {
  const decoded = decodeMessage(frame, ctx);
  const attributes = headersOf(frame);
  if (!decoded.ok) return refused(decoded.error, attributes);
  const message = decoded.value;
  const flaws = message.kind === 'update' ? message.flaws : [];
  const why = flaws.map((flaw) => flaw.why);
  const strongest = strongestOf(flaws);
  if (strongest !== undefined) {
    const clause = clauseOf(strongest.why);
    const { remedy } = strongest;
    return {
      outcome: remedy,
      remedy,
      ...(clause === undefined ? {} : { clause }),
      why,
      message,
      attributes,
    };
  }
  const ignored = attributes.filter(({ isKnown, flags }) => !isKnown && (flags & 0xc0) === 0x80);
  if (ignored.length === 0) return { outcome: 'accept', why, message, attributes };
  return {
    outcome: 'attribute-ignored',
    clause: 'RFC 4271 §5',
    why: ignored.map(
      ({ name }) => `${name} is optional, not transitive, and not known: it is not passed on.`,
    ),
    message,
    attributes,
  };
}

function strongestOf(flaws: readonly Flaw[]): Flaw | undefined {
  return [...flaws].sort((a, b) => remedies.indexOf(b.remedy) - remedies.indexOf(a.remedy))[0];
}

function refused({ notification, why }: WireError, attributes: readonly AttributeHeader[]): Judgement {
  const clause = clauseOf(why) ?? clauses[notification.code];
  return {
    outcome: notification.code === errorCodes.open ? 'reject-open' : 'session-reset',
    notification,
    remedy: 'session-reset',
    ...(clause === undefined ? {} : { clause }),
    why: [why],
    attributes,
  };
}

/** Empty for anything but an UPDATE whose two lengths hold. */
export function headersOf(frame: Uint8Array): readonly AttributeHeader[] {
  if (frame[HEADER_LENGTH - 1] !== 2) return [];
  const reader = new Reader(frame, HEADER_LENGTH);
  reader.bytes(reader.u16());
  const length = reader.u16();
  return reader.failed || length > reader.left ? [] : attributeHeaders(reader.sub(length));
}
