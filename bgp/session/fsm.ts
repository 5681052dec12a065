/**
 * The BGP finite state machine of one transport connection, as data: RFC 4271 §8.2.2, row by row.
 *
 * States and events carry the RFC's names (§8.1) so that the table reads beside its text. `peer.ts` owns the state
 * and `transition.ts` runs the actions; a neighbour has one such machine for the connection it dials and one for the one it accepts.
 * Optional events nobody raises here (DelayOpen, TCP tracking, peer damping inside a connection) have no column.
 *
 * Where the RFC's text is not followed to the letter:
 *  - Connect, TcpConnectionFails goes to Active, as its DelayOpen branch does, not to Idle: failing to reach a
 *    neighbour is no reason to refuse it.
 *  - OpenSent, NotifMsg sends nothing: its "any other event" row would answer a NOTIFICATION with a NOTIFICATION,
 *    which §6 forbids ("errors in a NOTIFICATION are not notified").
 *  - Established, a second connection: RFC 4724 §5 has its SYN end the session if a graceful restart was agreed. Here its
 *    valid OPEN does, and only if the first connection stays silent when asked (`opening.ts`): a stray connect() from the
 *    neighbour's host, or one that lost a simultaneous open, then ends nothing.
 *  - Established, BGPHeaderErr sends the header error of §6.1, where §8.2.2 lumps it with the FSM errors.
 */
import type { BgpState } from '../../src/model/status.ts';

/** RFC 4271 §8.1; RouteRefreshMsg is RFC 2918's, SendHoldTimer_Expires (event 29) RFC 9687's. */
export const fsmEvents = [
  'ManualStart',
  'ManualStop',
  'AutomaticStart',
  'AutomaticStart_with_PassiveTcpEstablishment',
  'AutomaticStop',
  'ConnectRetryTimer_Expires',
  'HoldTimer_Expires',
  'KeepaliveTimer_Expires',
  'Tcp_CR_Acked',
  'TcpConnectionConfirmed',
  'TcpConnectionFails',
  'BGPOpen',
  'BGPHeaderErr',
  'BGPOpenMsgErr',
  'OpenCollisionDump',
  'NotifMsgVerErr',
  'NotifMsg',
  'KeepAliveMsg',
  'UpdateMsg',
  'UpdateMsgErr',
  'RouteRefreshMsg',
  'SendHoldTimer_Expires',
] as const;
export type FsmEvent = (typeof fsmEvents)[number];

export type FsmAction =
  | 'connect'
  | 'close'
  | 'startConnectRetry'
  | 'stopConnectRetry'
  | 'sendOpen'
  | 'sendKeepalive'
  /** 240 s while waiting for the OPEN (§8.2.2, "a large value"). */
  | 'startLargeHold'
  /** With the negotiated value; nothing if that is zero. Likewise `startKeepalive`. */
  | 'startHold'
  | 'startKeepalive'
  | 'up'
  | 'deliver';

/** What is sent before a connection is dropped: see `notificationFor` in transition.ts. */
export type FsmNotify = 'cease' | 'holdExpired' | 'sendHoldExpired' | 'fsmError' | 'asFound';

export interface FsmRow {
  readonly to: BgpState;
  readonly do: readonly FsmAction[];
  readonly notify?: FsmNotify;
  /** The connection, or the attempt, is over: notify, close, stop its timers, say why. Comes before `do`. */
  readonly drop?: true;
}

const stay = (state: BgpState, ...actions: FsmAction[]): FsmRow => ({ to: state, do: actions });
const go = stay;
const drop = (to: BgpState, notify?: FsmNotify): FsmRow =>
  notify === undefined ? { to, do: [], drop: true } : { to, do: [], drop: true, notify };

type Rows = Readonly<Record<FsmEvent, FsmRow>>;

const startsIgnored = (state: BgpState) => ({
  ManualStart: stay(state),
  AutomaticStart: stay(state),
  AutomaticStart_with_PassiveTcpEstablishment: stay(state),
});

/** "Refuses all incoming BGP connections", ignores all but the starts. */
const idle: Rows = {
  ManualStart: go('Connect', 'startConnectRetry', 'connect'),
  ManualStop: stay('Idle'),
  AutomaticStart: go('Connect', 'startConnectRetry', 'connect'),
  AutomaticStart_with_PassiveTcpEstablishment: go('Active', 'startConnectRetry'),
  AutomaticStop: stay('Idle'),
  ConnectRetryTimer_Expires: stay('Idle'),
  HoldTimer_Expires: stay('Idle'),
  KeepaliveTimer_Expires: stay('Idle'),
  Tcp_CR_Acked: stay('Idle', 'close'),
  TcpConnectionConfirmed: stay('Idle', 'close'),
  TcpConnectionFails: stay('Idle'),
  BGPOpen: stay('Idle'),
  BGPHeaderErr: stay('Idle'),
  BGPOpenMsgErr: stay('Idle'),
  OpenCollisionDump: stay('Idle'),
  NotifMsgVerErr: stay('Idle'),
  NotifMsg: stay('Idle'),
  KeepAliveMsg: stay('Idle'),
  UpdateMsg: stay('Idle'),
  UpdateMsgErr: stay('Idle'),
  RouteRefreshMsg: stay('Idle'),
  SendHoldTimer_Expires: stay('Idle'),
};

const toOpenSent = go('OpenSent', 'stopConnectRetry', 'sendOpen', 'startLargeHold');

