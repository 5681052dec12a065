import { describe, expect, test } from 'vitest';
import { FrameReader } from '../../../bgp/wire/frame.ts';
import { bytesOf, hexOf, MARKER, messageHex, refusal } from '../../support/wire.ts';

const keepalive = messageHex(4, '');
const update = messageHex(2, '0000 0000');

function framesOf(reader: FrameReader): string[] {
  const frames: string[] = [];
  for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
    if (!frame.ok) throw new Error(frame.error.why);
    frames.push(hexOf(frame.value));
  }
  return frames;
}

describe('the stream', () => {
  test('a message that arrives octet by octet comes out once, when it is whole', () => {
    const reader = new FrameReader();
    const seen: string[][] = [];
    for (const octet of bytesOf(update)) {
      reader.push(Uint8Array.of(octet));
      seen.push(framesOf(reader));
    }
    expect(seen.flat()).toEqual([update]);
    expect(seen.at(-1)).toEqual([update]);
  });

  test('several messages of one chunk come out in order, and half of the next one waits', () => {
    const reader = new FrameReader();
    reader.push(bytesOf(keepalive + update + keepalive.slice(0, 20)));
    expect(framesOf(reader)).toEqual([keepalive, update]);
    expect(reader.buffered).toBe(10);
    reader.push(bytesOf(keepalive.slice(20)));
    expect(framesOf(reader)).toEqual([keepalive]);
    expect(reader.buffered).toBe(0);
  });

  test('after a pause the reader goes on from what is buffered, without another push', () => {
    const reader = new FrameReader();
    reader.push(bytesOf(keepalive.repeat(4000)));
    expect(reader.full).toBe(true);
    for (let taken = 0; taken < 3000; taken += 1) reader.next();
    expect(reader.full).toBe(false);
    expect(framesOf(reader)).toHaveLength(1000);
  });

  test('a buffer that is refilled many times loses nothing', () => {
    const reader = new FrameReader();
    const stream = bytesOf((keepalive + update).repeat(9000));
    let count = 0;
    for (let at = 0; at < stream.byteLength; at += 60_001) {
      reader.push(stream.subarray(at, at + 60_001));
      count += framesOf(reader).length;
    }
    expect(count).toBe(18_000);
  });

  test('a reader that is told it is full and is pushed anyway refuses, rather than grow without bound', () => {
    const reader = new FrameReader();
    const chunk = bytesOf(keepalive.repeat(3000));
    expect(() => {
      for (let pushes = 0; pushes < 6; pushes += 1) reader.push(chunk);
    }).toThrow('more was read than the frame reader may hold');
  });

  test('after a broken header nothing more is read: there are no boundaries left', () => {
    const reader = new FrameReader();
    reader.push(bytesOf(`${'00'.repeat(19)}${keepalive}`));
    const first = reader.next();
    expect(first?.ok).toBe(false);
    expect(reader.next()).toBe(first);
  });
});

describe('the header', () => {
  test('RFC 4271 §6.1: a marker that is not all ones is answered with 1/1', () => {
    expect(refusal(keepalive.replace(/^ff/, 'fe'))).toBe('1/1');
    expect(refusal(`${'ff'.repeat(15)}fe${keepalive.slice(32)}`)).toBe('1/1');
  });

  test.each([
    ['a length below 19', `${MARKER}001204`, '0012'],
    ['a length above 4096', `${MARKER}100102${'00'.repeat(4078)}`, '1001'],
    ['a KEEPALIVE of 20 octets', messageHex(4, '00'), '0014'],
    ['an OPEN of 28 octets', messageHex(1, '00'.repeat(9)), '001c'],
    ['an UPDATE of 22 octets', messageHex(2, '00'.repeat(3)), '0016'],
    ['a NOTIFICATION of 20 octets', messageHex(3, '00'), '0014'],
    ['a ROUTE-REFRESH of 22 octets', messageHex(5, '000100'), '0016'],
  ])('RFC 4271 §6.1: %s is answered with 1/2 and the length it said', (_what, hex, length) => {
    const reader = new FrameReader();
    reader.push(bytesOf(hex.padEnd(38, '0')));
    const result = reader.next();
    expect(result?.ok === false && result.error.notification).toMatchObject({
      code: 1,
      subcode: 2,
      data: bytesOf(length),
    });
  });

  test('RFC 4271 §6.1: an unknown type is answered with 1/3 and the type', () => {
    const reader = new FrameReader();
    reader.push(bytesOf(messageHex(6, '')));
    const result = reader.next();
    expect(result?.ok === false && result.error.notification).toMatchObject({
      code: 1,
      subcode: 3,
      data: Uint8Array.of(6),
    });
  });

  test('the longest message there is, 4096 octets, is taken', () => {
    const reader = new FrameReader();
    const longest = messageHex(3, '0600'.padEnd(4077 * 2, '0'));
    reader.push(bytesOf(longest));
    expect(framesOf(reader)).toEqual([longest]);
  });
});
