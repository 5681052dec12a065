/** What our OPEN offers, and what two OPENs settle beyond the hold time: one test or property for each RFC's rule. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AddPath, PeerConfig, Role } from '../../../bgp/config.ts';
import type { Negotiated } from '../../../bgp/session/event.ts';
import { negotiate } from '../../../bgp/session/negotiate.ts';
import { ownOpen } from '../../../bgp/session/open.ts';
import { decodeMessage, encodeMessage, openingContext } from '../../../bgp/wire/codec.ts';
import type { Capability, Family, GracefulRestart, OpenMessage } from '../../../bgp/wire/message.ts';
import { asn, ipv4, ipv6 } from '../../../src/lib/net.ts';
import { local, openMessage, peerConfig } from '../../support/peer.ts';

const restarting = { ...local, restart: { isRestarting: false, isForwarding: true } };
const offered = (config: Partial<PeerConfig>, who = restarting): readonly Capability[] =>
  ownOpen(peerConfig(config), who).capabilities;
const of = <K extends Capability['kind']>(capabilities: readonly Capability[], kind: K) =>
  capabilities.filter((one): one is Extract<Capability, { readonly kind: K }> => one.kind === kind);

function settle(config: Partial<PeerConfig>, more: readonly Capability[]) {
  const whole = peerConfig(config);
  const plain = openMessage();
  const open = openMessage({
    capabilities: [
      ...plain.capabilities.filter(({ kind }) => kind !== 'multiprotocol'),
      ...whole.families.map((family): Capability => ({ kind: 'multiprotocol', family })),
      ...more,
    ],
  });
  return negotiate(whole, ownOpen(whole, restarting), open);
}
function agreed(config: Partial<PeerConfig>, more: readonly Capability[] = []): Negotiated {
  const result = settle(config, more);
  if (!result.ok) throw new Error(result.error.why);
  return result.value;
}

/** Two of ours, each with its own configuration, as each sees the other. */
function pair(a: Partial<PeerConfig>, b: Partial<PeerConfig>): readonly [Negotiated, Negotiated] {
  const configA = peerConfig({ ...a, localAsn: asn(65000), peerAsn: asn(65001) });
  const configB = peerConfig({ ...b, localAsn: asn(65001), peerAsn: asn(65000) });
  const openA = ownOpen(configA, { ...restarting, asn: asn(65000), routerId: ipv4(1) });
  const openB = ownOpen(configB, { ...restarting, asn: asn(65001), routerId: ipv4(2) });
  const [seenByA, seenByB] = [negotiate(configA, openA, openB), negotiate(configB, openB, openA)];
  if (!seenByA.ok) throw new Error(seenByA.error.why);
  if (!seenByB.ok) throw new Error(seenByB.error.why);
  return [seenByA.value, seenByB.value];
}

const families: readonly Family[] = ['ipv4-unicast', 'ipv6-unicast'];

describe('RFC 8654 §4: extended messages', () => {
  test('are always offered, so that we always read them', () => {
    expect(of(offered({}), 'extendedMessage')).toHaveLength(1);
    expect(agreed({}).codec.extendedReceive).toBe(true);
  });
  test('are written only to who offers them too', () => {
    expect(agreed({}).codec.extendedMessages).toBeUndefined();
    expect(agreed({}, [{ kind: 'extendedMessage' }]).codec.extendedMessages).toBe(true);
  });
});

test('RFC 7313 §3.1: enhanced route refresh needs the capability of both', () => {
  expect(agreed({}).codec.enhancedRefresh).toBeUndefined();
  expect(agreed({}, [{ kind: 'enhancedRouteRefresh' }]).codec.enhancedRefresh).toBe(true);
});

describe('RFC 8950 §4: IPv6 next hops of IPv4 prefixes', () => {
  const overIpv6 = { address: ipv6(0xfd00n << 112n), families };
  const theirs: Capability = { kind: 'extendedNextHop', families: [{ family: 'ipv4-unicast', nextHop: 6 }] };
  test('are offered where the session runs over IPv6, or where asked for', () => {
    expect(of(offered(overIpv6), 'extendedNextHop')).toEqual([theirs]);
    expect(of(offered({}), 'extendedNextHop')).toEqual([]);
    expect(of(offered({ extendedNextHop: true }), 'extendedNextHop')).toEqual([theirs]);
    expect(of(offered({ ...overIpv6, families: ['ipv6-unicast'] }), 'extendedNextHop')).toEqual([]);
  });
  test('are agreed on if both say IPv4 with IPv6, and not by another pair', () => {
    expect(agreed(overIpv6, [theirs]).codec.extendedNextHop).toEqual(new Set(['ipv4-unicast']));
    expect(agreed(overIpv6).codec.extendedNextHop).toBeUndefined();
    expect(agreed({}, [theirs]).codec.extendedNextHop).toBeUndefined();
    const other: Capability = { kind: 'extendedNextHop', families: [{ family: 'ipv4-unicast', nextHop: 4 }] };
    expect(agreed(overIpv6, [other]).codec.extendedNextHop).toBeUndefined();
  });
});

