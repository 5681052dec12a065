import { describe, expect, test } from 'vitest';
import { decodeMessage, encodeMessage } from '../../../bgp/wire/codec.ts';
import type { PathAttributes, UpdateMessage } from '../../../bgp/wire/message.ts';
import {
  attributesFit,
  encodeAnnouncement,
  encodeUpdates,
  encodeWithdrawals,
  endOfRib,
} from '../../../bgp/wire/update-encode.ts';
import { ipv4, ipv6, type Prefix, prefix4, prefix6 } from '../../../src/lib/net.ts';
import { as, context, hexOf, prefix, updateHex, v4, v6 } from '../../support/wire.ts';

const sound: PathAttributes = {
  origin: 'igp',
  asPath: [{ kind: 'sequence', asns: [as(65001)] }],
  nextHop: v4('10.0.0.2'),
};
const sound6: PathAttributes = { ...sound, nextHop: v6('2001:db8::1') };
const many4 = Array.from({ length: 5000 }, (_, index) => prefix4(ipv4(0x0a000000 + index * 256), 24));
const many6 = Array.from({ length: 2000 }, (_, index) =>
  prefix6(ipv6((0x20010db8n << 96n) + (BigInt(index) << 64n)), 64),
);

const updates = (frames: readonly Uint8Array[]): UpdateMessage[] =>
  frames.map((frame) => {
    const result = decodeMessage(frame, context());
    if (!result.ok || result.value.kind !== 'update') throw new Error('not an UPDATE');
    return result.value;
  });
const announced = (frames: readonly Uint8Array[]): Prefix[] =>
  updates(frames).flatMap((message) => message.announced.flatMap((announcement) => announcement.prefixes));
const withdrawn = (frames: readonly Uint8Array[]): Prefix[] =>
  updates(frames).flatMap((message) => message.withdrawn);

describe('many prefixes with one set of attributes', () => {
  test('go into as few messages as hold them, in order, none longer than 4096', () => {
    const frames = encodeAnnouncement(
      { family: 'ipv4-unicast', attributes: sound, prefixes: many4 },
      context(),
    );
    // 4096 - 23 of framing - 20 of attributes leaves 4053 octets: 1013 prefixes of four octets each
    expect(frames).toHaveLength(Math.ceil(5000 / 1013));
    expect(Math.max(...frames.map((frame) => frame.byteLength))).toBeGreaterThan(4090);
    expect(Math.max(...frames.map((frame) => frame.byteLength))).toBeLessThanOrEqual(4096);
    expect(announced(frames)).toEqual(many4);
  });

  test('IPv6 likewise, in MP_REACH_NLRI', () => {
    const frames = encodeAnnouncement(
      { family: 'ipv6-unicast', attributes: sound6, prefixes: many6 },
      context(),
    );
    expect(frames.length).toBeLessThanOrEqual(5);
    expect(announced(frames)).toEqual(many6);
  });

  test('withdrawals of both families', () => {
    expect(withdrawn(encodeWithdrawals('ipv4-unicast', many4, context()))).toEqual(many4);
    expect(withdrawn(encodeWithdrawals('ipv6-unicast', many6, context()))).toEqual(many6);
  });

  test('nothing to say makes no message', () => {
    expect(encodeUpdates({ withdrawn: [], announced: [] }, context())).toEqual([]);
  });
});

test('RFC 7606 §5.1: a message withdraws or announces, one family, and MP_REACH_NLRI comes first', () => {
  const frames = encodeUpdates(
    {
      withdrawn: [prefix('10.0.0.0/8'), prefix('2001:db8::/32')],
      announced: [
        { family: 'ipv4-unicast', attributes: sound, prefixes: [prefix('11.0.0.0/8')] },
        { family: 'ipv6-unicast', attributes: sound6, prefixes: [prefix('2001:db8:1::/48')] },
      ],
      endOfRib: 'ipv6-unicast',
    },
    context(),
  );
  expect(frames).toHaveLength(5);
  expect(hexOf(frames[3] ?? new Uint8Array(0)).slice(46, 50)).toBe('800e');
  expect(frames[4]).toEqual(endOfRib('ipv6-unicast'));
});

test('LOCAL_PREF and what belongs to reflection never leave the AS', () => {
  const attributes: PathAttributes = {
    ...sound,
    localPref: 100,
    originatorId: v4('10.0.0.3'),
    clusterList: [v4('10.0.0.4')],
  };
  const announcement = { family: 'ipv4-unicast', attributes, prefixes: [prefix('11.0.0.0/8')] } as const;
  const [outside] = encodeAnnouncement(announcement, context());
  const [inside] = encodeAnnouncement(announcement, context({ peerType: 'ibgp' }));
  expect(hexOf(outside ?? new Uint8Array(0))).not.toMatch(/400504|800904|800a04/);
  expect(hexOf(inside ?? new Uint8Array(0))).toMatch(/400504.*800904.*800a04/);
});

describe('RFC 4271 §5: unknown attributes', () => {
  const announcement = (flags: number) =>
    ({
      family: 'ipv4-unicast',
      attributes: { ...sound, unknown: [{ flags, code: 254, body: Uint8Array.of(1) }] },
      prefixes: [prefix('11.0.0.0/8')],
    }) as const;

  test('a transitive one goes on with the Partial bit set', () => {
    expect(hexOf(encodeAnnouncement(announcement(0xc0), context())[0] ?? new Uint8Array(0))).toContain(
      'e0fe0101',
    );
  });

  test('a non-transitive one does not', () => {
    expect(hexOf(encodeAnnouncement(announcement(0x80), context())[0] ?? new Uint8Array(0))).not.toContain(
      'fe0101',
    );
  });
});

describe('attributes that leave no room', () => {
  const huge: PathAttributes = { ...sound, communities: Array.from({ length: 1020 }, (_, index) => index) };

  test('cannot be sent, and the neighbour gets a withdrawal instead of keeping an older route', () => {
    expect(attributesFit(huge, 'ipv4-unicast', context())).toBe(false);
    expect(attributesFit(sound, 'ipv4-unicast', context())).toBe(true);
    const frames = encodeAnnouncement(
      { family: 'ipv4-unicast', attributes: huge, prefixes: [prefix('11.0.0.0/8')] },
      context(),
    );
    expect(withdrawn(frames)).toEqual([prefix('11.0.0.0/8')]);
    expect(announced(frames)).toEqual([]);
  });
});

test('an UPDATE that does not fit one message is a bug of whoever asked for one', () => {
  const update: UpdateMessage = { kind: 'update', withdrawn: many4, announced: [], flaws: [] };
  expect(() => encodeMessage(update, context())).toThrow('not one message');
});

test('an UPDATE that fits is one message', () => {
  const update: UpdateMessage = {
    kind: 'update',
    withdrawn: [prefix('10.0.0.0/8')],
    announced: [],
    flaws: [],
  };
  expect(hexOf(encodeMessage(update, context()))).toBe(updateHex({ withdrawn: '080a' }));
});
