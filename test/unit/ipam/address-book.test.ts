import { describe, expect, test } from 'vitest';
import { AddressBook, capacityOf } from '../../../src/ipam/address-book.ts';
import { formatAddress, millis, type Prefix, parseAddress, parsePrefix } from '../../../src/lib/net.ts';

const cidr = (text: string): Prefix => {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(text);
  return prefix;
};
const book = (): AddressBook => new AddressBook(millis(30_000));
const take = (from: AddressBook, owner: string, cidrs: readonly string[], now = 0): string => {
  const result = from.allocate({ owner, cidrs: cidrs.map(cidr), now: millis(now) });
  return result.ok ? result.value.map(formatAddress).join(' ') : result.error.why;
};

describe('addresses of a node', () => {
  test('a pod gets one address of each family', () => {
    expect(take(book(), 'a', ['10.1.0.0/24', 'fd00:1::/64'])).toBe('10.1.0.1 fd00:1::1');
  });

  test('IPv4 comes first whatever the order of the CIDRs', () => {
    expect(take(book(), 'a', ['fd00:1::/64', '10.1.0.0/24'])).toBe('10.1.0.1 fd00:1::1');
  });

  test('the network and the broadcast address are never given', () => {
    const from = book();
    expect(['a', 'b', 'c'].map((owner) => take(from, owner, ['10.1.0.0/30']))).toEqual([
      '10.1.0.1',
      '10.1.0.2',
      'No IPv4 address is free in 10.1.0.0/30: 2 of 2 are in use.',
    ]);
  });

  test('RFC 3021: both addresses of a /31 are given, and the only one of a /32 and a /128', () => {
    const from = book();
    expect(take(from, 'a', ['10.1.0.0/31'])).toBe('10.1.0.0');
    expect(take(from, 'b', ['10.1.0.0/31'])).toBe('10.1.0.1');
    expect(take(from, 'c', ['10.9.0.7/32', 'fd00::7/128'])).toBe('10.9.0.7 fd00::7');
    expect(capacityOf(cidr('fd00::/64'))).toBe(2n ** 64n - 1n);
  });

  test('a released address is given again only after the whole round', () => {
    const from = book();
    take(from, 'a', ['10.1.0.0/29']);
    from.release('a', millis(0));
    expect(take(from, 'b', ['10.1.0.0/29'], 60_000)).toBe('10.1.0.2');
  });

  test('while it cools down a released address is refused with the time that is left', () => {
    const from = book();
    take(from, 'a', ['10.1.0.0/30']);
    take(from, 'b', ['10.1.0.0/30']);
    from.release('a', millis(1000));
    const refused = from.allocate({ owner: 'c', cidrs: [cidr('10.1.0.0/30')], now: millis(11_000) });
    expect(refused).toEqual({
      ok: false,
      error: {
        why: 'No IPv4 address is free in 10.1.0.0/30: 1 of 2 are in use and 1 were just released; the first can be given again in 20 s.',
        transient: true,
      },
    });
    expect(take(from, 'c', ['10.1.0.0/30'], 31_000)).toBe('10.1.0.1');
  });

  test('if one family is exhausted the other family loses nothing', () => {
    const from = book();
    take(from, 'a', ['fd00::/127']);
    take(from, 'b', ['fd00::/127']);
    expect(take(from, 'c', ['10.1.0.0/24', 'fd00::/127'])).toMatch(/^No IPv6 address is free/);
    expect(from.size).toBe(2);
    expect(take(from, 'd', ['10.1.0.0/24'])).toBe('10.1.0.1');
  });

  test('an owner who asks again gets what it has, also after the CIDR of the node changed', () => {
    const from = book();
    expect(take(from, 'a', ['10.1.0.0/24'])).toBe('10.1.0.1');
    expect(take(from, 'a', ['10.2.0.0/24'])).toBe('10.1.0.1');
    expect(take(from, 'b', ['10.2.0.0/24'])).toBe('10.2.0.1');
  });

  test('a node without pod CIDR is told so', () => {
    expect(take(book(), 'a', [])).toBe('The node has no pod CIDR.');
  });

  test('a second CIDR of a family is used when the first is full', () => {
    const from = book();
    take(from, 'a', ['10.1.0.0/32', '10.1.1.0/24']);
    expect(take(from, 'b', ['10.1.0.0/32', '10.1.1.0/24'])).toBe('10.1.1.1');
  });

  test('an adopted address is not given, and cannot be adopted by a second owner', () => {
    const from = book();
    const first = parseAddress('10.1.0.1');
    if (first === undefined) throw new Error('unreadable');
    expect(from.adopt('a', [first]).ok).toBe(true);
    expect(from.adopt('b', [first])).toEqual({ ok: false, error: 'a' });
    expect(take(from, 'b', ['10.1.0.0/24'])).toBe('10.1.0.2');
  });

  test('after a restart the round goes on where it stood', () => {
    const from = book();
    const last = parseAddress('10.1.0.7');
    if (last === undefined) throw new Error('unreadable');
    from.resumeAfter(cidr('10.1.0.0/24'), last);
    expect(take(from, 'a', ['10.1.0.0/24'])).toBe('10.1.0.8');
  });
});
