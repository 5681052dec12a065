/**
 * The Path Attributes field of an UPDATE: walks it, asks each attribute's row, and collects what RFC 7606 has to repair.
 *
 * The strongest remedy wins: a session reset ends the walk as an error; after anything milder the walk goes on, so
 * that every prefix of the message is found (RFC 7606 §3 h, j).
 */
import type { Reader, Writer } from '../../src/lib/bytes.ts';
import { ok, type Result } from '../../src/lib/result.ts';
import { type AttributeRow, type Complaint, type Found, nothingFound } from './attribute-row.ts';
import { attributeRows } from './attributes.ts';
import { framedAttributeRows } from './framed-attributes.ts';
import { attributeCodes, EXTENDED_LENGTH, OPTIONAL, PARTIAL, TRANSITIVE, updateErrors } from './iana.ts';
import type { CodecContext, Flaw, RawAttribute, Remedy, WireError } from './message.ts';
import { mpReach, mpUnreach } from './mp-nlri.ts';
import { updateError } from './wire-error.ts';

/** By code. */
const rows: readonly (AttributeRow | undefined)[] = (() => {
  const table = new Array<AttributeRow | undefined>(256).fill(undefined);
  for (const row of [...attributeRows, mpReach, mpUnreach, ...framedAttributeRows]) table[row.code] = row;
  return table;
})();

/** One attribute, its value not copied: `reader` stands at its start, and it has `length` octets. */
interface Attribute {
  readonly flags: number;
  readonly code: number;
  readonly length: number;
  readonly reader: Reader;
  /** Offset of its flags, where what a NOTIFICATION quotes begins (RFC 4271 §6.3). */
  readonly start: number;
  readonly bytes: Uint8Array;
}

export interface AttributeList {
  readonly found: Found;
  readonly flaws: readonly Flaw[];
}

const consequences: Record<Remedy, string> = {
  'attribute-discard': 'it is discarded',
  'treat-as-withdraw': 'the routes of the message are withdrawn',
  'session-reset': 'the session ends',
};

const flaw = (remedy: Remedy, what: string, clause: string): Flaw => ({
  remedy,
  why: `${what}: ${consequences[remedy]} (${clause}).`,
});

/** Reads all that `reader` has left; `bytes` is what it reads from. Fails only where RFC 7606 leaves a session reset. */
export function decodeAttributes(
  reader: Reader,
  bytes: Uint8Array,
  ctx: CodecContext,
): Result<AttributeList, WireError> {
  const found = nothingFound();
  const seen = new Codes();
  let flaws = noFlaws;
  while (reader.left > 0) {
    const outcome = takeNext(reader, bytes, seen, found, ctx);
    if (outcome === undefined) continue;
    if (!outcome.ok) return outcome;
    flaws = [...flaws, outcome.value];
  }
  found.unknown?.sort((a, b) => a.code - b.code);
  return ok({ found, flaws });
}

/** One attribute further; to the end, if it runs past that. */
function takeNext(reader: Reader, bytes: Uint8Array, seen: Codes, found: Found, ctx: CodecContext): Outcome {
  const start = reader.at;
  const flags = reader.u8();
  const code = reader.u8();
  const length = (flags & EXTENDED_LENGTH) === 0 ? reader.u8() : reader.u16();
  if (reader.failed || length > reader.left) {
    const isHeader = reader.failed;
    reader.skip(reader.left);
    return cutShort(code, isHeader);
  }
  const end = reader.enter(length);
  const isFirst = seen.add(code);
  const usual = isFirst ? usualRow(code, flags, ctx) : undefined;
  const complaint = usual?.decode(reader, found, ctx);
  let outcome: Outcome;
  if (usual === undefined || complaint !== undefined) {
    const attribute = { flags, code, length, reader, start, bytes };
    outcome = isFirst ? takeAttribute(attribute, found, ctx, complaint) : repeated(code);
  }
  reader.leave(end);
  return outcome;
}

const noFlaws: readonly Flaw[] = [];
const noCodes: readonly number[] = [];

/** A set of attribute codes that costs nothing while they are below 32, as most are. */
class Codes {
  /** A bit for each. */
  #low = 0;
  #others: readonly number[] = noCodes;

