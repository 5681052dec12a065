/** Capabilities in OPEN (RFC 5492), by table; those we do not know, or of a family we do not speak, stay raw. */
import { Reader, Writer } from '../../src/lib/bytes.ts';
import { asn, type IpVersion } from '../../src/lib/net.ts';
import { err, ok, type Result } from '../../src/lib/result.ts';
import { families, familyOf } from './family.ts';
import type { Capability, CapabilityOf, Family, Role } from './message.ts';

interface CapabilityRow<K extends Capability['kind']> {
  readonly code: number;
  /** The only length its value can have; absent: `decode` sees to it. */
  readonly length?: number;
  /** Undefined: keep it raw. */
  readonly decode: (value: Reader) => CapabilityOf[K] | undefined;
  readonly encode: (writer: Writer, capability: CapabilityOf[K]) => Writer;
}

type Known = Exclude<Capability['kind'], 'unknown'>;

/** By the number that says it (RFC 9234 §4.1). */
const roles: readonly Role[] = ['provider', 'rs', 'rs-client', 'customer', 'peer'];
/** By AFI. */
const nextHopVersions: Readonly<Record<number, IpVersion>> = { 1: 4, 2: 6 };

/** A capability that says all by being there. */
const empty = <K extends 'routeRefresh' | 'extendedMessage' | 'enhancedRouteRefresh'>(
  kind: K,
  code: number,
): {
  readonly code: number;
  readonly length: 0;
  readonly decode: () => { readonly kind: K };
  readonly encode: (writer: Writer) => Writer;
} => ({ code, length: 0, decode: () => ({ kind }), encode: (writer) => writer });

/**
 * The rest of a value as entries of `size` octets; undefined if the length does not add up. An entry that `read` answers
 * with undefined, one of a family we do not speak, is left out.
 */
function entries<T>(value: Reader, size: number, read: () => T | undefined): T[] | undefined {
  if (value.left % size !== 0) return undefined;
  const kept: T[] = [];
  while (value.left > 0) {
    const entry = read();
    if (entry !== undefined) kept.push(entry);
  }
  return kept;
}

const writeFamily = (writer: Writer, family: Family): Writer =>
  writer.u16(families[family].afi).u8(families[family].safi);

