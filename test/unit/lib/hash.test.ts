import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sha1Hex, sha256Hex } from '../../../src/lib/hash.ts';

const reference = (algorithm: string, text: string): string =>
  createHash(algorithm).update(text.toWellFormed()).digest('hex');

test('FIPS 180-4 §6.1, §6.2: both hashes agree with node:crypto on any text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
      expect(sha1Hex(text)).toBe(reference('sha1', text));
      expect(sha256Hex(text)).toBe(reference('sha256', text));
    }),
    { numRuns: 300 },
  );
});

test('FIPS 180-4 §5.1.1: padding is right around the end of a block', () => {
  for (let length = 50; length < 130; length += 1) {
    const text = 'x'.repeat(length);
    expect(sha1Hex(text)).toBe(reference('sha1', text));
    expect(sha256Hex(text)).toBe(reference('sha256', text));
  }
});

test('a lone surrogate is hashed as U+FFFD', () => {
  expect(sha256Hex('\ud800')).toBe(sha256Hex('\ufffd'));
});
