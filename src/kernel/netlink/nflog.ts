/** Messages of nfnetlink_log, include/uapi/linux/netfilter/nfnetlink_log.h. Integers of attributes are in network order there. */
import { type Address, ipv4, ipv6 } from '../../lib/net.ts';
import { eachAttribute, readString } from './reader.ts';
import type { MessageWriter } from './writer.ts';

const NFNL_SUBSYS_ULOG = 4;
/** nlmsg_type: subsystem and message. */
export const NFLOG = { PACKET: NFNL_SUBSYS_ULOG << 8, CONFIG: (NFNL_SUBSYS_ULOG << 8) | 1 } as const;

const CONFIG = { CMD: 1, MODE: 2, BUFFER: 3, TIMEOUT: 4, THRESHOLD: 5, FLAGS: 6 } as const;
const BIND = 1;
const COPY_PACKET = 2;
const NUMBERED = 1;
const PACKET = { HEADER: 1, INDEV: 4, OUTDEV: 5, PAYLOAD: 9, PREFIX: 10, SEQUENCE: 12 } as const;
/** struct nfgenmsg. */
const NFGENMSG = 4;

/** How the kernel gathers packets before it tells of them. */
export interface NflogBinding {
  readonly group: number;
  /** Octets of each packet, from its IP header. */
  readonly copyOctets: number;
  /** Packets that make a datagram, at most. */
  readonly threshold: number;
  /** Hundredths of a second that a packet waits for others, at most. */
  readonly timeout: number;
  /** Of a datagram, at most. */
  readonly bufferOctets: number;
}

const be = (octets: 2 | 4, value: number): Uint8Array => {
  const bytes = new Uint8Array(octets);
  for (let at = 0; at < octets; at++) bytes[at] = (value >>> (8 * (octets - 1 - at))) & 0xff;
  return bytes;
};

/** The kernel does what it can of the header first: binds; then the rest. */
export function encodeNflogBinding(writer: MessageWriter, binding: NflogBinding): void {
  writer.u8(0).u8(0).be16(binding.group);
  writer.bytesAttribute(CONFIG.CMD, new Uint8Array([BIND]));
  writer.bytesAttribute(CONFIG.MODE, new Uint8Array([...be(4, binding.copyOctets), COPY_PACKET, 0]));
  writer.bytesAttribute(CONFIG.BUFFER, be(4, binding.bufferOctets));
  writer.bytesAttribute(CONFIG.TIMEOUT, be(4, binding.timeout));
  writer.bytesAttribute(CONFIG.THRESHOLD, be(4, binding.threshold));
  writer.bytesAttribute(CONFIG.FLAGS, be(2, NUMBERED));
}

/** What of a packet the kernel told, and what of its head could be read. */
export interface LoggedPacket {
  readonly prefix: string;
  /** Interface indices; absent: none. */
  readonly in?: number;
  readonly out?: number;
  /** Grows by one with each packet of the group: what is missing between two was lost. */
  readonly sequence?: number;
  readonly source: Address;
  readonly destination: Address;
  /** IANA number. */
  readonly protocol: number;
  /** Of protocols with ports, in a first fragment. */
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly icmp?: { readonly type: number; readonly code: number };
  /** Octet 13 of a TCP header. */
  readonly tcpFlags?: number;
}

type Head = Pick<
  LoggedPacket,
  'source' | 'destination' | 'protocol' | 'sourcePort' | 'destinationPort' | 'icmp' | 'tcpFlags'
>;

interface Draft {
  prefix: string;
  in?: number;
  out?: number;
  sequence?: number;
  head?: Head;
}

type Note = (draft: Draft, view: DataView, from: number, to: number) => void;

const note =
  (name: 'in' | 'out' | 'sequence'): Note =>
  (draft, view, from, to) => {
    if (to - from >= 4) draft[name] = view.getUint32(from);
  };

