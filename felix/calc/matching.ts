/**
 * Which bags of labels satisfy which selectors, kept as both change.
 *
 * A bag is whatever has labels: here what many pods with the same labels have in common. Selectors are told apart by their
 * canonical text and counted: two that read the same are one. A new bag is tried against the selectors that need one of its
 * labels, a new selector against the bags that have one of the labels it needs, a bag whose labels change against the
 * selectors that read what changed. Nothing here looks at all of either, except for a selector that needs no label.
 */
import { assert } from '../../src/lib/result.ts';
import type { Labels } from '../../src/model/meta.ts';
import { formatSelector, matchesSelector, type Selector } from '../../src/model/selector.ts';
import { KeyedSets } from './keyed-sets.ts';
import { keysOf, type Need, needsOf } from './needs.ts';

export interface Labelled {
  readonly labels: Labels;
}

/** A selector that somebody asks for; one object for as long as anybody does. */
export interface Wish {
  readonly text: string;
  readonly selector: Selector;
}

interface LiveWish extends Wish {
  readonly needs: readonly Need[] | undefined;
  users: number;
}

/** On nearly every pod, so it tells nothing apart; Kubernetes' policies all ask for it. */
const common = 'projectcalico.org/orchestrator';
const commonWeight = 1e9;

export class Matching<B extends Labelled> {
  readonly #onChange: (wish: Wish, bag: B, is: boolean) => void;
  readonly #bags = new Set<B>();
  /** Label → value → bags, and how many bags that are. */
  readonly #bagsWith = new Map<string, { readonly byValue: KeyedSets<string, B>; bags: number }>();
  readonly #wishes = new Map<string, LiveWish>();
  /** Label → value → selectors that need it. */
  readonly #wishesFor = new Map<string, KeyedSets<string, LiveWish>>();
  /** Label → selectors that need it with whatever value. */
  readonly #wishesForAny = new KeyedSets<string, LiveWish>();
  /** Selectors that need no label. */
  readonly #easy = new Set<LiveWish>();
  /** Label → selectors that look at it. */
  readonly #readers = new KeyedSets<string, LiveWish>();
  readonly #bagsOf = new KeyedSets<Wish, B>();
  readonly #wishesOf = new KeyedSets<B, Wish>();

  /** @param onChange  told of each pair that comes to be or ceases, except those that a wish begins or ends with */
  constructor(onChange: (wish: Wish, bag: B, is: boolean) => void = () => {}) {
    this.#onChange = onChange;
  }

  /** The bags that satisfy it; not to be walked while bags or selectors change. */
  bagsOf(wish: Wish): Iterable<B> {
    return this.#bagsOf.get(wish);
  }

  /** Some bag satisfies it. */
  isMet(wish: Wish): boolean {
    return this.#bagsOf.has(wish);
  }

  /** The selectors that the bag satisfies. */
  wishesOf(bag: B): Iterable<Wish> {
    return this.#wishesOf.get(bag);
  }

  /** Bags and selectors there are: none, when all is gone. */
  get size(): number {
    return this.#bags.size + this.#wishes.size;
  }

  has(bag: B): boolean {
    return this.#bags.has(bag);
  }

