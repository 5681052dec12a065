import { isIPv4, isIPv6 } from 'node:net';
import fc from 'fast-check';
import { Address4, Address6 } from 'ip-address';
import { describe, expect, test } from 'vitest';
import {
  type Address,
  addressAt,
  compareAddresses,
  comparePrefixes,
  contains,
  containsAddress,
  firstWordOf,
  formatAddress,
  formatIpv6,
  formatPrefix,
  hostPrefix,
  ipv6,
  isIpv4,
  lengthOf,
  networkOf,
  overlaps,
  type Prefix,
  parseAddress,
  parseIpv4,
  parseIpv6,
  parsePrefix,
  prefix6,
  prefix6OfWords,
  prefixOf,
  secondWordOf,
  versionOf,
  widthOf,
} from '../../../src/lib/net.ts';
import { anyAddress, anyIpv4, anyIpv6, anyPrefix } from '../../support/arbitrary-net.ts';

const oracleOf = (text: string) => (text.includes(':') ? new Address6(text) : new Address4(text));

/** Text that is nearly an address. */
const nearly = fc.oneof(
  fc
    .array(fc.constantFrom('0', '1', '255', '256', '00', '01', '.', '..', '-1', ' '))
    .map((parts) => parts.join('')),
  fc
    .array(fc.constantFrom(':', '::', '0', 'ffff', 'FFFF', '10000', 'g', '1.2.3.4', '.', '%eth0'), {
      maxLength: 17,
    })
    .map((parts) => parts.join('')),
  fc
    .array(fc.constantFrom('0', 'a', 'ffff'), { minLength: 6, maxLength: 9 })
    .map((groups) => groups.join(':')),
  fc.ipV4(),
  fc.ipV6(),
  fc.string(),
);

describe('text', () => {
  test('node and this parser take the same texts for IPv4', () => {
    fc.assert(
      fc.property(nearly, (text) => {
        expect(parseIpv4(text) !== undefined).toBe(isIPv4(text));
      }),
      { numRuns: 2000 },
    );
  });

  test('node and this parser take the same texts for IPv6, but for zones, which are no part of an address', () => {
    fc.assert(
      fc.property(nearly, (text) => {
        expect(parseIpv6(text) !== undefined).toBe(isIPv6(text) && !text.includes('%'));
      }),
      { numRuns: 3000 },
    );
  });

  test('the ip-address package reads the same number from it', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        expect(BigInt(parseAddress(text) ?? -1)).toBe(oracleOf(text).bigInt());
      }),
      { numRuns: 1000 },
    );
  });

  test('what is formatted reads back the same', () => {
    fc.assert(
      fc.property(anyAddress, anyPrefix, (address, prefix) => {
        expect(parseAddress(formatAddress(address))).toBe(address);
        expect(parsePrefix(formatPrefix(prefix))).toBe(prefix);
      }),
      { numRuns: 1000 },
    );
  });

  test('RFC 5952 §4: the text is the one the ip-address package gives, but for IPv4-mapped ones (§5)', () => {
    fc.assert(
      fc.property(anyIpv6, (address) => {
        const text = formatIpv6(address);
        if (address >> 32n === 0xffffn) expect(text).toMatch(/^::ffff:\d+\.\d+\.\d+\.\d+$/);
        else expect(text).toBe(Address6.fromBigInt(address).correctForm());
      }),
      { numRuns: 1000 },
    );
  });

  test.each([
    ['0:0:0:0:0:0:0:0', '::'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['::ffff:10.0.0.1', '::ffff:10.0.0.1'],
    ['64:ff9b::10.0.0.1', '64:ff9b::a00:1'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
  ])('RFC 5952 §4: %s is written %s', (text, canonical) => {
    expect(formatAddress(parseAddress(text) as Address)).toBe(canonical);
  });

  test.each([
    '10.0.0.0', // no length
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10.0.0.0 /8',
    '::/129',
    '::/1e1',
    '/8',
    '',
  ])('%j is no prefix', (text) => {
    expect(parsePrefix(text)).toBeUndefined();
  });
});

