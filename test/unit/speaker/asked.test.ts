/** What somebody asks of one session, and what BFD says of its path. */
import { describe, expect, test } from 'vitest';
import type { SpeakerEffect } from '../../../bgp/speaker/event.ts';
import { peerStatuses } from '../../../bgp/speaker/report.ts';
import { shutdownText } from '../../../bgp/wire/notification.ts';
import { ipv4 } from '../../../src/lib/net.ts';
import { announce, notificationsOf, OneSpeaker, of } from '../../support/one-speaker.ts';
import { attributesOf, peerOf } from '../../support/routes.ts';
import { address, prefix } from '../../support/wire.ts';

const peer = peerOf({});
const why = 'an operator asked for it';

const up = (): OneSpeaker => {
  const speaker = new OneSpeaker();
  speaker.configure({ peers: [peer], origins: [prefix('10.244.9.0/24')] });
  speaker.establish(peer);
  speaker.drain(peer);
  return speaker;
};
const state = (speaker: OneSpeaker): string | undefined => peerStatuses(speaker.speaker)[0]?.state;
const requests = (effects: readonly SpeakerEffect[]): readonly string[] =>
  of(effects, 'send').flatMap(({ message }) =>
    message.kind === 'routeRefresh' ? [`${message.subtype} ${message.family}`] : [],
  );

describe('a reset', () => {
  test('RFC 4486 §4: hard, ceases with 6/4 and its words, and dials again at once', () => {
    const speaker = up();
    const effects = speaker.tell({ kind: 'reset', peer: peer.key, how: 'hard', why });
    expect(notificationsOf(effects)).toEqual([`${peer.key}: 6/4`]);
    const [text] = of(effects, 'send').flatMap(({ message }) =>
      message.kind === 'notification' ? [shutdownText(message)] : [],
    );
    expect(text).toBe(why);
    expect(of(effects, 'connect')).toHaveLength(1);
    expect(peerStatuses(speaker.speaker)[0]?.lastError).toBe(why);
  });
  test('RFC 2918 §4: soft in, asks the neighbour for all again, family by family', () => {
    const effects = up().tell({ kind: 'reset', peer: peer.key, how: 'softIn', why });
    expect(requests(effects)).toEqual(peer.families.map((family) => `request ${family}`));
    expect(notificationsOf(effects)).toEqual([]);
  });
  test('soft out, tells all again', () => {
    const speaker = up();
    expect(speaker.drain(peer)).toEqual([]);
    speaker.tell({ kind: 'reset', peer: peer.key, how: 'softOut', why });
    expect(speaker.drain(peer)).toContain('+10.244.9.0/24 via 192.0.2.100');
  });
  test('soft, of a session that is not up does nothing; of a neighbour there is not, nothing at all', () => {
    const speaker = new OneSpeaker();
    speaker.configure({ peers: [peer] });
    expect(of(speaker.tell({ kind: 'reset', peer: peer.key, how: 'softOut', why }), 'send')).toEqual([]);
    expect(speaker.tell({ kind: 'reset', peer: 'nobody', how: 'hard', why })).toEqual([]);
  });
  test('does not start a neighbour that must not be started', () => {
    const speaker = new OneSpeaker();
    speaker.configure({ peers: [{ ...peer, blocked: 'it has no password' }] });
    expect(of(speaker.tell({ kind: 'reset', peer: peer.key, how: 'hard', why }), 'connect')).toEqual([]);
  });
});

describe('RFC 9384 §2: BFD', () => {
  const says = (speaker: OneSpeaker, what: 'up' | 'down' | 'adminDown') =>
    speaker.tell({ kind: 'bfd', peer: peer.key, state: what, why: 'nothing came for 900 ms' });
  test('down, ends the session with 6/10, takes its routes and says who said so', () => {
    const speaker = up();
    speaker.hear(peer, announce(attributesOf({ nextHop: address('192.0.2.1') }), prefix('10.2.0.0/24')));
    says(speaker, 'up');
    const effects = says(speaker, 'down');
    expect(notificationsOf(effects)).toEqual([`${peer.key}: 6/10`]);
    expect(of(effects, 'fib')).toHaveLength(1);
    expect(peerStatuses(speaker.speaker)[0]?.lastError).toContain('BFD says the path is down');
    expect(of(effects, 'log').map(({ message }) => message)).toContain(
      'BFD is down: nothing came for 900 ms',
    );
  });
  test('switched off at the other end, ends nothing', () => {
    const speaker = up();
    says(speaker, 'up');
    expect(notificationsOf(says(speaker, 'adminDown'))).toEqual([]);
    expect(state(speaker)).toBe('Established');
  });
  test('heard before its neighbour is configured, and over a session made anew, is not forgotten', () => {
    const speaker = new OneSpeaker();
    says(speaker, 'up');
    const strict = { ...peer, bfd: { minTxMs: 300, minRxMs: 300, multiplier: 3, isStrict: true } } as const;
    expect(of(speaker.configure({ peers: [strict] }), 'connect')).toHaveLength(1);
    const anew = { ...strict, families: ['ipv4-unicast'] } as const;
    expect(of(speaker.configure({ peers: [anew] }), 'connect')).toHaveLength(1);
    says(speaker, 'down');
    expect(of(speaker.configure({ peers: [strict] }), 'connect')).toEqual([]);
  });
});

test('RFC 9687 §3.2: a session that is up has its sends watched, for eight minutes or as configured', () => {
  const watched = (more: object): readonly number[] => {
    const one = { ...peer, ...more };
    const speaker = new OneSpeaker();
    speaker.configure({ peers: [one] });
    return of(speaker.establish(one, ipv4(7)), 'watchSend').map(({ after }) => after);
  };
  expect(watched({})).toEqual([480_000]);
  expect(watched({ sendHoldMs: 3000 })).toEqual([3000]);
  expect(watched({ holdTimeMs: 0 })).toEqual([]);
});

test('RFC 5492 §3: a session that came up without what the neighbour refused says so', () => {
  const speaker = new OneSpeaker();
  speaker.configure({ peers: [peer] });
  speaker.tell({ kind: 'transport', peer: peer.key, event: { kind: 'TcpConnected', side: 'outgoing' } });
  speaker.hear(peer, { kind: 'notification', code: 2, subcode: 7, data: Uint8Array.of(6, 0, 70, 0) });
  const messages = of(speaker.establish(peer), 'log').map(({ message }) => message);
  expect(messages).toContain(
    `session is up for ${peer.families.join(', ')}, without what the neighbour refuses: capability 6, 70`,
  );
});

test('what is known of BFD with somebody who is no neighbour any more is forgotten', () => {
  const one = new OneSpeaker();
  one.configure({ peers: [peerOf({ key: 'tor' })] });
  one.tell({ kind: 'bfd', peer: 'tor', state: 'up', why: 'it came up' });
  expect(one.speaker.bfd.get('tor')).toBe('up');
  one.configure({ peers: [] });
  one.tell({ kind: 'bfd', peer: 'tor', state: 'adminDown', why: 'it is no longer configured' });
  expect(one.speaker.bfd.size).toBe(0);
});
