/**
 * The exchange of OPENs on one connection, and what becomes of the other one: negotiation, then RFC 4271 §6.8.
 * Part of the peer's step; the state it changes is the Work's.
 */
import { millis } from '../../src/lib/net.ts';
import { ceaseReasons, errorCodes } from '../wire/iana.ts';
import type { OpenMessage, WireError } from '../wire/message.ts';
import { cease } from '../wire/notification.ts';
import { decideCollision } from './collision.ts';
import { collisionWaitMs } from './delays.ts';
import type { Negotiated, Side } from './event.ts';
import { negotiate } from './negotiate.ts';
import { change, otherSide, raise, startTimer, stopTimer, type Trigger, type Work } from './transition.ts';

/** An OPEN error found later than in the OPEN is still one; what §6.3 and RFC 7313 find is an UPDATE's. */
export function erroneous({ notification, why }: WireError): Trigger {
  const { code } = notification;
  if (code === errorCodes.header) return { event: 'BGPHeaderErr', notification, why };
  if (code === errorCodes.open) return { event: 'BGPOpenMsgErr', notification, why };
  return { event: 'UpdateMsgErr', notification, why };
}

/** Closes a connection that lost a collision, or has lost its purpose, with Cease 6/7 if it was open. */
export const dump = (work: Work, side: Side): void =>
  raise(work, side, {
    event: 'OpenCollisionDump',
    notification: cease(ceaseReasons.connectionCollision),
    why: 'another connection to the neighbour took its place',
  });

export function receiveOpen(work: Work, side: Side, message: OpenMessage): void {
  const connection = work.peer[side];
  if (connection.state !== 'OpenSent') {
    raise(work, side, { event: 'BGPOpen' });
    return;
  }
  const settled = negotiate(work.peer.config, connection.sent, message);
  if (settled.ok) collide(work, side, settled.value);
  else raise(work, side, { ...erroneous(settled.error), event: 'BGPOpenMsgErr', received: message });
}

/** A valid OPEN came: does this connection go on? */
function collide(work: Work, side: Side, negotiated: Negotiated): void {
  const { config, local } = work.peer;
  const we = { asn: config.localAsn, id: local.routerId };
  const they = { asn: negotiated.peerAsn, id: negotiated.peerId };
  const stays = decideCollision(side, work.peer[otherSide(side)].state, we, they);
  if (stays === 'wait') {
    wait(work, side, negotiated);
  } else if (stays === 'other') {
    dump(work, side);
  } else {
    if (stays === 'newcomer') dump(work, otherSide(side));
    raise(work, side, { event: 'BGPOpen', negotiated });
  }
}

function wait(work: Work, side: Side, negotiated: Negotiated): void {
  const { [side]: connection, [otherSide(side)]: other } = work.peer;
  if (connection.state !== 'OpenSent') return;
  change(work, { [side]: { ...connection, early: { negotiated, isConfirmed: false } } });
  startTimer(work, 'collision', millis(collisionWaitMs));
  // If the neighbour no longer has that connection, its kernel answers with a reset.
  if (other.state === 'Established')
    work.effects.push({ kind: 'send', side: otherSide(side), message: { kind: 'keepalive' } });
}

/**
 * A newcomer waited long enough. RFC 4724 §4.2: from a neighbour that agreed to restart it means that the session is the
 * past's, which is closed without a NOTIFICATION; from any other the session stays (RFC 4271 §6.8).
 */
export function settleCollision(work: Work, side: Side): void {
  const { [side]: connection, [otherSide(side)]: other } = work.peer;
  if (connection.state !== 'OpenSent' || connection.early === undefined) return;
  if (other.state !== 'Established') goOn(work, side);
  else if (agreedToRestart(other.negotiated)) replace(work, otherSide(side));
  else dump(work, side);
}

const agreedToRestart = ({ gracefulRestart }: Negotiated): boolean =>
  gracefulRestart !== undefined && gracefulRestart.families.length > 0;

function replace(work: Work, side: Side): void {
  work.effects.push({ kind: 'close', side });
  raise(work, side, { event: 'TcpConnectionFails', why: 'the neighbour opened a new one: it has restarted' });
  goOn(work, otherSide(side));
}

/** The connection that was to win did not, or not in time: one that waited for it takes up its OPEN. */
export function goOn(work: Work, side: Side): void {
  const connection = work.peer[side];
  if (connection.state !== 'OpenSent' || connection.early === undefined) return;
  const { negotiated, isConfirmed } = connection.early;
  stopTimer(work, 'collision');
  raise(work, side, { event: 'BGPOpen', negotiated });
  if (isConfirmed) receiveKeepalive(work, side);
}

/** Once the session is up, a second connection that has not come as far as its OPEN has no purpose left. */
export function receiveKeepalive(work: Work, side: Side): void {
  const connection = work.peer[side];
  if (connection.state === 'OpenSent' && connection.early !== undefined) {
    change(work, { [side]: { ...connection, early: { ...connection.early, isConfirmed: true } } });
    return;
  }
  raise(work, side, { event: 'KeepAliveMsg' });
  const rose = connection.state === 'OpenConfirm' && work.peer[side].state === 'Established';
  const other = otherSide(side);
  if (rose && work.peer[other].state === 'OpenSent') dump(work, other);
}
