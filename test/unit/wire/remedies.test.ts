/** RFC 7606 beyond what the conformance cases hold: structure, combinations, and the rules about where NLRI stood. */
import { describe, expect, test } from 'vitest';
import { context, decodedUpdate, prefix, refusal, soundAttributes, updateHex } from '../../support/wire.ts';

const nlri = '080b';
const eleven = prefix('11.0.0.0/8');
const origin = '40010100';
const asPath = '4002 06 0201 0000fde9';
const nextHop = '400304 0a000002';
const mpReach6 = '800e1c 000201 10 20010db8000000000000000000000001 00 3020010db80001';
const ibgp = context({ peerType: 'ibgp' });

/** The remedies applied, and whether 11.0.0.0/8 ended up announced or withdrawn. */
function fate(attributes: string, ctx = context()): string {
  const message = decodedUpdate(updateHex({ attributes, nlri }), ctx);
  const announced = message.announced.some((announcement) => announcement.prefixes.includes(eleven));
  expect(message.withdrawn.includes(eleven)).toBe(!announced);
  return [announced ? 'announced' : 'withdrawn', ...message.flaws.map((flaw) => flaw.remedy)].join(' ');
}

test('RFC 7606 §3 d: a missing ORIGIN, AS_PATH or NEXT_HOP withdraws', () => {
  expect(fate(`${asPath} ${nextHop}`)).toBe('withdrawn treat-as-withdraw');
  expect(fate(`${origin} ${nextHop}`)).toBe('withdrawn treat-as-withdraw');
  expect(fate(`${origin} ${asPath}`)).toBe('withdrawn treat-as-withdraw');
});

test('RFC 4271 §5.1.5: a missing LOCAL_PREF withdraws inside an AS only', () => {
  expect(fate(soundAttributes)).toBe('announced');
  expect(fate(soundAttributes, ibgp)).toBe('withdrawn treat-as-withdraw');
});

test('RFC 7606 §3 d: prefixes in MP_REACH_NLRI need no NEXT_HOP', () => {
  expect(decodedUpdate(updateHex({ attributes: `${mpReach6} ${origin} ${asPath}` })).flaws).toEqual([]);
});

test('RFC 7606 §7.5, §7.9, §7.10: what only neighbours inside an AS may say is discarded from outside', () => {
  const inside = '400504 00000064 800904 0a000003 800a04 0a000004';
  expect(fate(`${soundAttributes} ${inside}`)).toBe(
    'announced attribute-discard attribute-discard attribute-discard',
  );
  const [announcement] = decodedUpdate(
    updateHex({ attributes: `${soundAttributes} ${inside}`, nlri }),
  ).announced;
  expect(Object.keys(announcement?.attributes ?? {}).sort()).toEqual(['asPath', 'nextHop', 'origin']);
});

describe('RFC 7606 §3 g: an attribute that appears twice', () => {
  test('the first counts, and the rest are discarded', () => {
    const message = decodedUpdate(
      updateHex({ attributes: `${soundAttributes} 800404 00000001 800404 00000002`, nlri }),
    );
    expect(message.announced[0]?.attributes.med).toBe(1);
    expect(message.flaws.map((flaw) => flaw.remedy)).toEqual(['attribute-discard']);
  });

  test('an unknown one likewise', () => {
    expect(fate(`${soundAttributes} c0fe01 aa c0fe01 bb`)).toBe('announced attribute-discard');
  });

  test('even a malformed repetition is no more than discarded', () => {
    expect(fate(`${soundAttributes} 40010109`)).toBe('announced attribute-discard');
  });

  test('MP_REACH_NLRI or MP_UNREACH_NLRI twice is answered with 3/1', () => {
    expect(refusal(updateHex({ attributes: `${mpReach6} ${mpReach6} ${origin} ${asPath}` }))).toBe('3/1');
    expect(refusal(updateHex({ attributes: '800f03 000201 800f03 000201' }))).toBe('3/1');
  });
});

describe('RFC 7606 §3 h: the strongest remedy wins, and reading goes on', () => {
  test('a discard and a withdraw together withdraw', () => {
    expect(fate(`${soundAttributes} 40060100 800403 000000`)).toBe(
      'withdrawn attribute-discard treat-as-withdraw',
    );
  });

  test('prefixes after a malformed attribute are withdrawn too, of every family', () => {
    const message = decodedUpdate(
      updateHex({ attributes: `40010109 ${mpReach6} ${asPath} ${nextHop}`, nlri }),
    );
    expect(message.announced).toEqual([]);
    expect(message.withdrawn).toEqual([eleven, prefix('2001:db8:1::/48')]);
  });

  test('a session reset outweighs a withdraw before or after it', () => {
    const broken = '800e03 000201';
    expect(refusal(updateHex({ attributes: `40010109 ${broken} ${asPath} ${nextHop}`, nlri }))).toBe('3/9');
    expect(refusal(updateHex({ attributes: `${broken} 40010109 ${asPath} ${nextHop}`, nlri }))).toBe('3/9');
  });
});

