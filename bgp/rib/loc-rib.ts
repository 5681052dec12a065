/**
 * Loc-RIB: the acceptable paths of all sources and the choice among them, net by net (RFC 4271 §9.1).
 *
 * Owned by the speaker. Writes only note which nets to look at again; `settle` then decides each of them once, so a
 * burst of changes to one prefix costs one decision and the outcome never depends on their order. Where there is but
 * one path, the choice is its number and costs no object.
 */
import type { Address, Prefix } from '../../src/lib/net.ts';
import { Changes } from './changes.ts';
import { grown32 } from './columns.ts';
import { type Choice, type Criteria, choose, isEligible, plainCriteria } from './decide.ts';
import type { Path } from './path.ts';
import { Routes } from './routes.ts';

export type { Choice } from './decide.ts';

/** Of this net, whose number is its own until then. Empty: there was none, or is none any more. */
export type OnChange = (net: number, before: Choice, after: Choice) => void;

const nothing: Choice = [];

/** Paths that are judged otherwise now, and the next route to be looked at for one. */
interface Concern {
  readonly isConcerned: (path: Path) => boolean;
  at: number;
}

/** All its routes are looked at, or one that is better than what was chosen and so than all others. */
const [atAll, atOne] = [1, 2];
/** Routes looked at for one net that may be decided. */
const looksPerNet = 8;

