import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { PeerConfig } from '../../../bgp/config.ts';
import type { Negotiated } from '../../../bgp/session/event.ts';
import { negotiate } from '../../../bgp/session/negotiate.ts';
import { ownOpen } from '../../../bgp/session/open.ts';
import type { Capability, Family, OpenMessage, WireError } from '../../../bgp/wire/message.ts';
import { asn, ipv4 } from '../../../src/lib/net.ts';
import { local, openMessage, peerConfig } from '../../support/peer.ts';

const settle = (config: PeerConfig, received: OpenMessage, who = local) =>
  negotiate(config, ownOpen(config, who), received);

function agreed(config: Partial<PeerConfig>, received: Partial<OpenMessage>): Negotiated {
  const result = settle(peerConfig(config), openMessage(received));
  if (!result.ok) throw new Error(result.error.why);
  return result.value;
}

function refused(config: Partial<PeerConfig>, received: Partial<OpenMessage>, who = local): WireError {
  const result = settle(peerConfig(config), openMessage(received), who);
  if (result.ok) throw new Error('it was accepted');
  return result.error;
}

const codeOf = ({ notification }: WireError): string => `${notification.code}/${notification.subcode}`;
const multiprotocol = (family: Family): Capability => ({ kind: 'multiprotocol', family });
const fourOctetAs = (value: number): Capability => ({ kind: 'fourOctetAs', asn: asn(value) });

test('RFC 4271 §4.2: the hold time is the smaller of both, KEEPALIVEs come three to one', () => {
  fc.assert(
    fc.property(fc.integer({ min: 3, max: 65535 }), fc.integer({ min: 3, max: 65535 }), (ours, theirs) => {
      const { holdTimeMs, keepaliveTimeMs } = agreed({ holdTimeMs: ours * 1000 }, { holdTime: theirs });
      expect(holdTimeMs).toBe(Math.min(ours, theirs) * 1000);
      expect(keepaliveTimeMs).toBe(holdTimeMs / 3);
    }),
  );
});

test('both sides settle on the same hold time, families and codec', () => {
  const families = fc.subarray<Family>(['ipv4-unicast', 'ipv6-unicast'], { minLength: 1 });
  const seconds = fc.constantFrom(0, 3, 9, 90, 180);
  const numbers = fc.constantFrom(64512, 65001, 4_200_000_000);
  const side = fc.record({ families, seconds, as: numbers });
  fc.assert(
    fc.property(side, side, (a, b) => {
      fc.pre(a.families.some((family) => b.families.includes(family)));
      const config = (own: typeof a, their: typeof a): PeerConfig =>
        peerConfig({
          localAsn: asn(own.as),
          peerAsn: asn(their.as),
          families: own.families,
          holdTimeMs: own.seconds * 1000,
        });
      const atA = { asn: asn(a.as), routerId: ipv4(1) };
      const atB = { asn: asn(b.as), routerId: ipv4(2) };
      const seenByA = settle(config(a, b), ownOpen(config(b, a), atB), atA);
      const seenByB = settle(config(b, a), ownOpen(config(a, b), atA), atB);
      if (!seenByA.ok || !seenByB.ok) throw new Error('these two agree');
      expect(seenByA.value.holdTimeMs).toBe(seenByB.value.holdTimeMs);
      expect(seenByA.value.codec).toEqual(seenByB.value.codec);
      expect(seenByA.value.codec.fourOctetAs).toBe(true);
    }),
  );
});

test('RFC 4271 §4.4: a hold time of zero on either side means no KEEPALIVEs', () => {
  expect(agreed({ holdTimeMs: 0 }, {})).toMatchObject({ holdTimeMs: 0, keepaliveTimeMs: 0 });
  expect(agreed({ keepaliveTimeMs: 5000 }, { holdTime: 0 })).toMatchObject({ keepaliveTimeMs: 0 });
});

test('a configured keepalive interval counts if it is shorter than a third of the hold time', () => {
  expect(agreed({ keepaliveTimeMs: 2000 }, { holdTime: 30 }).keepaliveTimeMs).toBe(2000);
  expect(agreed({ keepaliveTimeMs: 25_000 }, { holdTime: 30 }).keepaliveTimeMs).toBe(10_000);
});

test('RFC 4271 §6.2: another version is refused with 2/1 and the version we speak', () => {
  const error = refused({}, { version: 3 });
  expect(codeOf(error)).toBe('2/1');
  expect([...error.notification.data]).toEqual([0, 4]);
});

