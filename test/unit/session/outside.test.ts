/** What moves a peer besides the protocol's own events: who dials, BFD, resets, live timers, refusals that can be mended. */
import { describe, expect, test } from 'vitest';
import type { PeerConfig } from '../../../bgp/config.ts';
import { sendHoldTime } from '../../../bgp/session/delays.ts';
import { describeDown } from '../../../bgp/session/describe.ts';
import type { DownReason, PeerEffect } from '../../../bgp/session/event.ts';
import { bgpStateOf } from '../../../bgp/session/peer.ts';
import { keepsRoutes } from '../../../bgp/session/reason.ts';
import type { Capability, NotificationMessage, OpenMessage } from '../../../bgp/wire/message.ts';
import { cease, shutdownText } from '../../../bgp/wire/notification.ts';
import { asn, ipv4 } from '../../../src/lib/net.ts';
import { type Bench, bench, bring, kinds, openMessage, peerConfig, sent } from '../../support/peer.ts';

const up = (config: Partial<PeerConfig> = {}): Bench => {
  const peer = bench(peerConfig(config));
  bring(peer, 'outgoing', 'Established');
  return peer;
};
const reasonsIn = (effects: readonly PeerEffect[]): readonly DownReason[] =>
  effects.flatMap((one) => (one.kind === 'down' || one.kind === 'failed' ? [one.reason] : []));
const lastSent = (effects: readonly PeerEffect[]): NotificationMessage | undefined =>
  effects.flatMap((one) =>
    one.kind === 'send' && one.message.kind === 'notification' ? [one.message] : [],
  )[0];
const openIn = (effects: readonly PeerEffect[]): OpenMessage | undefined =>
  effects.flatMap((one) => (one.kind === 'send' && one.message.kind === 'open' ? [one.message] : []))[0];
const timerIn = (effects: readonly PeerEffect[], name: string): number | undefined =>
  effects.flatMap((one) => (one.kind === 'startTimer' && one.timer === name ? [one.after] : []))[0];

describe('a passive peer', () => {
  const passive = (): Bench => {
    const peer = bench(peerConfig({ connect: 'passive' }));
    peer.step({ kind: 'ManualStart' });
    return peer;
  };
  test('never dials, and waits', () => {
    const peer = bench(peerConfig({ connect: 'passive' }));
    expect(peer.step({ kind: 'ManualStart' })).toEqual([]);
    expect(bgpStateOf(peer.peer)).toBe('Active');
  });
  test('comes up over the connection it is given', () => {
    const peer = passive();
    bring(peer, 'incoming', 'Established');
    expect(bgpStateOf(peer.peer)).toBe('Established');
  });
  test('does not dial when that connection is lost, nor after a protocol error', () => {
    const peer = passive();
    bring(peer, 'incoming', 'Established');
    const effects = peer.step({ kind: 'TcpFails', side: 'incoming', why: 'gone' });
    expect(kinds(effects)).not.toContain('connect');
    expect(peer.peer.timers.has('connectRetry')).toBe(false);
    peer.step({ kind: 'TcpConnected', side: 'incoming' });
    peer.receive('incoming', openMessage({ asField: 65009, capabilities: [] }));
    expect(peer.peer.held).toBe(true);
    expect(kinds(peer.step({ kind: 'TimerExpires', timer: 'idleHold' }))).not.toContain('connect');
    expect(bgpStateOf(peer.peer)).toBe('Active');
  });
  test('RFC 4724 §4.2: takes a second connection of a neighbour that restarted', () => {
    const peer = passive();
    bring(peer, 'incoming', 'Established');
    expect(sent(peer.step({ kind: 'TcpConnected', side: 'outgoing' }))).toEqual(['outgoing open']);
    peer.step({ kind: 'TcpFails', side: 'outgoing', why: 'gone' });
    expect(peer.peer.timers.has('connectRetry')).toBe(false);
  });
});

test('an active peer closes a connection it is given, and dials', () => {
  const peer = bench(peerConfig({ connect: 'active' }));
  expect(kinds(peer.step({ kind: 'ManualStart' }))).toContain('connect');
  expect(peer.step({ kind: 'TcpConnected', side: 'incoming' })).toEqual([
    { kind: 'close', side: 'incoming' },
  ]);
  bring(peer, 'outgoing', 'Established');
  expect(bgpStateOf(peer.peer)).toBe('Established');
});

