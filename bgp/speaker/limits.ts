/**
 * How much one neighbour may tell us (PeerConfig.maxPrefix): routes of a family at once, before import policy. And how
 * much it is told (PeerConfig.prefixLimit, addPath).
 * RFC 4271 §6.7 and RFC 4486 §4 (Cease, Maximum Number of Prefixes Reached).
 */
import { Writer } from '../../src/lib/bytes.ts';
import type { PeerConfig } from '../config.ts';
import type { Negotiated, PeerEvent } from '../session/event.ts';
import { families } from '../wire/family.ts';
import { ceaseReasons, errorCodes } from '../wire/iana.ts';
import type { Family } from '../wire/message.ts';
import type { Session } from './neighbour.ts';
import { amendSession, log, type Turn } from './turn.ts';

type Stop = Extract<PeerEvent, { readonly kind: 'AutomaticStop' }>;

/** Routes of the family that are taken at all; the others are discarded. */
export function roomOf(config: PeerConfig | undefined, family: Family): number {
  const limit = config?.maxPrefix?.[family];
  return limit?.action === 'discard' ? limit.most : Number.POSITIVE_INFINITY;
}

/** Says once a session that the neighbour comes near a limit, and once that it is there. @returns  how the session ends, if it does */
export function heed(turn: Turn, session: Session, config: PeerConfig): Stop | undefined {
  for (const family of session.negotiated.families) {
    const limit = config.maxPrefix?.[family];
    if (limit === undefined) continue;
    const count = session.adjRibIn.sizeOf(family);
    if (count > limit.most && limit.action === 'cease')
      return stopFor(family, limit.most, count, limit.restartMs);
    const isFull = limit.action === 'discard' ? count >= limit.most : count > limit.most;
    if (isFull) warn(turn, session, config, `${family} full`, full(limit.action, family, limit.most));
    else if (count * 100 >= limit.most * limit.warnPercent)
      warn(
        turn,
        session,
        config,
        family,
        `it has told ${count} routes of ${family}, and its limit is ${limit.most}`,
      );
  }
  return undefined;
}

/** Says once a session that we have more to tell than the neighbour is told. */
export function noteWithheld(turn: Turn, session: Session): void {
  const config = turn.speaker.neighbours.get(session.source.key)?.config;
  if (config?.prefixLimit === undefined) return;
  for (const [family, most] of limitsOf(config)) {
    const excess = session.adjRibOut.withheldOf(family);
    if (excess === 0) continue;
    const what = `it is told ${most} prefixes of ${family}, its prefixLimit, and not the ${excess} behind them`;
    warn(turn, session, config, `${family} withheld`, `${what}: raise the limit, or let filters choose`);
  }
}

const full = (action: 'discard' | 'warn' | 'cease', family: Family, most: number): string =>
  action === 'discard'
    ? `it has told ${most} routes of ${family}, which is its limit: further ones are discarded`
    : `it has told more than ${most} routes of ${family}, which is its limit`;

function warn(turn: Turn, session: Session, config: PeerConfig, what: string, message: string): void {
  const { key } = session.source;
  const warned = turn.speaker.neighbours.get(key)?.session?.warned ?? session.warned;
  if (warned.has(what)) return;
  amendSession(turn, key, { warned: new Set([...warned, what]) });
  log(turn, 'warn', message, config);
}

/** RFC 4486 §4: AFI, SAFI and the limit, in four octets, are the data. */
function stopFor(family: Family, most: number, count: number, restartMs: number | undefined): Stop {
  const { afi, safi } = families[family];
  return {
    kind: 'AutomaticStop',
    notification: {
      kind: 'notification',
      code: errorCodes.cease,
      subcode: ceaseReasons.maxPrefixes,
      data: new Writer(7).u16(afi).u8(safi).u32(most).done(),
    },
    why: `the neighbour told ${count} routes of ${family}, and its limit is ${most}`,
    pauseMs: restartMs ?? 'never',
  };
}

/** Families of which several paths are told, and how many at most (RFC 7911). */
export const severalOf = ({ addPath }: PeerConfig, { codec }: Negotiated): ReadonlyMap<Family, number> =>
  new Map(
    [...(codec.addPathSend ?? [])].map((family) => [
      family,
      typeof addPath?.send === 'number' ? addPath.send : Number.POSITIVE_INFINITY,
    ]),
  );

export const limitsOf = ({ prefixLimit }: PeerConfig): ReadonlyMap<Family, number> =>
  new Map(
    (['ipv4-unicast', 'ipv6-unicast'] as const).flatMap((family) => {
      const most = prefixLimit?.[family];
      return most === undefined ? [] : [[family, most] as const];
    }),
  );