describe('RFC 7911 §4: add-path', () => {
  const wish: fc.Arbitrary<AddPath> = fc.constantFrom<AddPath>(
    {},
    { receive: true },
    { send: 'all' },
    { receive: true, send: 3 },
  );
  test('goes in each direction where one side sends and the other receives, and both see it alike', () => {
    fc.assert(
      fc.property(wish, wish, (a, b) => {
        const [ofA, ofB] = pair({ addPath: a, families }, { addPath: b, families });
        const flows = (from: AddPath, to: AddPath): ReadonlySet<Family> | undefined =>
          from.send !== undefined && to.receive ? new Set(families) : undefined;
        expect(ofA.codec.addPathSend).toEqual(flows(a, b));
        expect(ofB.codec.addPathReceive).toEqual(flows(a, b));
        expect(ofA.codec.addPathReceive).toEqual(flows(b, a));
        expect(ofB.codec.addPathSend).toEqual(flows(b, a));
      }),
    );
  });
  test('counts only for families both speak', () => {
    const [ofA] = pair(
      { addPath: { receive: true }, families },
      { addPath: { send: 'all' }, families: ['ipv6-unicast'] },
    );
    expect(ofA.codec.addPathReceive).toEqual(new Set(['ipv6-unicast']));
  });
  test('is not offered where nothing is asked for', () => {
    expect(of(offered({ addPath: {} }), 'addPath')).toEqual([]);
  });
});

describe('RFC 9234 §4.2: roles', () => {
  const roles: readonly Role[] = ['provider', 'rs', 'rs-client', 'customer', 'peer'];
  const allowed = new Set([
    'provider customer',
    'customer provider',
    'rs rs-client',
    'rs-client rs',
    'peer peer',
  ]);
  const outcome = (own: Role | undefined, theirs: readonly Role[], isStrict = false): string => {
    const role = own === undefined ? {} : { role: { own, ...(isStrict ? { isStrict: true as const } : {}) } };
    const result = settle(
      role,
      theirs.map((one): Capability => ({ kind: 'role', role: one })),
    );
    return result.ok ? 'up' : `${result.error.notification.code}/${result.error.notification.subcode}`;
  };
  for (const own of roles)
    for (const their of roles)
      test(`we ${own}, it ${their}: ${allowed.has(`${own} ${their}`) ? 'up' : 'role mismatch, 2/11'}`, () =>
        expect(outcome(own, [their])).toBe(allowed.has(`${own} ${their}`) ? 'up' : '2/11'));

  test('a neighbour without a role is taken, unless ours is strict', () => {
    expect(outcome('customer', [])).toBe('up');
    expect(outcome('customer', [], true)).toBe('2/11');
    expect(outcome(undefined, ['rs'])).toBe('up');
  });
  test('one role said twice is one; two that differ are refused even if one of them fits', () => {
    expect(outcome('customer', ['provider', 'provider'])).toBe('up');
    expect(outcome('customer', ['provider', 'peer'])).toBe('2/11');
  });
  test('the refusal says both roles and the one that would fit', () => {
    const result = settle({ role: { own: 'customer' } }, [{ kind: 'role', role: 'peer' }]);
    expect(result.ok ? '' : result.error.why).toBe(
      'the neighbour says it is our peer and we are its customer; across from customer there must be provider',
    );
  });
  test('are not stated inside an AS', () => {
    expect(of(offered({ peerAsn: asn(65000), role: { own: 'peer' } }), 'role')).toEqual([]);
    expect(of(offered({ role: { own: 'peer' } }), 'role')).toEqual([{ kind: 'role', role: 'peer' }]);
  });
  test('what was agreed on is kept for the policies', () => {
    const settled = agreed({ role: { own: 'customer' } }, [{ kind: 'role', role: 'provider' }]);
    expect(settled.role).toEqual({ own: 'customer', peer: 'provider' });
    expect(agreed({ role: { own: 'customer' } }).role).toEqual({ own: 'customer', peer: undefined });
  });
});

describe('RFC 9494 §4.2: long-lived graceful restart', () => {
  const withGr: GracefulRestart = {
    kind: 'gracefulRestart',
    isRestarting: false,
    isNotification: true,
    restartTime: 120,
    families: [{ family: 'ipv4-unicast', isForwarding: true }],
  };
  const theirs: Capability = {
    kind: 'longLivedGracefulRestart',
    families: [
      { family: 'ipv4-unicast', isForwarding: true, staleTime: 3600 },
      { family: 'ipv6-unicast', isForwarding: true, staleTime: 60 },
    ],
  };
  const config = { restartTimeMs: 120_000, longLivedMs: 86_400_000 };
  test('is offered only beside graceful restart, with its time in seconds', () => {
    expect(of(offered({ longLivedMs: 1000 }), 'longLivedGracefulRestart')).toEqual([]);
    expect(of(offered(config), 'longLivedGracefulRestart')).toEqual([
      {
        kind: 'longLivedGracefulRestart',
        families: [{ family: 'ipv4-unicast', isForwarding: true, staleTime: 86_400 }],
      },
    ]);
  });
  test('the longest time that 24 bits can say is said for a longer one', () => {
    const [open] = of(offered({ ...config, longLivedMs: 1e12 }), 'longLivedGracefulRestart');
    expect(open?.families[0]?.staleTime).toBe(2 ** 24 - 1);
  });
  test('the neighbour says how long, for families both speak; without graceful restart it says nothing', () => {
    expect(agreed(config, [withGr, theirs]).longLived).toEqual([
      { family: 'ipv4-unicast', isForwarding: true, staleTimeMs: 3_600_000 },
    ]);
    expect(agreed(config, [theirs]).longLived).toBeUndefined();
    expect(agreed({ restartTimeMs: 120_000 }, [withGr, theirs]).longLived).toBeUndefined();
  });
});