describe('who dials changes in place', () => {
  const changed = (peer: Bench, connect: 'passive' | 'active' | undefined): readonly PeerEffect[] =>
    peer.step({ kind: 'Configured', config: peerConfig(connect === undefined ? {} : { connect }) });
  test.each(['passive', 'active'] as const)('%s leaves a session as it is', (connect) => {
    for (const side of ['outgoing', 'incoming'] as const) {
      const peer = bench(peerConfig());
      bring(peer, side, 'Established');
      expect(changed(peer, connect)).toEqual([]);
      expect(bgpStateOf(peer.peer)).toBe('Established');
    }
  });
  test('who becomes passive gives up its attempt and dials no more', () => {
    const peer = bench(peerConfig());
    peer.step({ kind: 'ManualStart' });
    expect(kinds(changed(peer, 'passive'))).toContain('close');
    expect([peer.peer.outgoing.state, peer.peer.timers.has('connectRetry')]).toEqual(['Idle', false]);
    expect(sent(peer.step({ kind: 'TcpConnected', side: 'incoming' }))).toEqual(['incoming open']);
  });
  test('who becomes active lets nobody in any more', () => {
    const peer = bench(peerConfig());
    peer.step({ kind: 'ManualStart' });
    changed(peer, 'active');
    expect(peer.step({ kind: 'TcpConnected', side: 'incoming' })).toEqual([
      { kind: 'close', side: 'incoming' },
    ]);
  });
  test('who was passive dials at once, but not while it is held', () => {
    const peer = bench(peerConfig({ connect: 'passive' }));
    peer.step({ kind: 'ManualStart' });
    expect(kinds(changed(peer, undefined))).toContain('connect');
    const held = bench(peerConfig({ connect: 'passive' }));
    held.step({ kind: 'ManualStart' });
    held.step({ kind: 'TcpConnected', side: 'incoming' });
    held.receive('incoming', openMessage({ asField: 65009, capabilities: [] }));
    expect(kinds(changed(held, undefined))).not.toContain('connect');
    expect(kinds(held.step({ kind: 'TimerExpires', timer: 'idleHold' }))).toContain('connect');
  });
});

describe('RFC 9384 §2: BFD', () => {
  test('going down ends the session with Cease 6/10 and says so', () => {
    const peer = up();
    peer.step({ kind: 'Bfd', state: 'up' });
    const effects = peer.step({ kind: 'Bfd', state: 'down' });
    expect(sent(effects)).toEqual(['outgoing 6/10']);
    expect(reasonsIn(effects).map(describeDown)).toEqual([
      'BFD says the path is down; we closed with cease, BFD down (6/10)',
    ]);
    expect(peer.peer.held).toBe(false);
  });
  test('RFC 5882 §4.2: never seen up, or switched off at the other end, it ends nothing', () => {
    const peer = up();
    expect(sent(peer.step({ kind: 'Bfd', state: 'down' }))).toEqual([]);
    peer.step({ kind: 'Bfd', state: 'up' });
    expect(sent(peer.step({ kind: 'Bfd', state: 'adminDown' }))).toEqual([]);
    expect(sent(peer.step({ kind: 'Bfd', state: 'down' }))).toEqual([]);
    expect(bgpStateOf(peer.peer)).toBe('Established');
  });
  const bfd = { minTxMs: 300, minRxMs: 300, multiplier: 3, isStrict: true } as const;
  test('where it is strict the session waits for it, and then dials', () => {
    const peer = bench(peerConfig({ bfd }));
    expect(peer.step({ kind: 'ManualStart' })).toEqual([]);
    expect(peer.step({ kind: 'TcpConnected', side: 'incoming' })).toEqual([
      { kind: 'close', side: 'incoming' },
    ]);
    expect(kinds(peer.step({ kind: 'Bfd', state: 'up' }))).toContain('connect');
    bring(peer, 'outgoing', 'Established');
    expect(bgpStateOf(peer.peer)).toBe('Established');
    expect(sent(peer.step({ kind: 'Bfd', state: 'down' }))).toEqual(['outgoing 6/10']);
    expect(bgpStateOf(peer.peer)).toBe('Idle');
    expect(kinds(peer.step({ kind: 'Bfd', state: 'adminDown' }))).toContain('connect');
  });
  test('where it is strict and the peer passive, a connection is taken once it is up', () => {
    const peer = bench(peerConfig({ bfd, connect: 'passive' }));
    peer.step({ kind: 'ManualStart' });
    expect(kinds(peer.step({ kind: 'Bfd', state: 'up' }))).toEqual([]);
    expect(bgpStateOf(peer.peer)).toBe('Active');
  });
});

