/**
 * The chains of one family, in step with the model at a cost of what changed: a chain is drafted again only if it, the ends of
 * one it leads to, or a set whose elements are rules in it are others than before.
 *
 *   root ──► base chains ──► chains they lead to ──► …     each known by table and name, gone with the last that leads to it
 */
import type { IpVersion } from '../../../src/lib/net.ts';
import { err, ok, type Result } from '../../../src/lib/result.ts';
import type { Chain, PortRange, Ruleset } from '../model.ts';
import { foreignEndpoints } from '../traffic.ts';
import {
  type Draft,
  type DraftContext,
  draftOf,
  endOf,
  type Instance,
  interfacesOf,
  isLast,
  nameOf,
} from './draft.ts';
import { hex } from './match.ts';
import { xtChainName, xtPrefix } from './name.ts';
import { placeOf, type XtPlace, type XtTable, xtTables } from './place.ts';
import { type XtRule, xtRule } from './rule.ts';
import { entriesOf, type XtHook, type XtOptions, type XtTableRules } from './tables.ts';
import { rejectTarget } from './target.ts';

/** What an update did to the chains of a table. */
export interface XtTableChange {
  /** New, or with other rules. */
  readonly changed: readonly string[];
  readonly gone: readonly string[];
  /** So many more entries the table has, as the kernel counts them: see `entriesIn`. */
  readonly entries: number;
  /** Before, if they are others now. */
  readonly hooksBefore?: readonly XtHook[];
}

/** Tables in which nothing changed are not in it. */
export type XtFamilyChange = ReadonlyMap<XtTable, XtTableChange>;

interface Table extends XtTableRules {
  readonly chains: Map<string, readonly XtRule[]>;
  readonly trunk: Set<string>;
  hooks: readonly XtHook[];
  /** Of chains touched by this update: what was there before. */
  readonly before: Map<string, readonly XtRule[] | undefined>;
}

interface Node {
  readonly instance: Instance;
  readonly draft: Draft;
  readonly accepts: boolean;
}

type Base = { readonly chain: Chain; readonly place: XtPlace };
type Hooks = readonly (XtHook & { readonly table: XtTable })[];

/** Key → those that want it. */
class Wanted {
  readonly #by = new Map<string, Set<string>>();

  add(key: string, who: string): void {
    const all = this.#by.get(key);
    if (all === undefined) this.#by.set(key, new Set([who]));
    else all.add(who);
  }

  /** @returns  nobody wants it any more */
  remove(key: string, who: string): boolean {
    const all = this.#by.get(key);
    all?.delete(who);
    if (all === undefined || all.size > 0) return false;
    this.#by.delete(key);
    return true;
  }

  of(key: string): Iterable<string> {
    return this.#by.get(key) ?? [];
  }

  keys(): Iterable<string> {
    return this.#by.keys();
  }

