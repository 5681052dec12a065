/** What somebody outside asks of one session: a reset, hard or soft, and what BFD says of its path. */
import type { BfdState } from '../session/event.ts';
import { ceaseReasons } from '../wire/iana.ts';
import type { SpeakerEvent } from './event.ts';
import type { Session } from './neighbour.ts';
import { refresh } from './refresh.ts';
import { drive } from './sessions.ts';
import { log, type Turn } from './turn.ts';

type How = Extract<SpeakerEvent, { readonly kind: 'reset' }>['how'];

export function reset(turn: Turn, key: string, how: How, why: string): void {
  const neighbour = turn.speaker.neighbours.get(key);
  if (neighbour === undefined || neighbour.config.blocked !== undefined) return;
  log(turn, 'info', `${words[how]}: ${why}`, neighbour.config);
  if (how === 'hard') {
    drive(turn, key, { kind: 'ManualStop', subcode: ceaseReasons.administrativeReset, why });
    drive(turn, key, { kind: 'ManualStart' });
  } else if (neighbour.session !== undefined) {
    soft[how](turn, neighbour.session);
  }
}

const words: Readonly<Record<How, string>> = {
  hard: 'session is reset',
  softIn: 'the neighbour is asked to tell all its routes again',
  softOut: 'the neighbour is told all routes again',
};

const soft: Readonly<Record<Exclude<How, 'hard'>, (turn: Turn, session: Session) => void>> = {
  softIn: (turn, session) => {
    const { source, side, negotiated, accept, adjRibIn } = session;
    if (!negotiated.routeRefresh) {
      adjRibIn.reimport(accept);
      turn.speaker.jobs.add(adjRibIn);
    } else
      for (const family of negotiated.families)
        turn.effects.push({
          kind: 'send',
          peer: source.key,
          side,
          message: { kind: 'routeRefresh', subtype: 'request', family },
        });
  },
  softOut: (turn, session) => {
    for (const family of session.negotiated.families)
      refresh(turn, session, { kind: 'routeRefresh', subtype: 'request', family });
  },
};

/**
 * It may come before the peer it is of, and outlives a session that is made anew: strict ones wait for it. That BFD with
 * somebody who is no neighbour has been taken away is all there is to know of him.
 */
export function hearBfd(turn: Turn, key: string, state: BfdState, why: string): void {
  const { bfd, neighbours } = turn.speaker;
  if (bfd.get(key) === state) return;
  bfd.set(key, state);
  const neighbour = neighbours.get(key);
  if (neighbour === undefined) {
    if (state === 'adminDown') bfd.delete(key);
    return;
  }
  log(turn, state === 'down' ? 'warn' : 'info', `BFD is ${state}: ${why}`, neighbour.config);
  turn.shown.add(key);
  drive(turn, key, { kind: 'Bfd', state });
}
