/**
 * Keeping the routes of a neighbour that restarts: the receiving side of graceful restart (RFC 4724 §4.2, RFC 8538), and
 * after its restart time the long-lived one (RFC 9494 §4).
 *
 * Silence is no restart: when the hold timer expires, the neighbour's node may be gone, and its pods with it. So a dead
 * process is waited for, and a dead node is not, unless both sides agreed on that too (`keepsRoutes`).
 *
 *   session lost ──restart time──► long-lived stale ──its time──► gone
 *        └──── back in time: retold until End-of-RIB ◄────┘         what is not told again then is gone
 */
import { type Millis, millis } from '../../src/lib/net.ts';
import { err } from '../../src/lib/result.ts';
import type { ImportRule } from '../policy/import.ts';
import { llgrStale } from '../rib/communities.ts';
import { familyOf, type Path, pathOf } from '../rib/path.ts';
import { plainOf } from '../rib/view.ts';
import type { DownReason, Negotiated } from '../session/event.ts';
import { keepsRoutes } from '../session/reason.ts';
import type { Family } from '../wire/message.ts';
import type { SpeakerTimer } from './event.ts';
import type { Neighbour, Session, Stale } from './neighbour.ts';
import { amend, log, type Turn } from './turn.ts';

/** A neighbour that is back has so long to tell everything again. */
const retellMs = 180_000;
/** RFC 9494 §5: its routes must not become long-lived. */
const noLlgr = 0xffff_0007;
const allFamilies: readonly Family[] = ['ipv4-unicast', 'ipv6-unicast'];

const timerOf = (peer: string): SpeakerTimer => ({ owner: 'stale', peer, name: 'stale' });

/** The session ended: what it taught is kept as far as that was agreed, and else gone. */
export function keep(turn: Turn, session: Session, reason: DownReason): void {
  const { adjRibIn, accept, negotiated, source } = session;
  const { key } = source;
  drop(turn, key); // a second restart before the first was over: what is stale twice is not kept
  const restartMs = (negotiated.gracefulRestart?.restartTime ?? 0) * 1000;
  const longLived = longLivedOf(turn, key, negotiated);
  const kept = keepsRoutes(reason, negotiated) ? agreedFamilies(negotiated, restartMs, longLived) : [];
  for (const family of allFamilies) {
    adjRibIn.grow(family);
    if (!kept.includes(family)) adjRibIn.void(family);
  }
  turn.speaker.jobs.add(adjRibIn);
  if (adjRibIn.staleSize === 0) return;
  const config = turn.speaker.neighbours.get(key)?.config;
  const until = new Map(kept.map((family) => [family, millis(turn.now + restartMs)]));
  hold(turn, key, { until, longLived, marked: new Set(), accept });
  log(
    turn,
    'info',
    `its ${adjRibIn.staleSize} routes are kept for ${restartMs / 1000} s (graceful restart)`,
    config,
  );
  if (restartMs === 0) expire(turn, key);
}

/** What either side would have go on, for the shorter of both times. */
function longLivedOf(turn: Turn, key: string, { longLived }: Negotiated): ReadonlyMap<Family, number> {
  const own = turn.speaker.neighbours.get(key)?.config.longLivedMs ?? 0;
  const families = (longLived ?? []).map(
    ({ family, staleTimeMs }) => [family, Math.min(own, staleTimeMs)] as const,
  );
  return new Map(families.filter(([, time]) => time > 0));
}

/** RFC 9494 §4.2: a family may be long-lived without a restart time. */
const agreedFamilies = (
  { gracefulRestart, families }: Negotiated,
  restartMs: number,
  longLived: ReadonlyMap<Family, number>,
): readonly Family[] =>
  families.filter(
    (family) =>
      longLived.has(family) ||
      (restartMs > 0 && gracefulRestart?.families.some((one) => one.family === family) === true),
  );

/** It is back: routes of a family it did not go on forwarding are no good. */
export function greet(turn: Turn, key: string, { gracefulRestart, longLived, families }: Negotiated): void {
  const neighbour = turn.speaker.neighbours.get(key);
  if (neighbour?.stale === undefined) return;
  const { until, marked } = neighbour.stale;
  const forwarding = (family: Family): boolean => {
    const said = (marked.has(family) ? longLived : undefined) ?? gracefulRestart?.families ?? [];
    return said.some((one) => one.family === family && one.isForwarding);
  };
  for (const family of until.keys())
    if (!families.includes(family) || !forwarding(family)) sweep(turn, neighbour, family);
  const again = [...until.keys()].filter((family) => neighbour.adjRibIn.staleSizeOf(family) > 0);
  const back = millis(turn.now + retellMs);
  hold(turn, key, { ...neighbour.stale, until: new Map(again.map((family) => [family, back])) });
}

