import { describe, expect, test } from 'vitest';
import type { DownReason, PeerEffect } from '../../../bgp/session/event.ts';
import { bgpStateOf } from '../../../bgp/session/peer.ts';
import type { Message } from '../../../bgp/wire/message.ts';
import { asn, ipv4 } from '../../../src/lib/net.ts';
import {
  type Bench,
  bench,
  bring,
  kinds,
  notification,
  openMessage,
  peerConfig,
  sent,
  updateMessage,
} from '../../support/peer.ts';

const keepalive: Message = { kind: 'keepalive' };
const refresh: Message = { kind: 'routeRefresh', subtype: 'request', family: 'ipv4-unicast' };
const wrongAs = openMessage({ asField: 65009, capabilities: [] });

const timer = (effects: readonly PeerEffect[], name: string): number | undefined => {
  for (const effect of effects)
    if (effect.kind === 'startTimer' && effect.timer === name) return effect.after;
  return undefined;
};

const reasons = (effects: readonly PeerEffect[], kind: 'down' | 'failed'): readonly DownReason[] =>
  effects.flatMap((effect) => (effect.kind === kind ? [effect.reason] : []));

function at(state: 'OpenSent' | 'OpenConfirm' | 'Established'): Bench {
  const peer = bench();
  bring(peer, 'outgoing', state);
  return peer;
}

test('a peer that was not started refuses connections and dials nobody', () => {
  const peer = bench();
  expect(peer.step({ kind: 'TcpConnected', side: 'incoming' })).toEqual([
    { kind: 'close', side: 'incoming' },
  ]);
  expect(bgpStateOf(peer.peer)).toBe('Idle');
});

test('RFC 4271 §8.2.2: ManualStart dials at once and listens', () => {
  const peer = bench();
  expect(kinds(peer.step({ kind: 'ManualStart' }))).toEqual(['startTimer', 'connect']);
  expect(bgpStateOf(peer.peer)).toBe('Connect');
  expect(peer.peer.incoming.state).toBe('Active');
  expect(peer.step({ kind: 'ManualStart' })).toEqual([]);
});

test('RFC 4271 §8.2.2: a connection gets our OPEN and four minutes for the answer', () => {
  const peer = bench();
  peer.step({ kind: 'ManualStart' });
  const effects = peer.step({ kind: 'TcpConnected', side: 'outgoing' });
  expect(sent(effects)).toEqual(['outgoing open']);
  expect(effects).toContainEqual({ kind: 'stopTimer', timer: 'connectRetry' });
  expect(timer(effects, 'hold-outgoing')).toBe(240_000);
});

test('RFC 4271 §8.2.2: a valid OPEN is answered with KEEPALIVE and both timers at their negotiated times', () => {
  const effects = at('OpenSent').receive('outgoing', openMessage({ holdTime: 30 }));
  expect(sent(effects)).toEqual(['outgoing keepalive']);
  expect(timer(effects, 'hold-outgoing')).toBe(30_000);
  expect(timer(effects, 'keepalive-outgoing')).toBeGreaterThanOrEqual(7_500);
  expect(timer(effects, 'keepalive-outgoing')).toBeLessThanOrEqual(10_000);
});

test('RFC 4271 §8.2.2: KEEPALIVE after OPEN establishes the session with what was negotiated', () => {
  const effects = at('OpenConfirm').receive('outgoing', keepalive);
  expect(effects).toContainEqual({
    kind: 'up',
    side: 'outgoing',
    negotiated: expect.objectContaining({ peerAsn: 65001, holdTimeMs: 30_000, fourOctetAs: true }),
  });
});

test('RFC 4271 §4.2: a negotiated hold time of zero leaves no timer running', () => {
  const peer = at('OpenSent');
  peer.receive('outgoing', openMessage({ holdTime: 0 }));
  peer.receive('outgoing', keepalive);
  expect(bgpStateOf(peer.peer)).toBe('Established');
  expect([...peer.peer.timers]).toEqual([]);
});