const notes: ReadonlyMap<number, Note> = new Map<number, Note>([
  [PACKET.INDEV, note('in')],
  [PACKET.OUTDEV, note('out')],
  [PACKET.SEQUENCE, note('sequence')],
  [
    PACKET.PREFIX,
    (draft, view, from, to) => {
      draft.prefix = readString(view, from, to);
    },
  ],
  [
    PACKET.PAYLOAD,
    (draft, view, from, to) => {
      const head = decodeHead(view, from, to);
      if (head !== undefined) draft.head = head;
    },
  ],
]);

/** Undefined for a body without a legible IP header. */
export function decodeNflogPacket(view: DataView, start: number, end: number): LoggedPacket | undefined {
  const draft: Draft = { prefix: '' };
  eachAttribute(view, start + NFGENMSG, end, (type, from, to) => notes.get(type)?.(draft, view, from, to));
  const { head, ...rest } = draft;
  return head === undefined ? undefined : { ...rest, ...head };
}

/** From the IP header on, as far as it goes. RFC 791 §3.1, RFC 8200 §3. */
export function decodeHead(view: DataView, from: number, to: number): Head | undefined {
  if (to - from < 1) return undefined;
  const version = view.getUint8(from) >> 4;
  if (version === 4) return decodeHead4(view, from, to);
  return version === 6 ? decodeHead6(view, from, to) : undefined;
}

function decodeHead4(view: DataView, from: number, to: number): Head | undefined {
  if (to - from < 20) return undefined;
  const protocol = view.getUint8(from + 9);
  const isFirst = (view.getUint16(from + 6) & 0x1fff) === 0;
  const next = from + (view.getUint8(from) & 0xf) * 4;
  return {
    source: ipv4(view.getUint32(from + 12)),
    destination: ipv4(view.getUint32(from + 16)),
    protocol,
    ...(isFirst ? decodeTransport(view, protocol, next, to) : {}),
  };
}

const v6 = (view: DataView, at: number): Address =>
  ipv6((view.getBigUint64(at) << 64n) | view.getBigUint64(at + 8));

/** Hop-by-hop, routing and destination options: all have their length in units of 8 octets, less one. RFC 8200 §4. */
const extensions: readonly number[] = [0, 43, 60];
const fragment = 44;
const authentication = 51;

function decodeHead6(view: DataView, from: number, to: number): Head | undefined {
  if (to - from < 40) return undefined;
  const ends = { source: v6(view, from + 8), destination: v6(view, from + 24) };
  let protocol = view.getUint8(from + 6);
  let at = from + 40;
  while (at + 8 <= to) {
    const length = view.getUint8(at + 1);
    if (extensions.includes(protocol)) {
      protocol = view.getUint8(at);
      at += (length + 1) * 8;
    } else if (protocol === authentication) {
      protocol = view.getUint8(at);
      at += (length + 2) * 4; // RFC 4302 §2.2
    } else if (protocol === fragment) {
      const isFirst = view.getUint16(at + 2) >> 3 === 0;
      protocol = view.getUint8(at);
      if (!isFirst) return { ...ends, protocol };
      at += 8;
    } else break;
  }
  return { ...ends, protocol, ...decodeTransport(view, protocol, at, to) };
}

const tcp = 6;
const icmps: readonly number[] = [1, 58];
/** TCP, UDP, DCCP, SCTP, UDP-Lite: their ports come first. */
const withPorts: readonly number[] = [tcp, 17, 33, 132, 136];

function decodeTransport(view: DataView, protocol: number, at: number, to: number): Partial<Head> {
  if (icmps.includes(protocol) && at + 2 <= to)
    return { icmp: { type: view.getUint8(at), code: view.getUint8(at + 1) } };
  if (!withPorts.includes(protocol) || at + 4 > to) return {};
  return {
    sourcePort: view.getUint16(at),
    destinationPort: view.getUint16(at + 2),
    ...(protocol === tcp && at + 14 <= to ? { tcpFlags: view.getUint8(at + 13) } : {}),
  };
}
