/** Connection tracking messages, include/uapi/linux/netfilter/nfnetlink_conntrack.h. Integers of flows are in network order there. */
import { type Address, type IpVersion, isIpv4 } from '../../lib/net.ts';
import { eachAttribute, readAddress } from './reader.ts';
import type { MessageWriter } from './writer.ts';

const NFNL_SUBSYS_CTNETLINK = 1;
/** nlmsg_type: subsystem and message. */
export const CT = {
  NEW: NFNL_SUBSYS_CTNETLINK << 8,
  GET: (NFNL_SUBSYS_CTNETLINK << 8) | 1,
  DELETE: (NFNL_SUBSYS_CTNETLINK << 8) | 2,
} as const;

const AF: Readonly<Record<IpVersion, number>> = { 4: 2, 6: 10 };
const CTA = {
  TUPLE_ORIG: 1,
  TUPLE_REPLY: 2,
  STATUS: 3,
  PROTOINFO: 4,
  TIMEOUT: 7,
  MARK: 8,
  COUNTERS_ORIG: 9,
  COUNTERS_REPLY: 10,
  ID: 12,
  ZONE: 18,
  FILTER: 25,
} as const;
const TUPLE = { IP: 1, PROTO: 2 } as const;
const IP = { V4_SRC: 1, V4_DST: 2, V6_SRC: 3, V6_DST: 4 } as const;
/** Ports have one attribute, identifiers of ICMP and of ICMPv6 three each. */
const PROTO = { NUM: 1, SRC_PORT: 2, DST_PORT: 3, ICMP: 4, ICMP6: 7 } as const;
const FILTER = { ORIG_FLAGS: 1, REPLY_FLAGS: 2 } as const;
/** CTA_FILTER_F_CTA_IP_SRC and _DST. */
const FILTER_IP = { source: 1, destination: 2 } as const;
const COUNTERS = { PACKETS: 1, BYTES: 2 } as const;
const PROTOINFO_TCP = 1;
const PROTOINFO_TCP_STATE = 1;

/** enum ip_conntrack_status, as bits. */
export const ctStatus = {
  /** Another connection brought it about. */
  expected: 1 << 0,
  seenReply: 1 << 1,
  assured: 1 << 2,
  confirmed: 1 << 3,
  sourceTranslated: 1 << 4,
  destinationTranslated: 1 << 5,
  dying: 1 << 9,
} as const;

/** ICMP has an identifier, type and code in place of ports. */
export interface IcmpKey {
  readonly id: number;
  readonly type: number;
  readonly code: number;
}

/** One direction of a flow, as its packets have it. */
export interface Tuple {
  readonly source: Address;
  readonly destination: Address;
  /** IANA number. */
  readonly protocol: number;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly icmp?: IcmpKey;
}

export interface Flow {
  /** As its first packet had it, before any translation. */
  readonly original: Tuple;
  /** As answers have it: its source is whom the destination was translated to. */
  readonly reply: Tuple;
  /** Bits of `ctStatus`. */
  readonly status: number;
  /** Seconds until it is forgotten; absent of one that never is. */
  readonly timeoutS?: number;
  readonly mark?: number;
  readonly zone?: number;
  /** The kernel's own number, never used twice at a time. */
  readonly id?: number;
  /** enum tcp_conntrack: 3 is established. */
  readonly tcpState?: number;
  /** With net.netfilter.nf_conntrack_acct only. */
  readonly packets?: { readonly original: bigint; readonly reply: bigint };
  readonly bytes?: { readonly original: bigint; readonly reply: bigint };
}

/** One end of one direction of a flow. */
export interface FlowFilter {
  readonly direction: 'original' | 'reply';
  readonly side: 'source' | 'destination';
  readonly address: Address;
}

/** struct nfgenmsg; the version is not 0, or the kernel would not look at the family. */
const header = (writer: MessageWriter, version: IpVersion): MessageWriter =>
  writer.u8(AF[version]).u8(1).u16(0);

const be = (octets: 1 | 2 | 4, value: number): Uint8Array => {
  const bytes = new Uint8Array(octets);
  for (let at = 0; at < octets; at++) bytes[at] = (value >>> (8 * (octets - 1 - at))) & 0xff;
  return bytes;
};

export const encodeFlowDump = (writer: MessageWriter, version: IpVersion): void => {
  header(writer, version);
};

