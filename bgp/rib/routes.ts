/**
 * All routes that neighbours told us and that we originate, as one table: a record is one path of one source to one net.
 *
 * Columns of numbers, a row a route; the routes of a net are a list through `next`. An Adj-RIB-In is the rows of one
 * source, the paths of a prefix are the accepted rows of one net. Nothing is an object but what many rows share (Path).
 *
 * A row has the age of its source at the time it was told: `grown older` by one number, all rows of a source become
 * stale, and by another they count no more, however many they are; who sweeps them may take its time.
 */
import type { Family } from '../wire/message.ts';
import { grown8, grown16, grown32, grownWords } from './columns.ts';
import { Nets } from './nets.ts';
import { Paths } from './paths.ts';

/** fresh: told since the source last grew older; stale: before, and still good; void: no good any more, to be swept. */
export type Standing = 'fresh' | 'stale' | 'void';

/** A source number has so many families. */
const familyCount = 2;
/** Ages are kept modulo this. */
const ages = 256;

export class Routes {
  readonly nets = new Nets();
  readonly paths = new Paths();

  /** By net: its first route; 0: it has none. */
  #heads = new Int32Array(256);

  #net = new Int32Array(256);
  #next = new Int32Array(256);
  /** 0: the source is gone or took the route back; the row stays while a neighbour knows it by its number. */
  #source = new Uint16Array(256);
  /** As received: a number of `paths`. */
  #received = new Int32Array(256);
  /** As import policy leaves it: a number of `paths`; 0: rejected. */
  #accepted = new Int32Array(256);
  /** RFC 7911: what the source calls this path; empty while all are 0, as where each tells one path of a prefix. */
  #pathId = new Uint32Array(0);
  #age = new Uint8Array(256);
  /** How many neighbours were told of this path by the row's number (RFC 7911). */
  #told = new Uint16Array(256);
  #free = 0;
  #limit = 1;
  #size = 0;

  /** By source and family: its age, and how much older its routes may be. */
  #now = new Uint8Array(2 * familyCount);
  #span = new Uint8Array(2 * familyCount);
  readonly #freeSources: number[] = [];
  #sources = 1;

  /** Rows in use. */
  get size(): number {
    return this.#size;
  }

  /** Greater than every row in use. */
  get limit(): number {
    return this.#limit;
  }

