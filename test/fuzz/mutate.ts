/** What is done to a sound message: to its octets blindly, and to its attributes with lengths that stay right. */
import type { Random } from '../../src/lib/random.ts';
import { anyAttribute, maybe, octets, oneOf, upTo } from './messages.ts';

interface Attribute {
  readonly flags: number;
  readonly code: number;
  readonly value: Uint8Array;
}

interface Update {
  readonly withdrawn: Uint8Array;
  readonly attributes: readonly Attribute[];
  readonly nlri: Uint8Array;
}

const HEADER = 19;
const isUpdate = (frame: Uint8Array): boolean => frame[18] === 2;
const viewOf = (frame: Uint8Array): DataView =>
  new DataView(frame.buffer, frame.byteOffset, frame.byteLength);

/** The header says how long the message is. */
function mended(frame: Uint8Array): Uint8Array {
  if (frame.byteLength >= HEADER) viewOf(frame).setUint16(16, Math.min(frame.byteLength, 65535));
  return frame;
}

const joined = (...parts: readonly Uint8Array[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => [...part]));

/** Only of a sound UPDATE. */
function taken(frame: Uint8Array): Update {
  const view = viewOf(frame);
  const withdrawnEnd = HEADER + 2 + view.getUint16(HEADER);
  const attributesEnd = withdrawnEnd + 2 + view.getUint16(withdrawnEnd);
  const attributes: Attribute[] = [];
  for (let at = withdrawnEnd + 2; at < attributesEnd; ) {
    const flags = view.getUint8(at);
    const isLong = (flags & 0x10) !== 0;
    const valueAt = at + (isLong ? 4 : 3);
    const end = valueAt + (isLong ? view.getUint16(at + 2) : view.getUint8(at + 2));
    attributes.push({ flags, code: view.getUint8(at + 1), value: frame.slice(valueAt, end) });
    at = end;
  }
  return {
    withdrawn: frame.slice(HEADER + 2, withdrawnEnd),
    attributes,
    nlri: frame.slice(attributesEnd),
  };
}

const two = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 255);

function written({ withdrawn, attributes, nlri }: Update): Uint8Array {
  const field = joined(
    ...attributes.map(({ flags, code, value }) => {
      const isLong = value.byteLength > 255 || (flags & 0x10) !== 0;
      const head = isLong ? [flags | 0x10, code, ...two(value.byteLength)] : [flags, code, value.byteLength];
      return joined(Uint8Array.from(head), value);
    }),
  );
  const header = new Uint8Array(HEADER).fill(0xff, 0, 16);
  header[18] = 2;
  return mended(joined(header, two(withdrawn.byteLength), withdrawn, two(field.byteLength), field, nlri));
}

type OnAttributes = (
  random: Random,
  attributes: readonly Attribute[],
  others: readonly Attribute[],
) => Attribute[];

const put = (random: Random, list: readonly Attribute[], one: Attribute): Attribute[] => {
  const at = upTo(random, list.length);
  return [...list.slice(0, at), one, ...list.slice(at)];
};
const changed = (
  random: Random,
  list: readonly Attribute[],
  change: (one: Attribute) => Attribute,
): Attribute[] => {
  const at = upTo(random, list.length - 1);
  return list.map((one, index) => (index === at ? change(one) : one));
};

/** Lengths stay right, so that what RFC 7606 says of values, flags, repetition and absence is reached. */
const onAttributes: readonly OnAttributes[] = [
  (random, list) =>
    changed(random, list, (one) => ({ ...one, flags: one.flags ^ oneOf(random, [0x80, 0x40, 0x20, 0x10]) })),
  (random, list) => changed(random, list, (one) => ({ ...one, value: octets(random, 40) })),
  (random, list) =>
    changed(random, list, (one) => ({ ...one, value: one.value.slice(0, upTo(random, one.value.length)) })),
  (random, list) => changed(random, list, (one) => ({ ...one, value: joined(one.value, octets(random, 5)) })),
  (random, list) =>
    changed(random, list, (one) => ({
      ...one,
      value: one.value.map((octet) => (random() < 0.1 ? 0 : octet)),
    })),
  (random, list) => changed(random, list, (one) => ({ ...one, code: upTo(random, 40) })),
  (random, list) => list.filter(() => random() < 0.8),
  (random, list) => (list.length === 0 ? [] : put(random, list, oneOf(random, list))),
  (random, list, others) => (others.length === 0 ? [...list] : put(random, list, oneOf(random, others))),
  (random, list) => put(random, list, anyAttribute(random)),
  (random, list) => [...list].sort(() => random() - 0.5),
];

type OnOctets = (random: Random, frame: Uint8Array, other: Uint8Array) => Uint8Array;

const onOctets: readonly OnOctets[] = [
  // bits
  (random, frame) => {
    for (let count = 1 + upTo(random, 4); count > 0; count -= 1) {
      const at = upTo(random, frame.byteLength - 1);
      frame[at] = (frame[at] ?? 0) ^ (1 << upTo(random, 7));
    }
    return frame;
  },
  // octets behind the header
  (random, frame) => {
    if (frame.byteLength > HEADER)
      frame[HEADER + upTo(random, frame.byteLength - HEADER - 1)] = upTo(random, 255);
    return frame;
  },
  // cut, and said so or not
  (random, frame) => {
    const cut = frame.slice(0, upTo(random, frame.byteLength));
    return maybe(random) ? mended(cut) : cut;
  },
  // a length that lies: of the message, the withdrawn routes, the attributes
  (random, frame) => {
    const at = oneOf(random, [16, HEADER, HEADER + 2, upTo(random, Math.max(0, frame.byteLength - 2))]);
    if (at + 2 <= frame.byteLength)
      viewOf(frame).setUint16(at, oneOf(random, [0, 1, 18, 0xffff, upTo(random, 300)]));
    return frame;
  },
  // octets put in, or taken out
  (random, frame) => {
    const at = Math.min(HEADER + upTo(random, frame.byteLength), frame.byteLength);
    return mended(joined(frame.slice(0, at), octets(random, 6), frame.slice(at)));
  },
  (random, frame) => {
    const at = Math.min(HEADER + upTo(random, frame.byteLength), frame.byteLength);
    return mended(joined(frame.slice(0, at), frame.slice(at + 1 + upTo(random, 6))));
  },
  // the head of one and the tail of another
  (random, frame, other) => {
    const head = frame.slice(0, Math.max(HEADER, upTo(random, frame.byteLength)));
    return mended(
      joined(head, other.slice(Math.min(HEADER + upTo(random, other.byteLength), other.byteLength))),
    );
  },
];

/**
 * Attributes first, while the message is still sound, then octets.
 * @param frame  a sound message. @param other  another one, to take from
 */
export function mutated(random: Random, frame: Uint8Array, other: Uint8Array): Uint8Array {
  let result: Uint8Array = frame.slice();
  const isShaped = isUpdate(frame) && random() < 0.7;
  if (isShaped) {
    const update = taken(frame);
    const others = isUpdate(other) ? taken(other).attributes : [];
    let { attributes } = update;
    for (let count = 1 + upTo(random, 2); count > 0; count -= 1)
      attributes = oneOf(random, onAttributes)(random, attributes, others);
    result = written({ ...update, attributes });
  }
  for (
    let count = random() < (isShaped ? 0.7 : 0.1) ? 0 : 1 + upTo(random, 1);
    count > 0 && result.byteLength > 0;
    count -= 1
  )
    result = oneOf(random, onOctets)(random, result, other);
  return result;
}
