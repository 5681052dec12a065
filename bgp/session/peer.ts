/**
 * One neighbour: two connections at most, the one we dial and the one we accept, of which one becomes the session.
 *
 * RFC 4271 §8 as one step function. Each connection runs the table of `fsm.ts`; this file turns what the world says
 * into the RFC's events, settles collisions (§6.8), and starts again what ended. After protocol errors the whole peer
 * is held Idle for a while (IdleHoldTime, doubling); TCP failures only wait for the ConnectRetryTimer.
 *
 * Two matters are the doer's. An expiry that was queued when its timer was stopped or restarted must not be delivered.
 * And a hold timer that expires while bytes of that neighbour wait unread must first let them be read.
 */
import { millis } from '../../src/lib/net.ts';
import type { Random } from '../../src/lib/random.ts';
import { unreachable } from '../../src/lib/result.ts';
import type { BgpState } from '../../src/model/status.ts';
import type { PeerConfig } from '../config.ts';
import { errorCodes, openErrors } from '../wire/iana.ts';
import type { Message, NotificationMessage } from '../wire/message.ts';
import { cease } from '../wire/notification.ts';
import type { BfdState, PeerEffect, PeerEvent, PeerTimer, Side } from './event.ts';
import type { FsmEvent } from './fsm.ts';
import type { Local } from './open.ts';
import { dump, erroneous, goOn, receiveKeepalive, receiveOpen, settleCollision } from './opening.ts';
import { cut, dials, hearBfd, isBarred, reconfigure } from './outside.ts';
import {
  type Connection,
  change,
  forgetTimer,
  holdTimers,
  isConfirmed,
  isUnconnected,
  otherSide,
  type PeerState,
  raise,
  stopTimer,
  type Trigger,
  type Work,
} from './transition.ts';
import { noneWithheld } from './withhold.ts';

export type { PeerState } from './transition.ts';

const sides: readonly Side[] = ['outgoing', 'incoming'];

/** A peer at rest: nothing happens before ManualStart. @param bfd  what it has said of this neighbour before */
export const createPeer = (config: PeerConfig, local: Local, bfd?: BfdState): PeerState => ({
  config,
  local,
  outgoing: { state: 'Idle' },
  incoming: { state: 'Idle' },
  started: false,
  held: false,
  bfd,
  withheld: noneWithheld,
  connectRetryCounter: 0,
  penalties: 0,
  timers: new Set(),
});

/**
 * What one event does to a peer.
 *
 * @returns  the peer afterwards (the same object if nothing changed) and the effects, to be run in order
 */
export function stepPeer(
  state: PeerState,
  event: PeerEvent,
  ctx: { readonly random: Random },
): readonly [PeerState, readonly PeerEffect[]] {
  const effects = event.kind === 'Message' ? ofUpdate(state, event.side, event.message) : undefined;
  return effects === undefined ? stepByTable(state, event, ctx) : [state, effects];
}

/**
 * What the table says of the one message that comes by the hundred thousand: an UPDATE of a session that is up puts the hold timer off
 * and is delivered. Undefined: ask the table, which says the same wherever this says something.
 */
function ofUpdate(state: PeerState, side: Side, message: Message): readonly PeerEffect[] | undefined {
  const connection = state[side];
  if (message.kind !== 'update' || connection.state !== 'Established') return undefined;
  const timer = holdTimers[side];
  const { holdTimeMs } = connection.negotiated;
  if (holdTimeMs <= 0 || !state.timers.has(timer)) return undefined;
  return [
    { kind: 'startTimer', timer, after: millis(holdTimeMs) },
    { kind: 'deliver', message },
  ];
}

/** The same as `stepPeer`, by the table for all. */
export function stepByTable(
  state: PeerState,
  event: PeerEvent,
  ctx: { readonly random: Random },
): readonly [PeerState, readonly PeerEffect[]] {
  const work: Work = { peer: state, effects: [], random: ctx.random };
  happen(work, event);
  settle(work);
  return [work.peer, work.effects];
}

function happen(work: Work, event: PeerEvent): void {
  switch (event.kind) {
    case 'ManualStart':
      start(work);
      break;
    case 'ManualStop':
      stop(work, event.subcode, event.why);
      break;
    case 'TcpConnected':
      connected(work, event.side);
      break;
    case 'TcpFails':
      raise(work, event.side, { ...event, event: 'TcpConnectionFails' });
      break;
    case 'AutomaticStop':
      cut(work, event.notification, event.why, event.pauseMs);
      break;
    case 'Configured':
      reconfigure(work, event.config);
      break;
    case 'Bfd':
      hearBfd(work, event.state);
      break;
    case 'SendStalled':
      raise(work, event.side, { event: 'SendHoldTimer_Expires' });
      break;
    case 'WireError':
      raise(work, event.side, erroneous(event.error));
      break;
    case 'Message':
      receive(work, event.side, event.message);
      break;
    case 'TimerExpires':
      expire(work, event.timer);
      break;
    default:
      unreachable(event);
  }
}