  /** A source number of its own. */
  addSource(): number {
    const source = this.#freeSources.pop() ?? this.#sources;
    if (source === this.#sources) this.#sources += 1;
    const least = this.#sources * familyCount;
    if (least > this.#now.length) {
      this.#now = grown8(this.#now, least);
      this.#span = grown8(this.#span, least);
    }
    return source;
  }

  /** No row may be its own any more. */
  removeSource(source: number): void {
    this.#freeSources.push(source);
  }

  /** All it told of the family is stale from here on. The caller sees to it that none is older than `ages` by then. */
  grow(source: number, family: Family): void {
    const at = rowOf(source, family);
    this.#now[at] = (this.#now[at] as number) + 1;
    this.#span[at] = (this.#span[at] as number) + 1;
  }

  /** What is stale of the family is void from here on. */
  void(source: number, family: Family): void {
    this.#span[rowOf(source, family)] = 0;
  }

  head(net: number): number {
    return this.#heads[net] ?? 0;
  }

  next(route: number): number {
    return this.#next[route] as number;
  }

  net(route: number): number {
    return this.#net[route] as number;
  }

  source(route: number): number {
    return this.#source[route] as number;
  }

  pathId(route: number): number {
    return this.#pathId[route] ?? 0;
  }

  received(route: number): number {
    return this.#received[route] as number;
  }

  /** 0 unless it may be chosen: accepted, and not void. */
  usable(route: number): number {
    const accepted = this.#accepted[route] as number;
    if (accepted === 0 || this.#source[route] === 0) return 0;
    const row = this.#ageRow(route);
    return this.#olderBy(route, row) > (this.#span[row] as number) ? 0 : accepted;
  }

  accepted(route: number): number {
    return this.#accepted[route] as number;
  }

  standing(route: number): Standing {
    const row = this.#ageRow(route);
    const older = this.#olderBy(route, row);
    if (older === 0) return 'fresh';
    return older > (this.#span[row] as number) ? 'void' : 'stale';
  }

  family(route: number): Family {
    return this.nets.isIpv6(this.#net[route] as number) ? 'ipv6-unicast' : 'ipv4-unicast';
  }

  /** The source's row for this net and path; 0: it has none. */
  find(net: number, source: number, pathId: number): number {
    let route = this.#heads[net] as number;
    while (route !== 0 && (this.#source[route] !== source || (this.#pathId[route] ?? 0) !== pathId))
      route = this.#next[route] as number;
    return route;
  }

  /**
   * A row for what the source has not told yet, without paths. It comes last. What is 0 in it already is not written: of a column
   * that is 0 throughout, as that of the next route is in a table of one neighbour, there is no page.
   */
  add(net: number, source: number, pathId: number): number {
    const route = this.#take();
    this.#net[route] = net;
    if (this.#next[route] !== 0) this.#next[route] = 0;
    this.#source[route] = source;
    if (pathId !== 0 && route >= this.#pathId.length)
      this.#pathId = grownWords(this.#pathId, this.#net.length);
    if (route < this.#pathId.length) this.#pathId[route] = pathId;
    this.renew(route);
    if (net >= this.#heads.length) this.#heads = grown32(this.#heads, net + 1);
    let last = this.#heads[net] as number;
    if (last === 0) this.#heads[net] = route;
    else {
      for (let after = this.#next[last] as number; after !== 0; after = this.#next[last] as number)
        last = after;
      this.#next[last] = route;
    }
    return route;
  }

  /** It was told now. */
  renew(route: number): void {
    const now = this.#now[this.#ageRow(route)] as number;
    if (this.#age[route] !== now) this.#age[route] = now;
  }

  /** @param path  its number, or 0; the row holds a reference of its own */
  receive(route: number, path: number): void {
    const before = this.#received[route] as number;
    if (before === path) return;
    this.paths.keep(path);
    this.#received[route] = path;
    this.paths.drop(before);
  }

  /** @param path  its number, or 0: rejected */
  accept(route: number, path: number): void {
    const before = this.#accepted[route] as number;
    if (before === path) return;
    this.paths.keep(path);
    this.#accepted[route] = path;
    this.paths.drop(before);
  }

  /** The source took it back. */
  remove(route: number): void {
    this.receive(route, 0);
    this.accept(route, 0);
    this.#source[route] = 0;
    if (this.#told[route] === 0) this.#unlink(route);
  }

  /** One neighbour more knows the row by its number. */
  tell(route: number): void {
    this.#told[route] = (this.#told[route] as number) + 1;
  }

  untell(route: number): void {
    const left = (this.#told[route] as number) - 1;
    this.#told[route] = left;
    if (left === 0 && this.#source[route] === 0) this.#unlink(route);
  }

  /** The source's next row from this one on; `limit` rows are looked at, and then where to go on is told as a negative. 0: no more. */
  seek(source: number, from: number, most: number): number {
    const column = this.#source;
    const end = Math.min(this.#limit, from + most);
    for (let route = from; route < end; route += 1) if (column[route] === source) return route;
    return end === this.#limit ? 0 : -end;
  }

  /** @param row  its `#ageRow` */
  #olderBy(route: number, row: number): number {
    return ((this.#now[row] as number) - (this.#age[route] as number)) & (ages - 1);
  }

  #ageRow(route: number): number {
    return (
      (this.#source[route] as number) * familyCount + (this.nets.isIpv6(this.#net[route] as number) ? 1 : 0)
    );
  }

  #take(): number {
    this.#size += 1;
    const route = this.#free;
    if (route !== 0) {
      this.#free = this.#next[route] as number;
      return route;
    }
    const fresh = this.#limit;
    this.#limit += 1;
    if (fresh === this.#net.length) {
      this.#net = grown32(this.#net);
      this.#next = grown32(this.#next);
      this.#source = grown16(this.#source);
      this.#received = grown32(this.#received);
      this.#accepted = grown32(this.#accepted);
      this.#age = grown8(this.#age);
      this.#told = grown16(this.#told);
    }
    return fresh;
  }

  #unlink(route: number): void {
    const net = this.#net[route] as number;
    const next = this.#next[route] as number;
    let before = this.#heads[net] as number;
    if (before === route) this.#heads[net] = next;
    else {
      while (this.#next[before] !== route) before = this.#next[before] as number;
      this.#next[before] = next;
    }
    this.#next[route] = this.#free;
    this.#free = route;
    this.#size -= 1;
  }
}

const rowOf = (source: number, family: Family): number =>
  source * familyCount + (family === 'ipv4-unicast' ? 0 : 1);
