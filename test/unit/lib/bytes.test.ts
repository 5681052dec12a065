import { expect, test } from 'vitest';
import { Reader, Writer } from '../../../src/lib/bytes.ts';

test('a Writer that has to grow in the middle of any kind of value loses nothing', () => {
  for (let capacity = 1; capacity < 9; capacity += 1) {
    const writer = new Writer(capacity);
    for (let round = 0; round < 20; round += 1)
      writer.u8(1).u16(0x0203).u32(0x04050607).bytes(Uint8Array.of(8));
    expect([...writer.done()]).toEqual(Array.from({ length: 160 }, (_, index) => (index % 8) + 1));
  }
});

test('a Reader tells its next octet without taking it, 0 at the end; what a Writer copies out is what it wrote', () => {
  const reader = new Reader(Uint8Array.of(7, 8), 1);
  expect([reader.peek(), reader.left, reader.u8(), reader.peek(), reader.failed]).toEqual([
    8,
    1,
    8,
    0,
    false,
  ]);
  for (const length of [3, 300]) {
    const octets = Uint8Array.from({ length }, (_, index) => index);
    const target = new Uint8Array(length + 2);
    new Writer().bytes(octets).copyTo(target, 1);
    expect([...target]).toEqual([0, ...octets, 0]);
  }
});
