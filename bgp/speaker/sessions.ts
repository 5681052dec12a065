/** The neighbours' session machines: hands them events and carries out what they ask for. */
import { millis } from '../../src/lib/net.ts';
import { unreachable } from '../../src/lib/result.ts';
import type { PeerConfig, SpeakerConfig } from '../config.ts';
import { compileExport } from '../policy/export.ts';
import { compileImport } from '../policy/import.ts';
import { AdjRibIn } from '../rib/adj-rib-in.ts';
import { AdjRibOut } from '../rib/adj-rib-out.ts';
import type { Source } from '../rib/path.ts';
import { sendHoldTime } from '../session/delays.ts';
import { describeDown } from '../session/describe.ts';
import type { DownReason, Negotiated, PeerEffect, PeerEvent, PeerTimer, Side } from '../session/event.ts';
import type { Local } from '../session/open.ts';
import { bgpStateOf, createPeer, stepPeer } from '../session/peer.ts';
import { describeWithheld, noneWithheld } from '../session/withhold.ts';
import type { Message } from '../wire/message.ts';
import { dismiss } from './dismiss.ts';
import type { SpeakerTimer } from './event.ts';
import { heed, limitsOf, severalOf } from './limits.ts';
import type { Session } from './neighbour.ts';
import { forgetRefresh, refresh } from './refresh.ts';
import { learn, retire } from './routes.ts';
import { drop, greet, keep } from './stale.ts';
import { amend, log, type Turn } from './turn.ts';

export function startPeer(turn: Turn, config: SpeakerConfig, peer: PeerConfig): void {
  turn.speaker.life.silence = undefined;
  turn.speaker.neighbours.set(peer.key, {
    config: peer,
    peer: createPeer(peer, localOf(turn, config), turn.speaker.bfd.get(peer.key)),
    since: turn.now,
    lastError: peer.blocked,
    lastDown: undefined,
    adjRibIn: new AdjRibIn(turn.speaker.locRib),
    session: undefined,
    stale: undefined,
  });
  turn.shown.add(peer.key);
  if (peer.blocked === undefined) drive(turn, peer.key, { kind: 'ManualStart' });
}

/** Who we are in the next OPEN. F of RFC 4724 §3: packets go on while a session, or all of us, is away. */
export function localOf(turn: Turn, { asn, routerId, forwarding }: SpeakerConfig): Local {
  if (forwarding === undefined) return { asn, routerId };
  const isSettled = turn.speaker.life.phase === 'settled';
  const isRestarting = !isSettled && forwarding === 'preserved';
  return { asn, routerId, restart: { isRestarting, isForwarding: isSettled || isRestarting } };
}

/** Cease with this subcode (RFC 4486); the record is gone afterwards. */
export function endPeer(turn: Turn, key: string, subcode: number, why: string): void {
  drive(turn, key, { kind: 'ManualStop', subcode, why });
  const neighbour = turn.speaker.neighbours.get(key);
  if (neighbour === undefined) return; // a dynamic one is gone already
  drop(turn, key);
  retire(turn, neighbour);
  turn.speaker.neighbours.delete(key);
  turn.speaker.life.silence = undefined;
  turn.shown.add(key);
}

/** Nothing happens for a peer we do not have: it was removed while the event was on its way, or not taken at all. */
export function drive(turn: Turn, key: string, event: PeerEvent): void {
  const neighbour = turn.speaker.neighbours.get(key);
  if (neighbour === undefined) {
    if (event.kind === 'TcpConnected') turn.effects.push({ kind: 'close', peer: key, side: event.side });
    return;
  }
  const [peer, effects] = stepPeer(neighbour.peer, event, turn.speaker);
  // A session can take the place of another in one step.
  const isNew = effects.some(({ kind }) => kind === 'up');
  const isSame = peer === neighbour.peer;
  const hasMoved = isNew || (!isSame && bgpStateOf(peer) !== bgpStateOf(neighbour.peer));
  if (hasMoved || !isSame) amend(turn, key, { peer, since: hasMoved ? turn.now : neighbour.since });
  if (hasMoved) turn.shown.add(key);
  for (const effect of effects) perform(turn, neighbour.config, effect);
  if (event.kind !== 'ManualStart') dismiss(turn, key); // of a dynamic one the first connection is about to be told
}

function perform(turn: Turn, peer: PeerConfig, effect: PeerEffect): void {
  const { key } = peer;
  switch (effect.kind) {
    case 'connect':
    case 'send':
    case 'close':
      turn.effects.push({ ...effect, peer: key });
      break;
    case 'startTimer':
      turn.effects.push({ kind: 'startTimer', timer: timerOf(key, effect.timer), after: effect.after });
      break;
    case 'stopTimer':
      turn.effects.push({ kind: 'stopTimer', timer: timerOf(key, effect.timer) });
      break;
    case 'up':
      sessionUp(turn, peer, effect.side, effect.negotiated);
      break;
    case 'down':
      sessionDown(turn, peer, effect.reason);
      break;
    case 'failed':
      noteError(turn, peer, effect.reason, 'session did not come up');
      break;
    case 'deliver':
      deliver(turn, key, effect.message);
      break;
    default:
      unreachable(effect);
  }
}

