/** GET /history of the Unix socket: the journal, from which a reader picks. */
import type { Answer } from '../../src/host/socket.ts';
import { contains, parsePrefix } from '../../src/lib/net.ts';
import type { HistoryEntry } from '../../src/model/history.ts';
import type { Speaker } from '../speaker/turn.ts';
import type { Journal } from '../watch/journal.ts';

/**
 * ?after= a number · ?since= milliseconds of the wall clock · ?peer= a neighbour's name, BGPPeer, Node or address ·
 * ?prefix= that prefix and what lies within
 */
export function historyAnswer(journal: Journal, speaker: Speaker, query: URLSearchParams): Answer {
  const { entries, ...rest } = journal.read(Number(query.get('after') ?? 0));
  const tests: ((entry: HistoryEntry) => boolean)[] = [];
  const since = query.get('since');
  if (since !== null) tests.push(({ at, until = at }) => Date.parse(until) >= Number(since));
  const peer = query.get('peer');
  if (peer !== null) tests.push(ofPeer(speaker, peer));
  const text = query.get('prefix');
  if (text !== null) {
    const within = parsePrefix(text);
    if (within === undefined)
      return { status: 400, body: { error: `"${text}" is not a prefix. Write for example 10.65.1.0/24.` } };
    tests.push(({ prefix }) => {
      const one = prefix === undefined ? undefined : parsePrefix(prefix);
      return one !== undefined && contains(within, one);
    });
  }
  const asked = entries.filter((entry) => tests.every((test) => test(entry)));
  return { status: 200, body: { entries: asked, ...rest } };
}

/** A neighbour that is no longer there is known by the name or address it had. */
function ofPeer(speaker: Speaker, peer: string): (entry: HistoryEntry) => boolean {
  const names = new Set([peer]);
  for (const { config } of speaker.neighbours.values())
    if (config.resource === peer || config.name === peer) names.add(config.name);
  return ({ who, address, what }) =>
    names.has(who) ||
    address === peer ||
    (address === undefined && [...names].some((name) => what.includes(name)));
}
