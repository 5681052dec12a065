/**
 * Adj-RIB-In: what one neighbour told us, as received (RFC 4271 §3.2): its rows in the table of all routes.
 *
 * What import policy rejects stays here too, so a change of policy needs no Route Refresh. It outlives a session: what
 * was told in the last one is stale or void by then, and what is void counts no more, though it takes a while to be
 * swept: a million routes do not go in one turn.
 */
import { isPrefix4, type Prefix } from '../../src/lib/net.ts';
import type { ImportRule } from '../policy/import.ts';
import type { Family, PathAttributes } from '../wire/message.ts';
import type { LocRib } from './loc-rib.ts';
import { type Path, pathOf, type Source } from './path.ts';
import type { Routes, Standing } from './routes.ts';

/** Routes of one family by what they are worth; those that are void are not counted. */
interface Counts {
  fresh: number;
  stale: number;
  freshAccepted: number;
  staleAccepted: number;
}

const noCounts = (): Counts => ({ fresh: 0, stale: 0, freshAccepted: 0, staleAccepted: 0 });

/** So often it may grow older before what is void must have been swept. */
const mostAges = 200;
/** Rows looked at for one row's worth of work; most belong to others. */
const looksPerRow = 16;

export class AdjRibIn {
  readonly #rib: LocRib;
  readonly #routes: Routes;
  readonly #source: number;
  readonly #counts: Record<Family, Counts> = { 'ipv4-unicast': noCounts(), 'ipv6-unicast': noCounts() };
  readonly #complete = new Set<Family>();
  #session: Source | undefined;
  /** The next row to be swept, and asked of import policy anew if there is a rule; 0: there is nothing to do. */
  #at = 0;
  #rule: ImportRule | undefined;
  #staleRule: ImportRule | undefined;
  /** When all is asked, all is to be asked once more. */
  #isOwed = false;
  #isClosed = false;
  #agesSinceSweep = 0;

  constructor(rib: LocRib) {
    this.#rib = rib;
    this.#routes = rib.routes;
    this.#source = rib.routes.addSource();
  }

  /** A session begins: what is told from now on is this source's. */
  open(source: Source): void {
    this.#session = source;
    this.#complete.clear();
  }

  /** What is known of the neighbour is another in what does not need a session of its own; `reimport` must follow. */
  retell(source: Source): void {
    this.#session = source;
  }

  /** Its number in the table of routes. */
  get source(): number {
    return this.#source;
  }

  /** Told in this session and not taken back. */
  get size(): number {
    return this.sizeOf('ipv4-unicast') + this.sizeOf('ipv6-unicast');
  }

  sizeOf(family: Family): number {
    return this.#counts[family].fresh;
  }

  /** Of an earlier time, and kept. */
  get staleSize(): number {
    return this.staleSizeOf('ipv4-unicast') + this.staleSizeOf('ipv6-unicast');
  }

  staleSizeOf(family: Family): number {
    return this.#counts[family].stale;
  }

  /** Of all that is good, how much import policy took. */
  get acceptedSize(): number {
    return Object.values(this.#counts).reduce(
      (sum, each) => sum + each.freshAccepted + each.staleAccepted,
      0,
    );
  }

