/** Words that iptables and ipset read back as they were written. */
import { expect, test } from 'vitest';
import { remembered } from '../../../felix/rules/xtables/memo.ts';
import { xtChainName, xtSetName } from '../../../felix/rules/xtables/name.ts';
import { xtRule } from '../../../felix/rules/xtables/rule.ts';
import { xtMembers } from '../../../felix/rules/xtables/set.ts';
import { address } from '../../support/clusters.ts';

test('the comment stands before the target, also where an interface ends like one', () => {
  expect(xtRule('-i eth-g -j DROP').text).toMatch(
    /^-i eth-g -m comment --comment "tortie:[0-9a-f]+" -j DROP$/,
  );
});

test('a log prefix that looks like a comment is none', () => {
  const { text } = xtRule('-j LOG --log-prefix "a # b"', 'c # d');
  expect(text).toMatch(/^-m comment --comment "tortie:[0-9a-f]+ c # d" -j LOG --log-prefix "a # b"$/);
});

test('answers are kept while they are asked for, and no more than twice as many as are allowed', () => {
  const made: string[] = [];
  const ask = remembered((text: string) => {
    made.push(text);
    return text.toUpperCase();
  }, 2);
  expect(['a', 'b', 'a', 'c', 'a', 'd', 'a'].map(ask)).toEqual(['A', 'B', 'A', 'C', 'A', 'D', 'A']);
  expect(made).toEqual(['a', 'b', 'c', 'd']);
  expect(ask('b')).toBe('B');
  expect(made).toEqual(['a', 'b', 'c', 'd', 'b']);
});

test('what would break a line of a script is not in one', () => {
  expect(xtRule('-j DROP', 'a"b\nc\\dé').text).toContain('a?b?c?d?"');
});

test('members are as ipset prints them: the end of an IPv6 address that begins with 96 zeros is as of IPv4', () => {
  const printed = ['::1.2.3.4', '::0.1.0.0', '::5', '::ffff:1.2.3.4', '2001::1:0:0:2:3', '10.0.0.1'];
  const members = printed.flatMap((text) => xtMembers({ kind: 'address', address: address(text) }));
  expect(members).toEqual(printed);
  const [first, last] = [address('::1.2.3.0'), address('::1.2.3.255')];
  expect(xtMembers({ kind: 'range', first, last })).toEqual(['::1.2.3.0/120']);
});

test('a name that is too long keeps 64 bits of what makes it itself', () => {
  const name = 'policy-in-shop/allow-web-0123456789abcdef';
  expect(xtChainName(name, true)).toMatch(/^tortie-policy--[0-9a-z]{13}$/);
  expect(xtSetName(name)).toMatch(/^tortie-policy-in--[0-9a-z]{13}$/);
});
