import { describe, expect, test } from 'vitest';
import { decodeMessage, encodeMessage } from '../../../bgp/wire/codec.ts';
import type { OpenMessage } from '../../../bgp/wire/message.ts';
import { bothWays } from '../../support/both-ways.ts';
import { as, bytesOf, context, decoded, messageHex, refusal, v4 } from '../../support/wire.ts';

const open = (over: Partial<OpenMessage> = {}): OpenMessage => ({
  kind: 'open',
  version: 4,
  asField: 64512,
  holdTime: 90,
  bgpId: v4('10.0.0.1'),
  capabilities: [],
  ...over,
});

/** An OPEN with these parameters, their length octet included. */
const withParameters = (parameters: string): string => messageHex(1, `04 fc00 005a 0a000001 ${parameters}`);

describe('both ways', () => {
  test('an OPEN without capabilities', () => {
    bothWays(withParameters('00'), open());
  });

  test('an OPEN with every capability we know and one we do not, in one parameter', () => {
    bothWays(
      withParameters('1a 02 18 0104 00010001 0104 00020001 0200 4104 0000fc00 4902 abcd'),
      open({
        capabilities: [
          { kind: 'multiprotocol', family: 'ipv4-unicast' },
          { kind: 'multiprotocol', family: 'ipv6-unicast' },
          { kind: 'routeRefresh' },
          { kind: 'fourOctetAs', asn: as(64512) },
          { kind: 'unknown', code: 73, body: bytesOf('abcd') },
        ],
      }),
    );
  });

  test('RFC 9072 §2: capabilities of more than 252 octets go in the extended format', () => {
    const body = bytesOf('aa'.repeat(251));
    bothWays(
      withParameters(`ff ff 0100 02 00fd 49fb ${'aa'.repeat(251)}`),
      open({ capabilities: [{ kind: 'unknown', code: 73, body }] }),
    );
  });
});

describe('RFC 4724 §3: graceful restart', () => {
  const all = {
    kind: 'gracefulRestart',
    isRestarting: true,
    isNotification: false,
    restartTime: 120,
    families: [
      { family: 'ipv4-unicast', isForwarding: true },
      { family: 'ipv6-unicast', isForwarding: false },
    ],
  } as const;

  test('R, time and F of each family stand where the RFC puts them', () => {
    bothWays(withParameters('0e 02 0c 40 0a 8078 0001 01 80 0002 01 00'), open({ capabilities: [all] }));
  });

  test('without families it is two octets, and the time has twelve bits', () => {
    bothWays(
      withParameters('06 02 04 40 02 0fff'),
      open({
        capabilities: [
          {
            kind: 'gracefulRestart',
            isRestarting: false,
            isNotification: false,
            restartTime: 4095,
            families: [],
          },
        ],
      }),
    );
  });

  test('families we do not speak are left out, and reserved bits are not read', () => {
    expect(decoded(withParameters('0e 02 0c 40 0a f078 0019 41 80 0001 01 ff'))).toMatchObject({
      capabilities: [
        {
          kind: 'gracefulRestart',
          restartTime: 120,
          families: [{ family: 'ipv4-unicast', isForwarding: true }],
        },
      ],
    });
  });

  test('one of a length that does not add up is kept raw', () => {
    expect(decoded(withParameters('07 02 05 40 03 807800'))).toMatchObject({
      capabilities: [{ kind: 'unknown', code: 64 }],
    });
  });
});

test('capabilities spread over several parameters are one list', () => {
  expect(decoded(withParameters('08 02 02 0200 02 02 4900'))).toMatchObject({
    capabilities: [{ kind: 'routeRefresh' }, { kind: 'unknown', code: 73 }],
  });
});

test('a multiprotocol capability of a family we do not speak is kept raw', () => {
  expect(decoded(withParameters('08 02 06 0104 00190041'))).toMatchObject({
    capabilities: [{ kind: 'unknown', code: 1, body: bytesOf('00190041') }],
  });
});

