/** POST /reset of the Unix socket: somebody asks for a session to be made anew, or for its routes to be told again. */
import type { Answer } from '../../src/host/socket.ts';
import type { SpeakerEvent } from '../speaker/event.ts';
import { findNeighbour, whereOf } from '../speaker/report.ts';
import type { Speaker } from '../speaker/turn.ts';

type How = Extract<SpeakerEvent, { readonly kind: 'reset' }>['how'];

const hows: Readonly<Record<string, { readonly how: How; readonly words: string }>> = {
  hard: { how: 'hard', words: 'session reset' },
  in: { how: 'softIn', words: 'asked to tell its routes again' },
  out: { how: 'softOut', words: 'told our routes again' },
};

export interface ResetDoors {
  readonly speaker: Speaker;
  readonly post: (event: SpeakerEvent) => void;
  /** For the journal. */
  readonly note: (who: string, what: string, address: string) => void;
}

/** ?peer= a neighbour's name, BGPPeer, Node or address, or ?all=; ?how= hard, in or out; ?by= who asks. */
export function resetAnswer({ speaker, post, note }: ResetDoors, query: URLSearchParams): Answer {
  const by = (query.get('by') ?? 'somebody').replaceAll(/[^\w@.: -]/g, '?').slice(0, 64);
  const chosen = hows[query.get('how') ?? 'hard'];
  if (chosen === undefined) return { status: 400, body: { error: 'A reset is hard, in or out.' } };
  const peer = query.get('peer');
  const found = query.has('all')
    ? [...speaker.neighbours.values()]
    : [peer === null ? undefined : findNeighbour(speaker, peer)].filter((one) => one !== undefined);
  if (found.length === 0) {
    const known = [...speaker.neighbours.values()].map(({ config }) => config.name).join(', ') || 'none';
    return { status: 404, body: { error: `There is no neighbour "${peer ?? ''}". There is: ${known}.` } };
  }
  const blocked = found.find(({ config }) => config.blocked !== undefined);
  if (blocked !== undefined && found.length === 1)
    return {
      status: 409,
      body: { error: `${blocked.config.name} cannot be reset: ${blocked.config.blocked}.` },
    };
  for (const { config } of found) {
    note(config.name, `${chosen.words}, as ${by} asked`, whereOf(config));
    post({ kind: 'reset', peer: config.key, how: chosen.how, why: `${by} asked for it` });
  }
  return { status: 200, body: { reset: found.map(({ config }) => config.name), how: chosen.words } };
}
