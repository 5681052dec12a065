/**
 * The Paths of the tables, by number: one for each source and content. Such a Path has its marks, and its attributes only when
 * somebody asks (see Packed).
 */
import type { Address, Asn, Ipv4 } from '../../src/lib/net.ts';
import type { PathAttributes } from '../wire/message.ts';
import { unpack } from './pack.ts';
import { Packed } from './packed.ts';
import type { Path, Source } from './path.ts';
import type { Words } from './slab.ts';

class KeptPath implements Path {
  /** 0: nothing refers to it any more. */
  id: number;
  /** Words of its own, from then on: whoever looks at what was chosen before may still ask. */
  own: Words | undefined;
  readonly #paths: Paths;
  readonly source: Source;
  readonly asPathLength: number;
  readonly neighbourAs: Asn | undefined;
  readonly nextHop: Address;
  readonly med: number | undefined;
  readonly originatorId: Ipv4 | undefined;
  readonly clusters: number;
  readonly rank: number;
  readonly isStale: boolean;
  readonly isBlackhole: boolean;
  readonly traits: number;

  constructor(id: number, paths: Paths, like: Path) {
    this.id = id;
    this.own = undefined;
    this.#paths = paths;
    this.source = like.source;
    this.asPathLength = like.asPathLength;
    this.neighbourAs = like.neighbourAs;
    this.nextHop = like.nextHop;
    this.med = like.med;
    this.originatorId = like.originatorId;
    this.clusters = like.clusters;
    this.rank = like.rank;
    this.isStale = like.isStale;
    this.isBlackhole = like.isBlackhole;
    this.traits = like.traits;
  }

  get attributes(): PathAttributes {
    return this.own === undefined ? this.#paths.attributesOf(this.id) : unpack(this.own, 0);
  }

  get words(): Words {
    return this.own ?? this.#paths.chunkOf(this.id);
  }

  get at(): number {
    return this.own === undefined ? this.#paths.placeOf(this.id) : 0;
  }
}

export class Paths extends Packed {
  readonly #items: (KeptPath | undefined)[] = [undefined];

  /** All that is referred to. */
  *items(): Generator<Path> {
    for (const item of this.#items) if (item !== undefined) yield item;
  }

  /** Of a number that is in use. */
  get(id: number): Path {
    return this.#items[id] as Path;
  }

  /** Undefined for 0. */
  find(id: number): Path | undefined {
    return this.#items[id];
  }

  /** The one that stands for what is like it; itself, if nothing refers to one. */
  known(path: Path): Path {
    return this.#items[this.seek(path.attributes, path.source)] ?? path;
  }

  /** Its number; one reference more. */
  hold(path: Path): number {
    if (path instanceof KeptPath && this.#items[path.id] === path) {
      this.keep(path.id);
      return path.id;
    }
    const id = this.obtain(path.attributes, path.source);
    this.#items[id] ??= new KeptPath(id, this, path);
    return id;
  }

  protected override isOf(id: number, owner: object | undefined): boolean {
    return this.#items[id]?.source === owner;
  }

  protected override removed(id: number): void {
    const item = this.#items[id];
    if (item === undefined) return;
    item.own = this.wordsOf(id);
    item.id = 0;
    this.#items[id] = undefined;
  }
}
