/** What extends the messages of RFC 4271: several paths, foreign next hops, long messages, refreshes that end, roles. */
import { describe, expect, test } from 'vitest';
import { createConnection } from '../../../bgp/transport/connection.ts';
import { decodeMessage, encodeMessage } from '../../../bgp/wire/codec.ts';
import { describeCapability } from '../../../bgp/wire/describe-capability.ts';
import { describeNotification } from '../../../bgp/wire/describe-notification.ts';
import { checkHeader, FrameReader } from '../../../bgp/wire/frame.ts';
import type { Capability, OpenMessage, PathAttributes, UpdateMessage } from '../../../bgp/wire/message.ts';
import { cease } from '../../../bgp/wire/notification.ts';
import { attributesFit, encodeAnnouncement, encodeUpdates } from '../../../bgp/wire/update-encode.ts';
import { ipv4, prefix4, scoped } from '../../../src/lib/net.ts';
import { bothWays } from '../../support/both-ways.ts';
import {
  address,
  as,
  bytesOf,
  context,
  decoded,
  decodedUpdate,
  hexOf,
  messageHex,
  prefix,
  refusal,
  soundAttributes,
  updateHex,
  v4,
  v6,
} from '../../support/wire.ts';

const sound: PathAttributes = {
  origin: 'igp',
  asPath: [{ kind: 'sequence', asns: [as(65001)] }],
  nextHop: v4('10.0.0.2'),
};
const both = new Set(['ipv4-unicast', 'ipv6-unicast'] as const);
const update = (part: Partial<UpdateMessage>): UpdateMessage => ({
  kind: 'update',
  withdrawn: [],
  announced: [],
  flaws: [],
  ...part,
});
const withoutHop = '40010100 4002 06 0201 0000fde9';

describe('RFC 7911 §3: a Path Identifier comes before each prefix', () => {
  const ctx = context({ addPathReceive: both, addPathSend: both });

  test('in the NLRI and the Withdrawn Routes field', () => {
    bothWays(
      updateHex({ attributes: soundAttributes, nlri: '00000001 080a ffffffff 080a' }),
      update({
        announced: [
          {
            family: 'ipv4-unicast',
            attributes: sound,
            prefixes: [prefix('10.0.0.0/8'), prefix('10.0.0.0/8')],
            pathIds: [1, 0xffffffff],
          },
        ],
      }),
      ctx,
    );
    bothWays(
      updateHex({ withdrawn: '00000007 080a' }),
      update({ withdrawn: [prefix('10.0.0.0/8')], withdrawnIds: [7] }),
      ctx,
    );
  });

  test('in MP_REACH_NLRI and MP_UNREACH_NLRI', () => {
    bothWays(
      updateHex({
        attributes: `800e20 000201 10 20010db8000000000000000000000001 00 00000009 3020010db80001 ${withoutHop}`,
      }),
      update({
        announced: [
          {
            family: 'ipv6-unicast',
            attributes: { ...sound, nextHop: v6('2001:db8::1') },
            prefixes: [prefix('2001:db8:1::/48')],
            pathIds: [9],
          },
        ],
      }),
      ctx,
    );
    bothWays(
      updateHex({ attributes: '800f0e 000201 00000009 3020010db80001' }),
      update({ withdrawn: [prefix('2001:db8:1::/48')], withdrawnIds: [9] }),
      ctx,
    );
  });

  test('in the families and the directions for which it was agreed, and no others', () => {
    const receiving = context({ addPathReceive: new Set(['ipv4-unicast']) });
    const mixed = decodedUpdate(
      updateHex({ withdrawn: '00000007 080a', attributes: '800f0a 000201 3020010db80001' }),
      receiving,
    );
    expect(mixed.withdrawn).toEqual([prefix('10.0.0.0/8'), prefix('2001:db8:1::/48')]);
    expect(mixed.withdrawnIds).toEqual([7, 0]);
    const said = update({ withdrawn: [prefix('10.0.0.0/8')], withdrawnIds: [7] });
    expect(hexOf(encodeMessage(said, receiving))).toBe(updateHex({ withdrawn: '080a' }));
  });

  test('one without an identifier to tell gets 0', () => {
    const [frame] = encodeAnnouncement(
      { family: 'ipv4-unicast', attributes: sound, prefixes: [prefix('10.0.0.0/8')] },
      ctx,
    );
    expect(frame && hexOf(frame)).toBe(updateHex({ attributes: soundAttributes, nlri: '00000000 080a' }));
  });

  test('RFC 7606 §5.3: an identifier that is cut short is an invalid network field, 3/10', () => {
    expect(refusal(updateHex({ attributes: soundAttributes, nlri: '000000 08' }), ctx)).toBe('3/10');
    expect(refusal(updateHex({ withdrawn: '00000001' }), ctx)).toBe('3/10');
  });
});

