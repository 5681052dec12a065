/** The end of a neighbour that came by itself: see dynamic.ts. */
import type { BgpState } from '../../src/model/status.ts';
import type { Neighbour } from './neighbour.ts';
import { retire } from './routes.ts';
import { drop } from './stale.ts';
import { log, type Turn } from './turn.ts';

/** A dynamic neighbour whose last connection is gone, and of which nothing is kept, is none. One in its pause is remembered for it. */
export function dismiss(turn: Turn, key: string): void {
  const neighbour = turn.speaker.neighbours.get(key);
  if (neighbour?.config.dynamic === undefined || !isOver(neighbour)) return;
  log(turn, 'info', 'the neighbour has gone', neighbour.config);
  drop(turn, key);
  retire(turn, neighbour);
  for (const name of neighbour.peer.timers)
    turn.effects.push({ kind: 'stopTimer', timer: { owner: 'peer', peer: key, name } });
  turn.speaker.neighbours.delete(key);
  turn.speaker.life.silence = undefined;
  turn.shown.add(key);
}

const resting: ReadonlySet<BgpState> = new Set<BgpState>(['Idle', 'Connect', 'Active']);

const isOver = ({ peer, session, stale }: Neighbour): boolean =>
  session === undefined &&
  stale === undefined &&
  !peer.held &&
  resting.has(peer.outgoing.state) &&
  resting.has(peer.incoming.state);