describe('RFC 4271 §8.2.2: in a session', () => {
  for (const message of [keepalive, updateMessage, refresh])
    test(`${message.kind} restarts the hold timer`, () =>
      expect(timer(at('Established').receive('outgoing', message), 'hold-outgoing')).toBe(30_000));

  for (const message of [updateMessage, refresh])
    test(`${message.kind} is delivered to the RIBs`, () =>
      expect(at('Established').receive('outgoing', message)).toContainEqual({ kind: 'deliver', message }));

  test('the keepalive timer sends a KEEPALIVE and starts again', () => {
    const effects = at('Established').step({ kind: 'TimerExpires', timer: 'keepalive-outgoing' });
    expect(sent(effects)).toEqual(['outgoing keepalive']);
    expect(timer(effects, 'keepalive-outgoing')).toBeGreaterThanOrEqual(7_500);
  });

  test('the same UPDATE twice leaves the very same state object: nothing is copied per message', () => {
    const peer = at('Established');
    const before = peer.peer;
    peer.receive('outgoing', updateMessage);
    expect(peer.peer).toBe(before);
  });
});

describe('RFC 6608 §3: an unexpected message is answered with the FSM error of the state', () => {
  const rows = [
    ['OpenSent', keepalive, '5/1'],
    ['OpenSent', updateMessage, '5/1'],
    ['OpenSent', refresh, '5/1'],
    ['OpenConfirm', updateMessage, '5/2'],
    ['OpenConfirm', refresh, '5/2'],
    ['OpenConfirm', openMessage(), '5/2'],
    ['Established', openMessage(), '5/3'],
  ] as const;
  for (const [state, message, code] of rows) {
    test(`${state}, ${message.kind}: ${code}`, () => {
      const peer = at(state);
      const effects = peer.receive('outgoing', message);
      expect(sent(effects)).toEqual([`outgoing ${code}`]);
      expect(kinds(effects).indexOf('close')).toBeGreaterThan(kinds(effects).indexOf('send'));
      expect(bgpStateOf(peer.peer)).toBe('Idle');
    });
  }
});

describe('RFC 4271 §6.4: a NOTIFICATION is never answered with a NOTIFICATION', () => {
  for (const state of ['OpenSent', 'OpenConfirm', 'Established'] as const) {
    for (const [code, subcode] of [
      [2, 1],
      [2, 2],
      [4, 0],
      [6, 2],
      [3, 1],
      [99, 9],
    ] as const) {
      test(`${state}, ${code}/${subcode}`, () => {
        const peer = at(state);
        const effects = peer.receive('outgoing', notification(code, subcode));
        expect(sent(effects)).toEqual([]);
        expect(effects).toContainEqual({ kind: 'close', side: 'outgoing' });
        expect(reasons(effects, state === 'Established' ? 'down' : 'failed')).toMatchObject([
          { kind: 'notificationReceived', notification: notification(code, subcode) },
        ]);
      });
    }
  }
});

describe('RFC 4271 §6.5: the hold timer', () => {
  for (const state of ['OpenSent', 'OpenConfirm', 'Established'] as const) {
    test(`ends ${state} with 4/0`, () => {
      const peer = at(state);
      const effects = peer.step({ kind: 'TimerExpires', timer: 'hold-outgoing' });
      expect(sent(effects)).toEqual(['outgoing 4/0']);
      expect(reasons(effects, state === 'Established' ? 'down' : 'failed')).toHaveLength(1);
    });
  }
  test('is not held against the neighbour: we listen at once and dial after the ConnectRetryTimer', () => {
    const peer = at('Established');
    const effects = peer.step({ kind: 'TimerExpires', timer: 'hold-outgoing' });
    expect(peer.peer.held).toBe(false);
    expect(peer.peer.incoming.state).toBe('Active');
    expect(timer(effects, 'connectRetry')).toBeLessThanOrEqual(5_000);
  });
});

