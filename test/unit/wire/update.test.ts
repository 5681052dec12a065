import { describe, expect, test } from 'vitest';
import type { PathAttributes, UpdateMessage } from '../../../bgp/wire/message.ts';
import { bothWays, everyTruncationFails } from '../../support/both-ways.ts';
import {
  as,
  bytesOf,
  context,
  decodedUpdate,
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
const update = (over: Partial<UpdateMessage>): UpdateMessage => ({
  kind: 'update',
  withdrawn: [],
  announced: [],
  flaws: [],
  ...over,
});
const announce4 = (attributes: PathAttributes, ...prefixes: string[]): UpdateMessage =>
  update({ announced: [{ family: 'ipv4-unicast', attributes, prefixes: prefixes.map(prefix) }] });

const ibgp = context({ peerType: 'ibgp' });
const v6Attributes = '40010100 4002 06 0201 0000fde9';
/** MP_REACH_NLRI of IPv6 unicast, written with a two-octet length only when needed. */
const mpReach6 = (hop: string, nlri: string): string => {
  const value = `000201${(hop.length / 2).toString(16).padStart(2, '0')}${hop}00${nlri}`;
  return `800e${(value.length / 2).toString(16).padStart(2, '0')}${value}`;
};
const global6 = '20010db8000000000000000000000001';
const linkLocal6 = 'fe800000000000000000000000000001';

describe('both ways', () => {
  test('an IPv4 announcement', () => {
    bothWays(
      updateHex({ attributes: soundAttributes, nlri: '180a0102 200a010203' }),
      announce4(sound, '10.1.2.0/24', '10.1.2.3/32'),
    );
  });

  test('an IPv4 withdrawal', () => {
    bothWays(
      updateHex({ withdrawn: '00 08 0a' }),
      update({ withdrawn: [prefix('0.0.0.0/0'), prefix('10.0.0.0/8')] }),
    );
  });

  test('every attribute of an internal route', () => {
    bothWays(
      updateHex({
        attributes: `40010102 4002 10 0102 0000fde9 0000fdea 0201 00030d40 400304 0a000002 800404 00000064 400504 000000c8 400600
          c00708 0000fde9 0a000009 c00808 fde90001 ffffff01 800904 0a000003 800a08 0a000004 0a000005 c01008 0002fde900000001
          c0200c 0000fde9 00000001 00000002 e0fe02 beef`,
        nlri: '180a0102',
      }),
      announce4(
        {
          origin: 'incomplete',
          asPath: [
            { kind: 'set', asns: [as(65001), as(65002)] },
            { kind: 'sequence', asns: [as(200000)] },
          ],
          nextHop: v4('10.0.0.2'),
          med: 100,
          localPref: 200,
          atomicAggregate: true,
          aggregator: { asn: as(65001), address: v4('10.0.0.9') },
          communities: [0xfde90001, 0xffffff01],
          originatorId: v4('10.0.0.3'),
          clusterList: [v4('10.0.0.4'), v4('10.0.0.5')],
          extendedCommunities: [0x0002fde900000001n],
          largeCommunities: [[65001, 1, 2]],
          unknown: [{ flags: 0xe0, code: 254, body: bytesOf('beef') }],
        },
        '10.1.2.0/24',
      ),
      ibgp,
    );
  });

  test('RFC 2545 §3: IPv6 routes with a global next hop', () => {
    bothWays(
      updateHex({ attributes: `${mpReach6(global6, '3020010db80001')} ${v6Attributes}` }),
      update({
        announced: [
          {
            family: 'ipv6-unicast',
            attributes: { ...sound, nextHop: v6('2001:db8::1') },
            prefixes: [prefix('2001:db8:1::/48')],
          },
        ],
      }),
    );
  });

  test('RFC 2545 §3: IPv6 routes with a link-local next hop besides', () => {
    bothWays(
      updateHex({ attributes: `${mpReach6(global6 + linkLocal6, '00')} ${v6Attributes}` }),
      update({
        announced: [
          {
            family: 'ipv6-unicast',
            attributes: { ...sound, nextHop: v6('2001:db8::1'), linkLocal: v6('fe80::1') },
            prefixes: [prefix('::/0')],
          },
        ],
      }),
    );
  });

  test('IPv6 withdrawals', () => {
    bothWays(
      updateHex({ attributes: '800f0a 000201 3020010db80001' }),
      update({ withdrawn: [prefix('2001:db8:1::/48')] }),
    );
  });

  test('RFC 4724 §2: End-of-RIB of both families', () => {
    bothWays(updateHex({}), update({ endOfRib: 'ipv4-unicast' }));
    bothWays(updateHex({ attributes: '800f03 000201' }), update({ endOfRib: 'ipv6-unicast' }));
  });
});

describe('what an UPDATE may carry together', () => {
  test('withdrawals and announcements of both families are all found', () => {
    const message = decodedUpdate(
      updateHex({
        withdrawn: '080a',
        attributes: `${soundAttributes} ${mpReach6(global6, '3020010db80001')} 800f0a 000201 3020010db80002`,
        nlri: '080b',
      }),
    );
    expect(message.withdrawn).toEqual([prefix('10.0.0.0/8'), prefix('2001:db8:2::/48')]);
    expect(message.announced).toEqual([
      { family: 'ipv4-unicast', attributes: sound, prefixes: [prefix('11.0.0.0/8')] },
      {
        family: 'ipv6-unicast',
        attributes: { ...sound, nextHop: v6('2001:db8::1') },
        prefixes: [prefix('2001:db8:1::/48')],
      },
    ]);
  });

  test('RFC 4271 §4.3: host bits are irrelevant', () => {
    expect(decodedUpdate(updateHex({ withdrawn: '090aff' })).withdrawn).toEqual([prefix('10.128.0.0/9')]);
  });

  test('RFC 4760 §5: IPv4 may come in MP_REACH_NLRI too', () => {
    const message = decodedUpdate(
      updateHex({ attributes: `800e0b 000101 04 0a000002 00 080b ${v6Attributes}` }),
    );
    expect(message.announced).toEqual([
      { family: 'ipv4-unicast', attributes: sound, prefixes: [prefix('11.0.0.0/8')] },
    ]);
  });
});

describe('a family that was not negotiated', () => {
  const only4 = context({ families: new Set(['ipv4-unicast']) });

  test('RFC 4760 §3: its attributes are ignored, and what else the message says counts', () => {
    const hex = updateHex({
      attributes: `${mpReach6(global6, 'ff')} 800f05 001941 beef ${soundAttributes}`,
      nlri: '080b',
    });
    expect(decodedUpdate(hex, only4)).toEqual(announce4(sound, '11.0.0.0/8'));
  });

  test('its End-of-RIB says nothing', () => {
    expect(decodedUpdate(updateHex({ attributes: '800f03 000201' }), only4)).toEqual(update({}));
  });

  test('IPv4 in the classic fields is ignored if only IPv6 was negotiated', () => {
    const only6 = context({ families: new Set(['ipv6-unicast']) });
    expect(
      decodedUpdate(updateHex({ withdrawn: '080a', attributes: soundAttributes, nlri: '080b' }), only6),
    ).toEqual(update({}));
  });
});

describe('the lengths of the message', () => {
  test.each([
    ['RFC 4271 §6.3: withdrawn routes longer than the message are answered with 3/1', '0005 0000', '3/1'],
    ['RFC 4271 §6.3: path attributes longer than the message are answered with 3/1', '0000 0001', '3/1'],
    [
      'RFC 7606 §5.3: an IPv4 prefix longer than 32 is answered with 3/10',
      '0000 0000 21 0a000000 00',
      '3/10',
    ],
    ['RFC 7606 §5.3: an IPv4 prefix that overruns is answered with 3/10', '0000 0000 18 0a00', '3/10'],
    ['RFC 7606 §3 i: withdrawn routes are checked the same way', '0001 18 0000', '3/10'],
  ])('%s', (_name, body, answer) => {
    expect(
      refusal(
        `${'ff'.repeat(16)}${(19 + body.replace(/\s/g, '').length / 2).toString(16).padStart(4, '0')}02${body.replace(/\s/g, '')}`,
      ),
    ).toBe(answer);
  });

  test('every truncation of a full message fails cleanly', () => {
    everyTruncationFails(
      bytesOf(
        updateHex({
          withdrawn: '080a',
          attributes: `${mpReach6(global6, '3020010db80001')} ${soundAttributes}`,
          nlri: '180b0102',
        }),
      ),
    );
  });
});
