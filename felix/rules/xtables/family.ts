/**
 * The chains of one family, in step with the model at a cost of what changed: a chain is drafted again only if it, the ends of
 * one it leads to, or a set whose elements are rules in it are others than before.
 *
 *   root ──► base chains ──► chains they lead to ──► …     each known by table and name, gone with the last that leads to it
 *
 *   who wants a chain: here and `wanted`    what it says: `draft`    what that depends on: `heed`    how it is written: `written`
 *   where base chains hang: `hook`          who accepts: `weight`
 */
import type { IpVersion } from '../../../src/lib/net.ts';
import { ok, type Result } from '../../../src/lib/result.ts';
import type { PortRange, Ruleset } from '../model.ts';
import { type Draft, draftOf, type Instance, isLast, nameOf } from './draft.ts';
import { Heeded } from './heed.ts';
import { type Base, basesOf, endingFrame, hooksOf, rejectingFrame } from './hook.ts';
import { xtChainName } from './name.ts';
import type { XtTable } from './place.ts';
import type { XtOptions, XtTableRules } from './tables.ts';
import { Wanted } from './wanted.ts';
import { Weights } from './weight.ts';
import { type TableHook, Written, type XtFamilyChange } from './written.ts';

interface Node {
  readonly instance: Instance;
  readonly draft: Draft;
}

const keyOf = (table: XtTable, name: string): string => `${table} ${name}`;
const root = 'root';

export class Family {
  readonly #ruleset: Ruleset;
  readonly #options: XtOptions;
  readonly #version: IpVersion;
  readonly #nodes = new Map<string, Node>();
  /** Key of a node → keys of those that lead to it. */
  readonly #askers = new Wanted();
  readonly #weights = new Weights(this.#askers);
  readonly #heeded: Heeded;
  readonly #written = new Written();
  #based: readonly Base[] = [];
  #roots: ReadonlyMap<string, Instance> = new Map();
  /** Nodes nobody led to at some moment of this update. */
  readonly #loose = new Set<string>();
  /** Nodes drafted by this update. */
  #fresh = new Set<string>();

  constructor(ruleset: Ruleset, options: XtOptions, version: IpVersion) {
    this.#ruleset = ruleset;
    this.#options = options;
    this.#version = version;
    this.#heeded = new Heeded(ruleset);
  }

  /** As of the last update: a view. */
  get tables(): ReadonlyMap<XtTable, XtTableRules> {
    return this.#written.tables;
  }

  /** Sets of ports by the name of their ipset. */
  get ports(): ReadonlyMap<string, readonly PortRange[]> {
    return this.#heeded.ports;
  }

