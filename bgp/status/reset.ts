/** POST /reset of the Unix socket: somebody asks for a session to be made anew, or for its routes to be told again. */
import type { Answer } from '../../src/host/socket.ts';
import type { SpeakerEvent } from '../speaker/event.ts';
import { neighboursOf, whereOf } from '../speaker/report.ts';
import type { Speaker } from '../speaker/turn.ts';
import { neighboursNamed, nobodyNamed } from './named.ts';

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

/**
 * ?peer= a neighbour's name or address, or a BGPPeer or Node and all it stands for, or ?all=; ?how= hard, in or out; ?by= who asks.
 * Those that may not be started are left out.
 */
export function resetAnswer({ speaker, post, note }: ResetDoors, query: URLSearchParams): Answer {
  const by = (query.get('by') ?? 'somebody').replaceAll(/[^\w@.: -]/g, '?').slice(0, 64);
  const chosen = hows[query.get('how') ?? 'hard'];
  if (chosen === undefined) return { status: 400, body: { error: 'A reset is hard, in or out.' } };
  const peer = query.get('peer') ?? '';
  const found = query.has('all') ? neighboursOf(speaker) : neighboursNamed(speaker, peer);
  const startable = found.filter(({ config }) => config.blocked === undefined);
  const [blocked] = found;
  if (blocked === undefined) return { status: 404, body: { error: nobodyNamed(speaker, peer) } };
  if (startable.length === 0)
    return {
      status: 409,
      body: { error: `${blocked.config.name} cannot be reset: ${blocked.config.blocked}.` },
    };
  for (const { config } of startable) {
    note(config.name, `${chosen.words}, as ${by} asked`, whereOf(config));
    post({ kind: 'reset', peer: config.key, how: chosen.how, why: `${by} asked for it` });
  }
  return { status: 200, body: { reset: startable.map(({ config }) => config.name), how: chosen.words } };
}
