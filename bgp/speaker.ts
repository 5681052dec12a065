/**
 * The speaker: one deterministic machine of sessions, policies and RIBs. It hears events and asks for effects; it has
 * no socket, clock, log or chance of its own (jitter comes from the `random` it was made with).
 *
 *   transport ─► session ─► Adj-RIB-In ─► import ─► Loc-RIB ─┬─► export ─► Adj-RIB-Out ─► transport
 *                                                            └─► kernel routes
 *
 * The Speaker is a container its caller owns; `step` changes it in place and returns what is to be done, in order.
 * RFC 4271 §3.2 (RIBs), §9 (UPDATE handling); RFC 4724 §2 (End-of-RIB); RFC 2918 (Route Refresh).
 */
import { type Millis, millis } from '../src/lib/net.ts';
import type { Random } from '../src/lib/random.ts';
import { unreachable } from '../src/lib/result.ts';
import { AdjRibIn } from './rib/adj-rib-in.ts';
import { criteriaOf } from './rib/decide.ts';
import { LocRib } from './rib/loc-rib.ts';
import { Sets } from './rib/sets.ts';
import { UpdateGroups } from './rib/update-group.ts';
import { hearBfd, reset } from './speaker/asked.ts';
import { configure } from './speaker/configure.ts';
import { dismiss } from './speaker/dismiss.ts';
import { welcome } from './speaker/dynamic.ts';
import type { SpeakerEffect, SpeakerEvent, SpeakerTimer } from './speaker/event.ts';
import { Few } from './speaker/few.ts';
import type { Neighbour, Session } from './speaker/neighbour.ts';

import { hearNextHops, trackNextHops } from './speaker/next-hops.ts';
import { Outcome } from './speaker/outcome.ts';
import { Reach } from './speaker/reach.ts';
import { endOverdue } from './speaker/refresh.ts';
import { askToWrite, drain, goOn, proceed, propagate } from './speaker/routes.ts';
import { drive, localOf } from './speaker/sessions.ts';
import { expire } from './speaker/stale.ts';
import { amend, log, type OnBest, type Silence, type Speaker, type Turn } from './speaker/turn.ts';
import { ceaseReasons } from './wire/iana.ts';

/** The longest a fresh speaker waits for its neighbours to tell all they know. */
const settleTime = millis(30_000);
const settleTimer: SpeakerTimer = { owner: 'speaker', name: 'settle' };

interface SpeakerOptions {
  /** Jitter of timers; the only chance in the whole speaker. */
  readonly random: Random;
  readonly onBest?: OnBest;
  /** Absent: what takes a few milliseconds. */
  readonly rowsPerTurn?: number;
  /** The effect `track` is answered: paths whose next hop is unreachable are not used. Absent: all are reachable. */
  readonly tracksNextHops?: boolean;
  /** False: nobody writes routes to the kernel, and the effect `fib` is not asked for. Absent: it is. */
  readonly writesKernel?: boolean;
}

export function createSpeaker(options: SpeakerOptions): Speaker {
  const { random, onBest, rowsPerTurn = 4000, tracksNextHops = false, writesKernel = true } = options;
  const locRib = new LocRib();
  const told = new Sets();
  const reach = tracksNextHops ? new Reach() : undefined;
  if (reach !== undefined) locRib.criteria = criteriaOf({}, reach.metric);
  return {
    random,
    outcome: new Outcome(locRib.routes.nets, onBest, writesKernel),
    locRib,
    locals: new AdjRibIn(locRib),
    told,
    groups: new UpdateGroups(),
    jobs: new Set(),
    due: new Few(),
    shown: new Few(),
    rowsPerTurn,
    reach,
    neighbours: new Map(),
    bfd: new Map(),
    life: {
      phase: 'fresh',
      isContinuing: false,
      hasWaited: false,
      isDeferring: false,
      config: undefined,
      guard: () => undefined,
      silence: undefined,
    },
  };
}

/** @param now  of the doer's monotonic clock; never decreasing */
export function step(speaker: Speaker, event: SpeakerEvent, now: Millis): readonly SpeakerEffect[] {
  if (speaker.life.phase === 'stopped') return [];
  const changesAt = speaker.locRib.changes.count;
  const { due, shown } = speaker;
  due.clear();
  shown.clear();
  const turn: Turn = {
    speaker,
    changesAt,
    now,
    effects: [],
    due,
    isAllDue: false,
    shown,
  };
  if (event.kind === 'stop') {
    stop(turn, event.why, event.isRestart ?? false);
  } else {
    happen(turn, event);
    proceed(turn);
    propagate(turn);
    trackNextHops(turn);
    settle(turn, event.kind === 'timer' && event.timer.owner === 'speaker');
    askToWrite(turn);
    goOn(turn);
  }
  turn.shown.each((peer) => turn.effects.push({ kind: 'statusChanged', peer }));
  if (event.kind === 'stop') turn.effects.push({ kind: 'stopped' });
  return turn.effects;
}

