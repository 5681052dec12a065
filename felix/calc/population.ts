/**
 * Things with labels, and who of them satisfies which selector.
 *
 * What has the same labels, from the same places, shares one bag: a hundred thousand pods are some thousands of bags, and a
 * selector is tried against those. Labels come from a thing's own, and from sources it is heir to (its namespace, its service
 * account, its profiles); when a source changes, only its heirs are looked at, and only by selectors that read what changed.
 */
import { digestOf } from '../../src/lib/digest.ts';
import type { Labels } from '../../src/model/meta.ts';
import type { Selector } from '../../src/model/selector.ts';
import { Crowd } from './crowd.ts';
import { KeyedSets } from './keyed-sets.ts';
import { Matching, type Wish } from './matching.ts';

/** What labels are inherited from, by key; one for all populations. */
export class Sources {
  readonly #labels = new Map<string, Labels>();

  get size(): number {
    return this.#labels.size;
  }

  get(key: string): Labels | undefined {
    return this.#labels.get(key);
  }

  /** @param labels  absent: the source is not known */
  put(key: string, labels: Labels | undefined): void {
    if (labels === undefined) this.#labels.delete(key);
    else this.#labels.set(key, labels);
  }
}

/** What makes the labels of one thing. */
export interface Lineage {
  readonly own: Labels;
  /** Keys of sources; of two that say the same label the later wins, and the own ones over all. */
  readonly heirOf: readonly string[];
}

interface Bag<T> extends Lineage {
  readonly digest: number;
  labels: Labels;
  readonly items: Crowd<T>;
}

interface Row<T> {
  readonly bag: Bag<T>;
  readonly item: T;
}

export interface PopulationOptions<T> {
  readonly sources: Sources;
  /** Told of every pair of selector and item that comes to be or ceases, but not of what a selector begins or ends with. */
  readonly onChange: (wish: Wish, item: T, is: boolean) => void;
  /** Told of every item that comes or goes, whatever selects it. */
  readonly onItem?: (item: T, is: boolean) => void;
  /** The two are as good as one. */
  readonly same: (a: T, b: T) => boolean;
  /** The same item, with what it has in common with another of its bag kept once. */
  readonly share?: (item: T, other: T) => T;
}

export class Population<T> {
  readonly #options: PopulationOptions<T>;
  readonly #matching: Matching<Bag<T>>;
  readonly #rows = new Map<string, Row<T>>();
  /** By digest of the lineage. */
  readonly #bags = new KeyedSets<number, Bag<T>>();
  readonly #heirs = new KeyedSets<string, Bag<T>>();

  constructor(options: PopulationOptions<T>) {
    this.#options = options;
    this.#matching = new Matching((wish, bag, is) => {
      for (const item of bag.items) options.onChange(wish, item, is);
    });
  }

  /** Items, bags and selectors there are: none, when all is gone. */
  get size(): number {
    return this.#rows.size + this.#bags.size + this.#heirs.size + this.#matching.size;
  }

  get(key: string): T | undefined {
    return this.#rows.get(key)?.item;
  }

  /** As it was put. */
  told(key: string): { readonly lineage: Lineage; readonly item: T } | undefined {
    const row = this.#rows.get(key);
    return row === undefined ? undefined : { lineage: row.bag, item: row.item };
  }

  /** All of them, with their keys. */
  *entries(): Generator<readonly [string, T]> {
    for (const [key, { item }] of this.#rows) yield [key, item];
  }

  put(key: string, lineage: Lineage, told: T): void {
    const before = this.#rows.get(key);
    const bag = this.#bagOf(lineage);
    const [other] = bag.items;
    const item = other === undefined ? told : (this.#options.share?.(told, other) ?? told);
    if (before === undefined) this.#enter(bag, item);
    else if (!this.#options.same(before.item, item)) {
      this.#enter(bag, item);
      this.#leave(before);
    } else if (before.bag === bag) return;
    else {
      this.#move(before, bag);
      this.#rows.set(key, { bag, item: before.item });
      return;
    }
    this.#rows.set(key, { bag, item });
  }

  remove(key: string): void {
    const row = this.#rows.get(key);
    if (row === undefined) return;
    this.#rows.delete(key);
    this.#leave(row);
  }

  /** Call it after what the source says changed. */
  inherit(source: string): void {
    for (const bag of [...this.#heirs.get(source)]) {
      const before = bag.labels;
      bag.labels = this.#labelsOf(bag);
      this.#matching.relabel(bag, before);
    }
  }

  want(selector: Selector): Wish {
    return this.#matching.want(selector);
  }

  drop(wish: Wish): void {
    this.#matching.drop(wish);
  }

  isMet(wish: Wish): boolean {
    return this.#matching.isMet(wish);
  }

  *itemsOf(wish: Wish): Generator<T> {
    for (const bag of this.#matching.bagsOf(wish)) yield* bag.items;
  }

  /** The selectors that it satisfies. */
  wishesOf(key: string): Iterable<Wish> {
    const row = this.#rows.get(key);
    return row === undefined ? [] : this.#matching.wishesOf(row.bag);
  }

  #bagOf(lineage: Lineage): Bag<T> {
    const { own, heirOf } = lineage;
    const digest = digestOf(own, digestOf(heirOf, 0) | 0);
    for (const known of this.#bags.get(digest)) if (isSameLineage(known, lineage)) return known;
    const bag: Bag<T> = { digest, own, heirOf, labels: this.#labelsOf(lineage), items: new Crowd() };
    this.#bags.add(digest, bag);
    for (const source of heirOf) this.#heirs.add(source, bag);
    this.#matching.add(bag);
    return bag;
  }

  #labelsOf({ own, heirOf }: Lineage): Labels {
    return Object.assign({}, ...heirOf.map((source) => this.#options.sources.get(source)), own);
  }

  #enter(bag: Bag<T>, item: T): void {
    bag.items.add(item);
    this.#options.onItem?.(item, true);
    for (const wish of this.#matching.wishesOf(bag)) this.#options.onChange(wish, item, true);
  }

  #leave({ bag, item }: Row<T>): void {
    bag.items.delete(item);
    this.#options.onItem?.(item, false);
    for (const wish of this.#matching.wishesOf(bag)) this.#options.onChange(wish, item, false);
    this.#tidy(bag);
  }

  #move({ bag: from, item }: Row<T>, to: Bag<T>): void {
    from.items.delete(item);
    to.items.add(item);
    const before = new Set(this.#matching.wishesOf(from));
    for (const wish of this.#matching.wishesOf(to)) {
      if (!before.delete(wish)) this.#options.onChange(wish, item, true);
    }
    for (const wish of before) this.#options.onChange(wish, item, false);
    this.#tidy(from);
  }

  #tidy(bag: Bag<T>): void {
    if (bag.items.size > 0) return;
    this.#matching.remove(bag);
    for (const source of bag.heirOf) this.#heirs.delete(source, bag);
    this.#bags.delete(bag.digest, bag);
  }
}

function isSameLineage(a: Lineage, b: Lineage): boolean {
  const keys = Object.keys(a.own);
  return (
    a.heirOf.length === b.heirOf.length &&
    a.heirOf.every((source, index) => source === b.heirOf[index]) &&
    keys.length === Object.keys(b.own).length &&
    keys.every((key) => Object.hasOwn(b.own, key) && a.own[key] === b.own[key])
  );
}
