/**
 * Keeping the routes of a neighbour that restarts: the receiving side of graceful restart (RFC 4724 §4.2).
 *
 * Only a connection that breaks without a NOTIFICATION is a restart. Silence is none: when the hold timer expires, the
 * neighbour's node may be gone, and its pods with it. So a dead process is waited for, and a dead node is not, unless both
 * sides agreed on that too (RFC 8538, `keepsRoutes`).
 */
import { millis } from '../../src/lib/net.ts';
import { familyOf } from '../rib/path.ts';
import type { DownReason, Negotiated } from '../session/event.ts';
import { keepsRoutes } from '../session/reason.ts';
import type { Family, UpdateMessage } from '../wire/message.ts';
import type { SpeakerTimer } from './event.ts';
import type { Session } from './neighbour.ts';
import { amend, log, type Turn } from './turn.ts';

/** A neighbour that is back has so long to tell everything again. */
const retellMs = 180_000;

const timerOf = (peer: string): SpeakerTimer => ({ owner: 'stale', peer, name: 'stale' });

/** The session ended: what it taught is kept, if that was agreed. @returns the families that are kept */
export function keep(turn: Turn, session: Session, reason: DownReason): readonly Family[] {
  const agreed = session.negotiated.gracefulRestart;
  const { key } = session.source;
  drop(turn, key); // a second restart before the first was over: what is stale twice is not kept
  if (!keepsRoutes(reason, session.negotiated) || agreed === undefined || agreed.restartTime === 0) return [];
  const families = agreed.families
    .map(({ family }) => family)
    .filter((family) => session.negotiated.families.includes(family));
  const routes = new Map(
    [...session.adjRibIn.entries()].filter(([prefix]) => families.includes(familyOf(prefix))),
  );
  if (routes.size === 0) return [];
  const neighbour = turn.speaker.neighbours.get(key);
  amend(turn, key, { stale: { source: session.source, routes } });
  turn.effects.push({ kind: 'startTimer', timer: timerOf(key), after: millis(agreed.restartTime * 1000) });
  log(
    turn,
    'info',
    `its ${routes.size} routes are kept for ${agreed.restartTime} s (graceful restart)`,
    neighbour?.config,
  );
  return families;
}

/** It is back: routes of a family it did not go on forwarding are no good. */
export function greet(turn: Turn, key: string, { gracefulRestart, families }: Negotiated): void {
  const stale = turn.speaker.neighbours.get(key)?.stale;
  if (stale === undefined) return;
  const preserved = (gracefulRestart?.families ?? [])
    .filter(({ family, isForwarding }) => isForwarding && families.includes(family))
    .map(({ family }) => family);
  turn.effects.push({ kind: 'startTimer', timer: timerOf(key), after: millis(retellMs) });
  sweep(turn, key, (family) => !preserved.includes(family));
}

/** What an UPDATE says is no longer stale; an End-of-RIB says that the rest is gone. */
export function refreshStale(
  turn: Turn,
  key: string,
  { withdrawn, announced, endOfRib }: UpdateMessage,
): void {
  const stale = turn.speaker.neighbours.get(key)?.stale;
  if (stale === undefined) return;
  // Announced first: a prefix both withdrawn and announced is announced (RFC 4271 §4.3).
  for (const { prefixes } of announced) for (const prefix of prefixes) stale.routes.delete(prefix);
  for (const prefix of withdrawn)
    if (stale.routes.delete(prefix)) turn.speaker.locRib.offer(prefix, key, undefined);
  if (endOfRib !== undefined) sweep(turn, key, (family) => family === endOfRib);
}

/** All of it goes: it did not come back in time, or is no longer a neighbour. */
export const drop = (turn: Turn, key: string): void => sweep(turn, key, () => true);

function sweep(turn: Turn, key: string, isGone: (family: Family) => boolean): void {
  const stale = turn.speaker.neighbours.get(key)?.stale;
  if (stale === undefined) return;
  for (const prefix of [...stale.routes.keys()]) {
    if (!isGone(familyOf(prefix))) continue;
    stale.routes.delete(prefix);
    turn.speaker.locRib.offer(prefix, key, undefined);
  }
  if (stale.routes.size > 0) return;
  amend(turn, key, { stale: undefined });
  turn.effects.push({ kind: 'stopTimer', timer: timerOf(key) });
}
