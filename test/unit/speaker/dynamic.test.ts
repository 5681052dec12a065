/** Neighbours that come by themselves from a configured range. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { wantedSessions } from '../../../bgp/bfd/wanted.ts';
import type { DynamicPeers, PeerConfig } from '../../../bgp/config.ts';
import type { SpeakerEffect } from '../../../bgp/speaker/event.ts';
import { peerStatuses } from '../../../bgp/speaker/report.ts';
import type { Capability } from '../../../bgp/wire/message.ts';
import { type Address, asn, formatAddress, ipv4 } from '../../../src/lib/net.ts';
import { announce, fibOf, notificationsOf, OneSpeaker, of } from '../../support/one-speaker.ts';
import { attributesOf, peerOf } from '../../support/routes.ts';
import { address, prefix } from '../../support/wire.ts';

const {
  key: _1,
  name: _2,
  address: _3,
  port: _4,
  peerAsn: _5,
  ...template
} = peerOf({ restartTimeMs: 120_000 });
const range = (more: Partial<DynamicPeers> = {}): DynamicPeers => ({
  key: 'racks',
  range: prefix('192.0.2.0/25'),
  peerAsns: [],
  limit: 3,
  template,
  ...more,
});
const guest = (last: number): Address => address(`192.0.2.${last}`);
const keyOf = (who: Address): string => `${formatAddress(who)} 179`;

const open = (as: number, last: number, more: readonly Capability[] = []) => ({
  kind: 'open' as const,
  version: 4,
  asField: as,
  holdTime: 90,
  bgpId: ipv4(0x0a000000 + last),
  capabilities: [
    { kind: 'multiprotocol', family: 'ipv4-unicast' } as const,
    { kind: 'fourOctetAs', asn: asn(as) } as const,
    ...more,
  ],
});

const started = (...ranges: readonly DynamicPeers[]): OneSpeaker => {
  const speaker = new OneSpeaker();
  speaker.configure({ peers: [], dynamic: ranges.length === 0 ? [range()] : ranges });
  return speaker;
};
/** It dials, and the transport says so. */
const dials = (speaker: OneSpeaker, last: number, dynamic = 'racks'): readonly SpeakerEffect[] => {
  const who = guest(last);
  return [
    ...speaker.tell({ kind: 'arrived', dynamic, peer: keyOf(who), address: who }),
    ...speaker.tell({
      kind: 'transport',
      peer: keyOf(who),
      event: { kind: 'TcpConnected', side: 'incoming' },
    }),
  ];
};
const says = (speaker: OneSpeaker, last: number, message: Parameters<OneSpeaker['hear']>[1]) =>
  speaker.tell({
    kind: 'transport',
    peer: keyOf(guest(last)),
    event: { kind: 'Message', side: 'incoming', message },
  });
const comesUp = (speaker: OneSpeaker, last: number, as: number, more: readonly Capability[] = []): void => {
  dials(speaker, last);
  says(speaker, last, open(as, last, more));
  says(speaker, last, { kind: 'keepalive' });
};
const goes = (speaker: OneSpeaker, last: number): readonly SpeakerEffect[] =>
  speaker.tell({
    kind: 'transport',
    peer: keyOf(guest(last)),
    event: { kind: 'TcpFails', side: 'incoming', why: 'it closed' },
  });
const present = (speaker: OneSpeaker) => peerStatuses(speaker.speaker);

test('who dials from the range is a neighbour, with the AS of its OPEN, and is shown as dynamic', () => {
  const speaker = started();
  comesUp(speaker, 7, 65_077);
  expect(present(speaker)).toMatchObject([
    {
      address: '192.0.2.7',
      peerAsn: 65_077,
      state: 'Established',
      dynamic: 'racks',
      name: 'racks_192_0_2_7',
    },
  ]);
});

test('it is never dialled, and forgotten when its session is over', () => {
  const speaker = started();
  comesUp(speaker, 7, 65_077);
  const effects = goes(speaker, 7);
  expect(of(effects, 'connect')).toEqual([]);
  expect(present(speaker)).toEqual([]);
  expect(speaker.speaker.neighbours.size).toBe(0);
});

test('one that says no word is forgotten with its connection, its timers too', () => {
  const speaker = started();
  dials(speaker, 7);
  const effects = goes(speaker, 7);
  expect(of(effects, 'stopTimer').map(({ timer }) => timer.name)).toContain('hold-incoming');
  expect(present(speaker)).toEqual([]);
});

