/**
 * The path attributes we understand, one row each: nothing else knows their codes, flags, encodings or remedies.
 * RFC 4271 §4.3 and §5, RFC 1997, 4360, 4456, 6793, 8092, 9234; remedies RFC 7606 §7. MP_REACH_NLRI and MP_UNREACH_NLRI
 * are in `mp-nlri.ts`, those known by their framing only in `framed-attributes.ts`.
 */
import type { Reader } from '../../src/lib/bytes.ts';
import { type Asn, asn, type Ipv4 } from '../../src/lib/net.ts';
import { decodeAsPath, encodeAsPath, isConfederation, needsFourOctets } from './as-path.ts';
import type { AttributeRow } from './attribute-row.ts';
import { isHost } from './family.ts';
import { AS_TRANS, attributeCodes, OPTIONAL, TRANSITIVE } from './iana.ts';
import type { AsPath, Origin } from './message.ts';

const WELL_KNOWN = TRANSITIVE;
const OPTIONAL_TRANSITIVE = OPTIONAL | TRANSITIVE;

const origins: readonly Origin[] = ['igp', 'egp', 'incomplete'];

const lengthIs = (body: Reader, expected: number): string | undefined =>
  body.left === expected ? undefined : `has ${body.left} octets, not ${expected}`;

/** RFC 7606 §7.8 and its like: a list of fixed-size values cannot be empty. */
const listOf = (body: Reader, size: number): string | undefined =>
  body.left > 0 && body.left % size === 0 ? undefined : `has ${body.left} octets, not a multiple of ${size}`;

const zeroAs = (number: number): string | undefined => (number === 0 ? 'contains AS 0' : undefined);

function decodeAggregator(
  body: Reader,
  octets: 2 | 4,
): string | { readonly asn: Asn; readonly address: Ipv4 } {
  const complaint = lengthIs(body, octets + 4);
  if (complaint !== undefined) return complaint;
  const number = octets === 2 ? body.u16() : body.u32();
  return zeroAs(number) ?? { asn: asn(number), address: body.ipv4() };
}

const withoutConfederations = (path: AsPath): AsPath =>
  path.some(isConfederation) ? path.filter((segment) => !isConfederation(segment)) : path;

const origin: AttributeRow = {
  code: 1,
  name: 'ORIGIN',
  flags: WELL_KNOWN,
  malformed: 'treat-as-withdraw',
  clause: 'RFC 7606 §7.1',
  decode: (body, found) => {
    const complaint = lengthIs(body, 1);
    if (complaint !== undefined) return complaint;
    const code = body.u8();
    const value = origins[code];
    if (value === undefined) return `has the unknown value ${code}`;
    found.origin = value;
    return undefined;
  },
  encode: (body, attributes) => {
    body.u8(origins.indexOf(attributes.origin));
    return true;
  },
};

/** May be empty: a route that began inside this AS. This speaker is in no confederation, so none may show (RFC 5065 §5). */
const asPath: AttributeRow = {
  code: attributeCodes.asPath,
  name: 'AS_PATH',
  flags: WELL_KNOWN,
  malformed: 'treat-as-withdraw',
  clause: 'RFC 7606 §7.2',
  decode: (body, found, ctx) => {
    const path = decodeAsPath(body, ctx.fourOctetAs ? 4 : 2);
    if (!path.ok) return path.error;
    if (path.value.some(isConfederation))
      return 'has a confederation segment, and we are in no confederation';
    found.asPath = path.value;
    return undefined;
  },
  encode: (body, attributes, ctx) => {
    encodeAsPath(body, attributes.asPath, ctx.fourOctetAs ? 4 : 2);
    return true;
  },
};

/** Of the IPv4 prefixes in the NLRI field; `encodeAnnouncement` decides whether it is sent. */
const nextHop: AttributeRow = {
  code: attributeCodes.nextHop,
  name: 'NEXT_HOP',
  flags: WELL_KNOWN,
  malformed: 'treat-as-withdraw',
  clause: 'RFC 7606 §7.3',
  decode: (body, found) => {
    const complaint = lengthIs(body, 4);
    if (complaint !== undefined) return complaint;
    found.nextHop = body.ipv4();
    return isHost(found.nextHop) ? undefined : 'is not the address of a host (RFC 4271 §6.3)';
  },
  encode: (body, attributes) => {
    if (typeof attributes.nextHop !== 'number') return false;
    body.ipv4(attributes.nextHop);
    return true;
  },
};

