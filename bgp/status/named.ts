/** Which neighbours an operator's word means: one place for every question and every order that names one. */
import { err, ok, type Result } from '../../src/lib/result.ts';
import { nearest } from '../../src/store/schema/flaw.ts';
import type { Neighbour } from '../speaker/neighbour.ts';
import { neighboursOf, whereOf } from '../speaker/report.ts';
import type { Speaker } from '../speaker/turn.ts';

/** In a sentence; a node may have a hundred neighbours, and one is sought. */
const mostNamed = 10;

/**
 * Those of this name, pod, key ("address port") or address. Nobody: those that this BGPPeer or Node stands for, which may be several.
 * In the order of the configuration.
 */
export function neighboursNamed(speaker: Speaker, word: string): readonly Neighbour[] {
  const all = neighboursOf(speaker);
  const exact = all.filter(({ config }) =>
    [config.name, config.workload, config.key, whereOf(config)].includes(word),
  );
  return exact.length > 0 ? exact : all.filter(({ config }) => config.resource === word);
}

/** The one that is meant; the error is a sentence: there is none, or there are several. */
export function neighbourNamed(speaker: Speaker, word: string): Result<Neighbour> {
  const [only, ...others] = neighboursNamed(speaker, word);
  if (only === undefined) return err(nobodyNamed(speaker, word));
  if (others.length === 0) return ok(only);
  return err(`"${word}" is more than one neighbour: ${listed([only, ...others])}. Ask for one of them.`);
}

/** There is nobody of that name: who it may have been, or who there is. */
export function nobodyNamed(speaker: Speaker, word: string): string {
  const all = neighboursOf(speaker);
  const meant = nearest(
    word,
    all.flatMap(({ config }) => [
      config.name,
      whereOf(config),
      ...(config.resource === undefined ? [] : [config.resource]),
    ]),
  );
  const guess = meant === undefined ? '' : ` Is "${meant}" meant?`;
  return `There is no neighbour "${word}".${guess} There is: ${listed(all) || 'none'}.`;
}

function listed(neighbours: readonly Neighbour[]): string {
  const some = neighbours.slice(0, mostNamed).map(({ config }) => `${config.name} (${whereOf(config)})`);
  const more = neighbours.length - some.length;
  return `${some.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
