/** Netlink messages in tests: hex in, parts out. */
import { eachAttribute, eachMessage, type Message } from '../../src/kernel/netlink/reader.ts';
import { MessageWriter } from '../../src/kernel/netlink/writer.ts';

export const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export const fromHex = (hex: string): Uint8Array =>
  Uint8Array.from(Buffer.from(hex.replace(/\s/g, ''), 'hex'));

/** The first message in the bytes. */
export function messageIn(bytes: Uint8Array): Message {
  let first: Message | undefined;
  eachMessage(viewOf(bytes), 0, bytes.byteLength, (message) => {
    first ??= message;
  });
  if (first === undefined) throw new Error('no message');
  return first;
}

/** One message of type 0 with this body, alone in its bytes. */
export function bodyBytes(write: (writer: MessageWriter) => void, type = 0): Uint8Array {
  const writer = new MessageWriter(64);
  write(writer.begin(type, 0, 1));
  return writer.end().written.slice();
}

/** Type, fixed header and attributes of a message in hex; order of attributes does not matter. */
export function parts(bytes: Uint8Array, headerLength: number) {
  const { type, start, end } = messageIn(bytes);
  const hex = (from: number, to: number): string => Buffer.from(bytes.subarray(from, to)).toString('hex');
  const attributes: { [type: number]: string } = {};
  eachAttribute(viewOf(bytes), start + headerLength, end, (attribute, from, to) => {
    attributes[attribute] = hex(from, to);
  });
  return { type, header: hex(start, start + headerLength), attributes };
}