const med: AttributeRow = {
  code: 4,
  name: 'MULTI_EXIT_DISC',
  flags: OPTIONAL,
  malformed: 'treat-as-withdraw',
  clause: 'RFC 7606 §7.4',
  decode: (body, found) => {
    const complaint = lengthIs(body, 4);
    if (complaint === undefined) found.med = body.u32();
    return complaint;
  },
  encode: (body, attributes) => {
    if (attributes.med !== undefined) body.u32(attributes.med);
    return attributes.med !== undefined;
  },
};

const localPref: AttributeRow = {
  code: attributeCodes.localPref,
  name: 'LOCAL_PREF',
  flags: WELL_KNOWN,
  malformed: 'treat-as-withdraw',
  clause: 'RFC 7606 §7.5',
  internalOnly: true,
  decode: (body, found) => {
    const complaint = lengthIs(body, 4);
    if (complaint === undefined) found.localPref = body.u32();
    return complaint;
  },
  encode: (body, attributes) => {
    if (attributes.localPref !== undefined) body.u32(attributes.localPref);
    return attributes.localPref !== undefined;
  },
};

const atomicAggregate: AttributeRow = {
  code: 6,
  name: 'ATOMIC_AGGREGATE',
  flags: WELL_KNOWN,
  malformed: 'attribute-discard',
  clause: 'RFC 7606 §7.6',
  decode: (body, found) => {
    const complaint = lengthIs(body, 0);
    if (complaint === undefined) found.atomicAggregate = true;
    return complaint;
  },
  encode: (_body, attributes) => attributes.atomicAggregate === true,
};

const aggregator: AttributeRow = {
  code: 7,
  name: 'AGGREGATOR',
  flags: OPTIONAL_TRANSITIVE,
  malformed: 'attribute-discard',
  clause: 'RFC 7606 §7.7',
  decode: (body, found, ctx) => {
    const value = decodeAggregator(body, ctx.fourOctetAs ? 4 : 2);
    if (typeof value === 'string') return value;
    found.aggregator = value;
    return undefined;
  },
  encode: (body, { aggregator: value }, ctx) => {
    if (value === undefined) return false;
    if (ctx.fourOctetAs) body.u32(value.asn).ipv4(value.address);
    else body.u16(value.asn > 65535 ? AS_TRANS : value.asn).ipv4(value.address);
    return true;
  },
};

const communities: AttributeRow = {
  code: 8,
  name: 'COMMUNITIES',
  flags: OPTIONAL_TRANSITIVE,
  malformed: 'treat-as-withdraw',
  clause: 'RFC 7606 §7.8',
  decode: (body, found) => {
    const complaint = listOf(body, 4);
    if (complaint !== undefined) return complaint;
    const values = new Array<number>(body.left / 4);
    for (let index = 0; index < values.length; index += 1) values[index] = body.u32();
    found.communities = values;
    return undefined;
  },
  encode: (body, { communities: values = [] }) => {
    for (let index = 0; index < values.length; index += 1) body.u32(values[index] as number);
    return values.length > 0;
  },
};

const originatorId: AttributeRow = {
  code: 9,
  name: 'ORIGINATOR_ID',
  flags: OPTIONAL,
  malformed: 'treat-as-withdraw',
  clause: 'RFC 7606 §7.9',
  internalOnly: true,
  decode: (body, found) => {
    const complaint = lengthIs(body, 4);
    if (complaint === undefined) found.originatorId = body.ipv4();
    return complaint;
  },
  encode: (body, attributes) => {
    if (attributes.originatorId !== undefined) body.ipv4(attributes.originatorId);
    return attributes.originatorId !== undefined;
  },
};

const clusterList: AttributeRow = {
  code: 10,
  name: 'CLUSTER_LIST',
  flags: OPTIONAL,
  malformed: 'treat-as-withdraw',
  clause: 'RFC 7606 §7.10',
  internalOnly: true,
  decode: (body, found) => {
    const complaint = listOf(body, 4);
    if (complaint !== undefined) return complaint;
    const ids = new Array<Ipv4>(body.left / 4);
    for (let index = 0; index < ids.length; index += 1) ids[index] = body.ipv4();
    found.clusterList = ids;
    return undefined;
  },
  encode: (body, { clusterList: ids = [] }) => {
    for (const id of ids) body.ipv4(id);
    return ids.length > 0;
  },
};

