/** What is not of the protocol but moves a peer: its configuration, BFD, and whoever ends a session with a reason of their own. */
import { millis } from '../../src/lib/net.ts';
import type { PeerConfig } from '../config.ts';
import { ceaseReasons } from '../wire/iana.ts';
import type { NotificationMessage } from '../wire/message.ts';
import { cease } from '../wire/notification.ts';
import { connectRetryDelay, keepaliveDelay } from './delays.ts';
import type { BfdState, Side } from './event.ts';
import { keepaliveTime } from './negotiate.ts';
import {
  change,
  isConfirmed,
  isUnconnected,
  type PeerState,
  raise,
  startTimer,
  stopTimer,
  type Work,
} from './transition.ts';

const sides: readonly Side[] = ['outgoing', 'incoming'];

export const dials = (peer: PeerState): boolean => peer.config.connect !== 'passive' && !isBarred(peer);

/** BFD has to be up first, if the configuration says so. A neighbour that switched BFD off is no reason to wait (RFC 5882 §3.2). */
export const isBarred = ({ config, bfd }: PeerState): boolean =>
  config.bfd?.isStrict === true && bfd !== 'up' && bfd !== 'adminDown';

const isConnected = (peer: PeerState, side: Side): boolean =>
  peer[side].state !== 'Idle' && !isUnconnected(peer[side]);

/** Ends what is connected. Where the pause has no end, only a restart by hand ends it. */
export function cut(
  work: Work,
  notification: NotificationMessage,
  why: string,
  pauseMs?: number | 'never',
): void {
  const connected = sides.filter((side) => isConnected(work.peer, side));
  for (const side of connected) raise(work, side, { event: 'AutomaticStop', notification, why });
  if (connected.length === 0 || pauseMs === undefined) return;
  change(work, { held: true });
  if (pauseMs === 'never') stopTimer(work, 'idleHold');
  else startTimer(work, 'idleHold', millis(pauseMs));
}

/** A path that was never seen up, or that somebody switched BFD off for, says nothing of the session (RFC 5882 §4.2). */
export function hearBfd(work: Work, state: BfdState): void {
  const before = work.peer.bfd;
  if (before === state) return;
  change(work, { bfd: state });
  if (state === 'down' && before === 'up')
    cut(work, cease(ceaseReasons.bfdDown), 'BFD says the path is down');
  const isFree = work.peer.started && !work.peer.held && dials(work.peer);
  if (isFree && work.peer.outgoing.state === 'Idle' && !isConfirmed(work.peer.incoming) && state !== 'down')
    raise(work, 'outgoing', { event: 'AutomaticStart' });
}

/**
 * What runs already follows: the next dial, KEEPALIVEs, and who dials, which matters only until there is a connection. The
 * hold time was agreed on and stays (RFC 4271 §4.2).
 */
export function reconfigure(work: Work, config: PeerConfig): void {
  const { connect, connectRetryMs, maxPrefix } = work.peer.config;
  const isForgiven =
    isHeldForGood(work.peer) && JSON.stringify(maxPrefix) !== JSON.stringify(config.maxPrefix);
  change(work, { config });
  if (isForgiven) release(work);
  if (connect !== config.connect) redirect(work);
  if (work.peer.timers.has('connectRetry') && config.connectRetryMs !== connectRetryMs)
    startTimer(
      work,
      'connectRetry',
      connectRetryDelay(config.connectRetryMs, work.peer.connectRetryCounter, work.random),
    );
  for (const side of sides) repace(work, side);
}

/** Who no longer dials or no longer lets in stops trying; who dials again does so at once. */
function redirect(work: Work): void {
  const { config, started, held } = work.peer;
  const given =
    config.connect === 'passive' ? 'outgoing' : config.connect === 'active' ? 'incoming' : undefined;
  if (given !== undefined && isUnconnected(work.peer[given])) raise(work, given, { event: 'AutomaticStop' });
  const isFree = started && !held && dials(work.peer) && !isConfirmed(work.peer.incoming);
  if (isFree && work.peer.outgoing.state === 'Idle') raise(work, 'outgoing', { event: 'AutomaticStart' });
}

/** No timer ends it: a limit was passed, and nobody set another since. */
const isHeldForGood = ({ held, timers }: PeerState): boolean => held && !timers.has('idleHold');

function release(work: Work): void {
  change(work, { held: false });
  if (dials(work.peer)) raise(work, 'outgoing', { event: 'AutomaticStart' });
}

function repace(work: Work, side: Side): void {
  const connection = work.peer[side];
  if (!('negotiated' in connection)) return;
  const keepaliveTimeMs = keepaliveTime(work.peer.config, connection.negotiated.holdTimeMs);
  if (keepaliveTimeMs === connection.negotiated.keepaliveTimeMs) return;
  change(work, { [side]: { ...connection, negotiated: { ...connection.negotiated, keepaliveTimeMs } } });
  if (work.peer.timers.has(`keepalive-${side}`))
    startTimer(work, `keepalive-${side}`, keepaliveDelay(keepaliveTimeMs, work.random));
}
