import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decideCollision, isDominant } from '../../../bgp/session/collision.ts';
import type { Side } from '../../../bgp/session/event.ts';
import { asn, ipv4 } from '../../../src/lib/net.ts';
import type { BgpState } from '../../../src/model/status.ts';
import {
  type Bench,
  bench,
  bring,
  kinds,
  local,
  notification,
  openMessage,
  peerConfig,
  sent,
} from '../../support/peer.ts';

const low = { asn: asn(65000), id: ipv4(1) };
const high = { asn: asn(65000), id: ipv4(2) };

const speaker = fc.record({
  asn: fc.integer({ min: 1, max: 5 }).map(asn),
  id: fc.integer({ min: 1, max: 5 }).map(ipv4),
});

test('RFC 6286 §2.3: of two speakers that differ exactly one is dominant', () => {
  fc.assert(
    fc.property(speaker, speaker, (a, b) => {
      fc.pre(a.asn !== b.asn || a.id !== b.id);
      expect(isDominant(a, b)).toBe(!isDominant(b, a));
    }),
  );
});

test('RFC 4271 §6.8: both sides keep the same connection', () => {
  fc.assert(
    fc.property(speaker, speaker, fc.constantFrom<Side>('outgoing', 'incoming'), (a, b, newcomer) => {
      fc.pre(a.asn !== b.asn || a.id !== b.id);
      const seenByB: Side = newcomer === 'outgoing' ? 'incoming' : 'outgoing';
      const keptByA = decideCollision(newcomer, 'OpenConfirm', a, b);
      expect(decideCollision(seenByB, 'OpenConfirm', b, a)).toBe(keptByA);
    }),
  );
});

describe('RFC 4271 §6.8: an OPEN on a connection while the other is in', () => {
  const rows: readonly (readonly [BgpState, Side, 'we are higher' | 'they are higher', string])[] = [
    ['OpenConfirm', 'outgoing', 'we are higher', 'newcomer'],
    ['OpenConfirm', 'incoming', 'we are higher', 'other'],
    ['OpenConfirm', 'outgoing', 'they are higher', 'other'],
    ['OpenConfirm', 'incoming', 'they are higher', 'newcomer'],
    ['Established', 'outgoing', 'we are higher', 'other'],
    ['Established', 'incoming', 'we are higher', 'other'],
    ['Established', 'outgoing', 'they are higher', 'other'],
    ['Established', 'incoming', 'they are higher', 'other'],
    ['OpenSent', 'outgoing', 'we are higher', 'newcomer'],
    ['OpenSent', 'incoming', 'we are higher', 'wait'],
    ['OpenSent', 'outgoing', 'they are higher', 'wait'],
    ['OpenSent', 'incoming', 'they are higher', 'newcomer'],
    ['Connect', 'incoming', 'we are higher', 'both'],
    ['Active', 'outgoing', 'they are higher', 'both'],
    ['Idle', 'outgoing', 'they are higher', 'both'],
  ];
  for (const [other, newcomer, who, kept] of rows) {
    test(`${other}, ${newcomer}, ${who}: ${kept} stays`, () => {
      const [we, they] = who === 'we are higher' ? [high, low] : [low, high];
      expect(decideCollision(newcomer, other, we, they)).toBe(kept);
    });
  }
});

test('RFC 6286 §2.3: equal identifiers leave it to the AS number', () => {
  const we = { asn: asn(65002), id: ipv4(7) };
  expect(decideCollision('outgoing', 'OpenConfirm', we, { asn: asn(65001), id: ipv4(7) })).toBe('newcomer');
  expect(decideCollision('outgoing', 'OpenConfirm', we, { asn: asn(65003), id: ipv4(7) })).toBe('other');
});

const weAreHigher = { ...local, routerId: ipv4(0x0b000000) };

test('RFC 4271 §6.8: the neighbour is higher, so our own connection gets Cease 6/7 and its goes on', () => {
  const peer = bench();
  bring(peer, 'outgoing', 'OpenConfirm');
  bring(peer, 'incoming', 'OpenSent');
  const effects = peer.receive('incoming', openMessage());
  expect(sent(effects)).toEqual(['outgoing 6/7', 'incoming keepalive']);
  expect(kinds(effects)).not.toContain('failed');
  expect(peer.peer.outgoing.state).toBe('Idle');
  expect(peer.peer.incoming.state).toBe('OpenConfirm');
});

