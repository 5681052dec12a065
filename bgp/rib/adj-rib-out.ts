/**
 * Adj-RIB-Out: what one neighbour was told, and so what is left to tell (RFC 4271 §9.2).
 *
 * Nothing is queued: the neighbour is a reader of the changes, and export policy is asked when the connection takes
 * bytes. So a slow neighbour gets the newest state of each prefix once, however often it changed meanwhile, and no order
 * of messages can get it wrong. A new session, a Route Refresh and another policy are walks over all nets.
 * Born with a session, when the neighbour knows nothing; dies with it.
 *
 * What changed may have been worked out already for another that is told the same (update-group.ts); who is a little behind may be
 * told then what was so in between, too.
 *
 * A neighbour that is told one path of a prefix is told by the number of the net, one that is told several (RFC 7911) by
 * the numbers of the routes, which are also the path identifiers it sees: a route keeps its number while it is known.
 */
import type { Prefix } from '../../src/lib/net.ts';
import type { ExportRule } from '../policy/export.ts';
import type { Family, PathAttributes, RouteRefreshMessage, UpdateMessage } from '../wire/message.ts';
import { Batch, endOfRib } from './batch.ts';
import type { Reader } from './changes.ts';
import { ranked } from './decide.ts';
import type { LocRib } from './loc-rib.ts';
import { Lowest } from './lowest.ts';
import { Paged } from './paged.ts';
import type { Path } from './path.ts';
import type { Sets } from './sets.ts';
import {
  meetingOf,
  nowhere,
  type Replica,
  type Says,
  type UpdateGroup,
  UpdateGroups,
} from './update-group.ts';

export interface OutOptions {
  /** Negotiated; each is owed an End-of-RIB after the initial dump (RFC 4724 §2). */
  readonly families: readonly Family[];
  readonly rule: ExportRule;
  /** The End-of-RIB waits for `release`: we do not know all routes ourselves yet (RFC 4724 §4.1). */
  readonly isEndHeld?: boolean;
  /** Families of which several paths of a prefix are told, and how many at most (RFC 7911). */
  readonly several?: ReadonlyMap<Family, number>;
  /** Families of which at most so many prefixes are told, the lowest. */
  readonly limits?: ReadonlyMap<Family, number>;
  /** A refresh is told where it begins and where it ends (RFC 7313). */
  readonly isRefreshMarked?: boolean;
  /** Of all neighbours; absent: nobody else is told what this one is. */
  readonly groups?: UpdateGroups;
}

/** Which path of ours it is; undefined: it is none any more, and about to be withdrawn. */
export interface Told {
  readonly path: Path | undefined;
  /** RFC 7911; 0: this neighbour is told one path of a prefix. */
  readonly pathId: number;
}

/** All nets of some families are looked at, `at` being the next. */
interface Walk {
  readonly families: readonly Family[];
  /** What was told already is told again. */
  readonly isAgain: boolean;
  at: number;
}

/** Nets looked at for one prefix of a drain; of most there may be nothing to say. */
const looksPerPrefix = 8;
/** So many changes are looked at to find out whether there is anything to say. */
const glance = 64;
const noneTold: readonly never[] = [];

export class AdjRibOut {
  readonly #rib: LocRib;
  readonly #attributes: Sets;
  #several: ReadonlyMap<Family, number>;
  readonly #limits = new Map<Family, Lowest>();
  readonly #isRefreshMarked: boolean;
  readonly #families: readonly Family[];
  /** Undefined: policy lets nothing through, and nothing has to be taken back, so changes need not be looked at. */
  #reader: Reader | undefined;
  /** By net: a number of `#attributes`, which holds a reference. */
  readonly #told = new Paged();
  /** The same by route. */
  readonly #toldPaths = new Paged();
  #size = 0;
  readonly #walks: Walk[];
  #rule: ExportRule;
  #endOfRibDue: readonly Family[];
  #isEndHeld: boolean;
  #isClosed = false;
  /** There was something to say at the last drain. */
  #isTelling = false;
  /** `wantWrite` was asked for it and not yet answered: for who asks to keep. */
  isAwaited = false;
  /** Of the drain under way. */
  readonly #batch = new Batch();
  #says: Says[] = [];
  /** Prefixes named in all that was flushed. */
  #named = 0;
  readonly #groups: UpdateGroups;
  /** Undefined: its policy does not say who else is told the same. */
  #group: UpdateGroup | undefined;
  /** Of the drain under way, if others may say the same. */
  #replica: Replica | undefined;

