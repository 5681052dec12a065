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

class KeptPath implements Path {
  /** Once its number is another's: where its words begin in `own`. */
  id: number;
  /** Absent until then. Whoever looks at what was chosen before may still ask. */
  own: Words | undefined;
  readonly #paths: Paths;
  readonly source: Source;

  constructor(id: number, paths: Paths, source: Source) {
    this.id = id;
    this.own = undefined;
    this.#paths = paths;
    this.source = source;
  }

  get attributes(): PathAttributes {
    return this.own === undefined ? this.#paths.attributesOf(this.id) : unpack(this.own, this.id);
  }

  get words(): Words {
    return this.own ?? this.#paths.chunkOf(this.id);
  }

  get at(): number {
    return this.own === undefined ? this.#paths.placeOf(this.id) : this.id;
  }

  get rank(): number {
    return this.own === undefined ? this.#paths.rankOf(this.id) : this.#again.rank;
  }

  get asPathLength(): number {
    return lengthOfRank(this.rank);
  }

  get isStale(): boolean {
    return isStaleRank(this.rank);
  }

  get traits(): number {
    return this.own === undefined ? this.#paths.traitsOf(this.id) : this.#again.traits;
  }

  get isBlackhole(): boolean {
    return this.own === undefined ? this.#paths.isBlackhole(this.id) : this.#again.isBlackhole;
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

  /** What stood beside it, from the words. */
  get #again(): Path {
    return pathOf(this.source, new AttributeView(this.words, this.at));
  }
}

/** Where the words of paths go whose number is another's. */
const sheet = new Sheet();

export class Paths extends Packed {
  readonly #items: (KeptPath | undefined)[] = [undefined];
  #ranks: Float64Array = new Float64Array(64).fill(Number.POSITIVE_INFINITY, 0, 1);

  /** All that is referred to. */
  *items(): Generator<Path> {
    for (const item of this.#items) if (item !== undefined && this.isHeld(item.id)) yield item;
  }

  /** Of a number that is in use. */
  get(id: number): Path {
    return this.#items[id] as Path;
  }

  /** Undefined for 0. */
  find(id: number): Path | undefined {
    return this.#items[id];
  }

  /** The one that stands for what is like it; itself, if there is none. */
  known(path: Path): Path {
    return this.#items[this.seek(path.attributes, path.source)] ?? path;
  }

  /** Its number; one reference more. */
  hold(path: Path): number {
    if (path instanceof KeptPath && path.own === undefined && this.#items[path.id] === path) {
      this.keep(path.id);
      return path.id;
    }
    const id = this.obtain(path.attributes, path.source);
    if (this.#items[id] === undefined) this.#add(id, path);
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
    return this.#items[id]?.source === owner;
  }

  protected override removed(id: number): void {
    const item = this.#items[id];
    if (item === undefined) return;
    const at = sheet.copy(item.words, item.at);
    item.own = sheet.words;
    item.id = at;
    this.#items[id] = undefined;
  }

  #add(id: number, { source, rank, traits, isBlackhole }: Path): void {
    if (id >= this.#ranks.length) this.#ranks = grownDoubles(this.#ranks, id + 1);
    this.#ranks[id] = rank;
    this.setNote(id, traits | (isBlackhole ? isBlackholeBit : 0));
    this.#items[id] = new KeptPath(id, this, source);
  }
}
