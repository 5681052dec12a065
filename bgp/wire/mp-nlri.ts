/**
 * MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 4760 §3-4): prefixes of any family, carried as attributes.
 *
 * One that cannot be parsed hides which routes it meant, so the session is reset (RFC 7606 §3 j, §5.3, §7.11).
 * One of a family that was not negotiated is ignored whole.
 */
import type { Reader } from '../../src/lib/bytes.ts';
import type { AttributeRow, Complaint } from './attribute-row.ts';
import { decodeNextHops, decodeNlri, familyOf, isHost, noNlri } from './family.ts';
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
    if (family === undefined) {
      body.bytes(hopLength + 1);
      found.mpReach = { family, nlri: noNlri, carriesNlri: body.left > 0 };
      return undefined;
    }
    const end = body.enter(hopLength);
    const hops = decodeNextHops(body, family, ctx);
    body.leave(end);
    if (hops === undefined) return `has a next hop of ${hopLength} octets in ${family}`;
    body.u8(); // reserved, ignored
    const nlri = decodeNlri(body, family, ctx.addPathReceive?.has(family) === true);
    if (!nlri.ok) return `has ${nlri.error}`;
    found.mpReach = { family, nlri: nlri.value, carriesNlri: nlri.value.prefixes.length > 0, hops };
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
      found.mpUnreach = { family, nlri: noNlri, carriesNlri: body.left > 0 };
      return undefined;
    }
    const nlri = decodeNlri(body, family, ctx.addPathReceive?.has(family) === true);
    if (!nlri.ok) return `has ${nlri.error}`;
    found.mpUnreach = { family, nlri: nlri.value, carriesNlri: nlri.value.prefixes.length > 0 };
    return undefined;
  },
};
