import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Reader, Writer } from '../../../src/lib/bytes.ts';
import { anyIpv4, anyIpv6 } from '../../support/arbitrary-net.ts';

const value = fc.oneof(
  fc.record({ kind: fc.constant('u8' as const), value: fc.nat(0xff) }),
  fc.record({ kind: fc.constant('u16' as const), value: fc.nat(0xffff) }),
  fc.record({ kind: fc.constant('u32' as const), value: fc.nat(0xffffffff) }),
  fc.record({ kind: fc.constant('ipv4' as const), value: anyIpv4 }),
  fc.record({ kind: fc.constant('ipv6' as const), value: anyIpv6 }),
  fc.record({ kind: fc.constant('bytes' as const), value: fc.uint8Array({ maxLength: 20 }) }),
);
type Value = typeof value extends fc.Arbitrary<infer T> ? T : never;

const writers = {
  u8: (writer: Writer, one: Value) => one.kind === 'u8' && writer.u8(one.value),
  u16: (writer: Writer, one: Value) => one.kind === 'u16' && writer.u16(one.value),
  u32: (writer: Writer, one: Value) => one.kind === 'u32' && writer.u32(one.value),
  ipv4: (writer: Writer, one: Value) => one.kind === 'ipv4' && writer.ipv4(one.value),
  ipv6: (writer: Writer, one: Value) => one.kind === 'ipv6' && writer.ipv6(one.value),
  bytes: (writer: Writer, one: Value) => one.kind === 'bytes' && writer.bytes(one.value),
};

const read = (reader: Reader, one: Value): unknown =>
  one.kind === 'bytes' ? Uint8Array.from(reader.bytes(one.value.length)) : reader[one.kind]();

function written(values: readonly Value[], capacity: number): Uint8Array<ArrayBuffer> {
  const writer = new Writer(capacity);
  for (const one of values) writers[one.kind](writer, one);
  return writer.done();
}

const values = fc.array(value, { maxLength: 12 });

test('what a Writer of any capacity wrote, a Reader at any offset reads back', () => {
  fc.assert(
    fc.property(values, fc.nat(40), fc.nat(9), (list, capacity, offset) => {
      const bytes = written(list, capacity);
      const padded = new Uint8Array(offset + bytes.length + 3).fill(0xee);
      padded.set(bytes, offset);
      // A view into a greater buffer, as a message in a socket's chunk is.
      const reader = new Reader(padded.subarray(offset, offset + bytes.length));
      expect(reader.left).toBe(bytes.length);
      for (const one of list) expect(read(reader, one)).toEqual(one.value);
      expect(reader.left).toBe(0);
      expect(reader.failed).toBe(false);
    }),
    { numRuns: 500 },
  );
});

test('a Reader whose bytes end early gives zeros from there on, says so, and never reads beyond its end', () => {
  fc.assert(
    fc.property(values, fc.nat(200), (list, cut) => {
      const bytes = written(list, 8);
      fc.pre(cut < bytes.length);
      const reader = new Reader(bytes, 0, cut);
      let at = 0;
      for (const one of list) {
        const got = read(reader, one);
        const size = sizeOf(one);
        if (reader.failed) expect([0, 0n, new Uint8Array(0)]).toContainEqual(got);
        else expect(got).toEqual(one.value);
        at += size;
        if (at > cut) expect(reader.failed).toBe(true);
      }
      expect(reader.left).toBe(0);
      expect(reader.failed).toBe(true);
    }),
    { numRuns: 500 },
  );
});

function sizeOf(one: Value): number {
  const sizes = { u8: 1, u16: 2, u32: 4, ipv4: 4, ipv6: 16 };
  return one.kind === 'bytes' ? one.value.length : sizes[one.kind];
}

test('a sub-Reader sees its own octets only, and its parent goes on behind them', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 30 }),
      fc.nat(40),
      fc.nat(40),
      (bytes, skip, length) => {
        const reader = new Reader(bytes);
        reader.bytes(skip);
        const before = reader.left;
        const failedBefore = reader.failed;
        const sub = reader.sub(length);
        const fits = !failedBefore && length <= before;
        expect(sub.failed).toBe(!(length <= before));
        if (fits) {
          expect(sub.left).toBe(length);
          expect([...sub.bytes(length)]).toEqual([...bytes.subarray(skip, skip + length)]);
          expect(reader.left).toBe(before - length);
          sub.u8();
          expect(sub.failed).toBe(true);
          expect(reader.failed).toBe(false);
        } else {
          expect(sub.left).toBe(0);
          expect(reader.failed).toBe(true);
        }
      },
    ),
  );
});

test('a negative length fails like one that is too great', () => {
  const reader = new Reader(Uint8Array.of(1, 2, 3));
  expect(reader.bytes(-1)).toEqual(new Uint8Array(0));
  expect(reader.failed).toBe(true);
});

test('a length known afterwards is written over its place, and `done` is a copy', () => {
  const writer = new Writer(1);
  const at = writer.u8(9).length;
  writer.u16(0).u32(7);
  const first = writer.patchU16(at, 0x1234).done();
  writer.patchU16(at, 0);
  expect([...first]).toEqual([9, 0x12, 0x34, 0, 0, 0, 7]);
});

test('a word of 0 to 4 octets is those octets and zeros, wherever the bytes end', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 9 }), fc.nat(4), fc.nat(9), (bytes, octets, start) => {
      fc.pre(start + octets <= bytes.length);
      const padded = [...bytes.subarray(start, start + octets), 0, 0, 0, 0].slice(0, 4);
      const reader = new Reader(bytes, start);
      expect(reader.word(octets)).toBe(padded.reduce((sum, octet) => sum * 256 + octet, 0));
      expect(reader.at).toBe(start + octets);
      expect(reader.failed).toBe(false);
    }),
  );
});

test('within a part that was entered nothing after it is read, and after leaving it reading goes on behind it', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 2, maxLength: 20 }), fc.nat(18), (bytes, length) => {
      fc.pre(length < bytes.length);
      const reader = new Reader(bytes);
      const end = reader.enter(length);
      expect(reader.left).toBe(length);
      expect([...reader.bytes(length)]).toEqual([...bytes.subarray(0, length)]);
      expect(reader.u8()).toBe(0);
      expect(reader.failed).toBe(true);
      reader.leave(end);
      expect([reader.failed, reader.left, reader.u8()]).toEqual([
        false,
        bytes.length - length,
        bytes[length],
      ]);
    }),
  );
});

test('a Writer that is widened keeps what stood there one octet further, at any capacity', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), fc.uint8Array({ maxLength: 20 }), (before, after) => {
      const writer = new Writer(1).bytes(before).bytes(after).widen(before.length).u8(7);
      expect([...writer.done()]).toEqual([...before, 0, ...after, 7]);
      expect([...writer.rewind(before.length).peek()]).toEqual([...before]);
    }),
  );
});