describe('RFC 7606 §4: lengths inside the path attributes', () => {
  test('an attribute that runs past the end withdraws', () => {
    expect(fate(`${soundAttributes} c00808 fde90001`)).toBe('withdrawn treat-as-withdraw');
  });

  test('fewer octets than an attribute header withdraw', () => {
    expect(fate(`${soundAttributes} c008`)).toBe('withdrawn treat-as-withdraw');
    expect(fate(`${soundAttributes} d00800`)).toBe('withdrawn treat-as-withdraw');
  });

  test('RFC 7606 §3 j: if it is MP_REACH_NLRI that is cut, its prefixes are lost and the session ends', () => {
    expect(refusal(updateHex({ attributes: `${soundAttributes} 800eff 000201`, nlri }))).toBe('3/9');
  });

  test('an empty AS_PATH is sound', () => {
    expect(fate(`${origin} 400200 ${nextHop} 400504 00000064`, ibgp)).toBe('announced');
  });
});

describe('RFC 7606 §5.2: an UPDATE that announces nothing', () => {
  test('a discard leaves it be', () => {
    const message = decodedUpdate(updateHex({ withdrawn: '080a', attributes: '40060100' }));
    expect(message).toMatchObject({ withdrawn: [prefix('10.0.0.0/8')], announced: [] });
  });

  test('anything worse is answered with 3/1: the announcement itself may be what broke', () => {
    expect(refusal(updateHex({ withdrawn: '080a', attributes: '40010109' }))).toBe('3/1');
    expect(refusal(updateHex({ attributes: '800f03 000201 40010109' }))).toBe('3/1');
  });

  test('sound attributes without prefixes are no error', () => {
    expect(decodedUpdate(updateHex({ attributes: soundAttributes }))).toEqual({
      kind: 'update',
      withdrawn: [],
      announced: [],
      flaws: [],
    });
  });
});

describe('flags', () => {
  test('RFC 7606 §3 c: the Partial bit is not among those that are checked', () => {
    expect(fate(`60010100 ${asPath} ${nextHop}`)).toBe('announced');
  });

  test('RFC 4271 §4.3: the low four bits and a needless two-octet length are ignored', () => {
    expect(fate(`4f01 00 ${asPath} ${nextHop}`.replace('4f01 00', '5f01 0001 00'))).toBe('announced');
  });

  test('of an attribute we pass on, only the three bits that say something are kept', () => {
    const [announcement] = decodedUpdate(
      updateHex({ attributes: `${soundAttributes} dffe0001 aa`, nlri }),
    ).announced;
    expect(announcement?.attributes.unknown).toEqual([{ flags: 0xc0, code: 254, body: Uint8Array.of(0xaa) }]);
  });

  test('RFC 7606 §5.3: MP attributes with wrong flags are answered with 3/9', () => {
    expect(refusal(updateHex({ attributes: `c00e03 000201 ${soundAttributes}`, nlri }))).toBe('3/9');
    expect(refusal(updateHex({ attributes: 'c00f03 000201' }))).toBe('3/9');
  });

  test('RFC 4271 §6.3: an unknown attribute that claims to be well-known is answered with 3/2 and itself', () => {
    expect(refusal(updateHex({ attributes: `${soundAttributes} 40fe01 aa`, nlri }))).toBe('3/2');
  });
});

describe('next hops', () => {
  test.each(['00000000', '7f000001', 'e0000005', 'ffffffff'])(
    'RFC 4271 §6.3: %s is no host, so its routes are withdrawn',
    (hop) => {
      expect(fate(`${origin} ${asPath} 400304 ${hop}`)).toBe('withdrawn treat-as-withdraw');
    },
  );

  test.each(['00'.repeat(16), `${'00'.repeat(15)}01`, `ff02${'00'.repeat(13)}01`])(
    'RFC 4271 §6.3: in IPv6, %s neither',
    (hop) => {
      const message = decodedUpdate(
        updateHex({ attributes: `800e1c 000201 10 ${hop} 00 3020010db80001 ${origin} ${asPath}` }),
      );
      expect(message.withdrawn).toEqual([prefix('2001:db8:1::/48')]);
    },
  );

  test('RFC 7606 §7.11: a next hop length that the family does not have ends the session', () => {
    expect(
      refusal(updateHex({ attributes: `800e10 000201 04 0a000002 00 3020010db80001 ${origin} ${asPath}` })),
    ).toBe('3/9');
  });
});

test('every flaw is one sentence that names the attribute, the consequence and the clause', () => {
  const [flaw] = decodedUpdate(updateHex({ attributes: `40010109 ${asPath} ${nextHop}`, nlri })).flaws;
  expect(flaw?.why).toBe(
    'ORIGIN has the unknown value 9: the routes of the message are withdrawn (RFC 7606 §7.1).',
  );
});
