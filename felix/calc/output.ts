/**
 * The desired ruleset, and what changed in it since it was last taken.
 *
 * Owned by the graph. It keeps how things were when first touched, so writing back what was there is no change, and
 * two pods that hold one address, or hand it on within a tick, are one element throughout.
 */
import { assert } from '../../src/lib/result.ts';
import { same } from '../../src/lib/same.ts';
import type { Chain, Element, NamedSet, Ruleset, RulesetChange, SetDecl } from '../rules/model.ts';
import type { Member } from './endpoints.ts';

interface LiveSet extends NamedSet {
  readonly elements: Map<string, Element>;
  /** How many hold each element that more than one holds. */
  readonly holders: Map<string, number>;
  /** Elements touched since the last take, by key: were they there before? */
  readonly before: Map<string, { readonly element: Element; readonly present: boolean }>;
}

export class Output {
  readonly #chains = new Map<string, Chain>();
  readonly #sets = new Map<string, LiveSet>();
  readonly #chainsBefore = new Map<string, Chain | undefined>();
  readonly #setsBefore = new Map<string, SetDecl | undefined>();
  readonly #touchedSets = new Set<LiveSet>();
  /** Declared since the last take: all their elements are new. */
  readonly #freshSets = new Set<LiveSet>();

  get ruleset(): Ruleset {
    return { chains: this.#chains, sets: this.#sets };
  }

  putChain(chain: Chain): void {
    this.#noteChain(chain.name);
    this.#chains.set(chain.name, chain);
  }

  removeChain(name: string): void {
    this.#noteChain(name);
    this.#chains.delete(name);
  }

  declare(decl: SetDecl): void {
    assert(!this.#sets.has(decl.name), `set ${decl.name} is declared twice`);
    this.#noteSet(decl.name);
    const set: LiveSet = { decl, elements: new Map(), holders: new Map(), before: new Map() };
    this.#sets.set(decl.name, set);
    this.#freshSets.add(set);
  }

  /** With all its elements, whoever holds them. */
  removeSet(name: string): void {
    this.#noteSet(name);
    const set = this.#sets.get(name);
    if (set !== undefined) {
      this.#touchedSets.delete(set);
      this.#freshSets.delete(set);
    }
    this.#sets.delete(name);
  }

  hold(setName: string, members: readonly Member[]): void {
    const set = this.#setNamed(setName);
    for (const { key, element } of members) {
      if (set.elements.has(key)) {
        set.holders.set(key, (set.holders.get(key) ?? 1) + 1);
        continue;
      }
      this.#noteElement(set, key, element, false);
      set.elements.set(key, element);
    }
  }

  release(setName: string, members: readonly Member[]): void {
    const set = this.#setNamed(setName);
    for (const { key, element } of members) {
      assert(set.elements.has(key), `nobody holds ${key} in ${setName}`);
      const holders = set.holders.get(key) ?? 1;
      if (holders > 2) set.holders.set(key, holders - 1);
      else if (holders === 2) set.holders.delete(key);
      else {
        this.#noteElement(set, key, element, true);
        set.elements.delete(key);
      }
    }
  }

  /** What changed since the last call, and nothing that ended as it began. */
  take(): RulesetChange {
    const chains: Chain[] = [];
    const removedChains: string[] = [];
    for (const [name, before] of this.#chainsBefore) {
      const after = this.#chains.get(name);
      if (after === undefined) {
        if (before !== undefined) removedChains.push(name);
      } else if (!same(before, after)) chains.push(after);
    }
    const sets: SetDecl[] = [];
    const removedSets: SetDecl[] = [];
    for (const [name, before] of this.#setsBefore) {
      const after = this.#sets.get(name)?.decl;
      if (before === undefined && after !== undefined) sets.push(after);
      if (before !== undefined && after === undefined) removedSets.push(before);
    }
    const elements = [
      ...[...this.#freshSets].map(({ decl, elements: all }) => ({
        decl,
        added: [...all.values()],
        removed: [],
      })),
      ...[...this.#touchedSets].map(takeElements),
    ];
    this.#chainsBefore.clear();
    this.#setsBefore.clear();
    this.#touchedSets.clear();
    this.#freshSets.clear();
    const changed = elements.filter(({ added, removed }) => added.length + removed.length > 0);
    return { sets, removedSets, elements: changed, chains, removedChains };
  }

  #setNamed(name: string): LiveSet {
    const set = this.#sets.get(name);
    assert(set !== undefined, `set ${name} is not declared`);
    return set;
  }

  #noteChain(name: string): void {
    if (!this.#chainsBefore.has(name)) this.#chainsBefore.set(name, this.#chains.get(name));
  }

  /** A set goes or comes at most once a tick: its name says what it means, and its users are settled first. */
  #noteSet(name: string): void {
    assert(!this.#setsBefore.has(name), `set ${name} went and came in one tick`);
    this.#setsBefore.set(name, this.#sets.get(name)?.decl);
  }

  #noteElement(set: LiveSet, key: string, element: Element, present: boolean): void {
    if (this.#freshSets.has(set)) return;
    this.#touchedSets.add(set);
    if (!set.before.has(key)) set.before.set(key, { element, present });
  }
}

function takeElements(set: LiveSet): RulesetChange['elements'][number] {
  const touched = [...set.before];
  set.before.clear();
  const added = touched.filter(([key, { present }]) => !present && set.elements.has(key));
  const removed = touched.filter(([key, { present }]) => present && !set.elements.has(key));
  return {
    decl: set.decl,
    added: added.map(([, { element }]) => element),
    removed: removed.map(([, { element }]) => element),
  };
}
