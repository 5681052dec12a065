/**
 * Where two classes meet: some of the one and some of the other on one node, or on different ones. What is judged differs: host
 * endpoints are crossed between nodes only, and a host always reaches the pods it runs.
 */
import { nodeOf } from '../meet.ts';
import type { Who } from '../who.ts';
import type { Class } from './classes.ts';

export interface Meeting {
  readonly from: Class;
  readonly to: Class;
  /** One of each, who stand for all that meet so. */
  readonly source: Who;
  readonly destination: Who;
  /** Absent: that makes no difference. */
  readonly nodes?: 'same' | 'different';
}

type Place = string | undefined;

/** A class never changes, so its places are looked up once. */
const books = new WeakMap<Class, ReadonlyMap<Place, readonly Who[]>>();

function placesOf(one: Class): ReadonlyMap<Place, readonly Who[]> {
  const before = books.get(one);
  if (before !== undefined) return before;
  const book = Map.groupBy(one.members, nodeOf);
  books.set(one, book);
  return book;
}

/**
 * One or two; none if the only member of a class would meet itself.
 * @param isPlain  there are no host endpoints: then it makes no difference to two pods
 */
export function meetingsOf(from: Class, to: Class, isPlain: boolean): readonly Meeting[] {
  const kinds = [from, to].map(({ members: [first] }) => first?.spot?.kind);
  const isOnce = kinds.includes(undefined) || (isPlain && kinds.every((kind) => kind === 'workload'));
  if (isOnce) return met(from, to, from.members[0], from === to ? to.members[1] : to.members[0]);
  return [...together(from, to), ...apart(from, to)];
}

const met = (
  from: Class,
  to: Class,
  source: Who | undefined,
  destination: Who | undefined,
  nodes?: Meeting['nodes'],
): readonly Meeting[] =>
  source === undefined || destination === undefined
    ? []
    : [{ from, to, source, destination, ...(nodes === undefined ? {} : { nodes }) }];

function together(from: Class, to: Class): readonly Meeting[] {
  const [here, there] = [placesOf(from), placesOf(to)];
  const [few, many] = here.size <= there.size ? [here, there] : [there, here];
  for (const place of few.keys()) {
    if (place === undefined || !many.has(place)) continue;
    const [source] = here.get(place) ?? [];
    const destination = there.get(place)?.find((who) => who !== source);
    if (destination !== undefined) return met(from, to, source, destination, 'same');
  }
  return [];
}

/** Of whom nobody knows where it is, it is nowhere else's. */
function apart(from: Class, to: Class): readonly Meeting[] {
  for (const [place, [source]] of placesOf(from))
    for (const [other, all] of placesOf(to)) {
      const destination = all.find((who) => who !== source);
      if ((place === undefined || place !== other) && destination !== undefined)
        return met(from, to, source, destination, 'different');
    }
  return [];
}
