/**
 * All routes that neighbours told us and that we originate, as one table: a record is one path of one source to one net.
 *
 * Numbers, a row a route; the routes of a net are a list through `next`, as they came. An Adj-RIB-In is the rows of one
 * source, the paths of a prefix are the accepted rows of one net. Nothing is an object but what many rows share (Path). What
 * is asked of every row of a net stands together, so that a row is looked up once in memory, and what few rows have in columns.
 *
 * A row has the age of its source at the time it was told: `grown older` by one number, all rows of a source become
 * stale, and by another they count no more, however many they are; who sweeps them may take its time.
 */
import type { Family } from '../wire/message.ts';
import { grown8, grown16, grown32, grownRows, grownWords } from './columns.ts';
import { Nets } from './nets.ts';
import { Paths } from './paths.ts';

/** fresh: told since the source last grew older; stale: before, and still good; void: no good any more, to be swept. */
export type Standing = 'fresh' | 'stale' | 'void';

/** A source number has so many families. */
const familyCount = 2;
/** Ages are kept modulo this. */
const ages = 256;

/** A row is so many words: those that follow; a line of the cache has four rows. */
const rowShift = 2;
const netWord = 0;
const nextWord = 1;
/** Its age, above it its source and family as `rowOf` has them, and above these `judgedBit`. */
const whoWord = 2;
/** As received: a number of `paths`. */
const receivedWord = 3;

const sharedShift = 1;
const firstWord = 0;
const sharersWord = 1;

const ageBits = 8;
const sourceMask = 0x1_ffff;
const judgedBit = 1 << 25;

export class Routes {
  readonly nets = new Nets();
  readonly paths = new Paths();

  /**
   * By net that has had two routes since it last had none, two words: its first route, and a bit for each source that has one
   * and perhaps for others, which is the source's number modulo 32; 0: of any other. Of a table of one neighbour there is nothing.
   */
  #shared: Int32Array = new Int32Array(0);

  #rows: Int32Array = new Int32Array(256 << rowShift);
  /** As import policy leaves it, if that is not as received: a number of `paths`; 0: rejected. */
  #judged: Int32Array = new Int32Array(256);
  /** RFC 7911: what the source calls this path; empty while all are 0, as where each tells one path of a prefix. */
  #pathId: Uint32Array = new Uint32Array(0);
  /** How many neighbours were told of this path by the row's number (RFC 7911). */
  #told: Uint16Array = new Uint16Array(256);
  #free = 0;
  #limit = 1;
  #size = 0;

  /** By source and family: its age, and how much older its routes may be. */
  #now: Uint8Array = new Uint8Array(2 * familyCount);
  #span: Uint8Array = new Uint8Array(2 * familyCount);
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
    const isShared = this.#sharers(net) !== 0;
    return isShared ? (this.#shared[(net << sharedShift) + firstWord] as number) : this.nets.last(net);
  }

  /** 0: it is the last. */
  next(route: number): number {
    return this.#word(route, nextWord);
  }

  net(route: number): number {
    return this.#word(route, netWord);
  }