describe('RFC 8950 §3: IPv4 prefixes over an IPv6 next hop', () => {
  const ctx = context({ extendedNextHop: new Set(['ipv4-unicast']) });
  const announced = (nextHop: string, linkLocal?: string) =>
    update({
      announced: [
        {
          family: 'ipv4-unicast',
          attributes: {
            ...sound,
            nextHop: v6(nextHop),
            ...(linkLocal === undefined ? {} : { linkLocal: v6(linkLocal) }),
          },
          prefixes: [prefix('10.0.0.0/8')],
        },
      ],
    });

  test('travel in MP_REACH_NLRI of AFI 1, with one next hop or two', () => {
    bothWays(
      updateHex({ attributes: `800e17 000101 10 20010db8000000000000000000000001 00 080a ${withoutHop}` }),
      announced('2001:db8::1'),
      ctx,
    );
    bothWays(
      updateHex({
        attributes: `800e27 000101 20 20010db8000000000000000000000001 fe800000000000000000000000000001 00 080a ${withoutHop}`,
      }),
      announced('2001:db8::1', 'fe80::1'),
      ctx,
    );
  });

  test('a next hop of four octets in MP_REACH_NLRI is as good', () => {
    const message = decodedUpdate(
      updateHex({ attributes: `800e0b 000101 04 0a000002 00 080a ${withoutHop}` }),
      ctx,
    );
    expect(message.announced).toMatchObject([{ family: 'ipv4-unicast', attributes: sound }]);
  });

  test('RFC 8950 §4: without the capability the length is wrong, which ends the session', () => {
    const hex = updateHex({
      attributes: `800e17 000101 10 20010db8000000000000000000000001 00 080a ${withoutHop}`,
    });
    expect(refusal(hex)).toBe('3/9');
  });

  test('are withdrawn from a neighbour that does not take such next hops, rather than told what it cannot read', () => {
    const said = announced('2001:db8::1');
    expect(encodeUpdates(said, context()).map(hexOf)).toEqual([updateHex({ withdrawn: '080a' })]);
    expect(attributesFit({ ...sound, nextHop: v6('2001:db8::1') }, 'ipv4-unicast', context())).toBe(false);
    expect(attributesFit(sound, 'ipv6-unicast', ctx)).toBe(false);
  });
});

describe('a neighbour that has only a link-local address', () => {
  const hop = (field: string): readonly unknown[] => {
    const length = (field.length / 2).toString(16);
    const size = (5 + field.length / 2 + 7).toString(16);
    const { announced } = decodedUpdate(
      updateHex({ attributes: `800e${size} 000201 ${length} ${field} 00 3020010db80001 ${withoutHop}` }),
    );
    return announced.map(({ attributes }) => [attributes.nextHop, attributes.linkLocal]);
  };
  const local = 'fe800000000000000000000000000001';

  test.each([
    ['alone', local],
    ['after an empty place', '0'.repeat(32) + local],
    ['twice', local + local],
  ])('tells it %s, and it is the next hop', (_how, field) => {
    expect(hop(field)).toEqual([[address('fe80::1'), undefined]]);
  });

  test('it is sent alone and without the link it is on', () => {
    const ctx = context({ extendedNextHop: both });
    for (const family of ['ipv4-unicast', 'ipv6-unicast'] as const) {
      const prefixes = [prefix(family === 'ipv4-unicast' ? '10.0.0.0/8' : '2001:db8:1::/48')];
      const [frame] = encodeAnnouncement(
        { family, attributes: { ...sound, nextHop: scoped(v6('fe80::1'), 7) }, prefixes },
        ctx,
      );
      expect(frame && hexOf(frame)).toContain(`10${local}00`);
    }
    const [frame] = encodeAnnouncement(
      {
        family: 'ipv6-unicast',
        attributes: { ...sound, nextHop: v6('2001:db8::1'), linkLocal: scoped(v6('fe80::1'), 7) },
        prefixes: [prefix('2001:db8:1::/48')],
      },
      ctx,
    );
    expect(frame && hexOf(frame)).toContain(`2020010db8000000000000000000000001${local}00`);
  });
});