function start(work: Work): void {
  if (work.peer.started) return;
  change(work, { started: true, connectRetryCounter: 0, penalties: 0, withheld: noneWithheld });
  if (dials(work.peer)) raise(work, 'outgoing', { event: 'ManualStart' });
}

function stop(work: Work, subcode: number, why: string): void {
  change(work, { started: false });
  const notification = cease(subcode, why);
  for (const side of sides) raise(work, side, { event: 'ManualStop', notification, why });
  stopTimer(work, 'idleHold');
  change(work, { held: false, connectRetryCounter: 0, penalties: 0 });
}

/** The neighbour may have two connections open to us at once, after a restart: the second has the place of our own dial. */
function connected(work: Work, side: Side): void {
  if (side === 'outgoing' && work.peer.outgoing.state === 'Idle' && isConfirmed(work.peer.incoming))
    raise(work, side, listening);
  raise(work, side, { event: side === 'outgoing' ? 'Tcp_CR_Acked' : 'TcpConnectionConfirmed' });
}

function receive(work: Work, side: Side, message: Message): void {
  switch (message.kind) {
    case 'open':
      receiveOpen(work, side, message);
      break;
    case 'keepalive':
      receiveKeepalive(work, side);
      break;
    case 'notification':
      raise(work, side, { event: notificationEvent(message), notification: message });
      break;
    case 'update':
      raise(work, side, { event: 'UpdateMsg', message });
      break;
    case 'routeRefresh':
      raise(work, side, { event: 'RouteRefreshMsg', message });
      break;
    default:
      unreachable(message);
  }
}

const notificationEvent = ({ code, subcode }: NotificationMessage): FsmEvent =>
  code === errorCodes.open && subcode === openErrors.unsupportedVersion ? 'NotifMsgVerErr' : 'NotifMsg';

const timerEvents = {
  connectRetry: ['outgoing', 'ConnectRetryTimer_Expires'],
  'hold-outgoing': ['outgoing', 'HoldTimer_Expires'],
  'hold-incoming': ['incoming', 'HoldTimer_Expires'],
  'keepalive-outgoing': ['outgoing', 'KeepaliveTimer_Expires'],
  'keepalive-incoming': ['incoming', 'KeepaliveTimer_Expires'],
} as const satisfies Partial<Record<PeerTimer, readonly [Side, FsmEvent]>>;

function expire(work: Work, timer: PeerTimer): void {
  if (!work.peer.timers.has(timer)) return;
  forgetTimer(work, timer);
  if (timer === 'collision') {
    for (const side of sides) settleCollision(work, side);
  } else if (timer === 'forgive') {
    change(work, { penalties: 0 });
  } else if (timer === 'idleHold') {
    change(work, { held: false });
    if (dials(work.peer)) raise(work, 'outgoing', { event: 'AutomaticStart' });
  } else {
    const [side, event] = timerEvents[timer];
    raise(work, side, { event });
  }
}

/**
 * Brings the connections to where they should be of themselves after any event: listening, and dialling unless the
 * other connection has made it; both Idle under the idle hold, and while BFD has to come up first.
 */
function settle(work: Work): void {
  for (const side of sides) if (!isAwaited(work.peer[otherSide(side)])) goOn(work, side);
  if (!work.peer.started) return;
  if (work.peer.held || isBarred(work.peer)) rest(work);
  else listen(work);
}

function rest(work: Work): void {
  for (const side of sides) if (isUnconnected(work.peer[side])) raise(work, side, { event: 'AutomaticStop' });
}

function listen(work: Work): void {
  const { connect } = work.peer.config;
  if (work.peer.incoming.state === 'Idle' && connect !== 'active') raise(work, 'incoming', listening);
  if (isConfirmed(work.peer.incoming)) {
    if (isUnconnected(work.peer.outgoing)) dump(work, 'outgoing');
  } else if (work.peer.outgoing.state === 'Idle' && connect !== 'passive') {
    raise(work, 'outgoing', listening);
  }
}

/** A newcomer that waits goes on only when nothing can come of this one any more. */
const isAwaited = ({ state }: Connection): boolean => state === 'OpenSent' || state === 'Established';

const listening: Trigger = { event: 'AutomaticStart_with_PassiveTcpEstablishment' };

const furthest: readonly BgpState[] = ['Idle', 'Active', 'Connect', 'OpenSent', 'OpenConfirm', 'Established'];

/** The state people see: of the connection that got furthest. A peer that dials is shown so, though it listens too. */
export function bgpStateOf(peer: PeerState): BgpState {
  const { outgoing, incoming } = peer;
  return furthest.indexOf(outgoing.state) >= furthest.indexOf(incoming.state)
    ? outgoing.state
    : incoming.state;
}
