/**
 * Attributes known by their framing only: enough to give a broken one the remedy its specification names, while a
 * sound one is passed on (transitive) or dropped (non-transitive) like any attribute we do not know (RFC 4271 §5).
 */
import type { Reader } from '../../src/lib/bytes.ts';
import type { AttributeRow, Complaint } from './attribute-row.ts';
import { EXTENDED_LENGTH, OPTIONAL, TRANSITIVE } from './iana.ts';

/** Walks type-length-value triples to the end; `check` may object to one. */
function eachTlv(
  body: Reader,
  shape: { readonly typeOctets: 1 | 2; readonly lengthOctets: 1 | 2 },
  check: (type: number, value: Reader) => Complaint = () => undefined,
): Complaint {
  while (body.left > 0) {
    if (body.left < shape.typeOctets + shape.lengthOctets) return 'ends within the header of a TLV';
    const type = shape.typeOctets === 1 ? body.u8() : body.u16();
    const length = shape.lengthOctets === 1 ? body.u8() : body.u16();
    if (length > body.left) return `has a TLV of type ${type} that runs past its end`;
    const complaint = check(type, body.sub(length));
    if (complaint !== undefined) return complaint;
  }
  return undefined;
}

/** Octets of a tunnel identifier of ingress replication: an IPv4 or IPv6 address (RFC 6514 §5). */
const ingressReplicationLengths = [4, 16];

/** RFC 6514 §5: a tunnel type that is not defined there, or an identifier of the wrong size, is malformed. */
function checkPmsiTunnel(body: Reader): Complaint {
  if (body.left < 5) return `has ${body.left} octets, which is too short`;
  body.u8();
  const type = body.u8();
  if (type > 7) return `has the unknown tunnel type ${type}`;
  body.bytes(3);
  if (type === 6 && !ingressReplicationLengths.includes(body.left))
    return `has a tunnel identifier of ${body.left} octets`;
  return undefined;
}

/** RFC 9012 §2 and §13: sub-TLVs of type 128 and above have a two-octet length. */
function checkSubTlvs(body: Reader): Complaint {
  while (body.left > 0) {
    const type = body.u8();
    const length = type < 128 ? body.u8() : body.u16();
    body.bytes(length);
    if (body.failed) return `has a sub-TLV of type ${type} that runs past its end`;
  }
  return undefined;
}

/** RFC 7311 §3: the length counts the TLV's own header, and an AIGP TLV is 11 octets long. */
function checkAigp(body: Reader): Complaint {
  if (body.left === 0) return 'is empty';
  while (body.left > 0) {
    const type = body.u8();
    const length = body.u16();
    if (type === 1 && length !== 11) return `has an AIGP TLV of ${length} octets, not 11`;
    body.bytes(length - 3);
    if (body.failed) return `has a TLV of type ${type} that runs past its end`;
  }
  return undefined;
}

/** RFC 6368 §5: an AS number, then path attributes. */
function checkAttributeSet(body: Reader): Complaint {
  if (body.left < 4) return `has ${body.left} octets, which is too short`;
  body.u32();
  while (body.left > 0) {
    const flags = body.u8();
    const code = body.u8();
    body.bytes((flags & EXTENDED_LENGTH) === 0 ? body.u8() : body.u16());
    if (body.failed) return `has an inner attribute ${code} that runs past its end`;
  }
  return undefined;
}

const withdraw = { malformed: 'treat-as-withdraw', framingOnly: true } as const;
/** Where the specification asks for attribute discard, a wrong Transitive bit gets no more than that. */
const discard = {
  malformed: 'attribute-discard',
  wrongTransitive: 'attribute-discard',
  framingOnly: true,
} as const;

export const framedAttributeRows: readonly AttributeRow[] = [
  {
    code: 22,
    name: 'PMSI_TUNNEL',
    flags: OPTIONAL | TRANSITIVE,
    clause: 'RFC 6514 §5',
    ...withdraw,
    decode: checkPmsiTunnel,
  },
  {
    code: 23,
    name: 'TUNNEL_ENCAPSULATION',
    flags: OPTIONAL | TRANSITIVE,
    clause: 'RFC 9012 §13',
    ...withdraw,
    decode: (body) =>
      eachTlv(body, { typeOctets: 2, lengthOctets: 2 }, (_type, value) => checkSubTlvs(value)),
  },
  {
    code: 24,
    name: 'TRAFFIC_ENGINEERING',
    flags: OPTIONAL,
    clause: 'RFC 7606 §7.13',
    ...withdraw,
    decode: (body) => (body.left === 0 ? 'is empty' : undefined),
  },
  {
    code: 25,
    name: 'IPV6_EXTENDED_COMMUNITIES',
    flags: OPTIONAL | TRANSITIVE,
    clause: 'RFC 7606 §7.15',
    ...withdraw,
    decode: (body) =>
      body.left > 0 && body.left % 20 === 0 ? undefined : `has ${body.left} octets, not a multiple of 20`,
  },
  { code: 26, name: 'AIGP', flags: OPTIONAL, clause: 'RFC 7311 §3', ...discard, decode: checkAigp },
  {
    code: 29,
    name: 'BGP-LS',
    flags: OPTIONAL,
    clause: 'RFC 9552 §8.2.2',
    ...discard,
    decode: (body) => eachTlv(body, { typeOctets: 2, lengthOctets: 2 }),
  },
  {
    code: 40,
    name: 'BGP_PREFIX_SID',
    flags: OPTIONAL | TRANSITIVE,
    clause: 'RFC 8669 §6',
    ...discard,
    decode: (body) =>
      eachTlv(body, { typeOctets: 1, lengthOctets: 2 }, (type, value) =>
        type === 1 && value.left !== 7 ? `has a label index of ${value.left} octets, not 7` : undefined,
      ),
  },
  {
    code: 128,
    name: 'ATTR_SET',
    flags: OPTIONAL | TRANSITIVE,
    clause: 'RFC 7606 §7.16',
    ...withdraw,
    decode: checkAttributeSet,
  },
];