test('RFC 4271 §6.8: we are higher, so the connection of the neighbour gets Cease 6/7 and ours goes on', () => {
  const peer = bench(peerConfig(), 1, weAreHigher);
  bring(peer, 'outgoing', 'OpenConfirm');
  bring(peer, 'incoming', 'OpenSent');
  expect(sent(peer.receive('incoming', openMessage()))).toEqual(['incoming 6/7']);
  expect(peer.peer.outgoing.state).toBe('OpenConfirm');
});

describe('an OPEN on the connection that loses, before the OPEN on the one that wins', () => {
  const both = (who = weAreHigher): Bench => {
    const peer = bench(peerConfig(), 1, who);
    bring(peer, 'outgoing', 'OpenSent');
    bring(peer, 'incoming', 'OpenSent');
    return peer;
  };

  test('waits, and is dropped when the other OPEN comes', () => {
    const peer = both();
    expect(peer.receive('incoming', openMessage())).toEqual([
      { kind: 'startTimer', timer: 'collision', after: 2000 },
    ]);
    expect(peer.receive('incoming', { kind: 'keepalive' })).toEqual([]);
    expect(sent(peer.receive('outgoing', openMessage()))).toEqual(['incoming 6/7', 'outgoing keepalive']);
    expect([...peer.peer.timers].sort()).toEqual(['hold-outgoing', 'keepalive-outgoing']);
  });

  test('goes on as soon as the other connection fails', () => {
    const peer = both();
    peer.receive('incoming', openMessage());
    const effects = peer.step({ kind: 'TcpFails', side: 'outgoing', why: 'reset' });
    expect(sent(effects)).toEqual(['incoming keepalive']);
    expect(peer.peer.incoming.state).toBe('OpenConfirm');
    expect([...peer.peer.timers].sort()).toEqual(['hold-incoming', 'keepalive-incoming']);
  });

  test('goes on when the other OPEN stays out, with the KEEPALIVE that came meanwhile', () => {
    const peer = both();
    peer.receive('incoming', openMessage());
    peer.receive('incoming', { kind: 'keepalive' });
    const effects = peer.step({ kind: 'TimerExpires', timer: 'collision' });
    expect(kinds(effects)).toContain('up');
    expect(sent(effects)).toEqual(['incoming keepalive', 'outgoing 6/7']);
  });

  test('is over when the connection that waits is lost', () => {
    const peer = both();
    peer.receive('incoming', openMessage());
    peer.receive('incoming', notification(6, 7));
    expect([...peer.peer.timers]).toEqual(['hold-outgoing']);
    expect(peer.peer.incoming.state).toBe('Active');
  });

  test('waits no longer than the stop of the peer', () => {
    const peer = both();
    peer.receive('incoming', openMessage());
    expect(sent(peer.step({ kind: 'ManualStop', subcode: 2, why: '' }))).toEqual([
      'outgoing 6/2',
      'incoming 6/2',
    ]);
    expect([...peer.peer.timers]).toEqual([]);
  });
});

test('RFC 4271 §6.8: an Established connection is not disturbed by a newcomer, whoever is higher', () => {
  const peer = bench();
  bring(peer, 'outgoing', 'Established');
  bring(peer, 'incoming', 'OpenSent');
  expect(peer.peer.incoming.state).toBe('OpenSent'); // tracked until its OPEN
  expect(sent(peer.receive('incoming', openMessage()))).toEqual(['incoming 6/7']);
  expect(peer.peer.outgoing.state).toBe('Established');
});

test('a session that comes up ends the second connection that has not sent its OPEN', () => {
  const peer = bench();
  bring(peer, 'outgoing', 'OpenConfirm');
  bring(peer, 'incoming', 'OpenSent');
  expect(sent(peer.receive('outgoing', { kind: 'keepalive' }))).toEqual(['incoming 6/7']);
});

test('a valid OPEN on the accepted connection ends the attempt to dial', () => {
  const peer = bench();
  peer.step({ kind: 'ManualStart' });
  bring(peer, 'incoming', 'OpenSent');
  const effects = peer.receive('incoming', openMessage());
  expect(effects).toContainEqual({ kind: 'close', side: 'outgoing' });
  expect(effects).toContainEqual({ kind: 'stopTimer', timer: 'connectRetry' });
  expect(peer.peer.outgoing.state).toBe('Idle');
});