const table: { readonly [K in Known]: CapabilityRow<K> } = {
  /** RFC 4760 §8: AFI, reserved, SAFI. */
  multiprotocol: {
    code: 1,
    length: 4,
    decode: (value) => {
      const afi = value.u16();
      value.u8();
      const family = familyOf(afi, value.u8());
      return family === undefined ? undefined : { kind: 'multiprotocol', family };
    },
    encode: (writer, { family }) => writer.u16(families[family].afi).u8(0).u8(families[family].safi),
  },
  /** RFC 2918 §2. */
  routeRefresh: empty('routeRefresh', 2),
  /** RFC 8950 §4: of each family AFI, SAFI in two octets, AFI of the next hop. */
  extendedNextHop: {
    code: 5,
    decode: (value) => {
      const kept = entries(value, 6, () => {
        const family = familyOf(value.u16(), value.u16());
        const nextHop = nextHopVersions[value.u16()];
        return family === undefined || nextHop === undefined ? undefined : { family, nextHop };
      });
      return kept && { kind: 'extendedNextHop', families: kept };
    },
    encode: (writer, capability) => {
      for (const { family, nextHop } of capability.families)
        writer
          .u16(families[family].afi)
          .u16(families[family].safi)
          .u16(nextHop === 4 ? 1 : 2);
      return writer;
    },
  },
  /** RFC 8654 §3. */
  extendedMessage: empty('extendedMessage', 6),
  /** RFC 9234 §4.1. A role that is not assigned stays raw, so it matches none of ours. */
  role: {
    code: 9,
    length: 1,
    decode: (value) => {
      const role = roles[value.u8()];
      return role === undefined ? undefined : { kind: 'role', role };
    },
    encode: (writer, { role }) => writer.u8(roles.indexOf(role)),
  },
  /** RFC 4724 §3, and the N bit of RFC 8538 §2. */
  gracefulRestart: {
    code: 64,
    decode: (value) => {
      if (value.left < 2) return undefined;
      const head = value.u16();
      const kept = entries(value, 4, () => {
        const family = familyOf(value.u16(), value.u8());
        const flags = value.u8();
        return family === undefined ? undefined : { family, isForwarding: (flags & 0x80) !== 0 };
      });
      return (
        kept && {
          kind: 'gracefulRestart',
          isRestarting: (head & 0x8000) !== 0,
          isNotification: (head & 0x4000) !== 0,
          restartTime: head & 0x0fff,
          families: kept,
        }
      );
    },
    encode: (writer, { isRestarting, isNotification, restartTime, families: kept }) => {
      writer.u16((isRestarting ? 0x8000 : 0) | (isNotification ? 0x4000 : 0) | restartTime);
      for (const { family, isForwarding } of kept) writeFamily(writer, family).u8(isForwarding ? 0x80 : 0);
      return writer;
    },
  },
  /** RFC 6793 §3. */
  fourOctetAs: {
    code: 65,
    length: 4,
    decode: (value) => ({ kind: 'fourOctetAs', asn: asn(value.u32()) }),
    encode: (writer, capability) => writer.u32(capability.asn),
  },
  /** RFC 7911 §4: 1 receive, 2 send, 3 both; an entry with another value is ignored. */
  addPath: {
    code: 69,
    decode: (value) => {
      const kept = entries(value, 4, () => {
        const family = familyOf(value.u16(), value.u8());
        const mode = value.u8();
        if (family === undefined || mode === 0 || mode > 3) return undefined;
        return { family, receive: (mode & 1) !== 0, send: (mode & 2) !== 0 };
      });
      return kept && { kind: 'addPath', families: kept };
    },
    encode: (writer, capability) => {
      for (const { family, receive, send } of capability.families)
        if (receive || send) writeFamily(writer, family).u8((receive ? 1 : 0) | (send ? 2 : 0));
      return writer;
    },
  },
  /** RFC 7313 §3.1. */
  enhancedRouteRefresh: empty('enhancedRouteRefresh', 70),
  /** RFC 9494 §3.1: AFI, SAFI, flags, 24 bits of seconds. */
  longLivedGracefulRestart: {
    code: 71,
    decode: (value) => {
      const kept = entries(value, 7, () => {
        const family = familyOf(value.u16(), value.u8());
        const word = value.u32();
        return family === undefined
          ? undefined
          : { family, isForwarding: word >= 0x80000000, staleTime: word & 0xffffff };
      });
      return kept && { kind: 'longLivedGracefulRestart', families: kept };
    },
    encode: (writer, capability) => {
      for (const { family, isForwarding, staleTime } of capability.families)
        writeFamily(writer, family).u32((isForwarding ? 0x80000000 : 0) + (staleTime & 0xffffff));
      return writer;
    },
  },
};

interface DecodeRow {
  readonly length?: number;
  readonly decode: (value: Reader) => Capability | undefined;
}

const byCode = new Map<number, DecodeRow>(Object.values(table).map((row) => [row.code, row]));

/** The value of one Capabilities optional parameter. Fails with a reason if a length does not add up. */
export function decodeCapabilities(reader: Reader): Result<Capability[]> {
  const capabilities: Capability[] = [];
  while (reader.left > 0) {
    const code = reader.u8();
    const length = reader.u8();
    const value = reader.sub(length);
    if (value.failed) return err(`capability ${code} runs past the end of its parameter`);
    const row = byCode.get(code);
    if (row?.length !== undefined && length !== row.length)
      return err(`capability ${code} has ${length} octets, not ${row.length}`);
    const raw = value.bytes(length);
    capabilities.push(row?.decode(new Reader(raw)) ?? { kind: 'unknown', code, body: raw.slice() });
  }
  return ok(capabilities);
}

export function encodeCapability(writer: Writer, capability: Capability): void {
  if (capability.kind === 'unknown') {
    writer.u8(capability.code).u8(capability.body.byteLength).bytes(capability.body);
    return;
  }
  const value = new Writer(8);
  encodeKnown(value, capability);
  writer.u8(table[capability.kind].code).u8(value.length).bytes(value.done());
}

function encodeKnown<K extends Known>(writer: Writer, capability: CapabilityOf[K]): Writer {
  const row: CapabilityRow<K> = table[capability.kind as K];
  return row.encode(writer, capability);
}