describe('RFC 4486 §3: an AutomaticStop', () => {
  const full = cease(1);
  const why = 'it told 1001 prefixes and 1000 are allowed';
  test('without a pause is tried again as after any failure', () => {
    const peer = up();
    const effects = peer.step({ kind: 'AutomaticStop', notification: full, why });
    expect(sent(effects)).toEqual(['outgoing 6/1']);
    expect(timerIn(effects, 'connectRetry')).toBeGreaterThan(0);
  });
  test('with a pause holds the peer for so long', () => {
    const peer = up();
    const effects = peer.step({ kind: 'AutomaticStop', notification: full, why, pauseMs: 60_000 });
    expect(timerIn(effects, 'idleHold')).toBe(60_000);
    expect(bgpStateOf(peer.peer)).toBe('Idle');
    expect(kinds(peer.step({ kind: 'TimerExpires', timer: 'idleHold' }))).toContain('connect');
  });
  test('for good holds it until somebody starts it again', () => {
    const peer = up();
    peer.step({ kind: 'AutomaticStop', notification: full, why, pauseMs: 'never' });
    expect([bgpStateOf(peer.peer), peer.peer.timers.size]).toEqual(['Idle', 0]);
    peer.step({ kind: 'ManualStop', subcode: 4, why: 'reset' });
    expect(kinds(peer.step({ kind: 'ManualStart' }))).toContain('connect');
  });
  test('for good is over when the limit is another one, and not when something else is', () => {
    const peer = up();
    peer.step({ kind: 'AutomaticStop', notification: full, why, pauseMs: 'never' });
    expect(peer.step({ kind: 'Configured', config: peerConfig({ name: 'other' }) })).toEqual([]);
    const maxPrefix = { 'ipv4-unicast': { most: 2000, warnPercent: 80, action: 'cease' } } as const;
    expect(kinds(peer.step({ kind: 'Configured', config: peerConfig({ maxPrefix }) }))).toContain('connect');
  });
});

describe('RFC 9687: the send hold timer', () => {
  test('§3.2: is eight minutes, or twice the hold time if that is longer', () => {
    expect(sendHoldTime({}, { holdTimeMs: 90_000 })).toBe(480_000);
    expect(sendHoldTime({}, { holdTimeMs: 300_000 })).toBe(600_000);
    expect(sendHoldTime({ sendHoldMs: 5000 }, { holdTimeMs: 90_000 })).toBe(5000);
  });
  test('§3.4: does not run without a hold time', () => {
    expect(sendHoldTime({ sendHoldMs: 5000 }, { holdTimeMs: 0 })).toBe(0);
  });
  test('§3.1: its expiry ends the session with code 8, and it is tried again', () => {
    const peer = up();
    const effects = peer.step({ kind: 'SendStalled', side: 'outgoing' });
    expect(sent(effects)).toEqual(['outgoing 8/0']);
    expect(reasonsIn(effects).map(describeDown)[0]).toMatch(/has read nothing for so long .* \(8\/0\)$/);
    expect(peer.peer.connectRetryCounter).toBe(1);
    expect(peer.peer.held).toBe(false);
  });
  test('of a session that is over says nothing', () => {
    const peer = bench();
    peer.step({ kind: 'ManualStart' });
    expect(
      peer.step({ kind: 'SendStalled', side: 'incoming' }).filter(({ kind }) => kind === 'send'),
    ).toEqual([]);
  });
});

describe('a changed configuration', () => {
  test('shortens the wait for the next dial at once', () => {
    const peer = bench(peerConfig({ connectRetryMs: 120_000 }));
    peer.step({ kind: 'ManualStart' });
    const effects = peer.step({ kind: 'Configured', config: peerConfig({ connectRetryMs: 4000 }) });
    expect(timerIn(effects, 'connectRetry')).toBeLessThanOrEqual(4000);
  });
  test('paces KEEPALIVEs of a living session anew, and leaves its hold time', () => {
    const peer = up();
    const effects = peer.step({
      kind: 'Configured',
      config: peerConfig({ keepaliveTimeMs: 2000, holdTimeMs: 9000 }),
    });
    expect(timerIn(effects, 'keepalive-outgoing')).toBeLessThanOrEqual(2000);
    expect(timerIn(effects, 'hold-outgoing')).toBeUndefined();
    const { outgoing } = peer.peer;
    expect('negotiated' in outgoing && outgoing.negotiated.holdTimeMs).toBe(30_000);
    expect(sent(effects)).toEqual([]);
  });
  test('that says the same of both leaves all timers alone', () => {
    expect(up().step({ kind: 'Configured', config: peerConfig({ name: 'other' }) })).toEqual([]);
  });
});