describe('prefixes', () => {
  test('network, length and containment agree with the ip-address package', () => {
    fc.assert(
      fc.property(anyPrefix, anyPrefix, (a, b) => {
        const [oracleA, oracleB] = [oracleOf(formatPrefix(a)), oracleOf(formatPrefix(b))];
        expect(BigInt(networkOf(a))).toBe(oracleA.startAddress().bigInt());
        expect(lengthOf(a)).toBe(oracleA.subnetMask);
        if (oracleA instanceof Address4 && oracleB instanceof Address4)
          expect(contains(a, b)).toBe(oracleB.isInSubnet(oracleA));
        else if (oracleA instanceof Address6 && oracleB instanceof Address6)
          expect(contains(a, b)).toBe(oracleB.isInSubnet(oracleA));
        else expect(contains(a, b)).toBe(false);
      }),
      { numRuns: 1000 },
    );
  });

  test('host bits never make a difference', () => {
    fc.assert(
      fc.property(anyAddress, fc.nat(128), (address, any) => {
        const prefix = prefixOf(address, any % (widthOf(address) + 1));
        expect(prefixOf(networkOf(prefix), lengthOf(prefix))).toBe(prefix);
        expect(containsAddress(prefix, address)).toBe(true);
        expect(contains(prefix, hostPrefix(address))).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  test('two prefixes overlap only if one contains the other, and they contain each other only if equal', () => {
    fc.assert(
      fc.property(anyPrefix, anyPrefix, (a, b) => {
        expect(overlaps(a, b)).toBe(contains(a, b) || contains(b, a));
        expect(contains(a, b) && contains(b, a)).toBe(a === b);
      }),
    );
  });

  test('no prefix is the key of another, in either family', () => {
    fc.assert(
      fc.property(anyPrefix, anyPrefix, (a, b) => {
        expect(a === b).toBe(formatPrefix(a) === formatPrefix(b));
      }),
      { numRuns: 1000 },
    );
  });

  test('IPv6 prefixes differ in their lowest 64 bits, which is all of them that a Map hashes', () => {
    const low = (address: bigint, length: number): bigint =>
      BigInt.asUintN(64, prefixOf(ipv6(address), length) as bigint);
    const shapes: readonly ((index: bigint) => bigint)[] = [
      (index) => low((0x2a00n << 112n) | (index << 64n), 64),
      (index) => low((0x2a00n << 112n) | (index << 80n), 48),
      (index) => low((0xfd00n << 112n) | index, 128),
      (index) => low((0xfd00n << 112n) | (index << 64n) | index, 128),
    ];
    for (const shape of shapes)
      expect(new Set(Array.from({ length: 10_000 }, (_, index) => shape(BigInt(index)))).size).toBe(10_000);
  });

  test('the greatest IPv4 prefix is still an exact integer', () => {
    const greatest = prefixOf(parseAddress('255.255.255.255') as Address, 32);
    expect(Number.isSafeInteger(greatest)).toBe(true);
    expect(formatPrefix(greatest)).toBe('255.255.255.255/32');
  });
});

describe('order', () => {
  test.each([
    ['addresses', anyAddress, compareAddresses, formatAddress],
    ['prefixes', anyPrefix, comparePrefixes, formatPrefix],
  ] as const)(
    '%s have one total order, IPv4 first, that is zero only for equals',
    (_, any, compare, format) => {
      const compareAny = compare as (a: unknown, b: unknown) => number;
      fc.assert(
        fc.property(
          any as fc.Arbitrary<Address>,
          any as fc.Arbitrary<Address>,
          any as fc.Arbitrary<Address>,
          (a, b, c) => {
            expect(Math.sign(compareAny(a, b))).toBe(-Math.sign(compareAny(b, a)) + 0);
            expect(compareAny(a, b) === 0).toBe(
              (format as (value: unknown) => string)(a) === (format as (value: unknown) => string)(b),
            );
            if (compareAny(a, b) <= 0 && compareAny(b, c) <= 0)
              expect(compareAny(a, c)).toBeLessThanOrEqual(0);
            if (versionOf(a) === 4 && versionOf(b) === 6) expect(compareAny(a, b)).toBeLessThan(0);
          },
        ),
      );
    },
  );

  test('addresses sort by number, never by text', () => {
    const texts = ['::1', '10.0.0.2', '10.0.0.10', '9.0.0.1', 'fe80::', '::'];
    const sorted = texts.map((text) => parseAddress(text) as Address).sort(compareAddresses);
    expect(sorted.map(formatAddress)).toEqual(['9.0.0.1', '10.0.0.2', '10.0.0.10', '::', '::1', 'fe80::']);
  });

  test('prefixes sort by network, then shorter first, however long they are', () => {
    const sorted = [
      '::/0',
      '2000::/16',
      '2001:db8::/32',
      '2001:db8::/56',
      '2001:db8::/57',
      '2001:db8::/128',
      '2001:db8:0:100::/56',
      '2001:db8:0:100::/64',
      'fe80::/10',
    ];
    const prefixes = sorted.toReversed().map((text) => parsePrefix(text) as Prefix);
    expect(prefixes.sort(comparePrefixes).map(formatPrefix)).toEqual(sorted);
  });

  test('an address some places on is that much greater', () => {
    fc.assert(
      fc.property(fc.oneof(anyIpv4, anyIpv6), fc.nat(1000), (address, offset) => {
        const limit = isIpv4(address) ? 2n ** 32n : 2n ** 128n;
        fc.pre(BigInt(address) + BigInt(offset) < limit);
        expect(BigInt(addressAt(address, offset))).toBe(BigInt(address) + BigInt(offset));
      }),
    );
  });
});

test('a prefix of four words is the prefix of the address they make, host bits or not', () => {
  const word = fc.nat(0xffffffff);
  fc.assert(
    fc.property(word, word, word, word, fc.nat(128), (first, second, third, fourth, length) => {
      const address = [first, second, third, fourth].reduce((sum, part) => (sum << 32n) | BigInt(part), 0n);
      const prefix = prefix6OfWords(first, second, third, fourth, length);
      expect(prefix).toBe(prefix6(ipv6(address), length));
      const hostBits = BigInt(128 - length);
      const network = (address >> hostBits) << hostBits;
      expect([networkOf(prefix), lengthOf(prefix)]).toEqual([network, length]);
      expect(firstWordOf(prefix)).toBe(Number(network >> 96n));
      expect(secondWordOf(prefix)).toBe(Number((network >> 64n) & 0xffff_ffffn));
    }),
    { numRuns: 2000 },
  );
});
