/**
 * Update groups: neighbours that are told the same, of which one works out what there is to say of some changes and the others say
 * it too.
 *
 * Each neighbour keeps a table of its own of what it was told, and reads the changes at its own pace. What one of them said of a run
 * of changes is a Replica; who comes to the same run, has been told the same of each of these nets before, and would not be told
 * otherwise for who it is, takes it as it is, octets included. Whoever differs in anything works it out by itself, so what a neighbour
 * comes to know never depends on who else is in the group.
 */
import type { Address, Asn } from '../../src/lib/net.ts';
import type { RouteRefreshMessage, UpdateMessage } from '../wire/message.ts';
import type { Changes, Reader } from './changes.ts';
import { addAsns } from './layout.ts';
import type { Path } from './path.ts';
import type { Sets } from './sets.ts';

/** A neighbour as its group sees it. */
export interface Member {
  /** The name of its group: who has the same is told the same, but for what follows. Asked once, as names are long. */
  readonly group: () => string;
  /** It is not told its own paths (`Source.key`). */
  readonly key: string;
  /** Nor paths that hold this AS; absent: of no path that is asked. */
  readonly asn?: Asn;
  /** It is not named as next hop to itself (RFC 4271 §5.1.3). */
  readonly address: Address;
}

export type Says = UpdateMessage | RouteRefreshMessage;

/** A neighbour that reads the changes. */
export interface Reading {
  /** How far it is; beyond all if it does not read them. */
  readonly place: number;
}

/**
 * Nets in all replicas of a group. One that is full keeps what it has, since who is behind needs that first, but for what few wait for
 * still: a neighbour that has stopped reading does not cost the others their sharing. Who finds nothing works it out, in the newest form.
 */
const mostNets = 65_536;
/**
 * A run ends where the place in the changes is a multiple of this at the latest, whatever was skipped: those that are behind, each as
 * far as its connection took, meet there.
 */
const meetingEvery = 2048;

/** A place that is never reached, and a number of the same kind. */
export const nowhere = 2 ** 30 - 1;

/** The next such place. */
export const meetingOf = ({ at }: Reader): number => (Math.floor(at / meetingEvery) + 1) * meetingEvery;

/** What one neighbour said of a run of changes. */
export class Replica {
  /** Where the run begins and ends. */
  readonly from: Reader;
  to: Reader | undefined;
  says: readonly Says[] = [];
  /** Members that may still come to it. */
  left = 0;
  /** By net that was looked at: what the neighbour was told before and after, as numbers of attribute sets. */
  readonly #nets: number[] = [];
  readonly #before: number[] = [];
  readonly #after: number[] = [];
  /** Whom the paths would concern. */
  readonly #keys = new Set<string>();
  readonly #asns = new Set<number>();
  readonly #hops = new Set<Address>();
  #path: Path | undefined;
  readonly #hasAsns: boolean;

  constructor(from: Reader, hasAsns: boolean) {
    this.from = from;
    this.#hasAsns = hasAsns;
  }

  get size(): number {
    return this.#nets.length;
  }

