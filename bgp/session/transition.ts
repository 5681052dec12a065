/**
 * Runs one row of the state machine for one of a peer's two connections: the actions become effects.
 *
 * A Work is the step in progress; `peer.ts` opens and closes it. Nothing here knows the other connection but for
 * one courtesy: what goes wrong on one of them is not reported while the other carries the session.
 */
import { type Millis, millis } from '../../src/lib/net.ts';
import type { Random } from '../../src/lib/random.ts';
import { assert } from '../../src/lib/result.ts';
import type { PeerConfig } from '../config.ts';
import type { Message, NotificationMessage, OpenMessage } from '../wire/message.ts';
import { connectRetryDelay, forgiveAfterMs, idleHoldDelay, keepaliveDelay, largeHoldMs } from './delays.ts';
import type { BfdState, DownReason, Negotiated, PeerEffect, PeerTimer, Side } from './event.ts';
import { type FsmAction, type FsmEvent, type FsmRow, fsm } from './fsm.ts';
import { type Local, ownOpen } from './open.ts';
import { hardened, isCollision, isPenalised, notificationFor, whySent, whyTcpFailed } from './reason.ts';
import { nextWithheld, noneWithheld, type Withheld } from './withhold.ts';

/** One transport connection, with what only its state has. */
export type Connection =
  | { readonly state: 'Idle' | 'Connect' | 'Active' }
  | { readonly state: 'OpenSent'; readonly sent: OpenMessage; readonly early?: Early }
  | { readonly state: 'OpenConfirm' | 'Established'; readonly negotiated: Negotiated };

/** A valid OPEN that waits for a collision to be settled, and whether a KEEPALIVE came after it. */
export interface Early {
  readonly negotiated: Negotiated;
  readonly isConfirmed: boolean;
}

export interface PeerState {
  readonly config: PeerConfig;
  readonly local: Local;
  readonly outgoing: Connection;
  readonly incoming: Connection;
  /** Between ManualStart and ManualStop. */
  readonly started: boolean;
  /** After a protocol error, or a stop that asked for a pause: nothing is dialled or accepted meanwhile. */
  readonly held: boolean;
  /** The last it said; undefined: nothing yet. */
  readonly bfd: BfdState | undefined;
  /** What our OPEN lacks because the neighbour refused it. */
  readonly withheld: Withheld;
  /** RFC 4271 §8: attempts in a row that led to nothing. */
  readonly connectRetryCounter: number;
  /** Protocol errors since the last session that lasted. */
  readonly penalties: number;
  /** The timers that run. An expiry of any other is stale and ignored. */
  readonly timers: ReadonlySet<PeerTimer>;
}

/** An event for one connection, with what came along. */
export interface Trigger {
  readonly event: FsmEvent;
  /** In words, of TcpConnectionFails, the stops and the message errors. */
  readonly why?: string;
  /** Of TcpConnectionFails. */
  readonly errno?: string;
  /** Of BGPOpenMsgErr: the OPEN that was refused. */
  readonly received?: OpenMessage;
  /** Of BGPOpen. */
  readonly negotiated?: Negotiated;
  /** Received, of NotifMsg and NotifMsgVerErr; to be sent, of the message errors and the stops. */
  readonly notification?: NotificationMessage;
  /** Of UpdateMsg and RouteRefreshMsg. */
  readonly message?: Message;
}

export interface Work {
  peer: PeerState;
  readonly effects: PeerEffect[];
  readonly random: Random;
}

export const holdTimers = { outgoing: 'hold-outgoing', incoming: 'hold-incoming' } as const;

export const otherSide = (side: Side): Side => (side === 'outgoing' ? 'incoming' : 'outgoing');

/** Valid OPENs were exchanged: this connection is, or is about to be, the session. */
export const isConfirmed = (connection: Connection): boolean =>
  connection.state === 'OpenConfirm' || connection.state === 'Established';

export const isUnconnected = (connection: Connection): boolean =>
  connection.state === 'Connect' || connection.state === 'Active';

export function startTimer(work: Work, timer: PeerTimer, after: Millis): void {
  work.effects.push({ kind: 'startTimer', timer, after });
  if (!work.peer.timers.has(timer)) change(work, { timers: new Set([...work.peer.timers, timer]) });
}