describe('RFC 9234 §5: ONLY_TO_CUSTOMER', () => {
  test('is an AS number, passed on without the Partial bit', () => {
    bothWays(
      updateHex({ attributes: `${soundAttributes} c02304 0000fde9`, nlri: '080a' }),
      update({
        announced: [
          {
            family: 'ipv4-unicast',
            attributes: { ...sound, otc: as(65001) },
            prefixes: [prefix('10.0.0.0/8')],
          },
        ],
      }),
    );
  });

  test.each(['c02302 fde9', 'c02300', 'c02308 0000fde90000fde9'])(
    '%s is malformed: treat-as-withdraw',
    (otc) => {
      const message = decodedUpdate(updateHex({ attributes: `${soundAttributes} ${otc}`, nlri: '080a' }));
      expect(message).toMatchObject({ announced: [], withdrawn: [prefix('10.0.0.0/8')] });
      expect(message.flaws.map(({ remedy }) => remedy)).toEqual(['treat-as-withdraw']);
    },
  );
});

describe('RFC 7313: route refreshes with a beginning and an end', () => {
  const ctx = context({ enhancedRefresh: true });

  test.each([
    ['request', '0001 00 01'],
    ['begin', '0001 01 01'],
    ['end', '0001 02 01'],
  ] as const)('RFC 7313 §3.2: the subtype %s', (subtype, body) => {
    bothWays(messageHex(5, body), { kind: 'routeRefresh', subtype, family: 'ipv4-unicast' }, ctx);
  });

  test('RFC 7313 §5: an unknown subtype is ignored', () => {
    expect(decoded(messageHex(5, '0001 03 01'), ctx)).toMatchObject({ family: undefined });
  });

  test('RFC 7313 §5: a BoRR or EoRR of another length is answered with 7/1 and the message', () => {
    const hex = messageHex(5, `0001 01 01 ${'00'.repeat(3000)}`);
    const result = decodeMessage(bytesOf(hex), ctx);
    expect(result).toMatchObject({ ok: false, error: { notification: { code: 7, subcode: 1 } } });
    expect(!result.ok && hexOf(result.error.notification.data)).toBe(hex.slice(0, 4096));
    expect(refusal(messageHex(5, '0001 00 01 00'), ctx)).toBe('none');
  });

  test('RFC 2918 §3: without the capability the octet is reserved, and ignored', () => {
    expect(decoded(messageHex(5, '0001 01 01'))).toMatchObject({
      subtype: 'request',
      family: 'ipv4-unicast',
    });
  });
});