describe('RFC 4271 §6.1, §6.3: bytes that are no message end the session with the error found', () => {
  const error = (code: number, subcode: number) =>
    ({
      kind: 'WireError',
      side: 'outgoing',
      error: { notification: notification(code, subcode), why: 'The marker is not all ones.' },
    }) as const;
  const rows = [
    ['OpenSent', 1, 1, '1/1'],
    ['OpenSent', 2, 4, '2/4'],
    ['OpenConfirm', 1, 2, '1/2'],
    ['Established', 1, 3, '1/3'],
    ['Established', 3, 1, '3/1'],
    ['Established', 7, 1, '7/1'],
    // An UPDATE that comes too early is first of all too early.
    ['OpenSent', 3, 1, '5/1'],
    ['Established', 2, 6, '5/3'],
  ] as const;
  for (const [state, code, subcode, answer] of rows)
    test(`${state}, ${code}/${subcode}: ${answer}`, () =>
      expect(sent(at(state).step(error(code, subcode)))).toEqual([`outgoing ${answer}`]));
});

describe('RFC 4486 §4: ManualStop', () => {
  for (const state of ['OpenSent', 'OpenConfirm', 'Established'] as const) {
    test(`in ${state} ceases with the given subcode and rests`, () => {
      const peer = at(state);
      const effects = peer.step({ kind: 'ManualStop', subcode: 3, why: 'the BGPPeer is gone' });
      expect(sent(effects)).toEqual(['outgoing 6/3']);
      expect(reasons(effects, 'down')).toMatchObject(
        state === 'Established' ? [{ kind: 'stopped', why: 'the BGPPeer is gone' }] : [],
      );
      expect([...peer.peer.timers]).toEqual([]);
      expect(bgpStateOf(peer.peer)).toBe('Idle');
    });
  }
  test('gives up a connection attempt without a word', () => {
    const peer = bench();
    peer.step({ kind: 'ManualStart' });
    expect(peer.step({ kind: 'ManualStop', subcode: 2, why: 'x' })).toEqual([
      { kind: 'stopTimer', timer: 'connectRetry' },
      { kind: 'close', side: 'outgoing' },
    ]);
  });
  test('ends an idle hold, and a start after it dials at once', () => {
    const peer = at('OpenSent');
    peer.receive('outgoing', wrongAs);
    peer.step({ kind: 'ManualStop', subcode: 2, why: 'x' });
    expect([...peer.peer.timers]).toEqual([]);
    expect(kinds(peer.step({ kind: 'ManualStart' }))).toContain('connect');
  });
});

