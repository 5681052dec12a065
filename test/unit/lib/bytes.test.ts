import { expect, test } from 'vitest';
import { Writer } from '../../../src/lib/bytes.ts';

test('a Writer that has to grow in the middle of any kind of value loses nothing', () => {
  for (let capacity = 1; capacity < 9; capacity += 1) {
    const writer = new Writer(capacity);
    for (let round = 0; round < 20; round += 1)
      writer.u8(1).u16(0x0203).u32(0x04050607).bytes(Uint8Array.of(8));
    expect([...writer.done()]).toEqual(Array.from({ length: 160 }, (_, index) => (index % 8) + 1));
  }
});
