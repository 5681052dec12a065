/**
 * The Path Attributes field of an UPDATE: walks it, asks each attribute's row, and collects what RFC 7606 has to repair.
 *
 * The strongest remedy wins: a session reset ends the walk as an error; after anything milder the walk goes on, so
 * that every prefix of the message is found (RFC 7606 §3 h, j).
 */
import { Reader, type Writer } from '../../src/lib/bytes.ts';
import { ok, type Result } from '../../src/lib/result.ts';
import type { AttributeRow, Complaint, Found } from './attribute-row.ts';
import { attributeRows } from './attributes.ts';
import { framedAttributeRows } from './framed-attributes.ts';
import { attributeCodes, EXTENDED_LENGTH, OPTIONAL, PARTIAL, TRANSITIVE, updateErrors } from './iana.ts';
import type { CodecContext, Flaw, RawAttribute, Remedy, WireError } from './message.ts';
import { mpReach, mpUnreach } from './mp-nlri.ts';
import { updateError } from './wire-error.ts';

const rows = new Map<number, AttributeRow>(
  [...attributeRows, mpReach, mpUnreach, ...framedAttributeRows].map((row) => [row.code, row]),
);

interface Attribute extends RawAttribute {
  /** Type, length and value, as a NOTIFICATION quotes them (RFC 4271 §6.3). */
  readonly whole: Uint8Array;
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

/** Reads `bytes[start..end)`. Fails only where RFC 7606 leaves a session reset. */
export function decodeAttributes(
  bytes: Uint8Array,
  start: number,
  end: number,
  ctx: CodecContext,
): Result<AttributeList, WireError> {
  const reader = new Reader(bytes, start, end);
  const found: Found = { common: {}, unknown: [] };
  const flaws: Flaw[] = [];
  const seen = new Set<number>();
  while (reader.left > 0) {
    const attribute = nextAttribute(reader, bytes);
    if ('cut' in attribute) {
      if (isMp(attribute.code))
        return updateError(updateErrors.optionalAttribute, `${attribute.cut} (RFC 7606 §3 j).`);
      flaws.push(flaw('treat-as-withdraw', attribute.cut, 'RFC 7606 §4'));
      break;
    }
    const outcome = seen.has(attribute.code) ? repeated(attribute) : takeAttribute(attribute, found, ctx);
    seen.add(attribute.code);
    if (outcome === undefined) continue;
    if (!outcome.ok) return outcome;
    flaws.push(outcome.value);
  }
  found.unknown.sort((a, b) => a.code - b.code);
  return ok({ found, flaws });
}

/** One attribute off the front, or how the field's lengths cut it short (RFC 7606 §4). */
function nextAttribute(
  reader: Reader,
  bytes: Uint8Array,
): Attribute | { readonly code: number; readonly cut: string } {
  const start = reader.at;
  const flags = reader.u8();
  const code = reader.u8();
  const length = (flags & EXTENDED_LENGTH) === 0 ? reader.u8() : reader.u16();
  if (reader.failed) return { code, cut: 'The path attributes end within the header of one' };
  if (length > reader.left) return { code, cut: `${nameOf(code)} runs past the end of the path attributes` };
  const body = reader.bytes(length);
  return { flags, code, body, whole: bytes.subarray(start, reader.at) };
}

type Outcome = Result<Flaw, WireError> | undefined;

const nameOf = (code: number): string => rows.get(code)?.name ?? `Path attribute ${code}`;

/** Without these the prefixes they hold are not found. */
const isMp = (code: number): boolean => code === attributeCodes.mpReach || code === attributeCodes.mpUnreach;

/** RFC 7606 §3 g. */
function repeated({ code }: Attribute): Outcome {
  const what = `${nameOf(code)} appears more than once`;
  return isMp(code)
    ? updateError(updateErrors.malformedAttributeList, `${what} (RFC 7606 §3 g).`)
    : ok(flaw('attribute-discard', what, 'RFC 7606 §3 g'));
}

function takeAttribute(attribute: Attribute, found: Found, ctx: CodecContext): Outcome {
  const row = rows.get(attribute.code);
  if (row === undefined) return takeUnknown(attribute, found);
  const wrongFlags = checkFlags(row, attribute.flags);
  if (wrongFlags !== undefined) return outcomeOf(row, attribute, wrongFlags);
  if (row.internalOnly && ctx.peerType === 'ebgp')
    return ok(flaw('attribute-discard', `${row.name} came from an external neighbour`, row.clause));
  const complaint = row.decode(new Reader(attribute.body), found, ctx);
  if (complaint !== undefined) return outcomeOf(row, attribute, complaint);
  if (row.framingOnly) keepIfTransitive(attribute, found);
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
    ? updateError(updateErrors.optionalAttribute, what.why, attribute.whole.slice())
    : ok(what);
}

function takeUnknown(attribute: Attribute, found: Found): Outcome {
  if ((attribute.flags & OPTIONAL) === 0)
    return updateError(
      updateErrors.unrecognizedWellKnown,
      `Path attribute ${attribute.code} claims to be well-known, and we do not know it (RFC 4271 §6.3).`,
      attribute.whole.slice(),
    );
  keepIfTransitive(attribute, found);
  return undefined;
}

/** The low flag bits say nothing, or only how the length was written. */
function keepIfTransitive({ flags, code, body }: Attribute, found: Found): void {
  if ((flags & TRANSITIVE) !== 0)
    found.unknown.push({ flags: flags & (OPTIONAL | TRANSITIVE | PARTIAL), code, body: body.slice() });
}

/** Writes one attribute, with a two-octet length where it needs one. */
export function writeAttribute(writer: Writer, flags: number, code: number, value: Uint8Array): void {
  if (value.byteLength > 255)
    writer
      .u8(flags | EXTENDED_LENGTH)
      .u8(code)
      .u16(value.byteLength);
  else writer.u8(flags).u8(code).u8(value.byteLength);
  writer.bytes(value);
}