describe('TCP failures', () => {
  test('a refused dial leads to Active and another dial after the ConnectRetryTimer', () => {
    const peer = bench();
    peer.step({ kind: 'ManualStart' });
    const effects = peer.step({ kind: 'TcpFails', side: 'outgoing', why: 'refused' });
    expect(bgpStateOf(peer.peer)).toBe('Active');
    expect(reasons(effects, 'failed')).toEqual([{ kind: 'tcpFailed', why: 'refused' }]);
    expect(timer(effects, 'connectRetry')).toBeGreaterThanOrEqual(3_750);
    expect(timer(effects, 'connectRetry')).toBeLessThanOrEqual(5_000);
    expect(kinds(peer.step({ kind: 'TimerExpires', timer: 'connectRetry' }))).toContain('connect');
    expect(bgpStateOf(peer.peer)).toBe('Connect');
  });

  test('RFC 4271 §8.2.2: an attempt that outlasts the ConnectRetryTimer is dropped, told and made again', () => {
    const peer = bench();
    peer.step({ kind: 'ManualStart' });
    const effects = peer.step({ kind: 'TimerExpires', timer: 'connectRetry' });
    expect(kinds(effects)).toEqual(['close', 'failed', 'startTimer', 'connect']);
    expect(bgpStateOf(peer.peer)).toBe('Connect');
  });

  test('a refused dial does not disturb the accepted connection and is not reported', () => {
    const peer = bench();
    bring(peer, 'incoming', 'OpenSent');
    const effects = peer.step({ kind: 'TcpFails', side: 'outgoing', why: 'refused' });
    expect(kinds(effects)).toEqual(['startTimer']);
    expect(peer.peer.incoming.state).toBe('OpenSent');
    peer.receive('incoming', openMessage());
    expect(kinds(peer.receive('incoming', keepalive))).toContain('up');
    expect([...peer.peer.timers].sort()).toEqual(['hold-incoming', 'keepalive-incoming']);
  });

  test('RFC 4271 §8.2.2: in OpenSent a lost connection leads to Active, not Idle', () => {
    const peer = at('OpenSent');
    peer.step({ kind: 'TcpFails', side: 'outgoing', why: 'reset' });
    expect(bgpStateOf(peer.peer)).toBe('Active');
    expect([...peer.peer.timers]).toEqual(['connectRetry']);
  });

  test('a lost session is down, and the neighbour may come back at once', () => {
    const peer = at('Established');
    const effects = peer.step({ kind: 'TcpFails', side: 'outgoing', why: 'reset' });
    expect(reasons(effects, 'down')).toEqual([{ kind: 'tcpFailed', why: 'reset' }]);
    expect(kinds(peer.step({ kind: 'TcpConnected', side: 'incoming' }))).toContain('send');
  });

  test('attempts that lead to nothing are spaced out, and a session forgets them', () => {
    const peer = bench();
    peer.step({ kind: 'ManualStart' });
    const waits: number[] = [];
    for (let attempt = 0; attempt < 6; attempt += 1) {
      waits.push(timer(peer.step({ kind: 'TcpFails', side: 'outgoing', why: 'x' }), 'connectRetry') ?? 0);
      peer.step({ kind: 'TimerExpires', timer: 'connectRetry' });
    }
    const bases = [5_000, 10_000, 20_000, 20_000, 20_000, 20_000];
    waits.forEach((wait, index) => {
      expect(wait).toBeGreaterThanOrEqual((bases[index] ?? 0) * 0.75);
      expect(wait).toBeLessThanOrEqual(bases[index] ?? 0);
    });
    bring(peer, 'outgoing', 'Established');
    const effects = peer.step({ kind: 'TcpFails', side: 'outgoing', why: 'x' });
    expect(timer(effects, 'connectRetry')).toBeLessThanOrEqual(5_000);
  });
});

