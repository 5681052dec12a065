import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nearby } from '../../../bgp/policy/near.ts';
import { contains, ipv4, ipv6, type Prefix, parsePrefix, prefix4, prefix6 } from '../../../src/lib/net.ts';

/** Few bits are set, so that prefixes meet. */
const word = fc.constantFrom(0, 1, 0x0a00, 0x0aff, 0xfe80, 0xffff);
const address4 = fc.tuple(word, word).map(([high, low]) => ipv4(high * 65_536 + low));
const address6 = fc
  .tuple(word, word, word)
  .map(([first, second, last]) => ipv6((BigInt(first) << 112n) + (BigInt(second) << 96n) + BigInt(last)));
const arbitraryPrefix: fc.Arbitrary<Prefix> = fc.oneof(
  fc.tuple(address4, fc.integer({ min: 0, max: 32 })).map(([address, length]) => prefix4(address, length)),
  fc.tuple(address6, fc.integer({ min: 0, max: 128 })).map(([address, length]) => prefix6(address, length)),
);

test('a prefix inside one of the spaces is always near, whatever their lengths and families', () => {
  fc.assert(
    fc.property(fc.array(arbitraryPrefix, { maxLength: 4 }), arbitraryPrefix, (spaces, prefix) => {
      const isInside = spaces.some((space) => contains(space, prefix));
      if (isInside) expect(nearby(spaces)(prefix)).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

test.each([
  ['20.0.0.0/22', false],
  ['10.1.0.0/24', false],
  ['10.0.255.0/24', true],
  ['10.0.0.0/15', true],
  ['2a00:1::/48', false],
  ['2001:db8:1::/48', true],
  ['::/0', true],
])('%s near 10.0.0.0/24 and 2001:db8::/32: %s', (text, expected) => {
  const spaces = ['10.0.0.0/24', '2001:db8::/32'].map((one) => parsePrefix(one) as Prefix);
  expect(nearby(spaces)(parsePrefix(text) as Prefix)).toBe(expected);
});
