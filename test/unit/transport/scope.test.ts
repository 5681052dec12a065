import { expect, test } from 'vitest';
import { scopeTo } from '../../../bgp/transport/scope.ts';
import type { Message, PathAttributes } from '../../../bgp/wire/message.ts';
import { type Address, type Ipv6, ipv6, scoped } from '../../../src/lib/net.ts';
import { address } from '../../support/sockets.ts';

const linkLocal = ipv6((0xfe80n << 112n) | 7n);
const update = (
  nextHop: Address,
  more: { readonly linkLocal?: Ipv6 } = {},
): Message & { readonly kind: 'update' } => ({
  kind: 'update',
  withdrawn: [],
  announced: [
    { family: 'ipv6-unicast', attributes: { origin: 'igp', asPath: [], nextHop, ...more }, prefixes: [] },
  ],
  flaws: [],
});
const attributesIn = (message: Message): PathAttributes | undefined =>
  message.kind === 'update' ? message.announced[0]?.attributes : undefined;

test('RFC 4007 §6: a link-local next hop is on the link its session came over, alone or beside a global one', () => {
  const place = scopeTo(12);
  expect(attributesIn(place(update(linkLocal)))?.nextHop).toBe(scoped(linkLocal, 12));
  const both = attributesIn(place(update(address('2001:db8::1'), { linkLocal })));
  expect([both?.nextHop, both?.linkLocal]).toEqual([address('2001:db8::1'), scoped(linkLocal, 12)]);
});

test('what has no link-local next hop stays the very same attributes, and equal ones stay one', () => {
  const place = scopeTo(12);
  const plain = update(address('10.0.0.1'));
  expect(attributesIn(place(plain))).toBe(plain.announced[0]?.attributes);
  const scopedOnce = update(linkLocal);
  expect(attributesIn(place(scopedOnce))).toBe(attributesIn(place(scopedOnce)));
  const keepalive: Message = { kind: 'keepalive' };
  expect(place(keepalive)).toBe(keepalive);
});