describe('RFC 4271 §6.2', () => {
  const cases: readonly [string, string, string][] = [
    ['RFC 4271 §6.2: version 3 is answered with 2/1', messageHex(1, '03 fc00 005a 0a000001 00'), '2/1'],
    ['RFC 7607 §2: AS 0 is answered with 2/2', messageHex(1, '04 0000 005a 0a000001 00'), '2/2'],
    [
      'RFC 7607 §2: AS 0 in the four-octet capability is answered with 2/2',
      withParameters('08 02 06 4104 00000000'),
      '2/2',
    ],
    ['RFC 4271 §6.2: identifier 0 is answered with 2/3', messageHex(1, '04 fc00 005a 00000000 00'), '2/3'],
    ['RFC 4271 §6.2: an unknown parameter is answered with 2/4', withParameters('03 01 01 00'), '2/4'],
    [
      'RFC 4271 §6.2: a hold time of 1 s is answered with 2/6',
      messageHex(1, '04 fc00 0001 0a000001 00'),
      '2/6',
    ],
    [
      'RFC 4271 §6.2: a hold time of 2 s is answered with 2/6',
      messageHex(1, '04 fc00 0002 0a000001 00'),
      '2/6',
    ],
    [
      'RFC 4271 §6.2: parameters longer than the message are answered with 2/0',
      withParameters('05 02 02 0200'),
      '2/0',
    ],
    ['RFC 4271 §6.2: octets after the parameters are answered with 2/0', withParameters('00 00'), '2/0'],
    ['RFC 4271 §6.2: a parameter that overruns is answered with 2/0', withParameters('04 02 03 0200'), '2/0'],
    [
      'RFC 4271 §6.2: a capability that overruns is answered with 2/0',
      withParameters('04 02 02 4604'),
      '2/0',
    ],
    [
      'RFC 4271 §6.2: a four-octet AS of two octets is answered with 2/0',
      withParameters('06 02 04 4102 fc00'),
      '2/0',
    ],
  ];
  test.each(cases)('%s', (_name, hex, answer) => {
    expect(refusal(hex)).toBe(answer);
  });

  test('RFC 4271 §6.2: the answer to another version names the one we speak', () => {
    const result = decodeMessage(bytesOf(messageHex(1, '03 fc00 005a 0a000001 00')), context());
    expect(result.ok === false && result.error.notification.data).toEqual(Uint8Array.of(0, 4));
  });

  test('hold times 0 and 3 are allowed', () => {
    expect(decoded(messageHex(1, '04 fc00 0000 0a000001 00'))).toMatchObject({ holdTime: 0 });
    expect(decoded(messageHex(1, '04 fc00 0003 0a000001 00'))).toMatchObject({ holdTime: 3 });
  });
});

test('a KEEPALIVE is its header', () => {
  bothWays(messageHex(4, ''), { kind: 'keepalive' });
});

describe('ROUTE-REFRESH', () => {
  test('RFC 2918 §3: AFI, reserved octet, SAFI', () => {
    bothWays(messageHex(5, '0001 00 01'), {
      kind: 'routeRefresh',
      subtype: 'request',
      family: 'ipv4-unicast',
    });
    bothWays(messageHex(5, '0002 00 01'), {
      kind: 'routeRefresh',
      subtype: 'request',
      family: 'ipv6-unicast',
    });
  });

  test('RFC 2918 §3: the reserved octet is ignored', () => {
    expect(decoded(messageHex(5, '0001 ff 01'))).toEqual({
      kind: 'routeRefresh',
      subtype: 'request',
      family: 'ipv4-unicast',
    });
  });

  test('RFC 2918 §4: a family we do not speak is no error', () => {
    expect(decoded(messageHex(5, '0019 00 41'))).toEqual({
      kind: 'routeRefresh',
      subtype: 'request',
      family: undefined,
    });
  });

  test('a request for no family at all is a bug, and says so', () => {
    expect(() =>
      encodeMessage({ kind: 'routeRefresh', subtype: 'request', family: undefined }, context()),
    ).toThrow('bug');
  });
});