  /** False if it was there already. */
  add(code: number): boolean {
    if (code >= 32) {
      if (this.#others.includes(code)) return false;
      this.#others = [...this.#others, code];
      return true;
    }
    const bit = 1 << code;
    if ((this.#low & bit) !== 0) return false;
    this.#low |= bit;
    return true;
  }
}

type Outcome = Result<Flaw, WireError> | undefined;

/** As IANA calls it, or "Path attribute 254". */
const attributeName = (code: number): string => rows[code]?.name ?? `Path attribute ${code}`;

/** The field's lengths end before the attribute's do (RFC 7606 §4). */
function cutShort(code: number, isHeader: boolean): Result<Flaw, WireError> {
  const what = isHeader
    ? 'The path attributes end within the header of one'
    : `${attributeName(code)} runs past the end of the path attributes`;
  return isMp(code)
    ? updateError(updateErrors.optionalAttribute, `${what} (RFC 7606 §3 j).`)
    : ok(flaw('treat-as-withdraw', what, 'RFC 7606 §4'));
}

/** Without these the prefixes they hold are not found. */
const isMp = (code: number): boolean => code === attributeCodes.mpReach || code === attributeCodes.mpUnreach;

/** RFC 7606 §3 g. */
function repeated(code: number): Outcome {
  const what = `${attributeName(code)} appears more than once`;
  return isMp(code)
    ? updateError(updateErrors.malformedAttributeList, `${what} (RFC 7606 §3 g).`)
    : ok(flaw('attribute-discard', what, 'RFC 7606 §3 g'));
}

/** Of an attribute that we know and may have, flagged as it should be: all there is to do is to decode it. */
function usualRow(code: number, flags: number, { peerType }: CodecContext): AttributeRow | undefined {
  const row = rows[code];
  if (row === undefined || ((flags ^ row.flags) & (OPTIONAL | TRANSITIVE)) !== 0) return undefined;
  return row.framingOnly || (row.internalOnly && peerType === 'ebgp') ? undefined : row;
}

/** @param heard  what `decode` has complained of already */
function takeAttribute(attribute: Attribute, found: Found, ctx: CodecContext, heard: Complaint): Outcome {
  const row = rows[attribute.code];
  if (row === undefined) return takeUnknown(attribute, found);
  if (heard !== undefined) return outcomeOf(row, attribute, heard);
  const wrongFlags = checkFlags(row, attribute.flags);
  if (wrongFlags !== undefined) return outcomeOf(row, attribute, wrongFlags);
  if (row.internalOnly && ctx.peerType === 'ebgp')
    return ok(flaw('attribute-discard', `${row.name} came from an external neighbour`, row.clause));
  const valueAt = attribute.reader.at;
  const complaint = row.decode(attribute.reader, found, ctx);
  if (complaint !== undefined) return outcomeOf(row, attribute, complaint);
  if (row.framingOnly) keepIfTransitive(attribute, valueAt, found);
  return undefined;
}

/** A conflict in the Optional or Transitive bit; Partial is not named (RFC 7606 §3 c). */
function checkFlags(row: AttributeRow, flags: number): Complaint {
  const wrong = (flags ^ row.flags) & (OPTIONAL | TRANSITIVE);
  if (wrong === 0) return undefined;
  const usual = row.malformed === 'session-reset' ? 'session-reset' : 'treat-as-withdraw';
  const remedy = wrong === TRANSITIVE ? (row.wrongTransitive ?? usual) : usual;
  return flaw(remedy, `${row.name} has flags that conflict with its definition`, 'RFC 7606 §3 c');
}

function outcomeOf(row: AttributeRow, attribute: Attribute, complaint: Complaint & {}): Outcome {
  const what =
    typeof complaint === 'string' ? flaw(row.malformed, `${row.name} ${complaint}`, row.clause) : complaint;
  return what.remedy === 'session-reset'
    ? updateError(updateErrors.optionalAttribute, what.why, quote(attribute))
    : ok(what);
}

/** Type, length and value (RFC 4271 §6.3). */
function quote({ bytes, start, flags, length }: Attribute): Uint8Array {
  return bytes.slice(start, start + ((flags & EXTENDED_LENGTH) === 0 ? 3 : 4) + length);
}

function takeUnknown(attribute: Attribute, found: Found): Outcome {
  if ((attribute.flags & OPTIONAL) === 0)
    return updateError(
      updateErrors.unrecognizedWellKnown,
      `Path attribute ${attribute.code} claims to be well-known, and we do not know it (RFC 4271 §6.3).`,
      quote(attribute),
    );
  keepIfTransitive(attribute, attribute.reader.at, found);
  return undefined;
}

/** The low flag bits say nothing, or only how the length was written. */
function keepIfTransitive({ flags, code, length, bytes }: Attribute, valueAt: number, found: Found): void {
  if ((flags & TRANSITIVE) === 0) return;
  const kept: RawAttribute = {
    flags: flags & (OPTIONAL | TRANSITIVE | PARTIAL),
    code,
    body: bytes.slice(valueAt, valueAt + length),
  };
  if (found.unknown === undefined) found.unknown = [kept];
  else found.unknown.push(kept);
}

/**
 * Gives the attribute that began at `start`, and has been written with a one-octet length of 0, the length it came to;
 * of two octets if it needs them.
 */
export function closeAttribute(writer: Writer, start: number): void {
  const length = writer.length - start - 3;
  if (length <= 255) {
    writer.patchU8(start + 2, length);
    return;
  }
  writer
    .widen(start + 3)
    .patchU8(start, (writer.peek()[start] ?? 0) | EXTENDED_LENGTH)
    .patchU16(start + 2, length);
}

/** What the attributes of an UPDATE say of themselves, for people; nothing of their values. */
export interface AttributeHeader {
  readonly code: number;
  readonly name: string;
  readonly flags: number;
  /** Octets of the value. */
  readonly length: number;
  /** We know what it is, and what to do if it is malformed. */
  readonly isKnown: boolean;
}

/** Those that `reader` has left, up to the first that runs past the end. */
export function attributeHeaders(reader: Reader): readonly AttributeHeader[] {
  const headers: AttributeHeader[] = [];
  while (reader.left > 0) {
    const flags = reader.u8();
    const code = reader.u8();
    const length = (flags & EXTENDED_LENGTH) === 0 ? reader.u8() : reader.u16();
    reader.bytes(length);
    if (reader.failed) break;
    headers.push({ code, name: attributeName(code), flags, length, isKnown: rows[code] !== undefined });
  }
  return headers;
}
