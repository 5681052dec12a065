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
  /** `hashOf` its name, worked out once where many nodes wait. */
  readonly hash?: number;
}

/** @returns the names of min(count, others) observers, without `waiting` itself */
export function observersOf(waiting: string, candidates: Iterable<Candidate>, count = 3): readonly string[] {
  const best: Weighed[] = [];
  const seed = hashOf(waiting);
  for (const { name, ready, hash = hashOf(name) } of candidates) {
    if (name === waiting) continue;
    const one = { name, ready, weight: mix(seed ^ mix(hash)) };
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

/** FNV-1a. 0..2^32-1 */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}

/** Numbers that differ little are far apart afterwards. 0..2^32-1 */
function mix(hash: number): number {
  const once = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  const twice = Math.imul(once ^ (once >>> 13), 0xc2b2ae35);
  return (twice ^ (twice >>> 16)) >>> 0;
}