  /** The best path of the net that is looked at, whatever becomes of it. */
  weigh(path: Path): void {
    if (path === this.#path) return;
    this.#path = path;
    this.#keys.add(path.source.key);
    this.#hops.add(path.nextHop);
    if (!this.#hasAsns) return;
    if (path.words !== undefined) addAsns(path.words, path.at, this.#asns);
    else for (const { asns } of path.attributes.asPath) for (const asn of asns) this.#asns.add(asn);
  }

  note(net: number, before: number, after: number): void {
    this.#nets.push(net);
    this.#before.push(before);
    this.#after.push(after);
  }

  /** It holds attribute sets of its own from here on. */
  hold(attributes: Sets): void {
    for (const one of this.#after) attributes.keep(one);
  }

  drop(attributes: Sets): void {
    for (const one of this.#after) attributes.drop(one);
  }

  /** Some of what it says would be told otherwise to this neighbour. */
  concerns({ key, asn, address }: Member): boolean {
    return this.#keys.has(key) || this.#hops.has(address) || (asn !== undefined && this.#asns.has(asn));
  }

  /** A neighbour that was told this of these nets is told just what it says. */
  follows(told: { get(net: number): number }): boolean {
    for (let index = 0; index < this.#nets.length; index += 1)
      if (told.get(this.#nets[index] as number) !== this.#before[index]) return false;
    return true;
  }

  each(tell: (net: number, before: number, after: number) => void): void {
    for (let index = 0; index < this.#nets.length; index += 1)
      tell(this.#nets[index] as number, this.#before[index] as number, this.#after[index] as number);
  }
}

export class UpdateGroup {
  readonly #changes: Changes;
  readonly #attributes: Sets;
  readonly #members = new Set<Reading>();
  #replicas: Replica[] = [];
  #nets = 0;
  /** Numbers of nets hold while this stays. */
  #given = 0;

  constructor(changes: Changes, attributes: Sets) {
    this.#changes = changes;
    this.#attributes = attributes;
  }

  get size(): number {
    return this.#members.size;
  }

  add(member: Reading): void {
    this.#members.add(member);
  }

  remove(member: Reading): void {
    this.#members.delete(member);
    if (this.size < 2) this.#clear();
  }

  /** One is begun where this reader is, if there is anybody to say it too. */
  begin(reader: Reader, hasAsns: boolean): Replica | undefined {
    return this.size < 2 ? undefined : new Replica(this.#changes.mark(reader), hasAsns);
  }

  /** It ends where this reader is. @param given  see `find` */
  end(replica: Replica, by: Member, reader: Reader, says: readonly Says[], given: number): void {
    this.#expire(given);
    replica.left = this.size - 1;
    if (replica.concerns(by) || !this.#hasRoom(replica)) {
      this.#changes.close(replica.from);
      return;
    }
    replica.to = this.#changes.mark(reader);
    replica.says = says;
    replica.hold(this.#attributes);
    this.#replicas.push(replica);
    this.#nets += replica.size;
  }

  /**
   * What was said of the run that this reader comes to.
   * @param given  how often a number of a net was given to another (`Nets.given`)
   */
  find(reader: Reader, given: number): Replica | undefined {
    this.#expire(given);
    if (this.#replicas.length === 0) return undefined;
    const changes = this.#changes;
    changes.peek(reader);
    return this.#replicas.find((replica) => {
      if (replica.from.at > reader.at) return false;
      changes.peek(replica.from);
      return replica.from.at === reader.at && (replica.to as Reader).at > reader.at;
    });
  }

  /** One member less may come to it. */
  heard(replica: Replica): void {
    replica.left -= 1;
    if (replica.left <= 0) this.#remove(replica);
  }

  /** A member has read all there is: what is left behind all of them is forgotten, unless it is as little as one run. */
  rest(): void {
    if (this.#replicas.length > 1) this.#forget();
  }

  #hasRoom({ size, left }: Replica): boolean {
    const most = mostNets - size;
    if (this.#nets <= most) return true;
    this.#forget();
    for (const one of this.#replicas) if (this.#nets > most && one.left * 2 < left) this.#remove(one);
    return this.#nets <= most;
  }

  /** What every member is past, some of them having worked it out by themselves. */
  #forget(): void {
    let slowest = Number.POSITIVE_INFINITY;
    for (const { place } of this.#members) slowest = Math.min(slowest, place);
    for (const one of this.#replicas) if ((one.to as Reader).at <= slowest) this.#remove(one);
  }

  #expire(given: number): void {
    if (this.#given === given) return;
    this.#given = given;
    this.#clear();
  }

  #clear(): void {
    for (const one of this.#replicas) this.#remove(one);
  }

  #remove(replica: Replica): void {
    this.#replicas = this.#replicas.filter((one) => one !== replica);
    this.#nets -= replica.size;
    for (const mark of [replica.from, replica.to]) if (mark !== undefined) this.#changes.close(mark);
    replica.drop(this.#attributes);
  }
}

/** All of a speaker, by name. */
export class UpdateGroups {
  readonly #groups = new Map<string, UpdateGroup>();

  join(name: string, member: Reading, changes: Changes, attributes: Sets): UpdateGroup {
    let group = this.#groups.get(name);
    if (group === undefined) {
      for (const [other, { size }] of this.#groups) if (size === 0) this.#groups.delete(other);
      group = new UpdateGroup(changes, attributes);
      this.#groups.set(name, group);
    }
    group.add(member);
    return group;
  }

  /** Those with members. */
  get size(): number {
    return [...this.#groups.values()].filter(({ size }) => size > 0).length;
  }
}