describe('RFC 4271 §6.2: its AS', () => {
  test('must be among those of the range', () => {
    const speaker = started(range({ peerAsns: [asn(65_001), asn(65_002)] }));
    dials(speaker, 7);
    expect(notificationsOf(says(speaker, 7, open(65_003, 7)))).toEqual([`${keyOf(guest(7))}: 2/2`]);
    comesUp(speaker, 8, 65_002);
    expect(present(speaker).filter(({ state }) => state === 'Established')).toHaveLength(1);
  });
  test('refused, it is remembered for its pause, so that it cannot keep us busy', () => {
    const speaker = started(range({ peerAsns: [asn(65_001)] }));
    dials(speaker, 7);
    says(speaker, 7, open(65_003, 7));
    expect(present(speaker)).toHaveLength(1);
    const again = dials(speaker, 7);
    expect(of(again, 'close')).toHaveLength(1);
    expect(of(again, 'send')).toEqual([]);
    speaker.tell({ kind: 'timer', timer: { owner: 'peer', peer: keyOf(guest(7)), name: 'idleHold' } });
    expect(present(speaker)).toEqual([]);
  });
});

test('there are never more than the limit, and one too many is closed at once', () => {
  const at = fc.record({ last: fc.integer({ min: 1, max: 12 }), isGoing: fc.boolean() });
  fc.assert(
    fc.property(fc.array(at, { maxLength: 40 }), (steps) => {
      const speaker = started();
      for (const { last, isGoing } of steps) {
        const before = speaker.speaker.neighbours.size;
        const isKnown = speaker.speaker.neighbours.has(keyOf(guest(last)));
        if (isGoing) goes(speaker, last);
        else if (!isKnown) {
          const closed = of(dials(speaker, last), 'close');
          expect(closed).toHaveLength(before < 3 ? 0 : 1);
        }
        expect(speaker.speaker.neighbours.size).toBeLessThanOrEqual(3);
      }
    }),
  );
});

test('RFC 4724 §4.2: one whose connection breaks is there until its routes are over', () => {
  const speaker = started();
  const restart: Capability = {
    kind: 'gracefulRestart',
    isRestarting: false,
    isNotification: false,
    restartTime: 60,
    families: [{ family: 'ipv4-unicast', isForwarding: true }],
  };
  comesUp(speaker, 7, 65_077, [restart]);
  says(
    speaker,
    7,
    announce(
      attributesOf({ nextHop: guest(7), asPath: [{ kind: 'sequence', asns: [asn(65_077)] }] }),
      prefix('10.2.0.0/24'),
    ),
  );
  goes(speaker, 7);
  expect(present(speaker)).toMatchObject([{ keptRoutes: 1 }]);
  const over = speaker.tell({
    kind: 'timer',
    timer: { owner: 'stale', peer: keyOf(guest(7)), name: 'stale' },
  });
  expect(fibOf(over)).toEqual(['10.2.0.0/24 gone']);
  expect(speaker.speaker.neighbours.size).toBe(0);
});

describe('a changed configuration', () => {
  test('that says nothing of it leaves its session alone', () => {
    const speaker = started();
    comesUp(speaker, 7, 65_077);
    expect(notificationsOf(speaker.configure({ origins: [prefix('10.99.0.0/24')] }))).toEqual([]);
    expect(present(speaker)).toMatchObject([{ state: 'Established', peerAsn: 65_077 }]);
  });
  test('without its range ends it with Cease 6/3', () => {
    const speaker = started();
    comesUp(speaker, 7, 65_077);
    expect(notificationsOf(speaker.configure({ dynamic: [] }))).toEqual([`${keyOf(guest(7))}: 6/3`]);
    expect(present(speaker)).toEqual([]);
  });
  test('that names its address makes it a named neighbour', () => {
    const speaker = started();
    comesUp(speaker, 7, 65_077);
    const named: PeerConfig = peerOf({ address: guest(7), key: keyOf(guest(7)), peerAsn: asn(65_077) });
    expect(of(speaker.configure({ peers: [named] }), 'connect')).toHaveLength(1);
    expect(present(speaker)).toHaveLength(1);
    expect(present(speaker)[0]?.dynamic).toBeUndefined();
  });
});

test('a range that is no longer configured when its visitor is heard of takes nobody', () => {
  const speaker = started();
  expect(of(dials(speaker, 7, 'gone'), 'close')).toHaveLength(1);
  expect(present(speaker)).toEqual([]);
});

test('BFD follows whoever came from a range that asks for it, as long as it is there', () => {
  const bfd = { minTxMs: 300, minRxMs: 300, multiplier: 3 };
  const speaker = started(range({ template: { ...template, bfd } }));
  const wanted = (): readonly string[] => {
    const peers = [...speaker.speaker.neighbours.values()].map(({ config }) => config);
    return [...wantedSessions(peers).values()].map((one) => formatAddress(one.address));
  };
  expect(wanted()).toEqual([]);
  dials(speaker, 9);
  expect(wanted()).toEqual(['192.0.2.9']);
  speaker.tell({
    kind: 'transport',
    peer: keyOf(guest(9)),
    event: { kind: 'TcpFails', side: 'incoming', why: 'gone' },
  });
  expect(wanted()).toEqual([]);
});