describe('RFC 5492 §3: a neighbour that refuses our OPEN for its capabilities', () => {
  const refused = (data: readonly number[], subcode: number, config: Partial<PeerConfig> = {}): Bench => {
    const peer = bench(peerConfig({ addPath: { receive: true }, ...config }));
    bring(peer, 'outgoing', 'OpenSent');
    peer.receive('outgoing', { kind: 'notification', code: 2, subcode, data: Uint8Array.from(data) });
    return peer;
  };
  const nextOpen = (peer: Bench): readonly Capability['kind'][] =>
    openIn(peer.step({ kind: 'TcpConnected', side: 'incoming' }))?.capabilities.map(({ kind }) => kind) ?? [];

  test('with 2/7 naming one gets an OPEN without that one, and is not waited for', () => {
    const peer = refused([69, 4, 0, 1, 1, 1], 7);
    expect(peer.peer.held).toBe(false);
    expect(nextOpen(peer)).toEqual([
      'multiprotocol',
      'routeRefresh',
      'extendedMessage',
      'fourOctetAs',
      'enhancedRouteRefresh',
    ]);
  });
  test('with 2/7 naming none gets what a session cannot do without', () => {
    expect(nextOpen(refused([], 7))).toEqual(['multiprotocol', 'fourOctetAs']);
  });
  test('with 2/7 asking for what we did not offer is left alone for a while', () => {
    expect(refused([1, 4, 0, 2, 0, 1], 7).peer.held).toBe(true);
  });
  test('with 2/4 gets an OPEN without any', () => {
    const peer = refused([2], 4);
    expect(peer.peer.held).toBe(false);
    expect(nextOpen(peer)).toEqual([]);
  });
  test('with 2/4 where we need four octets or IPv6 is left alone: plain BGP-4 cannot say it', () => {
    expect(refused([], 4, { localAsn: asn(4_200_000_000) }).peer.held).toBe(true);
    expect(refused([], 4, { families: ['ipv6-unicast'] }).peer.held).toBe(true);
  });
  test('and again without them, is left alone, and then offered all again', () => {
    const peer = refused([], 7);
    peer.step({ kind: 'TcpConnected', side: 'incoming' });
    peer.receive('incoming', { kind: 'notification', code: 2, subcode: 7, data: new Uint8Array(0) });
    expect(peer.peer.held).toBe(true);
    peer.step({ kind: 'TimerExpires', timer: 'idleHold' });
    expect(nextOpen(peer)).toContain('addPath');
  });
  test('comes up without them: what was not sent is not agreed on', () => {
    const peer = refused([2], 4);
    peer.step({ kind: 'TcpConnected', side: 'incoming' });
    peer.receive('incoming', openMessage());
    const { incoming } = peer.peer;
    expect('negotiated' in incoming && incoming.negotiated).toMatchObject({
      fourOctetAs: false,
      routeRefresh: false,
      families: ['ipv4-unicast'],
    });
  });
});