  /** 0: the source is gone or took the route back; the row stays while a neighbour knows it by its number. */
  source(route: number): number {
    return sourceOf(this.#word(route, whoWord));
  }

  pathId(route: number): number {
    return this.#pathId[route] ?? 0;
  }

  received(route: number): number {
    return this.#word(route, receivedWord);
  }

  /** 0 unless it may be chosen: accepted, and not void. */
  usable(route: number): number {
    const who = this.#word(route, whoWord);
    const at = ageRowOf(who);
    if (at < familyCount || this.#olderBy(who) > (this.#span[at] as number)) return 0;
    return this.accepted(route);
  }

  /** As import policy leaves it: a number of `paths`; 0: rejected. */
  accepted(route: number): number {
    const isJudged = (this.#word(route, whoWord) & judgedBit) !== 0;
    return isJudged ? (this.#judged[route] as number) : this.#word(route, receivedWord);
  }

  standing(route: number): Standing {
    const who = this.#word(route, whoWord);
    const older = this.#olderBy(who);
    if (older === 0) return 'fresh';
    return older > (this.#span[ageRowOf(who)] as number) ? 'void' : 'stale';
  }

  family(route: number): Family {
    return (ageRowOf(this.#word(route, whoWord)) & 1) === 0 ? 'ipv4-unicast' : 'ipv6-unicast';
  }

  /** The source's row for this net and path; 0: it has none. */
  find(net: number, source: number, pathId: number): number {
    const sharers = this.#sharers(net);
    if (sharers !== 0 && (sharers & bitOf(source)) === 0) return 0;
    let route = this.head(net);
    while (route !== 0 && (this.source(route) !== source || (this.#pathId[route] ?? 0) !== pathId))
      route = this.next(route);
    return route;
  }

  /**
   * A row for what the source has not told yet, without paths. It comes last. What is 0 in a column already is not written: of one
   * that is 0 throughout there is no page.
   */
  add(net: number, source: number, pathId: number): number {
    const route = this.#take();
    const rows = this.#rows;
    const base = route << rowShift;
    const last = this.nets.last(net);
    if (last !== 0) this.#share(net, last, route, source);
    this.nets.setLast(net, route);
    const at = source * familyCount + (this.nets.isIpv6(net) ? 1 : 0);
    rows[base + netWord] = net;
    rows[base + nextWord] = 0;
    rows[base + whoWord] = (at << ageBits) | (this.#now[at] as number);
    if (pathId !== 0 && route >= this.#pathId.length)
      this.#pathId = grownWords(this.#pathId, this.#told.length);
    if (route < this.#pathId.length) this.#pathId[route] = pathId;
    return route;
  }

  /** It was told now. */
  renew(route: number): void {
    const at = (route << rowShift) + whoWord;
    const who = this.#rows[at] as number;
    this.#rows[at] = (who & ~(ages - 1)) | (this.#now[ageRowOf(who)] as number);
  }

  /**
   * What it is from now on; the row holds references of its own.
   * @param received  number of a path, or 0
   * @param accepted  the same; 0: rejected
   */
  put(route: number, received: number, accepted: number): void {
    const { paths } = this;
    const wasReceived = this.received(route);
    const wasAccepted = this.accepted(route);
    if (received === wasReceived && accepted === wasAccepted) return;
    paths.keep(received);
    paths.keep(accepted);
    const base = route << rowShift;
    const who = this.#rows[base + whoWord] as number;
    this.#rows[base + receivedWord] = received;
    if (received === accepted) this.#rows[base + whoWord] = who & ~judgedBit;
    else {
      this.#rows[base + whoWord] = who | judgedBit;
      this.#judged[route] = accepted;
    }
    paths.drop(wasReceived);
    paths.drop(wasAccepted);
  }

  /** The source took it back. */
  remove(route: number): void {
    this.put(route, 0, 0);
    this.#rows[(route << rowShift) + whoWord] = 0;
    if (this.#told[route] === 0) this.#unlink(route);
  }

  /** One neighbour more knows the row by its number. */
  tell(route: number): void {
    this.#told[route] = (this.#told[route] as number) + 1;
  }

  untell(route: number): void {
    const left = (this.#told[route] as number) - 1;
    this.#told[route] = left;
    if (left === 0 && this.source(route) === 0) this.#unlink(route);
  }

  /** The source's next row from this one on; `limit` rows are looked at, and then where to go on is told as a negative. 0: no more. */
  seek(source: number, from: number, most: number): number {
    const rows = this.#rows;
    const end = Math.min(this.#limit, from + most);
    for (let route = from; route < end; route += 1)
      if (sourceOf(rows[(route << rowShift) + whoWord] as number) === source) return route;
    return end === this.#limit ? 0 : -end;
  }

  #word(route: number, word: number): number {
    return this.#rows[(route << rowShift) + word] as number;
  }

  /** @param who  a row's `whoWord` */
  #olderBy(who: number): number {
    return ((this.#now[ageRowOf(who)] as number) - who) & (ages - 1);
  }

  #sharers(net: number): number {
    return this.#shared[(net << sharedShift) + sharersWord] ?? 0;
  }

  /** The net has routes, of which `last` is the last, and gets this one of the source. Of `last` nothing is read, which is far off. */
  #share(net: number, last: number, route: number, source: number): void {
    const at = net << sharedShift;
    if (at >= this.#shared.length) this.#shared = grown32(this.#shared, this.nets.limit << sharedShift);
    let sharers = this.#shared[at + sharersWord] as number;
    if (sharers === 0) {
      sharers = bitOf(this.source(last));
      this.#shared[at + firstWord] = last;
    }
    this.#shared[at + sharersWord] = sharers | bitOf(source);
    this.#rows[(last << rowShift) + nextWord] = route;
  }

  #take(): number {
    this.#size += 1;
    const route = this.#free;
    if (route !== 0) {
      this.#free = this.next(route);
      return route;
    }
    const fresh = this.#limit;
    this.#limit += 1;
    if (fresh === this.#told.length) {
      this.#told = grown16(this.#told);
      this.#judged = grown32(this.#judged, this.#told.length);
      this.#rows = grownRows(this.#rows, rowShift);
    }
    return fresh;
  }

  #unlink(route: number): void {
    const net = this.net(route);
    const last = this.nets.last(net);
    const next = this.next(route);
    let before = 0;
    for (let at = this.head(net); at !== route; at = this.next(at)) before = at;
    if (route === last) this.nets.setLast(net, before);
    if (before !== 0) this.#rows[(before << rowShift) + nextWord] = next;
    else if (this.#sharers(net) !== 0) {
      this.#shared[(net << sharedShift) + firstWord] = next;
      if (next === 0) this.#shared[(net << sharedShift) + sharersWord] = 0;
    }
    this.#rows[(route << rowShift) + nextWord] = this.#free;
    this.#free = route;
    this.#size -= 1;
  }
}

const rowOf = (source: number, family: Family): number =>
  source * familyCount + (family === 'ipv4-unicast' ? 0 : 1);

const ageRowOf = (who: number): number => (who >>> ageBits) & sourceMask;
const sourceOf = (who: number): number => ageRowOf(who) >>> 1;
const bitOf = (source: number): number => 1 << (source & 31);