/** Asks the kernel to look itself (5.8 and later; an older one answers EINVAL, since the tuple is not whole). */
export function encodeFlowFilter(writer: MessageWriter, { direction, side, address }: FlowFilter): void {
  const isFour = isIpv4(address);
  header(writer, isFour ? 4 : 6);
  const names = isFour
    ? { source: IP.V4_SRC, destination: IP.V4_DST }
    : { source: IP.V6_SRC, destination: IP.V6_DST };
  writer.nest(direction === 'original' ? CTA.TUPLE_ORIG : CTA.TUPLE_REPLY, () =>
    writer.nest(TUPLE.IP, () => writer.addressAttribute(names[side], address)),
  );
  const flags = (wanted: FlowFilter['direction']): number => (wanted === direction ? FILTER_IP[side] : 0);
  writer.nest(CTA.FILTER, () => {
    writer.u32Attribute(FILTER.ORIG_FLAGS, flags('original'));
    writer.u32Attribute(FILTER.REPLY_FLAGS, flags('reply'));
  });
}

/** Names one flow by its original direction. */
export function encodeFlow(writer: MessageWriter, { original, zone, id }: Flow): void {
  header(writer, isIpv4(original.source) ? 4 : 6);
  writer.nest(CTA.TUPLE_ORIG, () => encodeTuple(writer, original));
  if (zone !== undefined) writer.bytesAttribute(CTA.ZONE, be(2, zone));
  // With its number a newer flow of the same ends is not taken for it.
  if (id !== undefined) writer.bytesAttribute(CTA.ID, be(4, id));
}

function encodeTuple(writer: MessageWriter, tuple: Tuple): void {
  const { source, destination, protocol, sourcePort, destinationPort, icmp } = tuple;
  const [from, to] = isIpv4(source) ? [IP.V4_SRC, IP.V4_DST] : [IP.V6_SRC, IP.V6_DST];
  writer.nest(TUPLE.IP, () => {
    writer.addressAttribute(from, source);
    writer.addressAttribute(to, destination);
  });
  writer.nest(TUPLE.PROTO, () => {
    writer.bytesAttribute(PROTO.NUM, be(1, protocol));
    if (sourcePort !== undefined) writer.bytesAttribute(PROTO.SRC_PORT, be(2, sourcePort));
    if (destinationPort !== undefined) writer.bytesAttribute(PROTO.DST_PORT, be(2, destinationPort));
    if (icmp === undefined) return;
    const first = isIpv4(source) ? PROTO.ICMP : PROTO.ICMP6;
    writer.bytesAttribute(first, be(2, icmp.id));
    writer.bytesAttribute(first + 1, be(1, icmp.type));
    writer.bytesAttribute(first + 2, be(1, icmp.code));
  });
}

interface TupleDraft {
  source?: Address;
  destination?: Address;
  protocol?: number;
  sourcePort?: number;
  destinationPort?: number;
  icmp: { id?: number; type?: number; code?: number };
}

/** Undefined without both addresses and a protocol. */
function decodeTuple(view: DataView, from: number, to: number): Tuple | undefined {
  const draft: TupleDraft = { icmp: {} };
  eachAttribute(view, from, to, (type, start, end) =>
    eachAttribute(view, start, end, (name, at, last) => {
      if (type === TUPLE.IP) noteAddress(draft, name, readAddress(view, at, last));
      else if (type === TUPLE.PROTO) noteProtocol(draft, name, readBe(view, at, last));
    }),
  );
  const { source, destination, protocol, sourcePort, destinationPort, icmp } = draft;
  if (source === undefined || destination === undefined || protocol === undefined) return undefined;
  const { id, type, code } = icmp;
  return {
    ...{ source, destination, protocol },
    ...(sourcePort === undefined ? {} : { sourcePort }),
    ...(destinationPort === undefined ? {} : { destinationPort }),
    ...(id === undefined || type === undefined || code === undefined ? {} : { icmp: { id, type, code } }),
  };
}

function noteAddress(draft: TupleDraft, name: number, address: Address | undefined): void {
  if (address === undefined) return;
  if (name === IP.V4_SRC || name === IP.V6_SRC) draft.source = address;
  else if (name === IP.V4_DST || name === IP.V6_DST) draft.destination = address;
}

const icmpParts = ['id', 'type', 'code'] as const;

