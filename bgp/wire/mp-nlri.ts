/**
 * MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 4760 §3-4): prefixes of any family, carried as attributes.
 *
 * One that cannot be parsed hides which routes it meant, so the session is reset (RFC 7606 §3 j, §5.3, §7.11).
 * One of a family that was not negotiated is ignored whole.
 */
import { type Reader, Writer } from '../../src/lib/bytes.ts';
import type { AttributeRow, Complaint } from './attribute-row.ts';
import { decodePrefixes, encodeNextHop, families, familyOf, isHost, type NextHops } from './family.ts';
import { attributeCodes, OPTIONAL } from './iana.ts';
import type { CodecContext, Family } from './message.ts';

const negotiated = (reader: Reader, ctx: CodecContext): Family | undefined => {
  const family = familyOf(reader.u16(), reader.u8());
  return family !== undefined && ctx.families.has(family) ? family : undefined;
};

export const mpReach: AttributeRow = {
  code: attributeCodes.mpReach,
  name: 'MP_REACH_NLRI',
  flags: OPTIONAL,
  malformed: 'session-reset',
  clause: 'RFC 7606 §7.11',
  decode: (body, found, ctx): Complaint => {
    if (body.left < 5) return `has ${body.left} octets, which is too short`;
    const family = negotiated(body, ctx);
    const hopLength = body.u8();
    if (hopLength + 1 > body.left) return `has a next hop of ${hopLength} octets that runs past its end`;
    const hopField = body.sub(hopLength);
    body.u8(); // reserved, ignored
    if (family === undefined) {
      found.mpReach = { family, prefixes: [], carriesNlri: body.left > 0 };
      return undefined;
    }
    const hops: NextHops | undefined = families[family].decodeNextHop(hopField);
    if (hops === undefined) return `has a next hop of ${hopLength} octets in ${family}`;
    const prefixes = decodePrefixes(body, family);
    if (!prefixes.ok) return `has ${prefixes.error}`;
    found.mpReach = { family, prefixes: prefixes.value, carriesNlri: prefixes.value.length > 0, hops };
    if (isHost(hops.nextHop)) return undefined;
    return {
      remedy: 'treat-as-withdraw',
      why: 'The next hop of MP_REACH_NLRI is not the address of a host: its routes are withdrawn (RFC 4271 §6.3).',
    };
  },
};

export const mpUnreach: AttributeRow = {
  code: attributeCodes.mpUnreach,
  name: 'MP_UNREACH_NLRI',
  flags: OPTIONAL,
  malformed: 'session-reset',
  clause: 'RFC 7606 §5.3',
  decode: (body, found, ctx): Complaint => {
    if (body.left < 3) return `has ${body.left} octets, which is too short`;
    const family = negotiated(body, ctx);
    if (family === undefined) {
      found.mpUnreach = { family, prefixes: [], carriesNlri: body.left > 0 };
      return undefined;
    }
    const prefixes = decodePrefixes(body, family);
    if (!prefixes.ok) return `has ${prefixes.error}`;
    found.mpUnreach = { family, prefixes: prefixes.value, carriesNlri: prefixes.value.length > 0 };
    return undefined;
  },
};

/** The value of MP_REACH_NLRI around already encoded prefixes. */
export function mpReachValue(family: Family, hops: NextHops, nlri: Uint8Array): Uint8Array {
  const writer = new Writer(nlri.byteLength + 40).u16(families[family].afi).u8(families[family].safi);
  encodeNextHop(writer, family, hops);
  return writer.u8(0).bytes(nlri).done();
}

/** The value of MP_UNREACH_NLRI around already encoded prefixes; with none it is an End-of-RIB (RFC 4724 §2). */
export function mpUnreachValue(family: Family, nlri: Uint8Array): Uint8Array {
  return new Writer(nlri.byteLength + 3)
    .u16(families[family].afi)
    .u8(families[family].safi)
    .bytes(nlri)
    .done();
}

/** A family whose prefixes travel in the fields of RFC 4271 rather than in these attributes. */
export const usesClassicFields = (family: Family): boolean => family === 'ipv4-unicast';