  constructor(rib: LocRib, attributes: Sets, options: OutOptions) {
    const {
      families,
      rule,
      isEndHeld = false,
      several = new Map(),
      limits,
      isRefreshMarked = false,
      groups = new UpdateGroups(),
    } = options;
    this.#rib = rib;
    this.#attributes = attributes;
    this.#rule = rule;
    this.#families = families;
    this.#endOfRibDue = families;
    this.#isEndHeld = isEndHeld;
    this.#several = several;
    this.#isRefreshMarked = isRefreshMarked;
    for (const [family, most] of limits ?? []) this.#limits.set(family, new Lowest(most));
    this.#walks = [{ families, isAgain: false, at: 1 }];
    this.#reader = rib.changes.open();
    if (several.size > 0) rib.readersOfAll += 1;
    this.#groups = groups;
    this.#join();
  }

  /** The End-of-RIB may go out. */
  release(): void {
    this.#isEndHeld = false;
  }

  /** Prefixes, or paths of them, that the neighbour has been told and not untold. */
  get size(): number {
    return this.#size;
  }

  /** Pages of the tables of what was told; a metric of memory. */
  get pages(): number {
    return this.#told.pages + this.#toldPaths.pages;
  }

  /** Prefixes that are not told because of the limit. */
  withheldOf(family: Family): number {
    return this.#limits.get(family)?.excess ?? 0;
  }