describe('RFC 8538 §3.1: what must not be taken for a restart goes inside a hard reset', () => {
  const restart = { restartTimeMs: 120_000, notificationRestart: true } as const;
  const theirs: Capability = {
    kind: 'gracefulRestart',
    isRestarting: false,
    isNotification: true,
    restartTime: 60,
    families: [{ family: 'ipv4-unicast', isForwarding: true }],
  };
  const both = (): Bench => {
    const peer = bench(peerConfig(restart));
    peer.step({ kind: 'ManualStart' });
    peer.step({ kind: 'TcpConnected', side: 'outgoing' });
    peer.receive('outgoing', openMessage({ capabilities: [...openMessage().capabilities, theirs] }));
    peer.receive('outgoing', { kind: 'keepalive' });
    return peer;
  };
  test('a shutdown, with its words inside', () => {
    const effects = both().step({ kind: 'ManualStop', subcode: 2, why: 'moving racks' });
    const message = lastSent(effects);
    expect([message?.code, message?.subcode, message?.data[0], message?.data[1]]).toEqual([6, 9, 6, 2]);
    const inner: NotificationMessage = {
      kind: 'notification',
      code: 6,
      subcode: 2,
      data: message?.data.slice(2) ?? new Uint8Array(0),
    };
    expect(shutdownText(inner)).toBe('moving racks');
  });
  test('not a change of configuration, which is over soon', () => {
    expect(sent(both().step({ kind: 'ManualStop', subcode: 6, why: 'timers' }))).toEqual(['outgoing 6/6']);
  });
  test('and nothing is wrapped for who did not agree', () => {
    expect(sent(up(restart).step({ kind: 'ManualStop', subcode: 2, why: 'x' }))).toEqual(['outgoing 6/2']);
  });

  const ending = (peer: Bench, message: NotificationMessage | 'silence' | 'break'): boolean => {
    const { outgoing } = peer.peer;
    if (!('negotiated' in outgoing)) throw new Error('it is up');
    const effects =
      message === 'silence'
        ? peer.step({ kind: 'TimerExpires', timer: 'hold-outgoing' })
        : message === 'break'
          ? peer.step({ kind: 'TcpFails', side: 'outgoing', why: 'reset' })
          : peer.receive('outgoing', message);
    const [reason] = reasonsIn(effects);
    if (reason === undefined) throw new Error('it went down');
    return keepsRoutes(reason, outgoing.negotiated);
  };
  const hard: NotificationMessage = { ...cease(9), data: Uint8Array.of(6, 2) };
  test('§4: after any other NOTIFICATION, and after silence, routes may be kept; after a hard reset never', () => {
    expect(ending(both(), cease(6))).toBe(true);
    expect(ending(both(), 'silence')).toBe(true);
    expect(ending(both(), hard)).toBe(false);
  });
  test('RFC 4724 §4.2: without it only a connection that breaks is a restart', () => {
    expect(ending(up(), cease(6))).toBe(false);
    expect(ending(up(), 'silence')).toBe(false);
    expect(ending(up(), 'break')).toBe(true);
  });
});

describe('why a session is down is kept as data too', () => {
  test('the OPEN we refused, with the AS it said', () => {
    const peer = bench();
    bring(peer, 'outgoing', 'OpenSent');
    const [reason] = reasonsIn(peer.receive('outgoing', openMessage({ asField: 65009, capabilities: [] })));
    expect(reason?.kind === 'notificationSent' && reason.received?.asField).toBe(65009);
  });
  test('RFC 4271 §6.2: our OPEN that was refused, with the hold time in words', () => {
    const peer = bench(peerConfig({ holdTimeMs: 9000 }));
    bring(peer, 'outgoing', 'OpenSent');
    const [reason] = reasonsIn(
      peer.receive('outgoing', { kind: 'notification', code: 2, subcode: 6, data: new Uint8Array(0) }),
    );
    expect(reason && describeDown(reason)).toBe(
      'the neighbour closed the session with OPEN message error, unacceptable hold time (2/6): it does not take our hold time of 9 s',
    );
  });
  test('what the kernel called it', () => {
    const peer = bench();
    peer.step({ kind: 'ManualStart' });
    const effects = peer.step({ kind: 'TcpFails', side: 'outgoing', why: 'refused', errno: 'ECONNREFUSED' });
    expect(reasonsIn(effects)).toEqual([{ kind: 'tcpFailed', why: 'refused', errno: 'ECONNREFUSED' }]);
  });
});

test('RFC 9003 §2: the words of a shutdown are read at the other end', () => {
  const peer = up();
  const effects = peer.receive('outgoing', cease(2, 'back at ten'));
  expect(reasonsIn(effects).map(describeDown)).toEqual([
    'the neighbour closed the session with cease, administrative shutdown (6/2): "back at ten"',
  ]);
  expect(
    shutdownText(lastSent(up().step({ kind: 'ManualStop', subcode: 4, why: 'by hand' })) ?? cease(0)),
  ).toBe('by hand');
});

test('RFC 6286 §2.3: with equal identifiers the greater AS decides whose connection stays', () => {
  const theirId = { bgpId: ipv4(0x0a000001) };
  const peer = bench(); // we are 65000, it is 65001
  bring(peer, 'outgoing', 'OpenSent');
  peer.receive('outgoing', openMessage(theirId));
  peer.step({ kind: 'TcpConnected', side: 'incoming' });
  const effects = peer.receive('incoming', openMessage(theirId));
  expect(sent(effects)).toEqual(['outgoing 6/7', 'incoming keepalive']);
});
