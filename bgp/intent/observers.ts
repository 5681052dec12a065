/**
 * Who looks out for whom: each waiting node is observed by a few others, chosen by rendezvous hashing.
 *
 * Every node works this out by itself and all come to the same answer. When a node comes or goes, only the nodes it
 * observes, or now observes, get another observer.
 */

export interface Candidate {
  readonly name: string;
  /** Those that are ready come first. */
  readonly ready: boolean;
}

/** @returns the names of min(count, others) observers, without `waiting` itself */
export function observersOf(waiting: string, candidates: Iterable<Candidate>, count = 3): readonly string[] {
  const best: Weighed[] = [];
  for (const { name, ready } of candidates) {
    if (name === waiting) continue;
    const one = { name, ready, weight: weigh(waiting, name) };
    const place = best.findIndex((other) => isBefore(one, other));
    if (place >= 0) best.splice(place, 0, one);
    else if (best.length < count) best.push(one);
    if (best.length > count) best.pop();
  }
  return best.map(({ name }) => name);
}

interface Weighed extends Candidate {
  readonly weight: number;
}

function isBefore(a: Weighed, b: Weighed): boolean {
  if (a.ready !== b.ready) return a.ready;
  return a.weight !== b.weight ? a.weight > b.weight : a.name < b.name;
}

/** FNV-1a over both names, then mixed, so that names that differ in their last sign are far apart. 0..2^32-1. */
function weigh(waiting: string, observer: string): number {
  let hash = 0x811c9dc5;
  const text = `${waiting}\0${observer}`;
  for (let index = 0; index < text.length; index += 1)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