/** End-of-RIB: what it has not told again by now is gone. */
export function retold(turn: Turn, key: string, family: Family): void {
  const neighbour = turn.speaker.neighbours.get(key);
  if (neighbour?.stale?.until.has(family) !== true) return;
  sweep(turn, neighbour, family);
  letGo(turn, key, neighbour.stale, [family]);
}

/** A time is over: for the neighbour to come back, to tell all again, or for what is long-lived. */
export function expire(turn: Turn, key: string): void {
  const neighbour = turn.speaker.neighbours.get(key);
  if (neighbour?.stale === undefined) return;
  const { stale, session, adjRibIn, config } = neighbour;
  // The timer was started for the first of them.
  const first = Math.min(...stale.until.values());
  const over = [...stale.until].filter(([, at]) => at <= Math.max(first, turn.now)).map(([family]) => family);
  const lasting = over.filter(
    (family) => session === undefined && stale.longLived.has(family) && !stale.marked.has(family),
  );
  for (const family of over) if (!lasting.includes(family)) sweep(turn, neighbour, family);
  const marked = new Set([...stale.marked, ...lasting]);
  const until = new Map(
    [...stale.until].flatMap(([family, at]): readonly (readonly [Family, Millis])[] => {
      if (lasting.includes(family)) return [[family, millis(turn.now + (stale.longLived.get(family) ?? 0))]];
      return over.includes(family) ? [] : [[family, at]];
    }),
  );
  hold(turn, key, { ...stale, until, marked });
  if (lasting.length === 0) return;
  log(
    turn,
    'info',
    `it is not back: its routes of ${lasting.join(', ')} are kept as a last resort (RFC 9494)`,
    config,
  );
  adjRibIn.reimport(stale.accept, staleRule({ ...stale, marked }));
  turn.speaker.jobs.add(adjRibIn);
}

/** All of it goes: it is no longer a neighbour, or restarts again. */
export function drop(turn: Turn, key: string): void {
  const neighbour = turn.speaker.neighbours.get(key);
  if (neighbour?.stale === undefined) return;
  for (const family of neighbour.stale.until.keys()) sweep(turn, neighbour, family);
  letGo(turn, key, neighbour.stale, allFamilies);
}

/** What import policy says of routes that are kept; `accept` is what it says of others. */
export const staleRule =
  ({ accept, marked }: Pick<Stale, 'accept' | 'marked'>): ImportRule =>
  (prefix, path) =>
    marked.has(familyOf(prefix)) ? longLivedVerdict(accept, prefix, path) : accept(prefix, path);

/** RFC 9494 §4.2: LLGR_STALE is added; what carries NO_LLGR is not kept. */
const longLivedVerdict = (
  accept: ImportRule,
  prefix: Parameters<ImportRule>[0],
  path: Path,
): ReturnType<ImportRule> => {
  const communities = path.attributes.communities ?? [];
  if (communities.includes(noLlgr)) return err('its neighbour is gone, and it carries NO_LLGR (RFC 9494)');
  if (communities.includes(llgrStale)) return accept(prefix, path);
  const aged = { ...plainOf(path.attributes), communities: [...communities, llgrStale] };
  return accept(prefix, pathOf(path.source, aged));
};

function sweep(turn: Turn, { adjRibIn }: Neighbour, family: Family): void {
  adjRibIn.void(family);
  turn.speaker.jobs.add(adjRibIn);
}

const letGo = (turn: Turn, key: string, stale: Stale, families: readonly Family[]): void =>
  hold(turn, key, {
    ...stale,
    until: new Map([...stale.until].filter(([family]) => !families.includes(family))),
  });

/** Waits for the first of its times; with none left, nothing is kept any more. */
function hold(turn: Turn, key: string, stale: Stale): void {
  const next = Math.min(...stale.until.values());
  amend(turn, key, { stale: stale.until.size === 0 ? undefined : stale });
  turn.effects.push(
    stale.until.size === 0
      ? { kind: 'stopTimer', timer: timerOf(key) }
      : { kind: 'startTimer', timer: timerOf(key), after: millis(Math.max(0, next - turn.now)) },
  );
}
