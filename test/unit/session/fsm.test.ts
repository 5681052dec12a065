/** The table itself: RFC 4271 §8.2.2, one row per transition. Look for a state's paragraph in the RFC, then its rows. */
import { describe, expect, test } from 'vitest';
import { type FsmAction, type FsmEvent, type FsmNotify, fsm, fsmEvents } from '../../../bgp/session/fsm.ts';
import type { BgpState } from '../../../src/model/status.ts';

const states: readonly BgpState[] = ['Idle', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established'];

interface Expected {
  readonly to: BgpState;
  readonly notify?: FsmNotify;
  readonly does?: readonly FsmAction[];
}
type Paragraph = Readonly<Partial<Record<FsmEvent, Expected>>>;

const toIdle = (notify?: FsmNotify): Expected => (notify ? { to: 'Idle', notify } : { to: 'Idle' });
const openSent: Expected = { to: 'OpenSent', does: ['stopConnectRetry', 'sendOpen', 'startLargeHold'] };

/** What the RFC says happens; every event not named here must leave the state, and everything else, alone. */
const paragraphs: Readonly<Record<BgpState, Paragraph>> = {
  Idle: {
    ManualStart: { to: 'Connect', does: ['startConnectRetry', 'connect'] },
    AutomaticStart: { to: 'Connect', does: ['startConnectRetry', 'connect'] },
    AutomaticStart_with_PassiveTcpEstablishment: { to: 'Active', does: ['startConnectRetry'] },
    Tcp_CR_Acked: { to: 'Idle', does: ['close'] },
    TcpConnectionConfirmed: { to: 'Idle', does: ['close'] },
  },
  Connect: {
    ManualStop: { to: 'Idle', does: ['stopConnectRetry', 'close'] },
    AutomaticStop: toIdle(),
    ConnectRetryTimer_Expires: { to: 'Connect', does: ['startConnectRetry', 'connect'] },
    HoldTimer_Expires: toIdle(),
    KeepaliveTimer_Expires: toIdle(),
    Tcp_CR_Acked: openSent,
    TcpConnectionConfirmed: openSent,
    TcpConnectionFails: { to: 'Active', does: ['startConnectRetry'] },
    BGPOpen: toIdle(),
    BGPHeaderErr: toIdle(),
    BGPOpenMsgErr: toIdle(),
    OpenCollisionDump: toIdle(),
    NotifMsgVerErr: toIdle(),
    NotifMsg: toIdle(),
    KeepAliveMsg: toIdle(),
    UpdateMsg: toIdle(),
    UpdateMsgErr: toIdle(),
    RouteRefreshMsg: toIdle(),
    SendHoldTimer_Expires: toIdle(),
  },
  Active: {
    ManualStop: { to: 'Idle', does: ['stopConnectRetry'] },
    AutomaticStop: toIdle(),
    ConnectRetryTimer_Expires: { to: 'Connect', does: ['startConnectRetry', 'connect'] },
    HoldTimer_Expires: toIdle(),
    KeepaliveTimer_Expires: toIdle(),
    Tcp_CR_Acked: openSent,
    TcpConnectionConfirmed: openSent,
    TcpConnectionFails: toIdle(),
    BGPOpen: toIdle(),
    BGPHeaderErr: toIdle(),
    BGPOpenMsgErr: toIdle(),
    OpenCollisionDump: toIdle(),
    NotifMsgVerErr: toIdle(),
    NotifMsg: toIdle(),
    KeepAliveMsg: toIdle(),
    UpdateMsg: toIdle(),
    UpdateMsgErr: toIdle(),
    RouteRefreshMsg: toIdle(),
    SendHoldTimer_Expires: toIdle(),
  },
  OpenSent: {
    ManualStop: toIdle('cease'),
    AutomaticStop: toIdle('cease'),
    ConnectRetryTimer_Expires: toIdle('fsmError'),
    HoldTimer_Expires: toIdle('holdExpired'),
    KeepaliveTimer_Expires: toIdle('fsmError'),
    TcpConnectionFails: { to: 'Active', does: ['startConnectRetry'] },
    BGPOpen: { to: 'OpenConfirm', does: ['sendKeepalive', 'startKeepalive', 'startHold'] },
    BGPHeaderErr: toIdle('asFound'),
    BGPOpenMsgErr: toIdle('asFound'),
    OpenCollisionDump: toIdle('cease'),
    NotifMsgVerErr: toIdle(),
    NotifMsg: toIdle(),
    KeepAliveMsg: toIdle('fsmError'),
    UpdateMsg: toIdle('fsmError'),
    UpdateMsgErr: toIdle('fsmError'),
    RouteRefreshMsg: toIdle('fsmError'),
    SendHoldTimer_Expires: toIdle('fsmError'),
  },
  OpenConfirm: {
    ManualStop: toIdle('cease'),
    AutomaticStop: toIdle('cease'),
    ConnectRetryTimer_Expires: toIdle('fsmError'),
    HoldTimer_Expires: toIdle('holdExpired'),
    KeepaliveTimer_Expires: { to: 'OpenConfirm', does: ['sendKeepalive', 'startKeepalive'] },
    TcpConnectionFails: toIdle(),
    BGPOpen: toIdle('fsmError'),
    BGPHeaderErr: toIdle('asFound'),
    BGPOpenMsgErr: toIdle('asFound'),
    OpenCollisionDump: toIdle('cease'),
    NotifMsgVerErr: toIdle(),
    NotifMsg: toIdle(),
    KeepAliveMsg: { to: 'Established', does: ['startHold', 'up'] },
    UpdateMsg: toIdle('fsmError'),
    UpdateMsgErr: toIdle('fsmError'),
    RouteRefreshMsg: toIdle('fsmError'),
    SendHoldTimer_Expires: toIdle('fsmError'),
  },
  Established: {
    ManualStop: toIdle('cease'),
    AutomaticStop: toIdle('cease'),
    ConnectRetryTimer_Expires: toIdle('fsmError'),
    HoldTimer_Expires: toIdle('holdExpired'),
    KeepaliveTimer_Expires: { to: 'Established', does: ['sendKeepalive', 'startKeepalive'] },
    TcpConnectionFails: toIdle(),
    BGPOpen: toIdle('fsmError'),
    BGPHeaderErr: toIdle('asFound'),
    BGPOpenMsgErr: toIdle('fsmError'),
    OpenCollisionDump: toIdle('cease'),
    NotifMsgVerErr: toIdle(),
    NotifMsg: toIdle(),
    KeepAliveMsg: { to: 'Established', does: ['startHold'] },
    UpdateMsg: { to: 'Established', does: ['startHold', 'deliver'] },
    UpdateMsgErr: toIdle('asFound'),
    RouteRefreshMsg: { to: 'Established', does: ['startHold', 'deliver'] },
    SendHoldTimer_Expires: toIdle('sendHoldExpired'),
  },
};

test('every pair of state and event has a row', () => {
  for (const state of states) expect(Object.keys(fsm[state]).sort()).toEqual([...fsmEvents].sort());
  expect(Object.keys(fsm).sort()).toEqual([...states].sort());
});

describe.each(states)('RFC 4271 §8.2.2: %s', (state) => {
  for (const event of fsmEvents) {
    const expected = paragraphs[state][event];
    if (expected === undefined) {
      test(`${event} changes nothing`, () => expect(fsm[state][event]).toEqual({ to: state, do: [] }));
    } else {
      const sends = expected.notify === undefined ? '' : `, sending ${expected.notify}`;
      test(`${event} leads to ${expected.to}${sends}`, () => {
        const row = fsm[state][event];
        expect(row.to).toBe(expected.to);
        expect(row.notify).toBe(expected.notify);
        if (expected.does !== undefined) expect(row.do).toEqual(expected.does);
      });
    }
  }
});

const connected: readonly BgpState[] = ['OpenSent', 'OpenConfirm', 'Established'];

test('whatever leaves a connection that had TCP also drops it', () => {
  for (const state of connected)
    for (const event of fsmEvents)
      if (!connected.includes(fsm[state][event].to)) expect(fsm[state][event].drop).toBe(true);
});

test('RFC 4271 §6.4: a NOTIFICATION is never answered with a NOTIFICATION, in any state', () => {
  for (const state of states)
    for (const event of ['NotifMsg', 'NotifMsgVerErr'] as const)
      expect(fsm[state][event].notify).toBeUndefined();
});

test('before the OPEN is sent nothing is notified', () => {
  for (const state of ['Idle', 'Connect', 'Active'] as const)
    for (const event of fsmEvents) expect(fsm[state][event].notify).toBeUndefined();
});