describe('the idle hold after protocol errors', () => {
  test('a wrong AS is refused, said, and not tried again before the hold is over', () => {
    const peer = at('OpenSent');
    const effects = peer.receive('outgoing', wrongAs);
    expect(sent(effects)).toEqual(['outgoing 2/2']);
    expect(bgpStateOf(peer.peer)).toBe('Idle');
    expect([...peer.peer.timers]).toEqual(['idleHold']);
    expect(kinds(peer.step({ kind: 'TcpConnected', side: 'incoming' }))).toEqual(['close']);
    expect(kinds(peer.step({ kind: 'TimerExpires', timer: 'idleHold' }))).toContain('connect');
  });

  test('doubles with every error in a row up to five minutes', () => {
    const peer = bench();
    peer.step({ kind: 'ManualStart' });
    const waits: number[] = [];
    for (let error = 0; error < 9; error += 1) {
      peer.step({ kind: 'TcpConnected', side: 'outgoing' });
      waits.push(timer(peer.receive('outgoing', wrongAs), 'idleHold') ?? 0);
      peer.step({ kind: 'TimerExpires', timer: 'idleHold' });
    }
    const bases = [5, 10, 20, 40, 80, 160, 300, 300, 300].map((seconds) => seconds * 1000);
    waits.forEach((wait, index) => {
      expect(wait).toBeGreaterThanOrEqual((bases[index] ?? 0) * 0.75);
      expect(wait).toBeLessThanOrEqual(bases[index] ?? 0);
    });
  });

  test('is forgotten only when a session has lasted', () => {
    const peer = at('OpenSent');
    peer.receive('outgoing', wrongAs);
    peer.step({ kind: 'TimerExpires', timer: 'idleHold' });
    bring(peer, 'outgoing', 'Established');
    expect(peer.peer.penalties).toBe(1);
    expect(peer.peer.timers.has('forgive')).toBe(true);
    peer.step({ kind: 'TimerExpires', timer: 'forgive' });
    expect(peer.peer.penalties).toBe(0);
    expect(peer.peer.timers.has('forgive')).toBe(false);
  });

  test('a session that dies before it lasted takes its forgiveness with it', () => {
    const peer = at('OpenSent');
    peer.receive('outgoing', wrongAs);
    peer.step({ kind: 'TimerExpires', timer: 'idleHold' });
    bring(peer, 'outgoing', 'Established');
    peer.receive('outgoing', notification(3, 1));
    expect(peer.peer.penalties).toBe(2);
    expect([...peer.peer.timers]).toEqual(['idleHold']);
  });

  test('a connection the holding neighbour closes before any OPEN does not hide the error', () => {
    const peer = at('OpenSent');
    peer.receive('outgoing', notification(2, 2));
    peer.step({ kind: 'TimerExpires', timer: 'idleHold' });
    peer.step({ kind: 'TcpConnected', side: 'outgoing' });
    const effects = peer.step({ kind: 'TcpFails', side: 'outgoing', why: 'closed' });
    expect(reasons(effects, 'failed')).toEqual([]);
  });

  test('an error on one connection does not touch the other one that is confirmed', () => {
    const peer = bench();
    bring(peer, 'outgoing', 'OpenConfirm');
    bring(peer, 'incoming', 'OpenSent');
    peer.receive('incoming', wrongAs);
    expect(peer.peer.held).toBe(false);
    expect(peer.peer.outgoing.state).toBe('OpenConfirm');
    expect(kinds(peer.receive('outgoing', keepalive))).toContain('up');
  });

  for (const [subcode, held] of [
    [1, true],
    [2, false],
    [4, false],
    [5, false],
    [6, false],
    [7, false],
    [8, true],
  ] as const)
    test(`Cease 6/${subcode} from the neighbour ${held ? 'holds' : 'does not hold'} the peer`, () => {
      const peer = at('Established');
      peer.receive('outgoing', notification(6, subcode));
      expect(peer.peer.held).toBe(held);
    });
});

test('an expiry of a timer that does not run is ignored', () => {
  const peer = at('Established');
  for (const name of ['connectRetry', 'idleHold', 'hold-incoming', 'keepalive-incoming', 'forgive'] as const)
    expect(peer.step({ kind: 'TimerExpires', timer: name })).toEqual([]);
  expect(bgpStateOf(peer.peer)).toBe('Established');
});

test('messages of a connection that was given up change nothing that lives', () => {
  const peer = at('OpenSent');
  peer.receive('outgoing', wrongAs);
  for (const message of [openMessage(), keepalive, updateMessage, notification(6, 2)])
    expect(peer.receive('outgoing', message)).toEqual([]);
});

test('the state shown is that of the connection that got furthest', () => {
  const peer = bench();
  expect(bgpStateOf(peer.peer)).toBe('Idle');
  bring(peer, 'incoming', 'OpenConfirm');
  expect(bgpStateOf(peer.peer)).toBe('OpenConfirm');
});

test('RFC 6286 §2.2: a speaker that dials itself is refused', () => {
  const peer = bench(peerConfig({ peerAsn: asn(65000) }));
  bring(peer, 'outgoing', 'OpenSent');
  const own = openMessage({ asField: 65000, bgpId: ipv4(0x0a000001), capabilities: [] });
  expect(sent(peer.receive('outgoing', own))).toEqual(['outgoing 2/3']);
});