describe('RFC 8654: messages longer than 4096 octets', () => {
  const long = context({ extendedMessages: true, extendedReceive: true });
  const thousands = Array.from({ length: 20_000 }, (_, index) => prefix4(ipv4(0x0a000000 + index * 256), 24));
  const announcement = { family: 'ipv4-unicast', attributes: sound, prefixes: thousands } as const;

  test('RFC 8654 §4: hold as many prefixes as 65535 octets do, where both sides agreed', () => {
    const frames = encodeAnnouncement(announcement, long);
    expect(frames.map((frame) => frame.byteLength)).toEqual([65535, 43 + 4 * (20_000 - 16_373)]);
    const back = frames.flatMap((frame) => {
      const result = decodeMessage(frame, long);
      return result.ok && result.value.kind === 'update' ? result.value.announced : [];
    });
    expect(back.flatMap(({ prefixes }) => prefixes)).toEqual(thousands);
  });

  test('RFC 8654 §4: are answered with 1/2 and the length by who did not say that it takes them', () => {
    const [frame = new Uint8Array(0)] = encodeAnnouncement(announcement, long);
    expect(refusal(hexOf(frame), context({ extendedMessages: true }))).toBe('1/2');
    const reader = new FrameReader();
    reader.push(frame);
    expect(reader.next()).toMatchObject({ ok: false, error: { notification: { data: bytesOf('ffff') } } });
  });

  test('RFC 8654 §4: are never an OPEN or a KEEPALIVE', () => {
    for (const type of [1, 4]) {
      const header = bytesOf(messageHex(type, '00'.repeat(4096)));
      expect(checkHeader(header, 0, true)).toMatchObject({
        ok: false,
        error: { notification: { code: 1, subcode: 2 } },
      });
    }
  });

  test('are taken from the OPEN on in which we said so, even before the session is up', () => {
    const open: OpenMessage = {
      kind: 'open',
      version: 4,
      asField: 65001,
      holdTime: 90,
      bgpId: v4('10.0.0.1'),
      capabilities: [{ kind: 'extendedMessage' }],
    };
    const connection = createConnection('incoming');
    connection.encode(open);
    const [frame = new Uint8Array(0)] = encodeAnnouncement(announcement, long);
    const opening = [encodeMessage(open, long), encodeMessage({ kind: 'keepalive' }, long)];
    for (const part of [...opening, frame.subarray(0, 30_000)]) connection.push(part);
    expect([connection.next(), connection.next(), connection.next()]).toMatchObject([
      { message: { kind: 'open' } },
      { message: { kind: 'keepalive' } },
      undefined,
    ] as const);
    connection.push(frame.subarray(30_000));
    expect(connection.next()).toBeUndefined(); // it waits for the codec
    connection.useCodec(long);
    expect(connection.next()).toMatchObject({ message: { kind: 'update' } });
  });

  test('a NOTIFICATION that quotes more than the neighbour takes is cut', () => {
    const message = { kind: 'notification', code: 3, subcode: 9, data: new Uint8Array(60_000) } as const;
    expect(encodeMessage(message, context()).byteLength).toBe(4096);
    expect(encodeMessage(message, long).byteLength).toBe(19 + 2 + 60_000);
  });
});

describe('RFC 9072 §2: optional parameters in the extended format', () => {
  const head = '04 fc00 005a 0a000001';
  const told = { capabilities: [{ kind: 'routeRefresh' }] };

  test('are known by the type 255 after a length that is ignored, unless it is 0', () => {
    expect(decoded(messageHex(1, `${head} ff ff 0005 02 0002 0200`))).toMatchObject(told);
    expect(decoded(messageHex(1, `${head} 08 ff 0005 02 0002 0200`))).toMatchObject(told);
    expect(refusal(messageHex(1, `${head} 00 ff 0005 02 0002 0200`))).toBe('2/0');
  });

  test('one that runs past the end is answered with 2/0', () => {
    expect(refusal(messageHex(1, `${head} ff ff 0005 02 0003 0200`))).toBe('2/0');
    expect(refusal(messageHex(1, `${head} ff ff 0006 02 0002 0200`))).toBe('2/0');
  });
});

