/** Arbitrary addresses and prefixes that meet each other often: few distinct networks, every length. */
import fc from 'fast-check';
import {
  type Address,
  type Ipv4,
  type Ipv6,
  ipv4,
  ipv6,
  type Prefix,
  prefixOf,
  widthOf,
} from '../../src/lib/net.ts';

const edges4 = [0, 1, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];
const edges6 = [0n, 1n, 1n << 127n, (1n << 128n) - 1n, 0xffffn << 32n, 0xffff_0a00_0001n];

export const anyIpv4: fc.Arbitrary<Ipv4> = fc
  .oneof(
    fc.constantFrom(...edges4),
    fc.integer({ min: 0, max: 0xffffffff }),
    fc.integer({ min: 0x0a000000, max: 0x0a0000ff }),
  )
  .map(ipv4);

/** Many groups of zero, so that the shortening of text is put to the test. */
export const anyIpv6: fc.Arbitrary<Ipv6> = fc
  .oneof(
    fc.constantFrom(...edges6),
    fc
      .array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), { minLength: 8, maxLength: 8 })
      .map((groups) => groups.reduce((sum, group) => (sum << 16n) | BigInt(group), 0n)),
  )
  .map(ipv6);

export const anyAddress: fc.Arbitrary<Address> = fc.oneof(anyIpv4, anyIpv6);

export const anyPrefix: fc.Arbitrary<Prefix> = anyAddress.chain((address) =>
  fc.integer({ min: 0, max: widthOf(address) }).map((length) => prefixOf(address, length)),
);