  /** Each call needs a `drop`. */
  want(selector: Selector, text: string = formatSelector(selector)): Wish {
    const known = this.#wishes.get(text);
    if (known !== undefined) {
      known.users += 1;
      return known;
    }
    const needs = needsOf(selector, (need) => this.#weigh(need));
    const wish: LiveWish = { text, selector, needs, users: 1 };
    this.#wishes.set(text, wish);
    for (const key of keysOf(selector)) this.#readers.add(key, wish);
    this.#index(wish, true);
    for (const bag of this.#candidateBags(needs)) {
      if (!matchesSelector(selector, bag.labels)) continue;
      this.#bagsOf.add(wish, bag);
      this.#wishesOf.add(bag, wish);
    }
    return wish;
  }

  drop(wanted: Wish): void {
    const wish = this.#wishes.get(wanted.text);
    assert(wish !== undefined && wish === wanted, `nobody asks for ${wanted.text}`);
    wish.users -= 1;
    if (wish.users > 0) return;
    for (const bag of [...this.#bagsOf.get(wish)]) {
      this.#bagsOf.delete(wish, bag);
      this.#wishesOf.delete(bag, wish);
    }
    this.#index(wish, false);
    for (const key of keysOf(wish.selector)) this.#readers.delete(key, wish);
    this.#wishes.delete(wish.text);
  }

  add(bag: B): void {
    assert(!this.#bags.has(bag), 'a bag is added once');
    this.#bags.add(bag);
    for (const [key, value] of Object.entries(bag.labels)) this.#putLabel(bag, key, value);
    for (const wish of this.#candidateWishes(bag.labels)) this.#judge(wish, bag);
  }

  remove(bag: B): void {
    assert(this.#bags.delete(bag), 'a bag is removed once');
    for (const [key, value] of Object.entries(bag.labels)) this.#takeLabel(bag, key, value);
    for (const wish of [...this.#wishesOf.get(bag)]) this.#set(wish, bag, false);
  }

  /** Call it after the bag's labels changed; `before` is what they were. */
  relabel(bag: B, before: Labels): void {
    const changed: string[] = [];
    for (const [key, value] of Object.entries(before)) {
      if (bag.labels[key] === value && Object.hasOwn(bag.labels, key)) continue;
      this.#takeLabel(bag, key, value);
      changed.push(key);
    }
    for (const [key, value] of Object.entries(bag.labels)) {
      if (Object.hasOwn(before, key) && before[key] === value) continue;
      this.#putLabel(bag, key, value);
      if (!Object.hasOwn(before, key)) changed.push(key);
    }
    const wishes = new Set<LiveWish>();
    for (const key of changed) for (const wish of this.#readers.get(key)) wishes.add(wish);
    for (const wish of wishes) this.#judge(wish, bag);
  }

  #judge(wish: LiveWish, bag: B): void {
    this.#set(wish, bag, matchesSelector(wish.selector, bag.labels));
  }

  #set(wish: Wish, bag: B, is: boolean): void {
    const isChange = is ? this.#bagsOf.add(wish, bag) : this.#bagsOf.delete(wish, bag);
    if (!isChange) return;
    if (is) this.#wishesOf.add(bag, wish);
    else this.#wishesOf.delete(bag, wish);
    this.#onChange(wish, bag, is);
  }

  #putLabel(bag: B, key: string, value: string): void {
    let having = this.#bagsWith.get(key);
    if (having === undefined) {
      having = { byValue: new KeyedSets(), bags: 0 };
      this.#bagsWith.set(key, having);
    }
    if (having.byValue.add(value, bag)) having.bags += 1;
  }

  #takeLabel(bag: B, key: string, value: string): void {
    const having = this.#bagsWith.get(key);
    if (having?.byValue.delete(value, bag) !== true) return;
    having.bags -= 1;
    if (having.bags === 0) this.#bagsWith.delete(key);
  }

  #index(wish: LiveWish, is: boolean): void {
    if (wish.needs === undefined) {
      if (is) this.#easy.add(wish);
      else this.#easy.delete(wish);
      return;
    }
    for (const need of wish.needs) this.#indexNeed(wish, need, is);
  }

  #indexNeed(wish: LiveWish, { key, values }: Need, is: boolean): void {
    if (values === undefined) {
      put(this.#wishesForAny, key, wish, is);
      return;
    }
    const wishes = this.#wishesFor.get(key) ?? new KeyedSets();
    for (const value of values) put(wishes, value, wish, is);
    if (wishes.size === 0) this.#wishesFor.delete(key);
    else this.#wishesFor.set(key, wishes);
  }

  #candidateWishes(labels: Labels): Iterable<LiveWish> {
    const wishes = new Set(this.#easy);
    for (const [key, value] of Object.entries(labels)) {
      for (const wish of this.#wishesFor.get(key)?.get(value) ?? []) wishes.add(wish);
      for (const wish of this.#wishesForAny.get(key)) wishes.add(wish);
    }
    return wishes;
  }

  #candidateBags(needs: readonly Need[] | undefined): Iterable<B> {
    if (needs === undefined) return this.#bags;
    const bags = new Set<B>();
    for (const { key, values } of needs) {
      const having = this.#bagsWith.get(key)?.byValue;
      if (having === undefined) continue;
      for (const value of values ?? having.keys()) for (const bag of having.get(value)) bags.add(bag);
    }
    return bags;
  }

  /** What is tried for the need: bags by a new selector, selectors by a new bag. */
  #weigh({ key, values }: Need): number {
    if (key === common) return commonWeight;
    const having = this.#bagsWith.get(key);
    if (values === undefined) return (having?.bags ?? 0) + this.#wishesForAny.count(key) + 1;
    const wishes = this.#wishesFor.get(key);
    return values.reduce(
      (sum, value) => sum + (having?.byValue.count(value) ?? 0) + (wishes?.count(value) ?? 0),
      0,
    );
  }
}

function put<K, V>(sets: KeyedSets<K, V>, key: K, value: V, is: boolean): void {
  if (is) sets.add(key, value);
  else sets.delete(key, value);
}