describe('capabilities', () => {
  const open = (capabilities: readonly Capability[]): OpenMessage => ({
    kind: 'open',
    version: 4,
    asField: 64512,
    holdTime: 90,
    bgpId: v4('10.0.0.1'),
    capabilities,
  });
  const hex = (capability: string): string => {
    const octets = capability.replace(/\s/g, '').length / 2;
    const [outer, inner] = [octets + 2, octets].map((size) => size.toString(16).padStart(2, '0'));
    return messageHex(1, `04 fc00 005a 0a000001 ${outer} 02 ${inner} ${capability}`);
  };
  const cases: readonly [string, string, Capability, string][] = [
    [
      'RFC 8950 §4: extended next hop',
      '05 06 0001 0001 0002',
      { kind: 'extendedNextHop', families: [{ family: 'ipv4-unicast', nextHop: 6 }] },
      'extended next hop, for ipv4-unicast over IPv6',
    ],
    ['RFC 8654 §3: extended message', '06 00', { kind: 'extendedMessage' }, 'extended messages'],
    ['RFC 9234 §4.1: role', '09 01 03', { kind: 'role', role: 'customer' }, 'role customer'],
    [
      'RFC 8538 §2: graceful restart with the N bit',
      '40 06 4078 0001 01 80',
      {
        kind: 'gracefulRestart',
        isRestarting: false,
        isNotification: true,
        restartTime: 120,
        families: [{ family: 'ipv4-unicast', isForwarding: true }],
      },
      'graceful restart, 120 s, for ipv4-unicast (forwarding), after notifications too',
    ],
    [
      'RFC 7911 §4: add-path',
      '45 08 0001 01 03 0002 01 01',
      {
        kind: 'addPath',
        families: [
          { family: 'ipv4-unicast', receive: true, send: true },
          { family: 'ipv6-unicast', receive: true, send: false },
        ],
      },
      'add-path, for ipv4-unicast (both ways) and ipv6-unicast (receive)',
    ],
    [
      'RFC 7313 §3.1: enhanced route refresh',
      '46 00',
      { kind: 'enhancedRouteRefresh' },
      'enhanced route refresh',
    ],
    [
      'RFC 9494 §3.1: long-lived graceful restart',
      '47 07 0002 01 80 015180',
      {
        kind: 'longLivedGracefulRestart',
        families: [{ family: 'ipv6-unicast', isForwarding: true, staleTime: 86400 }],
      },
      'long-lived graceful restart, for ipv6-unicast 86400 s (forwarding)',
    ],
  ];

  test.each(cases)('%s', (_clause, octets, capability, words) => {
    bothWays(hex(octets), open([capability]));
    expect(describeCapability(capability)).toBe(words);
  });

  test('RFC 7911 §4: an add-path entry that says neither receive nor send, or is of no family of ours, is ignored', () => {
    expect(decoded(hex('45 0c 0001 01 04 0019 41 03 0002 01 02'))).toMatchObject({
      capabilities: [{ kind: 'addPath', families: [{ family: 'ipv6-unicast', receive: false, send: true }] }],
    });
  });

  test('RFC 9234 §4.1: a role that is not assigned is none of ours', () => {
    expect(decoded(hex('09 01 05'))).toMatchObject({ capabilities: [{ kind: 'unknown', code: 9 }] });
  });

  test.each(['05 05 0001000100', '45 03 000101', '47 06 000101800000'])(
    'one of a length that does not add up is kept raw: %s',
    (octets) => {
      expect(decoded(hex(octets))).toMatchObject({ capabilities: [{ kind: 'unknown' }] });
    },
  );
});

describe('NOTIFICATIONs in words', () => {
  test.each([
    [8, 0, '', 'send hold timer expired (8/0)'],
    [6, 10, '', 'cease, BFD down (6/10)'],
    [2, 11, '', 'OPEN message error, role mismatch (2/11)'],
    [7, 1, '0001', 'ROUTE-REFRESH message error, invalid message length (7/1): data 0001'],
    [6, 2, '03ffffff', 'cease, administrative shutdown (6/2): data 03ffffff'],
  ])('%i/%i', (code, subcode, data, words) => {
    expect(describeNotification({ kind: 'notification', code, subcode, data: bytesOf(data) })).toBe(words);
  });

  test('RFC 9003 §2: the text goes both ways, cut at 255 octets between characters', () => {
    const said = decodeMessage(encodeMessage(cease(2, 'ж'.repeat(200)), context()), context());
    if (!said.ok || said.value.kind !== 'notification') throw new Error('not a NOTIFICATION');
    expect(describeNotification(said.value)).toBe(
      `cease, administrative shutdown (6/2): "${'ж'.repeat(127)}"`,
    );
  });

  test('RFC 8538 §3.1: hard resets wrapped in each other, as deep as a message is long, are one', () => {
    const data = bytesOf('0609'.repeat(30_000));
    expect(describeNotification({ kind: 'notification', code: 6, subcode: 9, data })).toMatch(
      /^cease, hard reset \(6\/9\): data 0609/,
    );
  });
});