export class LocRib {
  readonly routes = new Routes();
  /** Nets whose best path is another; with a reader of all paths, nets of which any path is. */
  readonly changes = new Changes();
  /** Neighbours that are told more than the best path of a prefix (RFC 7911). */
  readersOfAll = 0;
  #criteria: Criteria = plainCriteria;
  /** What is chosen for a net (`Nets`): a number of `routes.paths`, of which that is one reference; negative: of this list. */
  readonly #several: (Choice | undefined)[] = [undefined];
  readonly #freeSeveral: number[] = [];
  #lone: Choice = nothing;
  /** To be decided anew. */
  #dirty: Int32Array = new Int32Array(1024);
  #dirtyCount = 0;
  /** So many of them are decided. */
  #settledTo = 0;
  /** By net that is to be decided `atOne`: the route. */
  #better: Int32Array = new Int32Array(0);
  #concern: Concern | undefined;
  #size = 0;
  /** The net that was decided last: numbers of its paths, in the order of its routes, and the choice among them. */
  readonly #alike: { ids: number[]; count: number; choice: Choice | undefined } = {
    ids: [],
    count: 0,
    choice: undefined,
  };

  /** Prefixes for which there is a choice, once settled. */
  get size(): number {
    return this.#size;
  }

  get criteria(): Criteria {
    return this.#criteria;
  }

  /** Other criteria from now on; what they may change is for the caller to `reconsider`. */
  set criteria(criteria: Criteria) {
    this.#criteria = criteria;
  }

  /** The acceptable paths, in no order that means anything; two that are alike in everything are one. */
  paths(prefix: Prefix): readonly Path[] {
    return this.pathsOf(this.routes.nets.find(prefix));
  }

  /** As of the last `settle`. */
  choice(prefix: Prefix): Choice {
    const net = this.routes.nets.find(prefix);
    return net === 0 ? nothing : this.#choiceOf(this.routes.nets.chosen(net));
  }

  /** As of the last `settle`. */
  best(net: number): Path | undefined {
    const chosen = this.routes.nets.chosen(net);
    return chosen < 0 ? this.#several[-chosen]?.[0] : this.routes.paths.find(chosen);
  }

  /** Prefixes with an acceptable path. */
  *prefixes(): Generator<Prefix> {
    const { nets } = this.routes;
    for (let net = 1; net < nets.limit; net += 1)
      if (nets.has(net) && this.#firstUsable(net) !== 0) yield nets.prefix(net);
  }

  pathsOf(net: number): readonly Path[] {
    const { routes } = this;
    const paths: Path[] = [];
    for (let route = routes.head(net); route > 0; route = routes.next(route)) {
      const path = routes.paths.find(routes.usable(route));
      if (path !== undefined && !paths.includes(path)) paths.push(path);
    }
    return paths;
  }

  /** To be decided anew, and forgotten if nothing is left of it. */
  touch(net: number): void {
    this.#mark(net, atAll);
  }

  /**
   * A route is about to be accepted otherwise. Nothing is to decide if what is chosen is better than these paths, whatever the steps
   * that compare in groups say; and little if this path is better.
   * @param before  number of the path that goes; 0: none
   * @param after  of the one that comes
   */
  weigh(net: number, route: number, before: number, after: number): void {
    const { nets, paths } = this.routes;
    const chosen = nets.chosen(net);
    const look = nets.look(net);
    if (chosen === 0 || look === atAll || this.readersOfAll > 0) {
      this.touch(net);
      return;
    }
    const best = look === atOne ? this.routes.accepted(this.#better[net] as number) : chosen;
    const least = best < 0 ? (this.#several[-best]?.[0]?.rank ?? 0) : paths.rankOf(best);
    const rank = paths.rankOf(after);
    if (rank < least) {
      if (net >= this.#better.length) this.#better = grown32(this.#better, nets.limit);
      this.#better[net] = route;
      this.#mark(net, atOne);
    } else if (rank === least || paths.rankOf(before) <= least) this.touch(net);
  }

  /** A path that is known and not chosen: asks how its next hop is reached, so that the answer is there once it is. */
  follow({ source, nextHop }: Path): void {
    if (source.type !== 'local') this.#criteria.metric(nextHop);
  }

  /** Criteria or next hops are judged otherwise: all nets with such a path are decided anew, as `settle` comes by them. */
  reconsider(isConcerned: (path: Path) => boolean): void {
    const before = this.#concern?.isConcerned;
    const either = (path: Path): boolean => before?.(path) === true || isConcerned(path);
    this.#concern = { isConcerned: before === undefined ? isConcerned : either, at: 1 };
  }

  /** Nothing waits to be decided anew. */
  get isSettled(): boolean {
    return this.#dirtyCount === 0 && this.#concern === undefined;
  }

  /**
   * Decides anew where something was touched, in that order; tells only what came out differently.
   * @param most  nets; the others are decided at the next call
   */
  settle(onChange: OnChange, most: number = Number.POSITIVE_INFINITY): void {
    if (this.#concern !== undefined) this.#judge(this.#concern, most * looksPerNet);
    const end = Math.min(this.#dirtyCount, this.#settledTo + most);
    this.#alike.choice = undefined; // numbers may stand for other paths by now, and next hops may cost something else
    for (; this.#settledTo < end; this.#settledTo += 1)
      this.#settleNet(this.#dirty[this.#settledTo] as number, onChange);
    if (end < this.#dirtyCount) return;
    this.#dirtyCount = 0;
    this.#settledTo = 0;
  }

  /** One neighbour more has been told of the net: its number is not given to another before all were told otherwise. */
  tell(net: number): void {
    this.routes.nets.tell(net);
  }

  untell(net: number): void {
    if (this.routes.nets.untell(net) === 0) this.release(net);
  }

  /** Forgets the net if nothing is left of it. */
  release(net: number): void {
    const { nets } = this.routes;
    if (nets.last(net) > 0 || nets.chosen(net) !== 0 || nets.told(net) !== 0) return;
    if (nets.look(net) === 0 && nets.has(net)) nets.remove(net);
  }

  /** Some routes further: a look costs less than a decision. */
  #judge(concern: Concern, most: number): void {
    const { routes } = this;
    const known = new Map<number, boolean>([[0, false]]); // numbers stand for other paths in another turn
    const end = Math.min(routes.limit, concern.at + most);
    for (let route = concern.at; route < end; route += 1) {
      const usable = routes.usable(route);
      let isConcerned = known.get(usable);
      if (isConcerned === undefined) {
        isConcerned = concern.isConcerned(routes.paths.get(usable));
        known.set(usable, isConcerned);
      }
      if (isConcerned) this.touch(routes.net(route));
    }
    concern.at = end;
    if (end === routes.limit) this.#concern = undefined;
  }

  #settleNet(net: number, onChange: OnChange): void {
    const { nets } = this.routes;
    const look = nets.look(net);
    nets.setLook(net, 0);
    const before = nets.chosen(net);
    const had = this.#choiceOf(before);
    const after = (look === atOne ? this.#betterOf(net) : undefined) ?? this.#choose(net);
    if (had[0] !== after[0] || this.readersOfAll > 0) this.changes.add(net);
    if (!sameChoice(had, after)) {
      this.#put(net, before, after);
      onChange(net, had, after);
    }
    if (after.length === 0) this.release(net);
  }

  #mark(net: number, look: number): void {
    const { nets } = this.routes;
    const before = nets.look(net);
    nets.setLook(net, look);
    if (before !== 0) return;
    if (this.#dirtyCount === this.#dirty.length) this.#dirty = grown32(this.#dirty);
    this.#dirty[this.#dirtyCount] = net;
    this.#dirtyCount += 1;
  }

  /** Undefined: it is void by now, or its next hop does not lead there. */
  #betterOf(net: number): Choice | undefined {
    const path = this.routes.paths.find(this.routes.usable(this.#better[net] as number));
    return path !== undefined && isEligible(path, this.#criteria.metric) ? this.#loneOf(path) : undefined;
  }

  /** Nets that came in one message have the same paths, and their choices are one, worked out once. */
  #choose(net: number): Choice {
    const { routes } = this;
    const alike = this.#alike;
    let count = 0;
    let isSame = alike.choice !== undefined;
    for (let route = routes.head(net); route !== 0; route = routes.next(route)) {
      const id = routes.usable(route);
      if (id === 0) continue;
      isSame &&= alike.ids[count] === id;
      alike.ids[count] = id;
      count += 1;
    }
    if (!isSame || alike.count !== count) {
      alike.count = count;
      alike.choice = this.#chooseAmong(alike.ids, count);
    }
    return alike.choice ?? nothing;
  }

  #chooseAmong(ids: readonly number[], count: number): Choice {
    const { paths } = this.routes;
    const first = this.#foremost(ids, count);
    const foremost = first === 0 ? undefined : paths.get(first);
    if (foremost !== undefined && isEligible(foremost, this.#criteria.metric)) return this.#loneOf(foremost);
    if (count < 2) return nothing;
    const among: Path[] = [];
    for (let index = 0; index < count; index += 1) {
      const id = ids[index] as number;
      if (ids.indexOf(id) === index) among.push(paths.get(id));
    }
    const chosen = choose(among, this.#criteria);
    const [best, second] = chosen;
    return best !== undefined && second === undefined ? this.#loneOf(best) : chosen;
  }

  /** The path of the least rank; 0: there is none, or another has the same. */
  #foremost(ids: readonly number[], count: number): number {
    const { paths } = this.routes;
    let least = Number.POSITIVE_INFINITY;
    let first = 0;
    for (let index = 0; index < count; index += 1) {
      const id = ids[index] as number;
      const rank = paths.rankOf(id);
      if (rank > least || id === first) continue;
      first = rank < least ? id : 0;
      least = rank;
    }
    return first;
  }

  #put(net: number, before: number, after: Choice): void {
    const { nets, paths } = this.routes;
    const [best, second] = after;
    let chosen = 0;
    if (second !== undefined) {
      const place = this.#freeSeveral.pop() ?? this.#several.length;
      this.#several[place] = after;
      chosen = -place;
    } else if (best !== undefined) chosen = paths.hold(best);
    nets.setChosen(net, chosen);
    this.#size += (chosen === 0 ? 0 : 1) - (before === 0 ? 0 : 1);
    if (before > 0) paths.drop(before);
    else if (before < 0) {
      this.#several[-before] = undefined;
      this.#freeSeveral.push(-before);
    }
  }

  #choiceOf(chosen: number): Choice {
    if (chosen === 0) return nothing;
    return chosen > 0 ? this.#loneOf(this.routes.paths.get(chosen)) : (this.#several[-chosen] ?? nothing);
  }

  /** One list for all prefixes in a row that have just this path. */
  #loneOf(path: Path): Choice {
    if (this.#lone[0] !== path) this.#lone = [path];
    return this.#lone;
  }

  #firstUsable(net: number): number {
    const { routes } = this;
    let route = routes.head(net);
    while (route !== 0 && routes.usable(route) === 0) route = routes.next(route);
    return route;
  }
}

const sameChoice = (a: Choice, b: Choice): boolean =>
  a === b || (a.length === b.length && a.every((path, index) => path === b[index]));

/** Asked of all paths: does it lead by one of these next hops? */
export const leadsBy =
  (nextHops: ReadonlySet<Address>) =>
  ({ source, nextHop }: Path): boolean =>
    source.type !== 'local' && nextHops.has(nextHop);