  /** There is something to drain, as far as a glance can tell. */
  get isDue(): boolean {
    this.#deafen();
    const walk = this.#walks[0];
    if (this.#endOfRibDue.length > 0 && !this.#isEndHeld) return true;
    if (walk !== undefined && !this.#waitsForEnd(walk)) return true;
    // Who was told something a moment ago is most often told of the next change too: it is not worked out twice.
    if (this.#isTelling) return this.#peek() !== 0;
    for (let looks = 0; looks < glance; looks += 1) {
      const net = this.#peek();
      if (net === 0) return false;
      if (this.#differs(net)) return true;
      this.#next();
    }
    return this.#peek() !== 0;
  }

  /** Export policy is another, or how much is told; of which families several paths are told stays for the session. */
  renew(rule: ExportRule, several: ReadonlyMap<Family, number>, limits: ReadonlyMap<Family, number>): void {
    this.#rule = rule;
    this.#several = several;
    this.#join();
    this.#reader ??= this.#rib.changes.open();
    this.#dropLimits();
    for (const [family, most] of limits) this.#limits.set(family, new Lowest(most));
    this.#walks.push({ families: ['ipv4-unicast', 'ipv6-unicast'], isAgain: false, at: 1 });
  }

  /**
   * ROUTE-REFRESH: all of this family becomes due again (RFC 2918 §4).
   * The neighbour keeps what it has, so a prefix we want no more must still be withdrawn: nothing is forgotten here.
   */
  resend(family: Family): void {
    const waiting = this.#walks.findIndex((walk) => walk.isAgain && walk.families.includes(family));
    if (waiting >= 0) this.#walks.splice(waiting, 1);
    this.#walks.push({ families: [family], isAgain: true, at: 0 });
  }

  /** What the neighbour was told last, path by path. */
  *told(): Generator<readonly [Prefix, PathAttributes, Told]> {
    const { routes } = this.#rib;
    for (let net = this.#told.seek(1); net > 0; net = this.#told.seek(net + 1))
      yield [
        routes.nets.prefix(net),
        this.#attributes.get(this.#told.get(net)),
        { pathId: 0, path: this.#rib.best(net) },
      ];
    for (let route = this.#toldPaths.seek(1); route > 0; route = this.#toldPaths.seek(route + 1))
      yield [
        routes.nets.prefix(routes.net(route)),
        this.#attributes.get(this.#toldPaths.get(route)),
        { pathId: route, path: routes.paths.find(routes.usable(route)) },
      ];
  }

  /** Up to `most` prefixes, and a few more where one has several paths; they count as told. */
  drain(most: number): readonly Says[] {
    this.#deafen();
    const says = this.#followed() ?? this.#said(most);
    this.#isTelling = says.length > 0;
    if (this.#peek() === 0) this.#group?.rest();
    return says;
  }

  #said(most: number): readonly Says[] {
    const end = this.#named + most;
    const meeting = this.#begin();
    for (let looks = most * looksPerPrefix; looks > 0 && this.#named + this.#batch.size < end; looks -= 1) {
      const net = this.#peek();
      if (net > 0) {
        if (this.#reader !== undefined && this.#reader.at >= meeting) break;
        this.#next();
        this.#visit(net, false);
        continue;
      }
      const walk = this.#walks[0];
      if (walk === undefined || this.#waitsForEnd(walk)) break;
      const mark = this.#step(walk);
      if (mark !== undefined) this.#flush(mark);
    }
    this.#flush(...this.#ends());
    const says = this.#says;
    this.#says = [];
    this.#end(says);
    return says;
  }

  /** Who is told one path of each prefix, and all that has changed and nothing else, may say what others say. */
  get #isPlain(): boolean {
    const hasEnded = this.#isEndHeld || this.#endOfRibDue.length === 0;
    return this.#walks.length === 0 && hasEnded && this.#several.size === 0 && this.#limits.size === 0;
  }

  /** How far it has read the changes. */
  get place(): number {
    return this.#reader?.at ?? Number.POSITIVE_INFINITY;
  }

  #join(): void {
    this.#group?.remove(this);
    const { member } = this.#rule;
    this.#group = member && this.#groups.join(member.group(), this, this.#rib.changes, this.#attributes);
  }

  /** What another of the group said of the changes that are next, if this neighbour is told the same. */
  #followed(): readonly Says[] | undefined {
    const { member } = this.#rule;
    const group = this.#group;
    const reader = this.#reader;
    if (group === undefined || member === undefined || reader === undefined || !this.#isPlain)
      return undefined;
    const replica = group.find(reader, this.#rib.routes.nets.given);
    if (replica?.to === undefined) return undefined;
    const { says, to } = replica;
    const isTold = !replica.concerns(member) && replica.follows(this.#told);
    if (isTold) {
      replica.each((net, before, after) => this.#follow(net, before, after));
      this.#rib.changes.skip(reader, to);
    }
    group.heard(replica);
    return isTold ? says : undefined;
  }

  #follow(net: number, before: number, after: number): void {
    if (before === after) return;
    if (after === 0) {
      this.#forget(net, before);
      return;
    }
    this.#attributes.keep(after);
    this.#told.set(net, after);
    if (before > 0) this.#attributes.drop(before);
    else {
      this.#size += 1;
      this.#rib.tell(net);
    }
  }

  /** @returns  where in the changes to stop, so that others can go on from there too */
  #begin(): number {
    const reader = this.#reader;
    if (this.#group === undefined || reader === undefined || !this.#isPlain || this.#peek() === 0)
      return nowhere;
    this.#replica = this.#group.begin(reader, this.#rule.member?.asn !== undefined);
    return this.#replica === undefined ? nowhere : meetingOf(reader);
  }

  #end(says: readonly Says[]): void {
    const replica = this.#replica;
    const { member } = this.#rule;
    if (replica === undefined || this.#reader === undefined || member === undefined) return;
    this.#replica = undefined;
    this.#group?.end(replica, member, this.#reader, says, this.#rib.routes.nets.given);
  }

  /** The session is over; `work` gives back what it held. */
  close(): void {
    this.#isClosed = true;
    this.#walks.length = 0;
    if (this.#reader !== undefined) this.#rib.changes.close(this.#reader);
    this.#group?.remove(this);
    this.#group = undefined;
    this.#dropLimits();
    if (this.#several.size > 0) this.#rib.readersOfAll -= 1;
  }

  /** Closed, and some is still held. */
  get isBusy(): boolean {
    return this.#isClosed && this.size > 0;
  }

  /** @returns  how many of `most` are left */
  work(most: number): number {
    let left = most;
    let net = this.#told.seek(1);
    for (; net > 0 && left > 0; net = this.#told.seek(net + 1), left -= 1)
      this.#forget(net, this.#told.get(net));
    let route = net > 0 ? 0 : this.#toldPaths.seek(1);
    for (; route > 0 && left > 0; route = this.#toldPaths.seek(route + 1), left -= 1) this.#forgetPath(route);
    return left;
  }

  /** Whom policy tells nothing whatever there is, and who has nothing to be taken back, is not asked about changes. */
  #deafen(): void {
    if (this.#reader === undefined || this.size > 0) return;
    const { mute } = this.#rule;
    if (mute === undefined || !this.#families.every((family) => mute.has(family))) return;
    this.#rib.changes.close(this.#reader);
    this.#reader = undefined;
    while (this.#walks[0]?.isAgain === false) this.#walks.shift();
  }

  /** The net that has changed and was not looked at; 0: none. */
  #peek(): number {
    return this.#reader === undefined ? 0 : this.#rib.changes.peek(this.#reader);
  }

  #next(): void {
    if (this.#reader !== undefined) this.#rib.changes.next(this.#reader);
  }

  /** The End-of-RIB goes before the first refresh (RFC 7313 §4). */
  #waitsForEnd(walk: Walk): boolean {
    return walk.isAgain && walk.at === 0 && this.#endOfRibDue.length > 0;
  }

  /** What was collected is said, then this. */
  #flush(...more: readonly Says[]): void {
    this.#named += this.#batch.size;
    this.#batch.take(this.#says, this.#replica !== undefined);
    for (const one of more) this.#says.push(one);
  }

  #dropLimits(): void {
    for (const limit of this.#limits.values())
      for (const prefix of limit.all) this.#rib.untell(this.#rib.routes.nets.find(prefix));
    this.#limits.clear();
  }

  #ends(): readonly UpdateMessage[] {
    const walk = this.#walks[0];
    const isBehind = (walk !== undefined && !walk.isAgain) || this.#peek() > 0;
    if (isBehind || this.#isEndHeld || this.#endOfRibDue.length === 0) return noneTold;
    const ends = this.#endOfRibDue.map(endOfRib);
    this.#endOfRibDue = [];
    return ends;
  }

  /** One net further. @returns  what marks the begin or the end of a refresh, where it is marked */
  #step(walk: Walk): RouteRefreshMessage | undefined {
    const { nets } = this.#rib.routes;
    const [family] = walk.families;
    const mark = (subtype: 'begin' | 'end'): RouteRefreshMessage | undefined =>
      walk.isAgain && this.#isRefreshMarked ? { kind: 'routeRefresh', family, subtype } : undefined;
    const net = walk.at;
    walk.at += 1;
    if (net === 0) return mark('begin');
    if (net >= nets.limit) {
      this.#walks.shift();
      return mark('end');
    }
    if (nets.has(net) && walk.families.includes(this.#familyOf(net))) this.#visit(net, walk.isAgain);
    return undefined;
  }

  #familyOf(net: number): Family {
    return this.#rib.routes.nets.isIpv6(net) ? 'ipv6-unicast' : 'ipv4-unicast';
  }

  /** What the neighbour should have of this net, if it is told the best path only. */
  #wanted(net: number, prefix: Prefix): PathAttributes | undefined {
    const best = this.#rib.best(net);
    if (best === undefined) return undefined;
    this.#replica?.weigh(best);
    const exported = this.#rule(prefix, best);
    return exported.ok ? exported.value : undefined;
  }

  #differs(net: number): boolean {
    const { nets } = this.#rib.routes;
    if (!nets.has(net)) return false;
    const family = this.#familyOf(net);
    if (this.#several.has(family) || this.#limits.has(family)) return true;
    const wanted = this.#wanted(net, nets.prefix(net));
    const before = this.#told.get(net);
    return wanted === undefined ? before !== 0 : before === 0 || this.#attributes.idOf(wanted) !== before;
  }

  #visit(net: number, isAgain: boolean): void {
    const { nets } = this.#rib.routes;
    if (!nets.has(net)) return;
    const family = this.#familyOf(net);
    const most = this.#several.size === 0 ? undefined : this.#several.get(family);
    if (most !== undefined) this.#visitPaths(net, family, most, isAgain);
    else this.#visitBest(net, family, isAgain);
  }

  #visitBest(net: number, family: Family, isAgain: boolean): void {
    const { nets } = this.#rib.routes;
    const prefix = nets.prefix(net);
    const wanted = this.#wanted(net, prefix);
    const limit = this.#limits.size === 0 ? undefined : this.#limits.get(family);
    if (limit === undefined) {
      this.#say(net, prefix, family, wanted, isAgain);
      return;
    }
    // What is counted keeps its net, or nobody would hear that it is gone.
    const wasCounted = limit.includes(prefix);
    if (!wasCounted && wanted !== undefined) this.#rib.tell(net);
    const other = wanted === undefined ? limit.remove(prefix) : limit.add(prefix);
    const say = (which: Prefix, again: boolean): void => {
      const at = nets.find(which);
      if (at > 0) this.#say(at, which, family, limit.has(which) ? this.#wanted(at, which) : undefined, again);
    };
    if (other === undefined) say(prefix, isAgain);
    else {
      // Who leaves goes first, so that the limit holds at every moment. It may have been named in this batch already.
      this.#flush();
      const leaves = limit.has(other) ? prefix : other;
      say(leaves, false);
      this.#flush();
      say(leaves === other ? prefix : other, isAgain);
    }
    if (wasCounted && wanted === undefined) this.#rib.untell(net);
  }

  #say(
    net: number,
    prefix: Prefix,
    family: Family,
    wanted: PathAttributes | undefined,
    isAgain: boolean,
  ): void {
    const before = this.#told.get(net);
    if (wanted === undefined) {
      this.#replica?.note(net, before, 0);
      if (before === 0) return;
      this.#batch.withdraw(family, prefix, 0);
      this.#forget(net, before);
      return;
    }
    const id = this.#attributes.hold(wanted);
    this.#replica?.note(net, before, id);
    if (id !== before || isAgain) this.#batch.announce(family, prefix, 0, id, wanted);
    if (id !== before) this.#told.set(net, id);
    if (before > 0) this.#attributes.drop(before);
    else {
      this.#size += 1;
      this.#rib.tell(net);
    }
  }

  /** @param before  what it was told */
  #forget(net: number, before: number): void {
    this.#attributes.drop(before);
    this.#told.set(net, 0);
    this.#size -= 1;
    this.#rib.untell(net);
  }

  #visitPaths(net: number, family: Family, most: number, isAgain: boolean): void {
    const { routes } = this.#rib;
    const prefix = routes.nets.prefix(net);
    const wanted = this.#wantedPaths(net, prefix, most);
    for (let route = routes.head(net), next = 0; route > 0; route = next) {
      next = routes.next(route);
      const before = this.#toldPaths.get(route);
      const attributes = wanted.get(route);
      if (attributes === undefined) {
        if (before === 0) continue;
        this.#batch.withdraw(family, prefix, route);
        this.#forgetPath(route);
        continue;
      }
      const id = this.#attributes.hold(attributes);
      if (id !== before || isAgain) this.#batch.announce(family, prefix, route, id, attributes);
      if (id !== before) this.#toldPaths.set(route, id);
      if (before > 0) this.#attributes.drop(before);
      else {
        this.#size += 1;
        routes.tell(route);
      }
    }
    this.#rib.release(net);
  }

  /** By route, the best of those it may be told; of two alike in everything one is enough. */
  #wantedPaths(net: number, prefix: Prefix, most: number): ReadonlyMap<number, PathAttributes> {
    const { routes } = this.#rib;
    const exported = new Map<Path, PathAttributes>();
    for (const path of this.#rib.pathsOf(net)) {
      const verdict = this.#rule(prefix, path);
      if (verdict.ok) exported.set(path, verdict.value);
    }
    const told = new Set(ranked([...exported.keys()], this.#rib.criteria, most));
    const wanted = new Map<number, PathAttributes>();
    for (let route = routes.head(net); route > 0; route = routes.next(route)) {
      const path = routes.paths.find(routes.usable(route));
      const attributes = path && told.delete(path) ? exported.get(path) : undefined;
      if (attributes !== undefined) wanted.set(route, attributes);
    }
    return wanted;
  }

  #forgetPath(route: number): void {
    const { routes } = this.#rib;
    const net = routes.net(route);
    this.#attributes.drop(this.#toldPaths.get(route));
    this.#toldPaths.set(route, 0);
    this.#size -= 1;
    routes.untell(route);
    this.#rib.release(net);
  }
}
