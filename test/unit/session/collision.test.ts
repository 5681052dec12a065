import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decideCollision, isDominant } from '../../../bgp/session/collision.ts';
import type { Side } from '../../../bgp/session/event.ts';
import type { Capability } from '../../../bgp/wire/message.ts';
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
    ['Established', 'outgoing', 'we are higher', 'wait'],
    ['Established', 'incoming', 'we are higher', 'wait'],
    ['Established', 'outgoing', 'they are higher', 'wait'],
    ['Established', 'incoming', 'they are higher', 'wait'],
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

describe('an OPEN on a second connection while the session is Established', () => {
  const restart: Capability = {
    kind: 'gracefulRestart',
    isRestarting: false,
    isNotification: false,
    restartTime: 120,
    families: [{ family: 'ipv4-unicast', isForwarding: true }],
  };
  const open = (more: readonly Capability[] = []) => {
    const plain = openMessage();
    return { ...plain, capabilities: [...plain.capabilities, ...more] };
  };
  /** Established on one side; the OPEN of a second connection has come on the other. */
  function doubted(more: readonly Capability[], side: Side = 'outgoing', who = local) {
    const newcomer: Side = side === 'outgoing' ? 'incoming' : 'outgoing';
    const peer = bench(peerConfig({ restartTimeMs: 120_000 }), 1, who);
    peer.step({ kind: 'ManualStart' });
    peer.step({ kind: 'TcpConnected', side });
    peer.receive(side, open(more));
    peer.receive(side, { kind: 'keepalive' });
    expect(peer.peer[side].state).toBe('Established');
    expect(sent(peer.step({ kind: 'TcpConnected', side: newcomer }))).toEqual([`${newcomer} open`]);
    return { peer, side, newcomer, heard: peer.receive(newcomer, open(more)) };
  }
  const expired = { kind: 'TimerExpires', timer: 'collision' } as const;
  const cases = (['outgoing', 'incoming'] as const).flatMap((side) =>
    [local, weAreHigher].map((who) => [side, who] as const),
  );

  test.each(cases)('asks whether the first is still there (%s)', (side, who) => {
    const { peer, heard } = doubted([], side, who);
    expect(sent(heard)).toEqual([`${side} keepalive`]);
    expect([...peer.peer.timers]).toContain('collision');
    expect(peer.peer[side].state).toBe('Established');
  });

  test.each(cases)('RFC 4271 §6.8: is refused with Cease 6/7 if the first stays (%s)', (side, who) => {
    const { peer, newcomer } = doubted([], side, who);
    expect(sent(peer.step(expired))).toEqual([`${newcomer} 6/7`]);
    expect(peer.peer[side].state).toBe('Established');
    expect([...peer.peer.timers].sort()).toEqual([`hold-${side}`, `keepalive-${side}`]);
  });

  test.each(cases)(
    'RFC 4724 §4.2: is the restart of a neighbour that agreed to it: the first is closed without a NOTIFICATION (%s)',
    (side, who) => {
      const { peer, newcomer } = doubted([restart], side, who);
      const effects = peer.step(expired);
      expect(sent(effects)).toEqual([`${newcomer} keepalive`]);
      expect(effects).toContainEqual({ kind: 'close', side });
      expect(effects).toContainEqual(
        expect.objectContaining({ kind: 'down', reason: expect.objectContaining({ kind: 'tcpFailed' }) }),
      );
      expect(kinds(peer.receive(newcomer, { kind: 'keepalive' }))).toContain('up');
      expect([...peer.peer.timers].sort()).toEqual([`hold-${newcomer}`, `keepalive-${newcomer}`]);
    },
  );

  test('RFC 4724 §5: a capability without families is no agreement to restart', () => {
    const { peer, newcomer } = doubted([{ ...restart, families: [] }]);
    expect(sent(peer.step(expired))).toEqual([`${newcomer} 6/7`]);
  });

  test('takes its place at once when the first turns out to be gone', () => {
    for (const more of [[], [restart]]) {
      const { peer, side, newcomer } = doubted(more);
      peer.receive(newcomer, { kind: 'keepalive' });
      const effects = peer.step({ kind: 'TcpFails', side, why: 'reset' });
      expect(kinds(effects).filter((kind) => kind === 'down' || kind === 'up')).toEqual(['down', 'up']);
      expect(peer.peer[newcomer].state).toBe('Established');
    }
  });

  test('is forgotten when the neighbour itself takes it back', () => {
    const { peer, side, newcomer } = doubted([restart]);
    peer.receive(newcomer, notification(6, 7));
    expect([...peer.peer.timers].sort()).toEqual([`hold-${side}`, `keepalive-${side}`]);
    expect(peer.peer[side].state).toBe('Established');
  });

  test('a connection that says nothing disturbs nobody', () => {
    const peer = bench(peerConfig({ restartTimeMs: 120_000 }));
    bring(peer, 'incoming', 'Established');
    expect(sent(peer.step({ kind: 'TcpConnected', side: 'outgoing' }))).toEqual(['outgoing open']);
    expect(kinds(peer.step({ kind: 'TcpFails', side: 'outgoing', why: 'closed' }))).not.toContain('down');
    expect(peer.peer.incoming.state).toBe('Established');
    expect([...peer.peer.timers].sort()).toEqual(['hold-incoming', 'keepalive-incoming']);
  });
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
