/** Capabilities in OPEN (RFC 5492), by table; those we do not know, or of a family we do not speak, stay raw. */
import { Reader, Writer } from '../../src/lib/bytes.ts';
import { asn } from '../../src/lib/net.ts';
import { err, ok, type Result } from '../../src/lib/result.ts';
import { families, familyOf } from './family.ts';
import type { Capability, Family, GracefulRestart } from './message.ts';

interface CapabilityRow<K extends Capability['kind']> {
  readonly code: number;
  /** The only length its value can have; absent: `decode` sees to it. */
  readonly length?: number;
  /** Undefined: keep it raw. */
  readonly decode: (value: Reader) => Extract<Capability, { kind: K }> | undefined;
  readonly encode: (writer: Writer, capability: Extract<Capability, { kind: K }>) => Writer;
}

type Known = Exclude<Capability['kind'], 'unknown'>;

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
  routeRefresh: {
    code: 2,
    length: 0,
    decode: () => ({ kind: 'routeRefresh' }),
    encode: (writer) => writer,
  },
  /** RFC 6793 §3. */
  fourOctetAs: {
    code: 65,
    length: 4,
    decode: (value) => ({ kind: 'fourOctetAs', asn: asn(value.u32()) }),
    encode: (writer, capability) => writer.u32(capability.asn),
  },
  /** RFC 4724 §3. */
  gracefulRestart: { code: 64, decode: decodeGracefulRestart, encode: encodeGracefulRestart },
};

/** Entries of families we do not speak are left out; undefined if the length does not add up. */
function decodeGracefulRestart(value: Reader): GracefulRestart | undefined {
  if (value.left % 4 !== 2) return undefined;
  const head = value.u16();
  const kept: { family: Family; isForwarding: boolean }[] = [];
  while (value.left > 0) {
    const family = familyOf(value.u16(), value.u8());
    const flags = value.u8();
    if (family !== undefined) kept.push({ family, isForwarding: (flags & 0x80) !== 0 });
  }
  return {
    kind: 'gracefulRestart',
    isRestarting: (head & 0x8000) !== 0,
    restartTime: head & 0x0fff,
    families: kept,
  };
}

function encodeGracefulRestart(writer: Writer, capability: GracefulRestart): Writer {
  writer.u16((capability.isRestarting ? 0x8000 : 0) | capability.restartTime);
  for (const { family, isForwarding } of capability.families)
    writer
      .u16(families[family].afi)
      .u8(families[family].safi)
      .u8(isForwarding ? 0x80 : 0);
  return writer;
}

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

function encodeKnown(writer: Writer, capability: Extract<Capability, { kind: Known }>): Writer {
  switch (capability.kind) {
    case 'multiprotocol':
      return table.multiprotocol.encode(writer, capability);
    case 'routeRefresh':
      return table.routeRefresh.encode(writer, capability);
    case 'fourOctetAs':
      return table.fourOctetAs.encode(writer, capability);
    case 'gracefulRestart':
      return table.gracefulRestart.encode(writer, capability);
  }
}