  /** What a route with these attributes is, told in this session. */
  path(attributes: PathAttributes): Path {
    if (this.#session === undefined) throw new Error('bug: a route came before its session was up');
    return pathOf(this.#session, attributes);
  }

  /** As received, path by path with its Path Identifier, in no order; what is kept of an earlier session too. */
  *entries(): Generator<[Prefix, Path, number]> {
    const routes = this.#routes;
    for (let route = 1; route < routes.limit; route += 1)
      if (routes.source(route) === this.#source && routes.standing(route) !== 'void')
        yield [
          routes.nets.prefix(routes.net(route)),
          routes.paths.get(routes.received(route)),
          routes.pathId(route),
        ];
  }

  /**
   * Announced; replaces what was there (RFC 4271 §3.1).
   * @param pathIds  RFC 7911, parallel to `prefixes`; absent: all are 0
   * @param most  what would make the family greater than this is not taken
   * @returns  how many were not
   */
  announce(
    family: Family,
    prefixes: readonly Prefix[],
    pathIds: readonly number[] | undefined,
    path: Path,
    accept: ImportRule,
    most: number,
  ): number {
    const { paths } = this.#routes;
    const counts = this.#counts[family];
    const received = paths.hold(path);
    const told = paths.get(received);
    let accepted = told;
    let acceptedId = paths.hold(accepted);
    let asked: Path | undefined;
    let refused = 0;
    for (let index = 0; index < prefixes.length; index += 1) {
      const prefix = prefixes[index] as Prefix;
      const verdict = accept(prefix, told);
      if (verdict.ok && verdict.value !== accepted) {
        paths.drop(acceptedId);
        accepted = verdict.value;
        acceptedId = paths.hold(accepted);
      }
      if (verdict.ok && asked !== accepted) this.#rib.follow(accepted);
      if (verdict.ok) asked = accepted;
      const id = verdict.ok ? acceptedId : 0;
      if (!this.#put(counts, prefix, pathIds?.[index] ?? 0, received, id, most)) refused += 1;
    }
    paths.drop(received);
    paths.drop(acceptedId);
    return refused;
  }

  /** Withdrawn; false if it was not there. */
  withdraw(prefix: Prefix, pathId: number): boolean {
    const routes = this.#routes;
    const net = routes.nets.find(prefix);
    const route = net === 0 ? 0 : routes.find(net, this.#source, pathId);
    if (route === 0) return false;
    const accepted = routes.accepted(route);
    const counts = isPrefix4(prefix) ? this.#counts['ipv4-unicast'] : this.#counts['ipv6-unicast'];
    this.#count(counts, routes.standing(route), accepted, -1);
    this.#rib.weigh(net, route, accepted, 0);
    routes.remove(route);
    return true;
  }

  /** All of the family is stale from here on; what was stale before is void, unless that is kept too. */
  grow(family: Family, keepsStale = false): void {
    if (!keepsStale) this.void(family);
    this.#agesSinceSweep += 1;
    if (this.#agesSinceSweep > mostAges) this.work(Number.POSITIVE_INFINITY);
    this.#routes.grow(this.#source, family);
    const counts = this.#counts[family];
    counts.stale += counts.fresh;
    counts.staleAccepted += counts.freshAccepted;
    counts.fresh = 0;
    counts.freshAccepted = 0;
  }

  /** What is stale of the family is gone: nobody chooses it any more, and `work` takes it away. */
  void(family: Family): void {
    const counts = this.#counts[family];
    this.#routes.void(this.#source, family);
    if (counts.stale === 0) return;
    counts.stale = 0;
    counts.staleAccepted = 0;
    this.#at = 1;
  }

  /** Import policy changed: `work` asks it of everything, and perhaps another one of what is stale. */
  reimport(rule: ImportRule, staleRule: ImportRule = rule): void {
    this.#rule = rule;
    this.#staleRule = staleRule;
    this.#at = 1;
  }

  /** The rule says otherwise now: as `reimport`, but what is under way is finished first, so that it ends however often this is said. */
  rejudge(rule: ImportRule, staleRule?: ImportRule): void {
    if (this.#at !== 0 && this.#rule === rule) this.#isOwed = true;
    else this.reimport(rule, staleRule);
  }

  /** There is something for `work`. */
  get isBusy(): boolean {
    return this.#at !== 0;
  }

  /**
   * Sweeps what is void and asks import policy anew, some rows at a time.
   * @param most  rows of this source
   * @returns  how many of `most` are left
   */
  work(most: number): number {
    const routes = this.#routes;
    let left = most;
    while (left > 0 && this.#at !== 0) {
      const looks = Math.min(routes.limit, Math.max(1, left * looksPerRow));
      const route = routes.seek(this.#source, this.#at, looks);
      if (route > 0) {
        this.#at = route + 1;
        this.#renew(route);
        left -= 1;
      } else if (route < 0) {
        this.#at = -route;
        left -= looks / looksPerRow;
      } else this.#rest();
    }
    return Math.max(0, left);
  }

  /** Nothing more will come, and all there is goes. */
  close(): void {
    for (const family of ['ipv4-unicast', 'ipv6-unicast'] as const) {
      this.grow(family);
      this.void(family);
    }
    this.#isClosed = true;
    if (!this.isBusy) this.#routes.removeSource(this.#source);
  }

  /** End-of-RIB came for this family (RFC 4724 §2). */
  completed(family: Family): void {
    this.#complete.add(family);
  }

  isComplete(families: readonly Family[]): boolean {
    return families.every((family) => this.#complete.has(family));
  }

  /** False: there is no room for it. */
  #put(
    counts: Counts,
    prefix: Prefix,
    pathId: number,
    received: number,
    accepted: number,
    most: number,
  ): boolean {
    const routes = this.#routes;
    const known = routes.nets.find(prefix);
    let route = known === 0 ? 0 : routes.find(known, this.#source, pathId);
    const standing = route === 0 ? 'void' : routes.standing(route);
    if (standing !== 'fresh' && counts.fresh >= most) return false;
    if (route === 0) route = routes.add(known === 0 ? routes.nets.add(prefix) : known, this.#source, pathId);
    else {
      this.#count(counts, standing, routes.accepted(route), -1);
      // Void and told again, it may be what it was, but nobody chose it meanwhile.
      if (standing === 'void') this.#rib.touch(known);
      if (standing !== 'fresh') routes.renew(route);
    }
    this.#count(counts, 'fresh', accepted, 1);
    const before = routes.accepted(route);
    if (before !== accepted || known === 0) this.#rib.weigh(routes.net(route), route, before, accepted);
    routes.put(route, received, accepted);
    return true;
  }

  #count(counts: Counts, standing: Standing, accepted: number, by: 1 | -1): void {
    if (standing === 'void') return;
    const acceptedBy = accepted === 0 ? 0 : by;
    if (standing === 'fresh') {
      counts.fresh += by;
      counts.freshAccepted += acceptedBy;
    } else {
      counts.stale += by;
      counts.staleAccepted += acceptedBy;
    }
  }

  #renew(route: number): void {
    const routes = this.#routes;
    const net = routes.net(route);
    const standing = routes.standing(route);
    if (standing === 'void') {
      routes.remove(route);
      this.#rib.touch(net);
      return;
    }
    const rule = standing === 'stale' ? this.#staleRule : this.#rule;
    if (rule === undefined) return;
    const verdict = rule(routes.nets.prefix(net), this.#told(route, standing));
    if (verdict.ok) this.#rib.follow(verdict.value);
    const accepted = verdict.ok ? routes.paths.hold(verdict.value) : 0;
    if (accepted !== routes.accepted(route)) {
      const counts = this.#counts[routes.family(route)];
      this.#count(counts, standing, routes.accepted(route), -1);
      routes.put(route, routes.received(route), accepted);
      this.#count(counts, standing, accepted, 1);
      this.#rib.touch(net);
    }
    routes.paths.drop(accepted);
  }

  /** The path as received, of whom the neighbour is now. */
  #told(route: number, standing: Standing): Path {
    const { paths } = this.#routes;
    const before = paths.get(this.#routes.received(route));
    if (standing === 'stale' || before.source === this.#session) return before;
    const id = paths.hold(this.path(before.attributes));
    this.#routes.put(route, id, this.#routes.accepted(route));
    paths.drop(id);
    return paths.get(id);
  }

  #rest(): void {
    if (this.#isOwed && !this.#isClosed) {
      this.#isOwed = false;
      this.#at = 1;
      return;
    }
    this.#at = 0;
    this.#rule = undefined;
    this.#staleRule = undefined;
    this.#agesSinceSweep = 0;
    if (this.#isClosed) this.#routes.removeSource(this.#source);
  }
}