export function stopTimer(work: Work, timer: PeerTimer): void {
  if (!work.peer.timers.has(timer)) return;
  work.effects.push({ kind: 'stopTimer', timer });
  forgetTimer(work, timer);
}

/** It expired. */
export function forgetTimer(work: Work, timer: PeerTimer): void {
  const timers = new Set(work.peer.timers);
  timers.delete(timer);
  change(work, { timers });
}

export function change(work: Work, changes: Partial<PeerState>): void {
  work.peer = { ...work.peer, ...changes };
}

/** Lets `trigger` happen to the connection on `side`. */
export function raise(work: Work, side: Side, trigger: Trigger): void {
  const before = work.peer[side];
  const row = fsm[before.state][trigger.event];
  if (row.drop) end(work, side, row, trigger);
  if (row.to !== before.state) change(work, { [side]: entered(work.peer, before, row, trigger) });
  for (const action of row.do) actions[action](work, side, trigger);
}

function entered(peer: PeerState, before: Connection, row: FsmRow, trigger: Trigger): Connection {
  if (row.to === 'Idle' || row.to === 'Connect' || row.to === 'Active') return { state: row.to };
  if (row.to === 'OpenSent') return { state: row.to, sent: ownOpen(peer.config, peer.local, peer.withheld) };
  const negotiated = 'negotiated' in before ? before.negotiated : trigger.negotiated;
  assert(negotiated !== undefined, `${trigger.event} leads to ${row.to} without a negotiation`);
  return { state: row.to, negotiated };
}

/** Notify, close, stop the timers, count, and say why: `down` if it was Established, else `failed` if it is news. */
function end(work: Work, side: Side, row: FsmRow, trigger: Trigger): void {
  const { [side]: before, [otherSide(side)]: other } = work.peer;
  const found = notificationFor(before.state, row.notify, trigger.notification);
  const sent = found && hardened(found, 'negotiated' in before ? before.negotiated : undefined);
  const reason = reasonOf(before, sent, trigger);
  if (sent !== undefined) work.effects.push({ kind: 'send', side, message: sent });
  if (trigger.event !== 'TcpConnectionFails') work.effects.push({ kind: 'close', side });
  for (const timer of [`hold-${side}`, `keepalive-${side}`] as const) stopTimer(work, timer);
  if ('early' in before) stopTimer(work, 'collision');
  if (!isCollision(reason)) change(work, { connectRetryCounter: work.peer.connectRetryCounter + 1 });
  if (before.state === 'Established') {
    stopTimer(work, 'forgive');
    work.effects.push({ kind: 'down', reason });
  } else if (isNews(work.peer, before, other, reason)) {
    work.effects.push({ kind: 'failed', reason });
  }
  if (!isPenalised(reason)) return;
  const isMended = reason.kind === 'notificationReceived' && offersLess(work, reason);
  if (!isMended && !work.peer.held && !isConfirmed(other)) hold(work);
}

/** The neighbour refused our OPEN for what the next one will not have. If leaving out did not help, all is offered again. */
function offersLess(
  work: Work,
  { sent, notification }: DownReason & { kind: 'notificationReceived' },
): boolean {
  if (sent === undefined) return false;
  const next = nextWithheld(sent, work.peer.withheld, notification);
  change(work, { withheld: next ?? noneWithheld });
  return next !== undefined;
}

function reasonOf(before: Connection, sent: NotificationMessage | undefined, trigger: Trigger): DownReason {
  const { event, why, notification, errno } = trigger;
  if (event === 'ManualStop')
    return { kind: 'stopped', why: why ?? 'stopped', ...(sent === undefined ? {} : { notification: sent }) };
  if (sent !== undefined) return ownReason(before, sent, trigger);
  if (notification !== undefined) {
    const open = openOf(before);
    return { kind: 'notificationReceived', notification, ...(open === undefined ? {} : { sent: open }) };
  }
  const words = why ?? whyTcpFailed(event);
  return { kind: 'tcpFailed', why: words, ...(errno === undefined ? {} : { errno }) };
}