test('RFC 4271 §6.2: a wrong AS is refused with 2/2, saying which one was expected and where', () => {
  const error = refused({}, { asField: 65002, capabilities: [fourOctetAs(65002)] });
  expect(codeOf(error)).toBe('2/2');
  expect(error.why).toBe('the neighbour says it is AS 65002 but BGPPeer expects 65001');
  const mesh = refused({ origin: 'node-to-node mesh' }, { asField: 65002, capabilities: [] });
  expect(mesh.why).toBe('the neighbour says it is AS 65002 but the node-to-node mesh expects 65001');
});

test('RFC 6793 §4.1: the AS number of the capability counts, not the field', () => {
  const capabilities = [fourOctetAs(4_200_000_000)];
  expect(agreed({ peerAsn: asn(4_200_000_000) }, { asField: 23456, capabilities }).peerAsn).toBe(
    4_200_000_000,
  );
  expect(codeOf(refused({}, { asField: 65001, capabilities }))).toBe('2/2');
});

test('RFC 6793 §4.2.3: AS_TRANS without the capability is refused with 2/2', () => {
  expect(codeOf(refused({}, { asField: 23456, capabilities: [] }))).toBe('2/2');
  expect(codeOf(refused({ peerAsn: asn(23456) }, { asField: 23456, capabilities: [] }))).toBe('2/2');
});

test('RFC 7607 §2: AS 0, in the field or the capability, is refused with 2/2', () => {
  expect(codeOf(refused({}, { asField: 0, capabilities: [] }))).toBe('2/2');
  expect(codeOf(refused({}, { asField: 65001, capabilities: [fourOctetAs(0)] }))).toBe('2/2');
});

test('RFC 6286 §2.2: identifier 0 is refused with 2/3, and so is our own within an AS', () => {
  expect(codeOf(refused({}, { bgpId: ipv4(0) }))).toBe('2/3');
  const internal = { peerAsn: asn(65000) };
  const own = { asField: 65000, capabilities: [], bgpId: local.routerId };
  expect(codeOf(refused(internal, own))).toBe('2/3');
});

test('RFC 6286 §2.1: an external neighbour may have our identifier', () => {
  expect(agreed({}, { bgpId: local.routerId }).peerId).toBe(local.routerId);
});

test('RFC 4271 §6.2: hold times of one and two seconds are refused with 2/6', () => {
  for (const holdTime of [1, 2]) expect(codeOf(refused({}, { holdTime }))).toBe('2/6');
  expect(agreed({}, { holdTime: 3 }).holdTimeMs).toBe(3000);
});

test('RFC 5492 §5: without a common family the session is refused with 2/7, listing what we offer', () => {
  const error = refused(
    { families: ['ipv6-unicast'] },
    { capabilities: [multiprotocol('ipv4-unicast'), fourOctetAs(65001)] },
  );
  expect(codeOf(error)).toBe('2/7');
  expect([...error.notification.data]).toEqual([1, 4, 0, 2, 0, 1]);
});

test('RFC 4760 §8: a neighbour without any multiprotocol capability speaks IPv4 unicast', () => {
  const offer = { families: ['ipv4-unicast', 'ipv6-unicast'] } as const;
  expect(agreed(offer, { capabilities: [] }).families).toEqual(['ipv4-unicast']);
  const foreign: Capability = { kind: 'unknown', code: 1, body: Uint8Array.of(0, 25, 0, 70) };
  expect(codeOf(refused(offer, { capabilities: [foreign] }))).toBe('2/7');
});

test('the families are those both offer', () => {
  const offer = { families: ['ipv4-unicast', 'ipv6-unicast'] } as const;
  const capabilities = [multiprotocol('ipv6-unicast')];
  expect(agreed(offer, { capabilities }).families).toEqual(['ipv6-unicast']);
  expect(agreed(offer, { capabilities }).codec).toEqual({
    fourOctetAs: false,
    peerType: 'ebgp',
    families: new Set(['ipv6-unicast']),
    extendedReceive: true,
  });
});

test('our OPEN names each family, route refresh and our four-octet AS, and AS_TRANS if it must', () => {
  const open = ownOpen(
    peerConfig({ localAsn: asn(4_200_000_000), families: ['ipv4-unicast', 'ipv6-unicast'] }),
    local,
  );
  expect(open).toEqual({
    kind: 'open',
    version: 4,
    asField: 23456,
    holdTime: 90,
    bgpId: local.routerId,
    capabilities: [
      multiprotocol('ipv4-unicast'),
      multiprotocol('ipv6-unicast'),
      { kind: 'routeRefresh' },
      { kind: 'extendedMessage' },
      fourOctetAs(4_200_000_000),
      { kind: 'enhancedRouteRefresh' },
    ],
  });
});
