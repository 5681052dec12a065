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
import { LocRib } from './rib/loc-rib.ts';
import { PathTable } from './rib/path.ts';
import { AttributeTable } from './rib/paths.ts';
import { configure } from './speaker/configure.ts';
import type { SpeakerEffect, SpeakerEvent, SpeakerTimer } from './speaker/event.ts';
import { askToWrite, drain, propagate } from './speaker/routes.ts';
import { drive } from './speaker/sessions.ts';
import { localSource, log, type Speaker, type Turn } from './speaker/turn.ts';
import { ceaseReasons } from './wire/iana.ts';

/** The longest a fresh speaker waits for its neighbours to tell all they know. */
const settleTime = millis(30_000);
const settleTimer: SpeakerTimer = { owner: 'speaker', name: 'settle' };

/** @param random  jitter of timers; the only chance in the whole speaker */
export const createSpeaker = ({ random }: { readonly random: Random }): Speaker => ({
  random,
  attributes: new AttributeTable(),
  locRib: new LocRib(),
  origins: new PathTable(localSource),
  neighbours: new Map(),
  life: {
    phase: 'fresh',
    config: undefined,
    guard: () => undefined,
  },
});

/** @param now  of the doer's monotonic clock; never decreasing */
export function step(speaker: Speaker, event: SpeakerEvent, now: Millis): readonly SpeakerEffect[] {
  if (speaker.life.phase === 'stopped') return [];
  const turn: Turn = { speaker, now, effects: [], due: new Set(), shown: new Set() };
  if (event.kind === 'stop') {
    stop(turn, event.why);
  } else {
    happen(turn, event);
    propagate(turn);
    askToWrite(turn);
    settle(turn, event.kind === 'timer' && event.timer.owner === 'speaker');
  }
  for (const peer of turn.shown) turn.effects.push({ kind: 'statusChanged', peer });
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
      break;
    case 'writable': {
      const session = turn.speaker.neighbours.get(event.peer)?.session;
      // The answer may come after the session it was asked for has made room for another.
      if (session?.side === event.side && session.isWriteWanted) drain(turn, session);
      break;
    }
    default:
      unreachable(event);
  }
}

/** Says goodbye to everyone. The RIBs are left as they are, so that no kernel route is taken back. */
function stop(turn: Turn, why: string): void {
  for (const key of turn.speaker.neighbours.keys())
    drive(turn, key, { kind: 'ManualStop', subcode: ceaseReasons.administrativeShutdown, why });
  turn.speaker.life.phase = 'stopped';
  turn.effects.push({ kind: 'stopTimer', timer: settleTimer });
}

/** RFC 4724 §4.1 in spirit: what an earlier life left in the kernel is judged only once the neighbours have spoken. */
function settle(turn: Turn, isOver: boolean): void {
  const { life, neighbours } = turn.speaker;
  if (life.phase === 'fresh' && life.config !== undefined) {
    life.phase = 'waiting';
    turn.effects.push({ kind: 'startTimer', timer: settleTimer, after: settleTime });
  }
  if (life.phase !== 'waiting') return;
  const silent = [...neighbours.values()].filter(
    ({ session }) => session === undefined || !session.adjRibIn.isComplete(session.negotiated.families),
  );
  if (silent.length > 0 && !isOver) return;
  life.phase = 'settled';
  turn.effects.push({ kind: 'stopTimer', timer: settleTimer }, { kind: 'settled' });
  const missing = silent.map(({ config }) => config.name).join(', ');
  if (missing !== '') log(turn, 'warn', `no longer waiting for the routes of ${missing}`);
}