const extendedCommunities: AttributeRow = {
  code: 16,
  name: 'EXTENDED COMMUNITIES',
  flags: OPTIONAL_TRANSITIVE,
  malformed: 'treat-as-withdraw',
  clause: 'RFC 7606 §7.14',
  decode: (body, found) => {
    const complaint = listOf(body, 8);
    if (complaint !== undefined) return complaint;
    const values: bigint[] = [];
    while (body.left > 0) values.push(body.u64());
    found.extendedCommunities = values;
    return undefined;
  },
  encode: (body, { extendedCommunities: values = [] }) => {
    for (const value of values) body.u64(value);
    return values.length > 0;
  },
};

/** Only between a two-octet and a four-octet speaker; from another four-octet one it is discarded (RFC 6793 §4.1, §6). */
const as4Path: AttributeRow = {
  code: 17,
  name: 'AS4_PATH',
  flags: OPTIONAL_TRANSITIVE,
  malformed: 'attribute-discard',
  clause: 'RFC 6793 §6',
  decode: (body, found, ctx) => {
    if (ctx.fourOctetAs) return 'came from a neighbour that speaks four-octet AS numbers';
    if (body.left < 6) return `has ${body.left} octets, which is too short`;
    const path = decodeAsPath(body, 4);
    if (!path.ok) return path.error;
    found.as4Path = withoutConfederations(path.value);
    return undefined;
  },
  encode: (body, attributes, ctx) => {
    const path = withoutConfederations(attributes.asPath);
    if (ctx.fourOctetAs || !needsFourOctets(path)) return false;
    encodeAsPath(body, path, 4);
    return true;
  },
};

/** As AS4_PATH, for AGGREGATOR. */
const as4Aggregator: AttributeRow = {
  code: 18,
  name: 'AS4_AGGREGATOR',
  flags: OPTIONAL_TRANSITIVE,
  malformed: 'attribute-discard',
  clause: 'RFC 6793 §6',
  decode: (body, found, ctx) => {
    if (ctx.fourOctetAs) return 'came from a neighbour that speaks four-octet AS numbers';
    const value = decodeAggregator(body, 4);
    if (typeof value === 'string') return value;
    found.as4Aggregator = value;
    return undefined;
  },
  encode: (body, { aggregator: value }, ctx) => {
    if (ctx.fourOctetAs || value === undefined || value.asn <= 65535) return false;
    body.u32(value.asn).ipv4(value.address);
    return true;
  },
};

const largeCommunities: AttributeRow = {
  code: 32,
  name: 'LARGE_COMMUNITY',
  flags: OPTIONAL_TRANSITIVE,
  malformed: 'treat-as-withdraw',
  clause: 'RFC 8092 §6',
  decode: (body, found) => {
    const complaint = listOf(body, 12);
    if (complaint !== undefined) return complaint;
    const values: (readonly [number, number, number])[] = [];
    while (body.left > 0) values.push([body.u32(), body.u32(), body.u32()]);
    found.largeCommunities = values;
    return undefined;
  },
  encode: (body, { largeCommunities: values = [] }) => {
    for (const [global, first, second] of values) body.u32(global).u32(first).u32(second);
    return values.length > 0;
  },
};

/** It is told on to whoever may have the route at all; whether it is set is for policy (RFC 9234 §5). */
const onlyToCustomer: AttributeRow = {
  code: 35,
  name: 'ONLY_TO_CUSTOMER',
  flags: OPTIONAL_TRANSITIVE,
  malformed: 'treat-as-withdraw',
  clause: 'RFC 9234 §5',
  decode: (body, found) => {
    const complaint = lengthIs(body, 4);
    if (complaint !== undefined) return complaint;
    const number = body.u32();
    found.otc = asn(number);
    return zeroAs(number);
  },
  encode: (body, { otc }) => {
    if (otc !== undefined) body.u32(otc);
    return otc !== undefined;
  },
};

/** By ascending code, the order they are sent in (RFC 4271 §5). */
export const attributeRows: readonly AttributeRow[] = [
  origin,
  asPath,
  nextHop,
  med,
  localPref,
  atomicAggregate,
  aggregator,
  communities,
  originatorId,
  clusterList,
  extendedCommunities,
  as4Path,
  as4Aggregator,
  largeCommunities,
  onlyToCustomer,
];