  has(key: string): boolean {
    return this.#by.has(key);
  }
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
  /** Name of a chain of the model → nodes it is drafted as; → nodes that depend on its end; name of a set → nodes. */
  readonly #drafted = new Wanted();
  readonly #heeding = new Wanted();
  readonly #reading = new Wanted();
  readonly #ends = new Map<string, string>();
  /** Name of ipset → nodes that ask it. */
  readonly #askingPorts = new Wanted();
  readonly #ports = new Map<string, readonly PortRange[]>();
  readonly #tables: ReadonlyMap<XtTable, Table> = new Map(
    xtTables.map((table) => [table, { chains: new Map(), trunk: new Set(), hooks: [], before: new Map() }]),
  );
  #based: readonly Base[] = [];
  /** Of a node: whether it accepts, and how many of those it leads to do, they or what they lead to. */
  readonly #accepting = new Map<string, number>();
  #roots: ReadonlyMap<string, Instance> = new Map();
  /** Nodes nobody led to at some moment of this update. */
  readonly #loose = new Set<string>();
  /** Nodes drafted by this update. */
  #fresh = new Set<string>();

  constructor(ruleset: Ruleset, options: XtOptions, version: IpVersion) {
    this.#ruleset = ruleset;
    this.#options = options;
    this.#version = version;
  }

  /** As of the last update: a view. */
  get tables(): ReadonlyMap<XtTable, XtTableRules> {
    return this.#tables;
  }

  /** Sets of ports by the name of their ipset. */
  get ports(): ReadonlyMap<string, readonly PortRange[]> {
    return this.#ports;
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
    for (const name of chains ?? [...this.#drafted.keys(), ...this.#heeding.keys()])
      this.#mark(name, dirty, heeding);
    for (const name of sets ?? [...this.#reading.keys()])
      for (const key of this.#reading.of(name)) dirty.add(key);
    this.#takeRoots(bases.value);
    for (const key of dirty) this.#redraftDue(key);
    for (const key of heeding) this.#heed(key);
    this.#sweep();
    const hooks = this.#hooks(bases.value);
    return hooks.ok ? ok(this.#take(hooks.value)) : hooks;
  }

  #mark(name: string, dirty: Set<string>, heeding: Set<string>): void {
    const chain = this.#ruleset.chains.get(name);
    for (const key of this.#drafted.of(name))
      if (this.#nodes.get(key)?.instance.chain !== chain) dirty.add(key);
    const end = endOf(chain);
    if (!this.#ends.has(name) || this.#ends.get(name) === end) return;
    this.#ends.set(name, end);
    for (const key of this.#heeding.of(name)) heeding.add(key);
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
    this.#fileEnds(key, ends);
    this.#unfile(key, node.draft, draft);
  }

  #fileEnds(key: string, ends: ReadonlySet<string>): void {
    for (const each of ends) {
      this.#heeding.add(each, key);
      this.#ends.set(each, endOf(this.#ruleset.chains.get(each)));
    }
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
    const bases: Base[] = [];
    for (const chain of this.#ruleset.chains.values()) {
      if (chain.base === undefined) continue;
      const place = placeOf(chain.base);
      if (place === undefined) {
        const { hook, priority } = chain.base;
        return err(`iptables has no place for the chain ${chain.name} at ${hook} ${priority}`);
      }
      bases.push({ chain, place });
    }
    return ok(bases);
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
    const before = this.#nodes.get(key);
    this.#fresh.add(key);
    const context = {
      ruleset: this.#ruleset,
      version: this.#version,
      rejectedMark: this.#options.rejectedMark,
    };
    const node: Node = { instance, ...drafted(instance, context) };
    const { draft } = node;
    this.#nodes.set(key, node);
    this.#file(key, instance, draft, before?.draft);
    const { table } = instance;
    for (const [name, asked] of draft.asks) this.#lead(key, keyOf(table, name), asked);
    for (const name of before?.draft.asks.keys() ?? [])
      if (!draft.asks.has(name)) this.#let(key, keyOf(table, name));
    this.#weigh(key, node);
  }

  /** Puts the chains of a draft into its table, and what it depends on where that is looked up. */
  #file(key: string, instance: Instance, draft: Draft, before: Draft | undefined): void {
    const { table, chain, isTrunk } = instance;
    const name = nameOf(instance);
    this.#put(table, name, draft.rules);
    if (isTrunk === true) this.#tables.get(table)?.trunk.add(name);
    for (const [own, rules] of draft.own) this.#put(table, own, rules);
    for (const own of before?.own.keys() ?? []) if (!draft.own.has(own)) this.#put(table, own, undefined);
    if (instance.isRest !== true) this.#drafted.add(chain.name, key);
    this.#fileEnds(key, draft.ends);
    for (const each of draft.sets) this.#reading.add(each, key);
    for (const [each, ranges] of draft.ports) {
      this.#askingPorts.add(each, key);
      this.#ports.set(each, ranges);
    }
    if (before !== undefined) this.#unfile(key, before, draft);
  }

  /** What a node does not depend on any more. */
  #unfile(key: string, before: Draft, after?: Draft): void {
    for (const each of before.ends)
      if (after?.ends.has(each) !== true && this.#heeding.remove(each, key)) this.#ends.delete(each);
    for (const each of before.sets) if (after?.sets.has(each) !== true) this.#reading.remove(each, key);
    for (const each of before.ports.keys()) {
      if (after?.ports.has(each) !== true && this.#askingPorts.remove(each, key)) this.#ports.delete(each);
    }
  }

  #sweep(): void {
    for (const key of this.#loose) {
      this.#loose.delete(key); // it may get loose again
      const node = this.#nodes.get(key);
      if (node === undefined || this.#askers.has(key)) continue;
      const { instance, draft } = node;
      const { table, chain, isTrunk } = instance;
      this.#nodes.delete(key);
      this.#accepting.delete(key);
      this.#put(table, nameOf(instance), undefined);
      if (isTrunk === true) this.#tables.get(table)?.trunk.delete(nameOf(instance));
      for (const own of draft.own.keys()) this.#put(table, own, undefined);
      this.#drafted.remove(chain.name, key);
      this.#unfile(key, draft);
      for (const name of draft.asks.keys()) this.#let(key, keyOf(table, name));
    }
  }

  #put(table: XtTable, name: string, rules: readonly XtRule[] | undefined): void {
    const there = this.#tables.get(table);
    if (there === undefined) return;
    if (!there.before.has(name)) there.before.set(name, there.chains.get(name));
    if (rules === undefined) there.chains.delete(name);
    else there.chains.set(name, rules);
  }

  #take(hooks: Hooks): XtFamilyChange {
    const changes = new Map<XtTable, XtTableChange>();
    for (const [name, table] of this.#tables) {
      const before = table.hooks;
      table.hooks = hooks.filter((hook) => hook.table === name);
      const touched = [...table.before];
      table.before.clear();
      const changed = touched.flatMap(([chain, rules]) => {
        const now = table.chains.get(chain);
        return now === undefined || saysSame(now, rules) ? [] : [chain];
      });
      const gone = touched.flatMap(([chain, rules]) =>
        rules !== undefined && !table.chains.has(chain) ? [chain] : [],
      );
      const isHooked = isHookedSame(before, table.hooks);
      if (changed.length + gone.length === 0 && isHooked) continue;
      const entries = touched.reduce(
        (sum, [chain, rules]) => sum + entriesOf(table.chains.get(chain)?.length) - entriesOf(rules?.length),
        table.hooks.length - before.length,
      );
      changes.set(name, { changed, gone, entries, ...(isHooked ? {} : { hooksBefore: before }) });
    }
    return changes;
  }

  /** Chains that only ever deny come first: what one accepts deep down, another of the same place would not see. */
  #hooks(bases: readonly Base[]): Result<Hooks> {
    const result: (XtHook & { readonly table: XtTable })[] = [];
    const accepting = new Map<string, string>();
    const ranked = bases.map((base) => ({ ...base, accepts: this.#acceptsDeep(base) }));
    for (const { chain, place, accepts: isAccepting } of [...ranked].sort(
      (a, b) => Number(a.accepts) - Number(b.accepts),
    )) {
      const at = `${place.table} ${place.chain}`;
      const before = accepting.get(at);
      if (isAccepting && before !== undefined) {
        return err(`the chains ${before} and ${chain.name} both accept in ${at} of iptables`);
      }
      if (isAccepting) accepting.set(at, chain.name);
      result.push({
        table: place.table,
        builtin: place.chain,
        rule: xtRule(`-j ${xtChainName(chain.name, true)}`),
        at: place.last === true ? 'last' : this.#options.insert,
      });
    }
    const isForwarding = bases.some(({ place }) => place.chain === 'FORWARD');
    return ok([...this.#rejecting(isForwarding), ...result, ...this.#ending(isForwarding)]);
  }

  #acceptsDeep({ chain, place: { table } }: Base): boolean {
    return table !== 'nat' && this.#isAccepting(keyOf(table, xtChainName(chain.name, true)));
  }

  #isAccepting(key: string): boolean {
    return (this.#accepting.get(key) ?? 0) > 0;
  }

  /** Once what it leads to is weighed. */
  #weigh(key: string, { accepts: isOne, draft, instance }: Node): void {
    const was = this.#isAccepting(key);
    let reasons = isOne ? 1 : 0;
    for (const name of draft.asks.keys()) if (this.#isAccepting(keyOf(instance.table, name))) reasons += 1;
    this.#accepting.set(key, reasons);
    if (was !== reasons > 0) this.#tellAskers(key, was ? -1 : 1);
  }

  /** Those that are being drafted are weighed after that. */
  #tellAskers(key: string, more: 1 | -1): void {
    for (const asker of this.#askers.of(key)) {
      const before = this.#accepting.get(asker);
      if (before === undefined) continue;
      this.#accepting.set(asker, before + more);
      if (before > 0 !== before + more > 0) this.#tellAskers(asker, more);
    }
  }

  /** Also while nothing is rejected: tables change one after the other, and what the first marks the last must know. */
  #rejecting(isForwarding: boolean): Hooks {
    const { rejectedMark, insert } = this.#options;
    const name = `${xtPrefix}-rejected`;
    const match = `-m mark --mark ${hex(rejectedMark)}/${hex(rejectedMark)}`;
    const isThere = isForwarding && rejectedMark !== 0;
    const rules = [xtRule(`${match} ${rejectTarget[this.#version]}`, 'denied by policy')];
    this.#putTrunk(name, isThere ? rules : undefined);
    return isThere ? [{ table: 'filter', builtin: 'FORWARD', rule: xtRule(`-j ${name}`), at: insert }] : [];
  }

  #ending(isForwarding: boolean): Hooks {
    const name = `${xtPrefix}-end`;
    const interfaces = [
      ...this.#options.workloadPrefixes.map((prefix) => `${prefix}+`),
      ...interfacesOf(this.#ruleset.sets.get(foreignEndpoints.name)),
    ];
    const rules = interfaces.flatMap((each) =>
      ['-i', '-o'].map((option) => xtRule(`${option} ${each} -j ACCEPT`, 'judged before')),
    );
    this.#putTrunk(name, isForwarding ? rules : undefined);
    return isForwarding
      ? [{ table: 'filter', builtin: 'FORWARD', rule: xtRule(`-j ${name}`), at: 'last' }]
      : [];
  }

  #putTrunk(name: string, rules: readonly XtRule[] | undefined): void {
    const trunk = this.#tables.get('filter')?.trunk;
    this.#put('filter', name, rules);
    if (rules === undefined) trunk?.delete(name);
    else trunk?.add(name);
  }
}

/** Also two of which the model has none yet. */
const isSame = (a: Instance, b: Instance): boolean =>
  a.chain === b.chain || (a.chain.rules.length === 0 && b.chain.rules.length === 0);

const drafted = (instance: Instance, context: DraftContext): Omit<Node, 'instance'> => {
  const draft = draftOf(instance, context);
  return { draft, accepts: accepts(draft) };
};

const accepts = ({ rules, own }: Draft): boolean =>
  [rules, ...own.values()].some((all) => all.some(({ text }) => text.endsWith('-j ACCEPT')));

const saysSame = (a: readonly XtRule[], b: readonly XtRule[] | undefined): boolean =>
  a === b || (a.length === b?.length && a.every(({ hash }, index) => hash === b[index]?.hash));

const isHookedSame = (a: readonly XtHook[], b: readonly XtHook[]): boolean =>
  a.length === b.length &&
  a.every(
    ({ builtin, at, rule }, index) =>
      builtin === b[index]?.builtin && at === b[index].at && rule.hash === b[index].rule.hash,
  );