function ownReason(before: Connection, sent: NotificationMessage, trigger: Trigger): DownReason {
  const { event, why, notification, received } = trigger;
  const negotiated = 'negotiated' in before ? before.negotiated : undefined;
  const words = notification === undefined ? undefined : why;
  return {
    kind: 'notificationSent',
    notification: sent,
    why: words ?? whySent(before.state, event, negotiated),
    ...(received === undefined ? {} : { received }),
  };
}

/** Our OPEN, while the neighbour may still refuse it. */
function openOf(connection: Connection): OpenMessage | undefined {
  if (connection.state === 'OpenSent') return connection.sent;
  return connection.state === 'OpenConfirm' ? connection.negotiated.sent : undefined;
}

function isNews(peer: PeerState, before: Connection, other: Connection, reason: DownReason): boolean {
  if (reason.kind === 'stopped' || isCollision(reason)) return false;
  if (reason.kind !== 'tcpFailed') return true;
  // A refused dial is nothing while the other connection gets on. After a protocol error a connection closed before
  // any OPEN is the neighbour's own idle hold; saying so would hide the error from whoever reads the status.
  const mendedByOther = !isUnconnected(other) && other.state !== 'Idle';
  return !mendedByOther && !(before.state === 'OpenSent' && peer.penalties > 0);
}

/** Back-off after a protocol error: a wrong AS number is not tried again at once. */
function hold(work: Work): void {
  change(work, { held: true, penalties: work.peer.penalties + 1 });
  startTimer(work, 'idleHold', idleHoldDelay(work.peer.penalties, work.random));
}

function negotiatedOf(connection: Connection): Negotiated {
  assert('negotiated' in connection, `nothing is negotiated in ${connection.state}`);
  return connection.negotiated;
}

type Run = (work: Work, side: Side, trigger: Trigger) => void;

/** The ConnectRetryTimer belongs to the connection we dial; the accepted one has none, nor has a peer that never dials. */
const actions: Readonly<Record<FsmAction, Run>> = {
  connect: (work) => work.effects.push({ kind: 'connect' }),
  close: (work, side) => work.effects.push({ kind: 'close', side }),
  startConnectRetry: (work, side) => {
    const { config, connectRetryCounter } = work.peer;
    if (side === 'outgoing' && config.connect !== 'passive')
      startTimer(
        work,
        'connectRetry',
        connectRetryDelay(config.connectRetryMs, connectRetryCounter, work.random),
      );
  },
  stopConnectRetry: (work, side) => {
    if (side === 'outgoing') stopTimer(work, 'connectRetry');
  },
  sendOpen: (work, side) => {
    const connection = work.peer[side];
    assert(connection.state === 'OpenSent', 'an OPEN is sent on entering OpenSent');
    work.effects.push({ kind: 'send', side, message: connection.sent });
  },
  sendKeepalive: (work, side) => work.effects.push({ kind: 'send', side, message: { kind: 'keepalive' } }),
  startLargeHold: (work, side) => startTimer(work, holdTimers[side], millis(largeHoldMs)),
  startHold: (work, side) => {
    const { holdTimeMs } = negotiatedOf(work.peer[side]);
    if (holdTimeMs > 0) startTimer(work, holdTimers[side], millis(holdTimeMs));
    else stopTimer(work, holdTimers[side]);
  },
  startKeepalive: (work, side) => {
    const { keepaliveTimeMs } = negotiatedOf(work.peer[side]);
    if (keepaliveTimeMs > 0)
      startTimer(work, `keepalive-${side}`, keepaliveDelay(keepaliveTimeMs, work.random));
  },
  up: (work, side) => {
    change(work, { connectRetryCounter: 0, held: false });
    stopTimer(work, 'idleHold');
    if (work.peer.penalties > 0) startTimer(work, 'forgive', millis(forgiveAfterMs));
    work.effects.push({ kind: 'up', side, negotiated: negotiatedOf(work.peer[side]) });
  },
  deliver: (work, _side, trigger) => {
    assert(trigger.message !== undefined, 'only messages are delivered');
    work.effects.push({ kind: 'deliver', message: trigger.message });
  },
};
