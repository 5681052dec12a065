/**
 * Reading netlink: messages in a buffer, attributes in a message. All integers are in host order.
 *
 * Lengths are checked against the end handed in; what does not fit ends the walk, so a truncated message yields the
 * attributes before the cut. Unknown attributes cost nothing: they are stepped over.
 */
import { type Address, ipv4, ipv6 } from '../../lib/net.ts';

export const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** One message; its body lies in view[start, end). Only valid during the call it is handed to. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly seq: number;
  /** nlmsg_pid: port id of the socket whose request this answers or reports; 0 if the kernel acted by itself. */
  readonly portId: number;
  readonly view: DataView;
  readonly start: number;
  readonly end: number;
}

const HEADER = 16;
const utf8 = new TextDecoder();
const align4 = (length: number): number => (length + 3) & ~3;

export function eachMessage(
  view: DataView,
  start: number,
  end: number,
  visit: (message: Message) => void,
): void {
  for (let at = start; at + HEADER <= end; ) {
    const length = view.getUint32(at, littleEndian);
    if (length < HEADER || at + length > end) return;
    visit({
      type: view.getUint16(at + 4, littleEndian),
      flags: view.getUint16(at + 6, littleEndian),
      seq: view.getUint32(at + 8, littleEndian),
      portId: view.getUint32(at + 12, littleEndian),
      view,
      start: at + HEADER,
      end: at + length,
    });
    at += align4(length);
  }
}

/** Visits (type, first octet of the value, end of the value). NLA_F_NESTED and NLA_F_NET_BYTEORDER are masked off. */
export function eachAttribute(
  view: DataView,
  start: number,
  end: number,
  visit: (type: number, from: number, to: number) => void,
): void {
  for (let at = start; at + 4 <= end; ) {
    const length = view.getUint16(at, littleEndian);
    if (length < 4 || at + length > end) return;
    visit(view.getUint16(at + 2, littleEndian) & 0x3fff, at + 4, at + length);
    at += align4(length);
  }
}

/** 4 or 16 octets in network order; undefined for any other length. */
export function readAddress(view: DataView, from: number, to: number): Address | undefined {
  if (to - from === 4) return ipv4(view.getUint32(from));
  if (to - from === 16) return ipv6((view.getBigUint64(from) << 64n) | view.getBigUint64(from + 8));
  return undefined;
}

/** A string up to its NUL; names in the kernel are octets, read here as UTF-8. */
export function readString(view: DataView, from: number, to: number): string {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + from, to - from);
  const nul = bytes.indexOf(0);
  return utf8.decode(nul < 0 ? bytes : bytes.subarray(0, nul));
}

/** "02:42:ac:11:00:02"; empty for an empty attribute. */
export function readMac(view: DataView, from: number, to: number): string {
  const octets: string[] = [];
  for (let at = from; at < to; at++) octets.push(view.getUint8(at).toString(16).padStart(2, '0'));
  return octets.join(':');
}

/** 0 if the attribute is too short. */
export const readU32 = (view: DataView, from: number, to: number): number =>
  to - from >= 4 ? view.getUint32(from, littleEndian) : 0;
