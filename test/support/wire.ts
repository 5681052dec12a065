/** BGP messages for tests: contexts, hexadecimal, and an UPDATE put together by hand. */

import { plainOf } from '../../bgp/rib/view.ts';
import { decodeMessage } from '../../bgp/wire/codec.ts';
import type { CodecContext, Message, UpdateMessage } from '../../bgp/wire/message.ts';
import {
  type Address,
  asn,
  type Ipv4,
  type Ipv6,
  type Prefix,
  parseAddress,
  parsePrefix,
} from '../../src/lib/net.ts';

export const MARKER = 'ff'.repeat(16);

export const context = (over: Partial<CodecContext> = {}): CodecContext => ({
  fourOctetAs: true,
  peerType: 'ebgp',
  families: new Set(['ipv4-unicast', 'ipv6-unicast']),
  ...over,
});

export const bytesOf = (hex: string): Uint8Array =>
  Uint8Array.from(Buffer.from(hex.replace(/\s/g, ''), 'hex'));
export const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const u16 = (value: number): string => value.toString(16).padStart(4, '0');
const octets = (hex: string): number => hex.length / 2;

/** A whole message of `type` around a body in hexadecimal. */
export const messageHex = (type: number, body: string): string => {
  const plain = body.replace(/\s/g, '');
  return `${MARKER}${u16(19 + octets(plain))}${type.toString(16).padStart(2, '0')}${plain}`;
};

export function updateHex(parts: { withdrawn?: string; attributes?: string; nlri?: string }): string {
  const [withdrawn, attributes, nlri] = [parts.withdrawn, parts.attributes, parts.nlri].map((part = '') =>
    part.replace(/\s/g, ''),
  ) as [string, string, string];
  return messageHex(2, `${u16(octets(withdrawn))}${withdrawn}${u16(octets(attributes))}${attributes}${nlri}`);
}

/** ORIGIN igp, AS_PATH 65001, NEXT_HOP 10.0.0.2. */
export const soundAttributes = '40010100 4002 06 0201 0000fde9 400304 0a000002';

/** Decodes what must be a message. */
export function decoded(hex: string, ctx: CodecContext = context()): Message {
  const result = decodeMessage(bytesOf(hex), ctx);
  if (!result.ok) throw new Error(result.error.why);
  return result.value;
}

/** The same with attributes that are objects, to be compared. */
export const withoutViews = (message: Message): Message =>
  message.kind === 'update'
    ? {
        ...message,
        announced: message.announced.map((one) => ({ ...one, attributes: plainOf(one.attributes) })),
      }
    : message;

export function decodedUpdate(hex: string, ctx: CodecContext = context()): UpdateMessage {
  const message = decoded(hex, ctx);
  if (message.kind !== 'update') throw new Error(`an UPDATE was expected, not ${message.kind}`);
  return message;
}

/** "code/subcode" of the NOTIFICATION that these bytes are answered with; 'none' if they are a message. */
export function refusal(hex: string, ctx: CodecContext = context()): string {
  const result = decodeMessage(bytesOf(hex), ctx);
  return result.ok ? 'none' : `${result.error.notification.code}/${result.error.notification.subcode}`;
}

export const as = asn;
export function address(text: string): Address {
  const value = parseAddress(text);
  if (value === undefined) throw new Error(`not an address: ${text}`);
  return value;
}
export const v4 = (text: string): Ipv4 => address(text) as Ipv4;
export const v6 = (text: string): Ipv6 => address(text) as Ipv6;
export function prefix(text: string): Prefix {
  const value = parsePrefix(text);
  if (value === undefined) throw new Error(`not a prefix: ${text}`);
  return value;
}