  /**
   * Takes up what the ruleset is now. Fails with a sentence if iptables has no place for a base chain, or two that accept share one.
   * @param chains  those that may be others than at the last update, by name; undefined: any
   * @param sets    those whose elements may be
   */
  update(chains?: Iterable<string>, sets?: Iterable<string>): Result<XtFamilyChange> {
    const bases = this.#bases(chains);
    if (!bases.ok) return bases;
    this.#based = bases.value;
    const [dirty, heeding] = [new Set<string>(), new Set<string>()];
    this.#fresh = new Set();
    for (const name of chains ?? this.#heeded.chains()) this.#mark(name, dirty, heeding);
    for (const name of sets ?? this.#heeded.sets())
      for (const key of this.#heeded.reading(name)) dirty.add(key);
    this.#takeRoots(bases.value);
    for (const key of dirty) this.#redraftDue(key);
    for (const key of heeding) this.#heed(key);
    this.#sweep();
    const hooks = this.#hooks(bases.value);
    return hooks.ok ? ok(this.#written.take(hooks.value)) : hooks;
  }

  #mark(name: string, dirty: Set<string>, heeding: Set<string>): void {
    const chain = this.#ruleset.chains.get(name);
    for (const key of this.#heeded.drafted(name))
      if (this.#nodes.get(key)?.instance.chain !== chain) dirty.add(key);
    for (const key of this.#heeded.ending(name)) heeding.add(key);
  }

  /** Chains it leads to end in other ways: mostly it leads there as before. */
  #heed(key: string): void {
    const node = this.#nodes.get(key);
    if (node === undefined || this.#fresh.has(key)) return;
    const ends = new Set<string>();
    const isAsBefore = [...node.draft.asks.values()].every(
      ({ chain, isOuter, isRest }) => isRest === true || isOuter === isLast(chain.name, this.#ruleset, ends),
    );
    if (!isAsBefore) {
      this.#redraftDue(key);
      return;
    }
    const draft = { ...node.draft, ends };
    this.#nodes.set(key, { ...node, draft });
    this.#heeded.refile(key, node.draft, draft);
  }

  /** Unless this update drafted it, or nobody leads to it any more. */
  #redraftDue(key: string): void {
    const node = this.#nodes.get(key);
    if (node === undefined || this.#fresh.has(key) || !this.#askers.has(key)) return;
    this.#redraft(key, this.#current(node.instance));
  }

  /** As the model has it now; the rest of a chain is drafted with the chain. */
  #current(instance: Instance): Instance {
    if (instance.isRest === true) return instance;
    const { name } = instance.chain;
    return { ...instance, chain: this.#ruleset.chains.get(name) ?? { name, rules: [] } };
  }

  /** The same as the last time, if it is none of these chains that changed. */
  #bases(changed: Iterable<string> | undefined): Result<readonly Base[]> {
    const isBase = (name: string): boolean =>
      this.#ruleset.chains.get(name)?.base !== undefined ||
      this.#based.some(({ chain }) => chain.name === name);
    if (changed !== undefined && ![...changed].some(isBase)) return ok(this.#based);
    return basesOf(this.#ruleset);
  }

  #takeRoots(bases: readonly Base[]): void {
    const before = this.#roots;
    const after = new Map<string, Instance>();
    for (const { chain, place } of bases) {
      const instance: Instance = { chain, table: place.table, isOuter: true, isTrunk: true };
      after.set(keyOf(place.table, nameOf(instance)), instance);
    }
    this.#roots = after;
    for (const [key, instance] of after) this.#lead(root, key, instance);
    for (const key of before.keys()) if (!after.has(key)) this.#let(root, key);
  }

  #lead(asker: string, key: string, instance: Instance): void {
    this.#askers.add(key, asker);
    const node = this.#nodes.get(key);
    if (node === undefined || !isSame(node.instance, instance)) this.#redraft(key, instance);
  }

  #let(asker: string, key: string): void {
    if (this.#askers.remove(key, asker)) this.#loose.add(key);
  }

  #redraft(key: string, instance: Instance): void {
    const before = this.#nodes.get(key)?.draft;
    this.#fresh.add(key);
    const draft = draftOf(instance, {
      ruleset: this.#ruleset,
      version: this.#version,
      rejectedMark: this.#options.rejectedMark,
    });
    this.#nodes.set(key, { instance, draft });
    this.#write(instance, draft, before);
    this.#heeded.file(key, instance.isRest === true ? undefined : instance.chain.name, draft, before);
    const { table } = instance;
    for (const [name, asked] of draft.asks) this.#lead(key, keyOf(table, name), asked);
    for (const name of before?.asks.keys() ?? [])
      if (!draft.asks.has(name)) this.#let(key, keyOf(table, name));
    const leads = [...draft.asks.keys()].map((name) => keyOf(table, name));
    this.#weights.weigh(key, accepts(draft), leads);
  }

  /** A chain and those made for it alone. @param draft  undefined: it goes */
  #write(instance: Instance, draft: Draft | undefined, before: Draft | undefined): void {
    const { table, isTrunk } = instance;
    const written = this.#written;
    if (isTrunk === true) written.putTrunk(table, nameOf(instance), draft?.rules);
    else written.put(table, nameOf(instance), draft?.rules);
    for (const [own, rules] of draft?.own ?? []) written.put(table, own, rules);
    for (const own of before?.own.keys() ?? [])
      if (draft?.own.has(own) !== true) written.put(table, own, undefined);
  }

  #sweep(): void {
    for (const key of this.#loose) {
      this.#loose.delete(key); // it may get loose again
      const node = this.#nodes.get(key);
      if (node === undefined || this.#askers.has(key)) continue;
      const { instance, draft } = node;
      this.#nodes.delete(key);
      this.#weights.forget(key);
      this.#write(instance, undefined, draft);
      this.#heeded.forget(key, instance.chain.name, draft);
      for (const name of draft.asks.keys()) this.#let(key, keyOf(instance.table, name));
    }
  }

  #hooks(bases: readonly Base[]): Result<readonly TableHook[]> {
    const isAccepting = ({ chain, place: { table } }: Base): boolean =>
      table !== 'nat' && this.#weights.isAccepting(keyOf(table, xtChainName(chain.name, true)));
    const hooks = hooksOf(bases, isAccepting, this.#options.insert);
    if (!hooks.ok) return hooks;
    const before = rejectingFrame(bases, this.#options, this.#version);
    const after = endingFrame(bases, this.#options, this.#ruleset);
    for (const { name, rules } of [before, after]) this.#written.putTrunk('filter', name, rules);
    return ok([...before.hooks, ...hooks.value, ...after.hooks]);
  }
}

/** Also two of which the model has none yet. */
const isSame = (a: Instance, b: Instance): boolean =>
  a.chain === b.chain || (a.chain.rules.length === 0 && b.chain.rules.length === 0);

const accepts = ({ rules, own }: Draft): boolean =>
  [rules, ...own.values()].some((all) => all.some(({ text }) => text.endsWith('-j ACCEPT')));
