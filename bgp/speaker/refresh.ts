/**
 * Routes told again: what a neighbour asks of us (RFC 2918 §4), and how it tells its own again between BoRR and EoRR (RFC 7313 §4).
 */
import { millis } from '../../src/lib/net.ts';
import type { Family, RouteRefreshMessage } from '../wire/message.ts';
import type { SpeakerTimer } from './event.ts';
import type { Session } from './neighbour.ts';
import { amendSession, log, type Turn } from './turn.ts';

/** So long after its BoRR what a neighbour has not said again is kept without its EoRR (RFC 7313 §4.2, locally configured upper bound). */
const refreshMs = 180_000;

const timerOf = (peer: string): SpeakerTimer => ({ owner: 'refresh', peer, name: 'refresh' });

export function refresh(turn: Turn, session: Session, message: RouteRefreshMessage): void {
  const { family } = message;
  if (family === undefined || !session.negotiated.families.includes(family)) return;
  if (message.subtype === 'begin') begin(turn, session, family);
  else if (message.subtype === 'end') end(turn, session, [family]);
  else {
    session.adjRibOut.resend(family);
    turn.due.add(session.source.key);
  }
}

/**
 * BoRR: what the neighbour does not say again before EoRR is gone (RFC 7313 §4.2). One that restarted owes its End-of-RIB
 * first; until then what it says has that meaning, and this is ignored.
 */
function begin(turn: Turn, { adjRibIn, source: { key }, refreshing }: Session, family: Family): void {
  if (turn.speaker.neighbours.get(key)?.stale?.until.has(family) === true) return;
  adjRibIn.grow(family, refreshing.has(family));
  amendSession(turn, key, { refreshing: new Set([...refreshing, family]) });
  turn.effects.push({ kind: 'startTimer', timer: timerOf(key), after: millis(refreshMs) });
}

function end(turn: Turn, session: Session, families: readonly Family[]): void {
  const { adjRibIn, source, refreshing } = session;
  const over = families.filter((family) => refreshing.has(family));
  if (over.length === 0) return;
  const left = new Set([...refreshing].filter((family) => !over.includes(family)));
  amendSession(turn, source.key, { refreshing: left });
  for (const family of over) adjRibIn.void(family);
  turn.speaker.jobs.add(adjRibIn);
  if (left.size === 0) forgetRefresh(turn, session);
}

/** The EoRR has not come. */
export function endOverdue(turn: Turn, key: string): void {
  const neighbour = turn.speaker.neighbours.get(key);
  const session = neighbour?.session;
  if (session === undefined || session.refreshing.size === 0) return;
  const families = [...session.refreshing];
  const why = `it began to tell its routes of ${families.join(', ')} again and has not said in ${refreshMs / 1000} s that it is done: what it did not repeat is gone (RFC 7313 §4.2)`;
  log(turn, 'warn', why, neighbour?.config);
  end(turn, session, families);
}

/** The session is over, or all has been told. */
export function forgetRefresh(turn: Turn, { source }: Session): void {
  turn.effects.push({ kind: 'stopTimer', timer: timerOf(source.key) });
}
