/**
 * The flow of routes: Adj-RIB-In, import policy, Loc-RIB, export policy, Adj-RIB-Out and kernel.
 *
 * Each function moves one step of it; `propagate` runs once at the end of a turn, over what changed and nothing else.
 * What takes longer than a turn may last, however large the tables are, is a job: see `proceed`.
 */
import type { Prefix } from '../../src/lib/net.ts';
import type { PeerConfig } from '../config.ts';
import type { UpdateMessage } from '../wire/message.ts';
import { limitsOf, noteWithheld, roomOf, severalOf } from './limits.ts';
import type { Neighbour, Session } from './neighbour.ts';
import { retold } from './stale.ts';
import { amendSession, log, type Turn } from './turn.ts';

/** Withdrawals first: a prefix both withdrawn and announced in one UPDATE is announced (RFC 4271 §4.3). */
export function learn(turn: Turn, session: Session, update: UpdateMessage): void {
  const { adjRibIn, source, negotiated, accept } = session;
  const { withdrawn, withdrawnIds } = update;
  for (let index = 0; index < withdrawn.length; index += 1)
    adjRibIn.withdraw(withdrawn[index] as Prefix, withdrawnIds?.[index] ?? 0);
  const config = turn.speaker.neighbours.get(source.key)?.config;
  for (const { family, attributes, prefixes, pathIds } of update.announced) {
    if (!negotiated.families.includes(family)) continue;
    const path = adjRibIn.path(attributes);
    adjRibIn.announce(family, prefixes, pathIds, path, accept, roomOf(config, family));
  }
  if (update.endOfRib !== undefined) {
    adjRibIn.completed(update.endOfRib);
    turn.speaker.life.silence = undefined;
    retold(turn, source.key, update.endOfRib);
  }
  turn.shown.add(source.key);
  if (update.flaws.length > 0) noteFlaws(turn, session, update);
}

/** A neighbour's faults are told at the 1st, 2nd, 4th, 8th… UPDATE of a session, so that it cannot flood the log. */
function noteFlaws(turn: Turn, session: Session, update: UpdateMessage): void {
  const flawed = session.flawed + 1;
  amendSession(turn, session.source.key, { flawed });
  if (!Number.isInteger(Math.log2(flawed))) return;
  const why = update.flaws.map((flaw) => `${flaw.why} (${flaw.remedy})`).join('; ');
  const peer = turn.speaker.neighbours.get(session.source.key)?.config;
  log(turn, 'warn', `malformed UPDATE, number ${flawed} of this session: ${why}`, peer);
}

/** Export policy changed: asks it of everything we have chosen. */
export function reexport(turn: Turn, session: Session, config: PeerConfig): void {
  const { adjRibOut, negotiated } = session;
  adjRibOut.renew(session.export, severalOf(config, negotiated), limitsOf(config));
  turn.due.add(session.source.key);
}

/** Goes on with what large tables need, some rows a turn. */
export function proceed(turn: Turn): void {
  const { jobs, life, rowsPerTurn } = turn.speaker;
  if (life.isContinuing) return;
  let left = rowsPerTurn;
  for (const job of jobs) {
    left = job.work(left);
    if (!job.isBusy) jobs.delete(job);
    if (left <= 0) break;
  }
}

/** There is more than one turn may take: whoever carries out our effects sees to it that there is a next. */
export function goOn(turn: Turn): void {
  const { jobs, life, locRib } = turn.speaker;
  if (life.isContinuing || (jobs.size === 0 && locRib.isSettled)) return;
  life.isContinuing = true;
  turn.effects.push({ kind: 'continue' });
}

/** Decides what has to be decided anew; the outcome goes to the kernel and, in time, to every neighbour. */
export function propagate(turn: Turn): void {
  const { locRib, outcome, rowsPerTurn } = turn.speaker;
  locRib.settle(outcome.change, rowsPerTurn);
  for (const effect of outcome.take()) turn.effects.push(effect);
  if (locRib.changes.count !== turn.changesAt) turn.isAllDue = true;
}

/** Prefixes told in one go; then others get their turn, and what changed meanwhile goes out in its newest form. */
const batchPrefixes = 4000;

/** The connection takes bytes: tells the next batch, and asks again if there is more. */
export function drain(turn: Turn, session: Session): void {
  const { key } = session.source;
  for (const message of session.adjRibOut.drain(batchPrefixes))
    turn.effects.push({ kind: 'send', peer: key, side: session.side, message });
  session.adjRibOut.isAwaited = false;
  noteWithheld(turn, session);
  turn.due.add(key);
  turn.shown.add(key);
}

/** Asks once for a chance to write, where there is something to be told. */
export function askToWrite(turn: Turn): void {
  const { neighbours } = turn.speaker;
  if (turn.isAllDue) for (const { session } of neighbours.values()) ask(turn, session);
  else turn.due.each((key) => ask(turn, neighbours.get(key)?.session));
}

function ask(turn: Turn, session: Session | undefined): void {
  if (session === undefined || session.adjRibOut.isAwaited || !session.adjRibOut.isDue) return;
  session.adjRibOut.isAwaited = true;
  turn.effects.push({ kind: 'wantWrite', peer: session.source.key, side: session.side });
}

/** The neighbour is none any more: what it told us goes, and its place in the tables with it. */
export function retire(turn: Turn, { adjRibIn }: Neighbour): void {
  adjRibIn.close();
  if (adjRibIn.isBusy) turn.speaker.jobs.add(adjRibIn);
}
