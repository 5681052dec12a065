/**
 * The Paths of the tables, by number: one for each source and content. A table of the internet has a hundred thousand of them,
 * so such a Path is little more than its number: what is asked for of every path stands beside it, the rest is read from its
 * words (see Packed), and its attributes are made when somebody asks.
 */
import type { Address, Asn, Ipv4 } from '../../src/lib/net.ts';
import type { PathAttributes } from '../wire/message.ts';
import { grownDoubles } from './columns.ts';
import { unpack } from './pack.ts';
import { Packed } from './packed.ts';
import {
  clustersAt,
  isStaleRank,
  lengthOfRank,
  medAt,
  neighbourAsAt,
  originatorAt,
  type Path,
  pathOf,
  type Source,
} from './path.ts';
import type { Words } from './slab.ts';
import { AttributeView, nextHopAt, Sheet } from './view.ts';

/** Beside the traits of a path, in its note. */
const isBlackholeBit = 1 << 7;

/** As small as can be: three fields, and nothing private, for which V8 would add a fourth. */
class KeptPath implements Path {
  /** Negative once its number is another's. Whoever looks at what was chosen before may still ask. */
  id: number;
  /** Where to ask for what is its own, by its number; of one without a number the words, from `~id` on. */
  home: Paths | Words;
  readonly source: Source;

  constructor(id: number, home: Paths, source: Source) {
    this.id = id;
    this.home = home;
    this.source = source;
  }

  get attributes(): PathAttributes {
    const { id, home } = this;
    return id < 0 ? unpack(home as Words, ~id) : (home as Paths).attributesOf(id);
  }

  get words(): Words {
    const { id, home } = this;
    return id < 0 ? (home as Words) : (home as Paths).chunkOf(id);
  }

  get at(): number {
    const { id, home } = this;
    return id < 0 ? ~id : (home as Paths).placeOf(id);
  }

  get rank(): number {
    const { id, home } = this;
    return id < 0 ? again(this).rank : (home as Paths).rankOf(id);
  }

  get asPathLength(): number {
    return lengthOfRank(this.rank);
  }

  get isStale(): boolean {
    return isStaleRank(this.rank);
  }

  get traits(): number {
    const { id, home } = this;
    return id < 0 ? again(this).traits : (home as Paths).traitsOf(id);
  }

  get isBlackhole(): boolean {
    const { id, home } = this;
    return id < 0 ? again(this).isBlackhole : (home as Paths).isBlackhole(id);
  }

  get nextHop(): Address {
    return nextHopAt(this.words, this.at);
  }

  get neighbourAs(): Asn | undefined {
    return neighbourAsAt(this.words, this.at);
  }

  get med(): number | undefined {
    return medAt(this.words, this.at);
  }

  get originatorId(): Ipv4 | undefined {
    return originatorAt(this.words, this.at);
  }

  get clusters(): number {
    return clustersAt(this.words, this.at);
  }
}

/** What stood beside a path that has no number any more, from its words. */
const again = ({ source, words, at }: KeptPath): Path => pathOf(source, new AttributeView(words, at));

/** By number, in pieces: a list that grows by copying leaves behind as much as it holds. */
const pieceBits = 10;
const inPiece = (1 << pieceBits) - 1;

class Numbered {
  readonly #pieces: (KeptPath | undefined)[][] = [];

  get(id: number): KeptPath | undefined {
    return this.#pieces[id >>> pieceBits]?.[id & inPiece];
  }

  set(id: number, item: KeptPath | undefined): void {
    const piece = id >>> pieceBits;
    while (this.#pieces.length <= piece) this.#pieces.push(new Array(1 << pieceBits).fill(undefined));
    (this.#pieces[piece] as (KeptPath | undefined)[])[id & inPiece] = item;
  }

  *all(): Generator<KeptPath> {
    for (const piece of this.#pieces) for (const item of piece) if (item !== undefined) yield item;
  }
}

/** Where the words of paths go whose number is another's. */
const sheet = new Sheet();

export class Paths extends Packed {
  readonly #items = new Numbered();
  #ranks: Float64Array = new Float64Array(64).fill(Number.POSITIVE_INFINITY, 0, 1);

  /** All that is referred to. */
  *items(): Generator<Path> {
    for (const item of this.#items.all()) if (this.isHeld(item.id)) yield item;
  }

  /** Of a number that is in use. */
  get(id: number): Path {
    return this.#items.get(id) as Path;
  }

  /** Undefined for 0. */
  find(id: number): Path | undefined {
    return this.#items.get(id);
  }

  /** The one that stands for what is like it; itself, if there is none. */
  known(path: Path): Path {
    return this.#items.get(this.seek(path.attributes, path.source)) ?? path;
  }

  /** Its number; one reference more. */
  hold(path: Path): number {
    if (path instanceof KeptPath && path.home === this) {
      this.keep(path.id);
      return path.id;
    }
    const id = this.obtain(path.attributes, path.source);
    if (this.#items.get(id) === undefined) this.#add(id, path);
    return id;
  }

  /** Of a number that is in use: as `Marks` has them; of 0 a rank that no path has, worse than all. */
  rankOf(id: number): number {
    return this.#ranks[id] as number;
  }

  traitsOf(id: number): number {
    return this.note(id) & ~isBlackholeBit;
  }

  isBlackhole(id: number): boolean {
    return (this.note(id) & isBlackholeBit) !== 0;
  }

  protected override isOf(id: number, owner: object | undefined): boolean {
    return this.#items.get(id)?.source === owner;
  }

  protected override removed(id: number): void {
    const item = this.#items.get(id);
    if (item === undefined) return;
    const at = sheet.copy(item.words, item.at);
    item.home = sheet.words;
    item.id = ~at;
    this.#items.set(id, undefined);
  }

  #add(id: number, { source, rank, traits, isBlackhole }: Path): void {
    if (id >= this.#ranks.length) this.#ranks = grownDoubles(this.#ranks, id + 1);
    this.#ranks[id] = rank;
    this.setNote(id, traits | (isBlackhole ? isBlackholeBit : 0));
    this.#items.set(id, new KeptPath(id, this, source));
  }
}