describe('RFC 8538 §2: the N bit', () => {
  const notificationOf = (config: Partial<PeerConfig>) =>
    of(offered(config), 'gracefulRestart')[0]?.isNotification;
  test('is set where it is configured, and with long-lived graceful restart', () => {
    expect(notificationOf({ restartTimeMs: 1000 })).toBe(false);
    expect(notificationOf({ restartTimeMs: 1000, notificationRestart: true })).toBe(true);
    expect(notificationOf({ restartTimeMs: 1000, longLivedMs: 1000 })).toBe(true);
  });
  test('counts if both set it', () => {
    const config = { restartTimeMs: 1000, notificationRestart: true } as const;
    const [both] = pair(config, config);
    expect(both.isNotificationRestart).toBe(true);
    const [one] = pair(config, { restartTimeMs: 1000 });
    expect(one.isNotificationRestart).toBeUndefined();
  });
});

describe('a neighbour whose AS is to be learned', () => {
  const says = (as: number): readonly Capability[] => [{ kind: 'fourOctetAs', asn: asn(as) }];
  const learn = (peerAsns: readonly number[], as: number): Negotiated | string => {
    const config = peerConfig({ peerAsn: asn(0), peerAsns: peerAsns.map(asn) });
    const open = openMessage({
      asField: Math.min(as, 23456),
      capabilities: [{ kind: 'multiprotocol', family: 'ipv4-unicast' }, ...says(as)],
    });
    const result = negotiate(config, ownOpen(config, local), open);
    return result.ok
      ? result.value
      : `${result.error.notification.code}/${result.error.notification.subcode}: ${result.error.why}`;
  };
  test('may be of any AS but ours where none is named, and of those named otherwise', () => {
    expect(learn([], 4_200_000_000)).toMatchObject({ peerAsn: 4_200_000_000, codec: { peerType: 'ebgp' } });
    expect(learn([65001, 65002], 65002)).toMatchObject({ peerAsn: 65002 });
    expect(learn([65000], 65000)).toMatchObject({ peerAsn: 65000, codec: { peerType: 'ibgp' } });
  });
  test('RFC 4271 §6.2: is refused with 2/2 in another, and never taken for AS 0', () => {
    expect(learn([], 65000)).toBe(
      '2/2: the neighbour says it is AS 65000 but BGPPeer expects another AS than ours',
    );
    expect(learn([65001, 65002], 65003)).toBe(
      '2/2: the neighbour says it is AS 65003 but BGPPeer expects 65001 or 65002',
    );
    expect(learn([], 0)).toContain('2/2');
  });
});

test('RFC 9072 §2: an OPEN with more parameters than one octet can count is written so that it is read again', () => {
  const many: readonly Capability[] = Array.from({ length: 60 }, (_, index) => ({
    kind: 'unknown',
    code: 128 + index,
    body: new Uint8Array(8),
  }));
  const open: OpenMessage = openMessage({ capabilities: [...openMessage().capabilities, ...many] });
  const bytes = encodeMessage(open, openingContext);
  expect([bytes[28], bytes[29]]).toEqual([255, 255]);
  expect(decodeMessage(bytes, openingContext)).toEqual({ ok: true, value: open });
});

test('whatever the configurations, both ends of a session encode and decode alike', () => {
  const arbitrary = fc.record(
    {
      families: fc.subarray<Family>([...families], { minLength: 1 }),
      addPath: fc.constantFrom<AddPath>({}, { receive: true }, { send: 2 }, { receive: true, send: 'all' }),
      extendedNextHop: fc.constant<true>(true),
      restartTimeMs: fc.constantFrom(0, 120_000),
      longLivedMs: fc.constantFrom(0, 60_000),
      notificationRestart: fc.constant<true>(true),
    },
    { requiredKeys: ['families'] },
  );
  fc.assert(
    fc.property(arbitrary, arbitrary, (a, b) => {
      fc.pre(a.families.some((family) => b.families.includes(family)));
      const [ofA, ofB] = pair(a, b);
      const { addPathSend: sentByA, addPathReceive: readByA, ...codecA } = ofA.codec;
      const { addPathSend: sentByB, addPathReceive: readByB, ...codecB } = ofB.codec;
      expect(codecA).toEqual(codecB);
      expect([sentByA, sentByB]).toEqual([readByB, readByA]);
      expect(ofA.isNotificationRestart).toBe(ofB.isNotificationRestart);
      expect(new Set(ofA.families)).toEqual(new Set(ofB.families));
    }),
  );
});
