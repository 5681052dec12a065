/**
 * MRT records (RFC 6396, with the path identifiers of RFC 8050): what `bgpdump` and its like read. Pure, and write only.
 *
 * A record is a header of twelve octets and a body; a file is records one after the other. Times are whole seconds of
 * the wall clock.
 */
import { Writer } from '../../src/lib/bytes.ts';
import { utf8 } from '../../src/lib/hash.ts';
import { type Address, type Asn, type Ipv4, isIpv4, type Prefix, unscoped } from '../../src/lib/net.ts';
import type { BgpState } from '../../src/model/bgp-state.ts';
import { encodePrefix } from '../wire/family.ts';
import { AS_TRANS } from '../wire/iana.ts';
import type { Family } from '../wire/message.ts';

/** RFC 6396 §4. */
const types = { tableDumpV2: 13, bgp4mp: 16 } as const;
const peerIndexSubtype = 1;
/** RFC 6396 §4.3.2, RFC 8050 §4.2. */
const ribSubtypes: Readonly<Record<Family, { readonly plain: number; readonly addPath: number }>> = {
  'ipv4-unicast': { plain: 2, addPath: 8 },
  'ipv6-unicast': { plain: 4, addPath: 10 },
};
/** RFC 6396 §4.4, RFC 8050 §3. */
const messageSubtypes = { as2: 1, as4: 4, as2AddPath: 8, as4AddPath: 9 } as const;
const stateChangeAs4 = 5;
/** RFC 6396 §4.4.1. */
const states: readonly BgpState[] = ['Idle', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established'];

/** Octets of a record before its body. */
const RECORD_HEADER = 12;

/** RFC 6396 §2. */
function record(at: number, type: number, subtype: number, body: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Writer(RECORD_HEADER + body.byteLength)
    .u32(at)
    .u16(type)
    .u16(subtype)
    .u32(body.byteLength)
    .bytes(body)
    .done();
}

export interface IndexedPeer {
  readonly bgpId: Ipv4;
  readonly address: Address;
  readonly asn: Asn;
}

const textBytes = (text: string): Uint8Array => Uint8Array.from(utf8(text)).subarray(0, 0xffff);

const writeAddress = (writer: Writer, address: Address): Writer =>
  isIpv4(address) ? writer.ipv4(address) : writer.ipv6(unscoped(address));

/**
 * RFC 6396 §4.3.1: whom the entries of a dump come from, by their place in this list. It goes before them.
 * @param collector  our BGP Identifier
 */
export function peerIndexTable(
  at: number,
  collector: Ipv4,
  view: string,
  peers: readonly IndexedPeer[],
): Uint8Array {
  const name = textBytes(view);
  const writer = new Writer(64 + peers.length * 26).ipv4(collector).u16(name.byteLength).bytes(name);
  writer.u16(peers.length);
  for (const { bgpId, address, asn } of peers) {
    writer.u8((isIpv4(address) ? 0 : 1) | 2).ipv4(bgpId); // bit 0: an IPv6 address, bit 1: four octets of AS
    writeAddress(writer, address).u32(asn);
  }
  return record(at, types.tableDumpV2, peerIndexSubtype, writer.done());
}

export interface RibEntry {
  /** Into the list of `peerIndexTable`. */
  readonly peer: number;
  /** When the route came, in seconds. */
  readonly since: number;
  /** RFC 7911; either all entries of a record have one or none. */
  readonly pathId?: number;
  /** As `ribAttributes` makes them. */
  readonly attributes: Uint8Array;
}

/** RFC 6396 §4.3.2, or RFC 8050 §4.2 where the entries carry path identifiers: all that is known of one prefix. */
export function ribRecord(
  at: number,
  family: Family,
  sequence: number,
  prefix: Prefix,
  entries: readonly RibEntry[],
): Uint8Array {
  const hasIds = entries.some(({ pathId }) => pathId !== undefined);
  const writer = new Writer(64).u32(sequence);
  encodePrefix(writer, prefix);
  writer.u16(entries.length);
  for (const { peer, since, pathId = 0, attributes } of entries) {
    writer.u16(peer).u32(since);
    if (hasIds) writer.u32(pathId);
    writer.u16(attributes.byteLength).bytes(attributes);
  }
  const subtype = ribSubtypes[family][hasIds ? 'addPath' : 'plain'];
  return record(at, types.tableDumpV2, subtype, writer.done());
}

/** One connection as MRT names it. */
export interface Wire {
  readonly peerAsn: Asn;
  readonly localAsn: Asn;
  readonly peerAddress: Address;
  /** Unknown counts as all zeros. */
  readonly localAddress: Address | undefined;
}

/** The two addresses are of one family. */
function writeWire(writer: Writer, { peerAsn, localAsn, peerAddress, localAddress }: Wire, isAs4: boolean) {
  const as2 = (asn: Asn): number => (asn > 0xffff ? AS_TRANS : asn);
  if (isAs4) writer.u32(peerAsn).u32(localAsn);
  else writer.u16(as2(peerAsn)).u16(as2(localAsn));
  const isV4 = isIpv4(peerAddress);
  writer.u16(0).u16(isV4 ? 1 : 2); // no interface index
  writeAddress(writer, peerAddress);
  if (localAddress !== undefined && isIpv4(localAddress) === isV4) writeAddress(writer, localAddress);
  else writer.bytes(new Uint8Array(isV4 ? 4 : 16));
}

/**
 * RFC 6396 §4.4.2 and §4.4.3: a whole BGP message as it came.
 * @param isAs4    AS numbers in its AS_PATH have four octets
 * @param addPath  its prefixes carry path identifiers (RFC 8050 §3)
 */
export function messageRecord(
  at: number,
  wire: Wire,
  frame: Uint8Array,
  { isAs4, addPath }: { readonly isAs4: boolean; readonly addPath: boolean },
): Uint8Array {
  const writer = new Writer(44 + frame.byteLength);
  writeWire(writer, wire, isAs4);
  writer.bytes(frame);
  const subtype = messageSubtypes[`${isAs4 ? 'as4' : 'as2'}${addPath ? 'AddPath' : ''}`];
  return record(at, types.bgp4mp, subtype, writer.done());
}

/** RFC 6396 §4.4.4. */
export function stateChangeRecord(at: number, wire: Wire, from: BgpState, to: BgpState): Uint8Array {
  const writer = new Writer(48);
  writeWire(writer, wire, true);
  writer.u16(states.indexOf(from) + 1).u16(states.indexOf(to) + 1);
  return record(at, types.bgp4mp, stateChangeAs4, writer.done());
}
