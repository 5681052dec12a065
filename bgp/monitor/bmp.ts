/**
 * BMP messages (RFC 7854, and the Loc-RIB of RFC 9069): what a router tells a monitoring station. Pure, and write only.
 */
import { Writer } from '../../src/lib/bytes.ts';
import { utf8 } from '../../src/lib/hash.ts';
import { type Address, type Asn, type Ipv4, isIpv4, unscoped } from '../../src/lib/net.ts';
import { unreachable } from '../../src/lib/result.ts';

const VERSION = 3;
const messageTypes = {
  routeMonitoring: 0,
  statistics: 1,
  peerDown: 2,
  peerUp: 3,
  initiation: 4,
  termination: 5,
} as const;
type MessageType = keyof typeof messageTypes;

/** Octets of the common header. */
const HEADER = 6;
/** Flags of a per-peer header (§4.2): the address is IPv6; AS paths are in two octets. */
const V_FLAG = 0x80;
const A_FLAG = 0x20;

function message(type: MessageType, body: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Writer(HEADER + body.byteLength)
    .u8(VERSION)
    .u32(HEADER + body.byteLength)
    .u8(messageTypes[type])
    .bytes(body)
    .done();
}

const textBytes = (text: string): Uint8Array => Uint8Array.from(utf8(text)).subarray(0, 0xffff);

function tlv(writer: Writer, type: number, value: Uint8Array): Writer {
  return writer.u16(type).u16(value.byteLength).bytes(value);
}

/** RFC 7854 §4.3: the first thing said. */
export const initiation = (sysName: string, sysDescr: string): Uint8Array =>
  message('initiation', tlv(tlv(new Writer(), 1, textBytes(sysDescr)), 2, textBytes(sysName)).done());

/** RFC 7854 §4.5: the last thing said; reason 0, administratively closed. */
export const termination = (why: string): Uint8Array =>
  message('termination', tlv(tlv(new Writer(), 1, Uint8Array.of(0, 0)), 0, textBytes(why)).done());

/** One session, or the Loc-RIB, as BMP names it. */
export interface Monitored {
  /** 0: a session (Adj-RIB-In, before policy); 3: our Loc-RIB (RFC 9069 §4.1), whose address is none. */
  readonly type: 0 | 3;
  readonly address: Address;
  readonly asn: Asn;
  readonly bgpId: Ipv4;
  /** Its AS paths have two octets for an AS. */
  readonly isLegacyAs?: boolean;
}

/** Milliseconds of the wall clock. */
type Moment = number;

/** In 16 octets, IPv4 at the end (§4.2). */
function wideAddress(writer: Writer, address: Address | undefined): Writer {
  if (address === undefined) return writer.bytes(new Uint8Array(16));
  return isIpv4(address) ? writer.bytes(new Uint8Array(12)).ipv4(address) : writer.ipv6(unscoped(address));
}

/** RFC 7854 §4.2. */
function perPeer(writer: Writer, { type, address, asn, bgpId, isLegacyAs }: Monitored, at: Moment): Writer {
  const isV6 = type === 0 && !isIpv4(address);
  writer.u8(type).u8((isV6 ? V_FLAG : 0) | (isLegacyAs === true ? A_FLAG : 0));
  writer.u32(0).u32(0); // distinguisher: one instance
  wideAddress(writer, type === 3 ? undefined : address);
  return writer
    .u32(asn)
    .ipv4(bgpId)
    .u32(Math.floor(at / 1000))
    .u32(Math.floor((at % 1000) * 1000));
}

/** RFC 7854 §4.6. @param update  a whole UPDATE, header included */
export const routeMonitoring = (of: Monitored, at: Moment, update: Uint8Array): Uint8Array =>
  message(
    'routeMonitoring',
    perPeer(new Writer(48 + update.byteLength), of, at)
      .bytes(update)
      .done(),
  );

export interface Ends {
  readonly localAddress: Address | undefined;
  readonly localPort: number;
  readonly remotePort: number;
}

/** RFC 7854 §4.10. The two OPENs are whole messages. */
export function peerUp(
  of: Monitored,
  at: Moment,
  { localAddress, localPort, remotePort }: Ends,
  opens: { readonly sent: Uint8Array; readonly received: Uint8Array },
): Uint8Array {
  const writer = wideAddress(perPeer(new Writer(), of, at), localAddress);
  writer.u16(localPort).u16(remotePort).bytes(opens.sent).bytes(opens.received);
  return message('peerUp', writer.done());
}

/** Why a session ended, as §4.9 tells it apart. A NOTIFICATION is a whole message. */
export type Ending =
  | { readonly kind: 'notificationSent'; readonly notification: Uint8Array }
  | { readonly kind: 'closedByUs'; readonly fsmEvent: number }
  | { readonly kind: 'notificationReceived'; readonly notification: Uint8Array }
  | { readonly kind: 'closedByPeer' }
  | { readonly kind: 'deconfigured' };

export function peerDown(of: Monitored, at: Moment, ending: Ending): Uint8Array {
  const writer = perPeer(new Writer(), of, at);
  switch (ending.kind) {
    case 'notificationSent':
      writer.u8(1).bytes(ending.notification);
      break;
    case 'closedByUs':
      writer.u8(2).u16(ending.fsmEvent);
      break;
    case 'notificationReceived':
      writer.u8(3).bytes(ending.notification);
      break;
    case 'closedByPeer':
      writer.u8(4);
      break;
    case 'deconfigured':
      writer.u8(5);
      break;
    default:
      unreachable(ending);
  }
  return message('peerDown', writer.done());
}

/** RFC 7854 §4.8, by their type codes there. */
export interface Statistics {
  /** 7: routes in Adj-RIB-In. */
  readonly received: number;
  /** 8: routes in Loc-RIB. */
  readonly chosen: number;
  /** 11: UPDATEs that RFC 7606 had us repair. */
  readonly repaired: number;
}

export function statistics(
  of: Monitored,
  at: Moment,
  { received, chosen, repaired }: Statistics,
): Uint8Array {
  const gauge = (value: number): Uint8Array =>
    new Writer(8)
      .u32(Math.floor(value / 2 ** 32))
      .u32(value >>> 0)
      .done();
  const writer = perPeer(new Writer(), of, at).u32(3);
  tlv(writer, 7, gauge(received));
  tlv(writer, 8, gauge(chosen));
  tlv(writer, 11, new Writer(4).u32(repaired >>> 0).done());
  return message('statistics', writer.done());
}