function noteProtocol(draft: TupleDraft, name: number, value: number): void {
  if (name === PROTO.NUM) draft.protocol = value;
  else if (name === PROTO.SRC_PORT) draft.sourcePort = value;
  else if (name === PROTO.DST_PORT) draft.destinationPort = value;
  else {
    const part = icmpParts[(name - PROTO.ICMP) % icmpParts.length];
    if (part !== undefined) draft.icmp[part] = value;
  }
}

/** Unsigned, in network order, of 1, 2 or 4 octets. */
function readBe(view: DataView, from: number, to: number): number {
  let value = 0;
  for (let at = from; at < to && at < from + 4; at++) value = value * 256 + view.getUint8(at);
  return value;
}

interface Draft {
  original?: Tuple;
  reply?: Tuple;
  status: number;
  timeoutS?: number;
  mark?: number;
  zone?: number;
  id?: number;
  tcpState?: number;
  readonly counted: { original?: Counters; reply?: Counters };
}

interface Counters {
  readonly packets: bigint;
  readonly bytes: bigint;
}

function decodeCounters(view: DataView, from: number, to: number): Counters {
  const found = { packets: 0n, bytes: 0n };
  eachAttribute(view, from, to, (type, at, end) => {
    if (end - at < 8) return;
    if (type === COUNTERS.PACKETS) found.packets = view.getBigUint64(at);
    else if (type === COUNTERS.BYTES) found.bytes = view.getBigUint64(at);
  });
  return found;
}

function decodeTcpState(view: DataView, from: number, to: number): number | undefined {
  let state: number | undefined;
  eachAttribute(view, from, to, (kind, start, end) => {
    if (kind !== PROTOINFO_TCP) return;
    eachAttribute(view, start, end, (type, at) => {
      if (type === PROTOINFO_TCP_STATE) state = view.getUint8(at);
    });
  });
  return state;
}

type Note = (draft: Draft, view: DataView, from: number, to: number) => void;

const note =
  (name: 'status' | 'timeoutS' | 'mark' | 'zone' | 'id'): Note =>
  (draft, view, from, to) => {
    draft[name] = readBe(view, from, to);
  };

const notes: ReadonlyMap<number, Note> = new Map<number, Note>([
  [
    CTA.TUPLE_ORIG,
    (draft, view, from, to) => {
      const tuple = decodeTuple(view, from, to);
      if (tuple !== undefined) draft.original = tuple;
    },
  ],
  [
    CTA.TUPLE_REPLY,
    (draft, view, from, to) => {
      const tuple = decodeTuple(view, from, to);
      if (tuple !== undefined) draft.reply = tuple;
    },
  ],
  [CTA.STATUS, note('status')],
  [CTA.TIMEOUT, note('timeoutS')],
  [CTA.MARK, note('mark')],
  [CTA.ZONE, note('zone')],
  [CTA.ID, note('id')],
  [
    CTA.PROTOINFO,
    (draft, view, from, to) => {
      const state = decodeTcpState(view, from, to);
      if (state !== undefined) draft.tcpState = state;
    },
  ],
  [
    CTA.COUNTERS_ORIG,
    (draft, view, from, to) => {
      draft.counted.original = decodeCounters(view, from, to);
    },
  ],
  [
    CTA.COUNTERS_REPLY,
    (draft, view, from, to) => {
      draft.counted.reply = decodeCounters(view, from, to);
    },
  ],
]);

const NFGENMSG = 4;

/** Undefined for a body that is cut, or of a family that is not IP. */
export function decodeFlow(view: DataView, start: number, end: number): Flow | undefined {
  if (end - start < NFGENMSG) return undefined;
  const draft: Draft = { status: 0, counted: {} };
  eachAttribute(view, start + NFGENMSG, end, (type, from, to) => notes.get(type)?.(draft, view, from, to));
  const { original, reply, counted, ...rest } = draft;
  if (original === undefined || reply === undefined) return undefined;
  const zero = { packets: 0n, bytes: 0n };
  const [sent, answered] = [counted.original ?? zero, counted.reply ?? zero];
  return {
    ...rest,
    ...{ original, reply },
    ...(counted.original === undefined
      ? {}
      : {
          packets: { original: sent.packets, reply: answered.packets },
          bytes: { original: sent.bytes, reply: answered.bytes },
        }),
  };
}