function happen(turn: Turn, event: Exclude<SpeakerEvent, { readonly kind: 'stop' }>): void {
  switch (event.kind) {
    case 'configure':
      configure(turn, event.config);
      break;
    case 'transport':
      drive(turn, event.peer, event.event);
      break;
    case 'timer':
      if (event.timer.owner === 'peer')
        drive(turn, event.timer.peer, { kind: 'TimerExpires', timer: event.timer.name });
      else if (event.timer.owner === 'stale') {
        expire(turn, event.timer.peer);
        dismiss(turn, event.timer.peer);
      } else if (event.timer.owner === 'refresh') endOverdue(turn, event.timer.peer);
      break;
    case 'arrived':
      welcome(turn, event);
      break;
    case 'reset':
      reset(turn, event.peer, event.how, event.why);
      break;
    case 'bfd':
      hearBfd(turn, event.peer, event.state, event.why);
      break;
    case 'nextHops':
      hearNextHops(turn, event.changes);
      break;
    case 'continue':
      turn.speaker.life.isContinuing = false;
      break;
    case 'writable': {
      const session = turn.speaker.neighbours.get(event.peer)?.session;
      // The answer may come after the session it was asked for has made room for another.
      if (session?.side === event.side && session.adjRibOut.isAwaited) drain(turn, session);
      break;
    }
    default:
      unreachable(event);
  }
}

/** Says goodbye to everyone, or nothing at all if it will be back (RFC 4724 §4: a NOTIFICATION would end that). The RIBs are left as they are, so that no kernel route is taken back. */
function stop(turn: Turn, why: string, isRestart: boolean): void {
  for (const key of turn.speaker.neighbours.keys()) {
    if (isRestart)
      for (const side of ['outgoing', 'incoming'] as const)
        turn.effects.push({ kind: 'close', peer: key, side });
    else drive(turn, key, { kind: 'ManualStop', subcode: ceaseReasons.administrativeShutdown, why });
  }
  turn.speaker.life.phase = 'stopped';
  turn.effects.push({ kind: 'stopTimer', timer: settleTimer });
}

/** RFC 4724 §4.1 in spirit: what an earlier life left in the kernel is judged only once the neighbours have spoken. */
function settle(turn: Turn, isOver: boolean): void {
  const { life, neighbours, locRib, reach, jobs } = turn.speaker;
  if (life.phase === 'fresh' && life.config !== undefined) {
    life.phase = 'waiting';
    life.isDeferring = life.config.forwarding === 'preserved';
    turn.effects.push({ kind: 'startTimer', timer: settleTimer, after: settleTime });
  }
  if (life.phase !== 'waiting') return;
  life.hasWaited ||= isOver;
  // What is not decided yet is not in the kernel, where it may stand from an earlier life.
  if (!locRib.isSettled) return;
  // What a neighbour told may wait to be judged by its next hop, or for its filter, and until then has not come.
  if ((reach?.isWaiting === true || jobs.size > 0) && !life.hasWaited) return;
  life.silence ??= silenceOf(neighbours);
  const { silence } = life;
  if (life.hasWaited || silence !== 'awaited') release(turn);
  if (silence !== 'none' && !life.hasWaited) return;
  life.phase = 'settled';
  settleLocals(turn);
  turn.effects.push({ kind: 'stopTimer', timer: settleTimer }, { kind: 'settled' });
  const missing = [...neighbours.values()]
    .filter(isSilent)
    .map(({ config }) => config.name)
    .join(', ');
  if (missing !== '') log(turn, 'warn', `no longer waiting for the routes of ${missing}`);
}

/** It has not said its End-of-RIB. */
export const isSilent = ({ session }: Neighbour): boolean =>
  session === undefined || !session.adjRibIn.isComplete(session.negotiated.families);

function silenceOf(neighbours: Speaker['neighbours']): Silence {
  let isAnySilent = false;
  for (const neighbour of neighbours.values()) {
    if (!isSilent(neighbour)) continue;
    if (isAwaited(neighbour.session)) return 'awaited';
    isAnySilent = true;
  }
  return isAnySilent ? 'unawaited' : 'none';
}

/**
 * Our own End-of-RIB waits for those that have not said theirs, but not for one that restarts too, or two would wait for each
 * other, nor for one that does not do graceful restart, and need not say it ever (RFC 4724 §4.1).
 */
function isAwaited(session: Session | undefined): boolean {
  if (session === undefined) return true;
  const { gracefulRestart } = session.negotiated;
  return gracefulRestart !== undefined && !gracefulRestart.isRestarting;
}

function release(turn: Turn): void {
  if (!turn.speaker.life.isDeferring) return;
  turn.speaker.life.isDeferring = false;
  for (const [key, { session }] of turn.speaker.neighbours) {
    session?.adjRibOut.release();
    turn.due.add(key);
  }
}

/** From now on our OPEN says that we are not restarting. */
function settleLocals(turn: Turn): void {
  const { life, neighbours } = turn.speaker;
  if (life.config === undefined) return;
  const local = localOf(turn, life.config);
  for (const [key, { peer }] of neighbours) amend(turn, key, { peer: { ...peer, local } });
}
