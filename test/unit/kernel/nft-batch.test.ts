/** Transactions as messages: how they are framed, taken back and cut. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NftBatch, type NftTransaction } from '../../../src/kernel/netlink/nft/batch.ts';
import { addChain, deleteChain } from '../../../src/kernel/netlink/nft/object.ts';
import { eachMessage, type Message } from '../../../src/kernel/netlink/reader.ts';
import { viewOf } from '../../support/netlink.ts';

const BEGIN = 0x10;
const END = 0x11;
const ACK = 4;

function messagesOf({ bytes }: NftTransaction): readonly Message[] {
  const found: Message[] = [];
  eachMessage(viewOf(bytes), 0, bytes.byteLength, (message) => found.push(message));
  return found;
}

/** Of so many messages about each object. */
function batchOf(objects: readonly number[]): NftBatch {
  const batch = new NftBatch(64);
  for (const [index, messages] of objects.entries()) {
    batch.about({ kind: 'chain', name: `c${index}` });
    for (let each = 0; each < messages; each++) addChain(batch, 't', `c${index}-${each}`);
  }
  return batch;
}

const objects = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 20 });

test('a transaction is its messages between a first and a last one, and only the last of them asks for an answer', () => {
  fc.assert(
    fc.property(objects, (counts) => {
      const batch = batchOf(counts);
      const whole = batch.transaction();
      const found = whole === undefined ? [] : messagesOf(whole);
      const [first, ...rest] = found;
      const last = rest.pop();
      expect([first?.type, last?.type]).toEqual([BEGIN, END]);
      expect(rest.map(({ flags }) => (flags & ACK) !== 0)).toEqual(
        rest.map((_, index) => index === rest.length - 1),
      );
      expect(rest).toHaveLength(batch.messages);
    }),
  );
});

test('its parts have each message once, in order, and no object is cut in two unless it alone is too large', () => {
  fc.assert(
    fc.property(objects, fc.integer({ min: 1, max: 2000 }), fc.boolean(), (counts, most, wasSent) => {
      const batch = batchOf(counts);
      if (wasSent) batch.transaction();
      const parts = batch.parts(most);
      const names = parts.map((part) =>
        Array.from({ length: part.messages }, (_, index) => batch.objectOf(part.first - 1 + index)?.name),
      );
      expect(names.flat()).toEqual(counts.flatMap((count, index) => Array<string>(count).fill(`c${index}`)));
      expect(names.flatMap((all) => [...new Set(all)])).toHaveLength(counts.length);
      for (const [index, part] of parts.entries()) {
        expect(part.bytes.byteLength <= most || new Set(names[index]).size === 1).toBe(true);
        expect(messagesOf(part)).toHaveLength(part.messages + 2);
      }
    }),
  );
});

test('what is taken back leaves no trace', () => {
  fc.assert(
    fc.property(objects, (counts) => {
      const plain = batchOf(counts);
      const other = batchOf(counts);
      other.about({ kind: 'chain', name: 'gone', removed: true });
      for (let each = 0; each < 100; each++) deleteChain(other, 't', `gone-${each}`);
      other.takeBack();
      expect(other.transaction()).toEqual(plain.transaction());
    }),
  );
});

test('an empty one is nothing to send', () => {
  expect(new NftBatch().transaction()).toBeUndefined();
  expect(new NftBatch().parts(100)).toEqual([]);
});