const timerOf = (peer: string, name: PeerTimer): SpeakerTimer => ({ owner: 'peer', peer, name });

function sessionUp(turn: Turn, configured: PeerConfig, side: Side, negotiated: Negotiated): void {
  const { config, guard } = turn.speaker.life;
  if (config === undefined) return;
  const peer = withPeerAsn(turn, configured, negotiated);
  const source = sourceOf(peer, negotiated);
  const { speaker } = turn;
  const adjRibIn = speaker.neighbours.get(peer.key)?.adjRibIn;
  if (adjRibIn === undefined) return;
  adjRibIn.open(source);
  const rule = compileExport(config, peer, negotiated, speaker.reach?.links);
  const session: Session = {
    side,
    negotiated,
    source,
    adjRibIn,
    adjRibOut: new AdjRibOut(speaker.locRib, speaker.told, {
      families: negotiated.families,
      rule,
      isEndHeld: speaker.life.isDeferring,
      several: severalOf(peer, negotiated),
      limits: limitsOf(peer),
      isRefreshMarked: canMarkRefresh(negotiated),
      groups: speaker.groups,
    }),
    accept: compileImport(config, peer, guard, speaker.reach?.links),
    export: rule,
    refreshing: new Set(),
    warned: new Set(),
    flawed: 0,
  };
  amend(turn, peer.key, { session });
  turn.effects.push({ kind: 'codec', peer: peer.key, side, context: negotiated.codec });
  const sendHold = sendHoldTime(peer, negotiated);
  if (sendHold > 0) turn.effects.push({ kind: 'watchSend', peer: peer.key, side, after: millis(sendHold) });
  const withheld = speaker.neighbours.get(peer.key)?.peer.withheld ?? noneWithheld;
  log(turn, 'info', `session is up for ${negotiated.families.join(', ')}${describeWithheld(withheld)}`, peer);
  greet(turn, peer.key, negotiated);
  turn.due.add(peer.key);
}

/** The neighbour, as its routes know it. */
export const sourceOf = (peer: PeerConfig, { peerId }: Pick<Negotiated, 'peerId'>): Source => ({
  key: peer.key,
  type: peer.peerAsn === peer.localAsn ? 'ibgp' : 'ebgp',
  bgpId: peerId,
  address: peer.address,
  port: peer.port,
  ...(peer.isClient === true ? { isClient: true as const } : {}),
  ...(peer.workload === undefined ? {} : { isWorkload: true as const }),
});

/** RFC 7313 §3: both sides said so. */
const canMarkRefresh = ({ sent, received }: Negotiated): boolean =>
  [sent, received].every(({ capabilities }) =>
    capabilities.some(({ kind }) => kind === 'enhancedRouteRefresh'),
  );

/** Of a neighbour whose AS was to be learned it is known now. */
function withPeerAsn(turn: Turn, peer: PeerConfig, { peerAsn }: Negotiated): PeerConfig {
  if (peer.peerAsn === peerAsn) return peer;
  const config = { ...peer, peerAsn };
  amend(turn, peer.key, { config });
  return config;
}

function sessionDown(turn: Turn, peer: PeerConfig, reason: DownReason): void {
  const session = turn.speaker.neighbours.get(peer.key)?.session;
  amend(turn, peer.key, { session: undefined });
  noteError(turn, peer, reason, wentDown);
  if (session === undefined) return;
  session.adjRibOut.close();
  turn.speaker.jobs.add(session.adjRibOut);
  if (session.refreshing.size > 0) forgetRefresh(turn, session);
  keep(turn, session, reason);
}

const wentDown = 'session is down';

function noteError(turn: Turn, peer: PeerConfig, reason: DownReason, what: string): void {
  const lastError = describeDown(reason);
  // A neighbour that is away is tried again every few seconds, and there may be hundreds: that it still is is no news.
  const isNews = what === wentDown || turn.speaker.neighbours.get(peer.key)?.lastError !== lastError;
  amend(turn, peer.key, { lastError, lastDown: reason });
  turn.shown.add(peer.key);
  const level = reason.kind === 'stopped' ? 'info' : 'warn';
  log(turn, isNews ? level : 'debug', `${what}: ${lastError}`, peer);
}

function deliver(turn: Turn, key: string, message: Message): void {
  const neighbour = turn.speaker.neighbours.get(key);
  if (neighbour?.session === undefined) return;
  const { session, config } = neighbour;
  if (message.kind === 'routeRefresh') refresh(turn, session, message);
  else if (message.kind === 'update') {
    learn(turn, session, message);
    const stop = config.maxPrefix === undefined ? undefined : heed(turn, session, config);
    if (stop !== undefined) drive(turn, key, stop);
  }
}