/** What Connect and Active share: no connection yet, so whatever needs one gives the attempt up. */
const unconnected = (abandon: FsmRow) => ({
  ManualStop: abandon,
  AutomaticStop: abandon,
  HoldTimer_Expires: abandon,
  KeepaliveTimer_Expires: abandon,
  Tcp_CR_Acked: toOpenSent,
  TcpConnectionConfirmed: toOpenSent,
  BGPOpen: abandon,
  BGPHeaderErr: abandon,
  BGPOpenMsgErr: abandon,
  OpenCollisionDump: abandon,
  NotifMsgVerErr: abandon,
  NotifMsg: abandon,
  KeepAliveMsg: abandon,
  UpdateMsg: abandon,
  UpdateMsgErr: abandon,
  RouteRefreshMsg: abandon,
  SendHoldTimer_Expires: abandon,
});

const connect: Rows = {
  ...startsIgnored('Connect'),
  ...unconnected(go('Idle', 'stopConnectRetry', 'close')),
  ConnectRetryTimer_Expires: { to: 'Connect', do: ['startConnectRetry', 'connect'], drop: true },
  TcpConnectionFails: { to: 'Active', do: ['startConnectRetry'], drop: true },
};

const stopListening = go('Idle', 'stopConnectRetry');

const active: Rows = {
  ...startsIgnored('Active'),
  ...unconnected(stopListening),
  ConnectRetryTimer_Expires: go('Connect', 'startConnectRetry', 'connect'),
  TcpConnectionFails: stopListening,
};

const openSent: Rows = {
  ...startsIgnored('OpenSent'),
  ManualStop: drop('Idle', 'cease'),
  AutomaticStop: drop('Idle', 'cease'),
  ConnectRetryTimer_Expires: drop('Idle', 'fsmError'),
  HoldTimer_Expires: drop('Idle', 'holdExpired'),
  KeepaliveTimer_Expires: drop('Idle', 'fsmError'),
  Tcp_CR_Acked: stay('OpenSent'),
  TcpConnectionConfirmed: stay('OpenSent'),
  TcpConnectionFails: { to: 'Active', do: ['startConnectRetry'], drop: true },
  BGPOpen: go('OpenConfirm', 'sendKeepalive', 'startKeepalive', 'startHold'),
  BGPHeaderErr: drop('Idle', 'asFound'),
  BGPOpenMsgErr: drop('Idle', 'asFound'),
  OpenCollisionDump: drop('Idle', 'cease'),
  NotifMsgVerErr: drop('Idle'),
  NotifMsg: drop('Idle'),
  KeepAliveMsg: drop('Idle', 'fsmError'),
  UpdateMsg: drop('Idle', 'fsmError'),
  UpdateMsgErr: drop('Idle', 'fsmError'),
  RouteRefreshMsg: drop('Idle', 'fsmError'),
  SendHoldTimer_Expires: drop('Idle', 'fsmError'),
};

const openConfirm: Rows = {
  ...startsIgnored('OpenConfirm'),
  ManualStop: drop('Idle', 'cease'),
  AutomaticStop: drop('Idle', 'cease'),
  ConnectRetryTimer_Expires: drop('Idle', 'fsmError'),
  HoldTimer_Expires: drop('Idle', 'holdExpired'),
  KeepaliveTimer_Expires: stay('OpenConfirm', 'sendKeepalive', 'startKeepalive'),
  Tcp_CR_Acked: stay('OpenConfirm'),
  TcpConnectionConfirmed: stay('OpenConfirm'),
  TcpConnectionFails: drop('Idle'),
  BGPOpen: drop('Idle', 'fsmError'),
  BGPHeaderErr: drop('Idle', 'asFound'),
  BGPOpenMsgErr: drop('Idle', 'asFound'),
  OpenCollisionDump: drop('Idle', 'cease'),
  NotifMsgVerErr: drop('Idle'),
  NotifMsg: drop('Idle'),
  KeepAliveMsg: go('Established', 'startHold', 'up'),
  UpdateMsg: drop('Idle', 'fsmError'),
  UpdateMsgErr: drop('Idle', 'fsmError'),
  RouteRefreshMsg: drop('Idle', 'fsmError'),
  SendHoldTimer_Expires: drop('Idle', 'fsmError'),
};

const established: Rows = {
  ...startsIgnored('Established'),
  ManualStop: drop('Idle', 'cease'),
  AutomaticStop: drop('Idle', 'cease'),
  ConnectRetryTimer_Expires: drop('Idle', 'fsmError'),
  HoldTimer_Expires: drop('Idle', 'holdExpired'),
  KeepaliveTimer_Expires: stay('Established', 'sendKeepalive', 'startKeepalive'),
  Tcp_CR_Acked: stay('Established'),
  TcpConnectionConfirmed: stay('Established'),
  TcpConnectionFails: drop('Idle'),
  BGPOpen: drop('Idle', 'fsmError'),
  BGPHeaderErr: drop('Idle', 'asFound'),
  BGPOpenMsgErr: drop('Idle', 'fsmError'),
  OpenCollisionDump: drop('Idle', 'cease'),
  NotifMsgVerErr: drop('Idle'),
  NotifMsg: drop('Idle'),
  KeepAliveMsg: stay('Established', 'startHold'),
  UpdateMsg: stay('Established', 'startHold', 'deliver'),
  UpdateMsgErr: drop('Idle', 'asFound'),
  RouteRefreshMsg: stay('Established', 'startHold', 'deliver'),
  SendHoldTimer_Expires: drop('Idle', 'sendHoldExpired'),
};

export const fsm: Readonly<Record<BgpState, Rows>> = {
  Idle: idle,
  Connect: connect,
  Active: active,
  OpenSent: openSent,
  OpenConfirm: openConfirm,
  Established: established,
};
