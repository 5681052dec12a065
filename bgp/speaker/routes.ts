/**
 * The flow of routes: Adj-RIB-In, import policy, Loc-RIB, export policy, Adj-RIB-Out and kernel.
 *
 * Each function moves one step of it; `propagate` runs once at the end of a turn, over what changed and nothing else.
 */
import { type Address, compareAddresses, type Prefix } from '../../src/lib/net.ts';
import type { ImportRule } from '../policy/import.ts';
import type { Choice } from '../rib/loc-rib.ts';
import { familyOf, type Path, type Source } from '../rib/path.ts';
import type { Family, PathAttributes, RouteRefreshMessage, UpdateMessage } from '../wire/message.ts';
import type { Session } from './neighbour.ts';
import { refreshStale } from './stale.ts';
import { amendSession, log, type Turn } from './turn.ts';

/** Withdrawals first: a prefix both withdrawn and announced in one UPDATE is announced (RFC 4271 §4.3). */
export function learn(turn: Turn, session: Session, update: UpdateMessage): void {
  const { adjRibIn, source, negotiated } = session;
  for (const prefix of update.withdrawn) {
    if (adjRibIn.delete(prefix)) turn.speaker.locRib.offer(prefix, source.key, undefined);
  }
  for (const { family, attributes, prefixes } of update.announced) {
    if (!negotiated.families.includes(family)) continue;
    const path = adjRibIn.path(attributes);
    for (const prefix of prefixes) {
      adjRibIn.set(prefix, path);
      offer(turn, session, prefix, path);
    }
  }
  refreshStale(turn, source.key, update);
  if (update.endOfRib !== undefined) adjRibIn.completed(update.endOfRib);
  turn.shown.add(source.key);
  if (update.flaws.length > 0) noteFlaws(turn, session, update);
}

function offer(turn: Turn, session: Pick<Session, 'source' | 'accept'>, prefix: Prefix, path: Path): void {
  const accepted = session.accept(prefix, path);
  turn.speaker.locRib.offer(prefix, session.source.key, accepted.ok ? accepted.value : undefined);
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

/** The session is gone, and every route it taught us with it (RFC 4271 §8.2.2), but for those of families that are kept. */
export function forget(turn: Turn, session: Session, kept: readonly Family[]): void {
  for (const [prefix] of session.adjRibIn.entries()) {
    if (!kept.includes(familyOf(prefix))) turn.speaker.locRib.offer(prefix, session.source.key, undefined);
  }
}

/** Import policy changed: asks it again of everything the neighbour told us. */
export function reimport(
  turn: Turn,
  source: Source,
  accept: ImportRule,
  routes: Iterable<readonly [Prefix, Path]>,
): void {
  for (const [prefix, path] of routes) offer(turn, { source, accept }, prefix, path);
}

/** Export policy changed, or the session is new: asks it of everything we have chosen. */
export function reexport(turn: Turn, session: Session): void {
  const { locRib } = turn.speaker;
  for (const prefix of locRib.prefixes()) tell(session, prefix, locRib.choice(prefix));
  turn.due.add(session.source.key);
}

export function refresh(turn: Turn, session: Session, message: RouteRefreshMessage): void {
  if (message.family === undefined || !session.negotiated.families.includes(message.family)) return;
  session.adjRibOut.resend(message.family);
  turn.due.add(session.source.key);
}

function tell(session: Session, prefix: Prefix, choice: Choice): void {
  session.adjRibOut.want(prefix, exportOf(session, prefix, choice));
}

function exportOf(session: Session, prefix: Prefix, [best]: Choice): PathAttributes | undefined {
  if (best === undefined) return undefined;
  const exported = session.export(prefix, best);
  return exported.ok ? exported.value : undefined;
}

/** Decides what has to be decided anew; the outcome goes to the kernel and to every neighbour. */
export function propagate(turn: Turn): void {
  const { locRib, neighbours } = turn.speaker;
  const changes = locRib.settle();
  if (changes.length === 0) return;
  const known = new Map<Choice, readonly Address[] | undefined>(); // of one path is one choice, so they are few
  const nextHopsOf = (choice: Choice): readonly Address[] | undefined => {
    if (!known.has(choice)) known.set(choice, kernelNextHops(choice));
    return known.get(choice);
  };
  for (const { prefix, before, after } of changes) {
    const nextHops = nextHopsOf(after);
    if (!sameNextHops(nextHopsOf(before), nextHops)) turn.effects.push({ kind: 'fib', prefix, nextHops });
  }
  for (const [key, { session }] of neighbours) {
    if (session === undefined) continue;
    for (const { prefix, after } of changes) tell(session, prefix, after);
    turn.due.add(key);
  }
}

/** What the kernel should have; undefined for a prefix that is ours or nobody's. */
function kernelNextHops(choice: Choice): readonly Address[] | undefined {
  const [best] = choice;
  return best === undefined || best.source.type === 'local'
    ? undefined
    : choice.map((path) => path.attributes.nextHop).sort(compareAddresses);
}

const sameNextHops = (a: readonly Address[] | undefined, b: readonly Address[] | undefined): boolean =>
  a === b || (a?.length === b?.length && (a ?? []).every((nextHop, index) => nextHop === b?.[index]));

/** Prefixes told in one go; then others get their turn, and what changed meanwhile goes out in its newest form. */
const batchPrefixes = 4000;

/** The connection takes bytes: tells the next batch, and asks again if there is more. */
export function drain(turn: Turn, session: Session): void {
  const { key } = session.source;
  for (const message of session.adjRibOut.drain(batchPrefixes))
    turn.effects.push({ kind: 'send', peer: key, side: session.side, message });
  amendSession(turn, key, { isWriteWanted: false });
  turn.due.add(key);
  turn.shown.add(key);
}

/** Asks once for a chance to write, where there is something to be told. */
export function askToWrite(turn: Turn): void {
  for (const key of turn.due) {
    const session = turn.speaker.neighbours.get(key)?.session;
    if (session === undefined || session.isWriteWanted || !session.adjRibOut.isDue) continue;
    amendSession(turn, key, { isWriteWanted: true });
    turn.effects.push({ kind: 'wantWrite', peer: key, side: session.side });
  }
}
