/**
 * The ruleset for hosts that have iptables and ipset: the same model, the same meaning, in the words of both.
 *
 *   base chain        a chain of its own that FORWARD, INPUT, … jump to
 *   accept            RETURN where nothing of ours comes after it, so that the rules of others are asked too; ACCEPT deeper down
 *   verdict map       a tree of chains by the characters of interface names
 *   set               an ipset; sets of interfaces and translations become rules
 *   reject            as it is in the table filter; elsewhere a mark that filter's first rule rejects
 *
 * What a pod may send or get is accepted once more at the end of FORWARD, after the rules of others: a policy of DROP, as Docker
 * sets, is for what nobody judged.
 */
import { formatAddress, type IpVersion, versionOf } from '../../../src/lib/net.ts';
import { assert, err, ok, type Result } from '../../../src/lib/result.ts';
import type { Chain, Match, NamedSet, PortRange, Rule, Ruleset } from '../model.ts';
import { foreignEndpoints } from '../traffic.ts';
import { hex, type MatchContext, waysOf } from './match.ts';
import { xtChainName, xtPrefix, xtSetName } from './name.ts';
import { type Builtin, placeOf, type XtPlace, type XtTable, xtTables } from './place.ts';
import { type XtRule, xtRule } from './rule.ts';
import { bitmapType, portMembers, portsSetName, type XtSet, xtMembers, xtSetType } from './set.ts';
import { rejectTarget, statementTarget, verdictTargets } from './target.ts';
import { type Tree, treeOf } from './tree.ts';

/** A rule of a chain that is not ours, which leads to one that is. */
export interface XtHook {
  readonly builtin: Builtin;
  readonly rule: XtRule;
  readonly at: 'first' | 'last';
}

export interface XtTableRules {
  readonly chains: ReadonlyMap<string, readonly XtRule[]>;
  /** In order. */
  readonly hooks: readonly XtHook[];
  /** Chains that everybody's packets go through: if one of these dropped all, the host would be cut off. */
  readonly trunk: ReadonlySet<string>;
}

export interface Xtables {
  readonly families: Readonly<Record<IpVersion, ReadonlyMap<XtTable, XtTableRules>>>;
  readonly sets: ReadonlyMap<string, XtSet>;
}

export interface XtOptions {
  /** maxIpsetSize */
  readonly maxSetSize: number;
  /** chainInsertMode: where our rules stand in the chains of all. */
  readonly insert: 'first' | 'last';
  readonly workloadPrefixes: readonly string[];
  /** A bit of the packet mark that is ours alone; 0: none. */
  readonly rejectedMark: number;
}

/** Fails: with a sentence, if iptables has no place for a base chain, or two that accept share one. */
export function renderXtables(ruleset: Ruleset, options: XtOptions): Result<Xtables> {
  const ports = new Map<string, XtSet>();
  const of = (version: IpVersion) => new Family(ruleset, options, version, ports).render();
  const [four, six] = [of(4), of(6)];
  if (!four.ok) return four;
  if (!six.ok) return six;
  return ok({
    families: { 4: four.value, 6: six.value },
    sets: new Map([...setsOf(ruleset, options), ...ports]),
  });
}

function* setsOf(ruleset: Ruleset, { maxSetSize }: XtOptions): Iterable<readonly [string, XtSet]> {
  for (const { decl, elements } of ruleset.sets.values()) {
    const type = xtSetType(decl, maxSetSize);
    if (type === undefined) continue;
    const name = xtSetName(decl.name);
    yield [name, { name, type, members: new Set([...elements.values()].flatMap(xtMembers)) }];
  }
}

/** A chain as it is in one table: see `xtChainName`. */
interface Instance {
  readonly chain: Chain;
  readonly table: XtTable;
  readonly isOuter: boolean;
  /** A base chain, or the rest of one. */
  readonly isTrunk?: boolean;
}

const ending: readonly string[] = ['accept', 'drop', 'reject'];
const stateful: readonly Match['kind'][] = ['limit', 'connectionsOver', 'mark'];

class Family {
  readonly #ruleset: Ruleset;
  readonly #options: XtOptions;
  readonly #version: IpVersion;
  readonly #context: MatchContext;
  readonly #tables = new Map<XtTable, Map<string, readonly XtRule[]>>();
  readonly #queue: Instance[] = [];
  readonly #trunk = new Map<XtTable, Set<string>>(xtTables.map((table) => [table, new Set()]));

  constructor(ruleset: Ruleset, options: XtOptions, version: IpVersion, ports: Map<string, XtSet>) {
    this.#ruleset = ruleset;
    this.#options = options;
    this.#version = version;
    this.#context = {
      version,
      interfacesOf: (set) => interfacesOf(ruleset.sets.get(set)),
      portSet: (ranges) => portSet(ports, ranges),
    };
  }

  render(): Result<ReadonlyMap<XtTable, XtTableRules>> {
    const bases: { readonly chain: Chain; readonly place: XtPlace }[] = [];
    for (const chain of this.#ruleset.chains.values()) {
      if (chain.base === undefined) continue;
      const place = placeOf(chain.base);
      if (place === undefined) {
        const { hook, priority } = chain.base;
        return err(`iptables has no place for the chain ${chain.name} at ${hook} ${priority}`);
      }
      bases.push({ chain, place });
      this.#ask({ chain, table: place.table, isOuter: true, isTrunk: true });
    }
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) this.#fill(next);
    const hooks = this.#hooks(bases);
    if (!hooks.ok) return hooks;
    return ok(
      new Map(
        xtTables.map((table) => [
          table,
          {
            chains: this.#tables.get(table) ?? new Map(),
            hooks: hooks.value.filter((hook) => hook.table === table),
            trunk: this.#trunk.get(table) ?? new Set(),
          },
        ]),
      ),
    );
  }

  /** The name of the chain as an instance, which will be there. */
  #ask(instance: Instance): string {
    const { chain, table, isOuter, isTrunk } = instance;
    const name = xtChainName(chain.name, isOuter);
    if (isTrunk === true) this.#trunk.get(table)?.add(name);
    let chains = this.#tables.get(table);
    if (chains === undefined) {
      chains = new Map();
      this.#tables.set(table, chains);
    }
    if (!chains.has(name)) {
      chains.set(name, []);
      this.#queue.push(instance);
    }
    return name;
  }

  #fill(instance: Instance): void {
    const { chain, table, isOuter } = instance;
    const name = xtChainName(chain.name, isOuter);
    this.#put(table, name, this.#rulesOf(instance));
  }

  #put(table: XtTable, name: string, rules: readonly XtRule[]): void {
    this.#tables.get(table)?.set(name, rules);
  }

  #rulesOf(instance: Instance): readonly XtRule[] {
    const lines: XtRule[] = [];
    for (const [index, rule] of instance.chain.rules.entries()) {
      const split = this.#split(rule, index, instance);
      if (split !== undefined) return [...lines, ...split];
      lines.push(...this.#plain(rule, instance));
    }
    return lines;
  }

  /** Rules that take the rest of the chain with them. Undefined: it is none of those. */
  #split(rule: Rule, index: number, instance: Instance): readonly XtRule[] | undefined {
    const { verdict } = rule;
    const excluding = rule.matches.find((match) => match.kind === 'interfaceSet' && match.not === true);
    const isMap = verdict?.kind === 'dispatch';
    if (excluding?.kind !== 'interfaceSet' && !isMap) return undefined;
    const others = instance.chain.rules.slice(index + 1);
    const rest = others.length === 0 ? undefined : this.#rest(index, others, instance);
    if (excluding?.kind === 'interfaceSet') {
      const option = excluding.way === 'in' ? '-i' : '-o';
      const names = this.#context.interfacesOf(excluding.set);
      const passing = { ...rule, matches: rule.matches.filter((match) => match !== excluding) };
      if (names.length === 0) {
        return [...this.#rulesOf({ ...instance, chain: { ...instance.chain, rules: [passing, ...others] } })];
      }
      return [
        ...names.map((name) =>
          xtRule(`${option} ${name} ${rest === undefined ? '-j RETURN' : `-g ${rest()}`}`),
        ),
        ...this.#plain(passing, instance),
        ...(rest === undefined ? [] : [xtRule(`-g ${rest()}`)]),
      ];
    }
    return isMap ? this.#tree(rule, instance, rest) : undefined;
  }

  /** What comes after rule `index`, as a chain that several can go to; it is there once it is asked for. */
  #rest(index: number, rules: readonly Rule[], instance: Instance): () => string {
    return () => this.#ask({ ...instance, chain: { name: `${instance.chain.name} after ${index}`, rules } });
  }

  #tree(rule: Rule, instance: Instance, rest: (() => string) | undefined): readonly XtRule[] {
    if (rule.verdict?.kind !== 'dispatch') return [];
    assert(rule.matches.length === 0, 'whoever looks into a map looks every time');
    const { map, way } = rule.verdict;
    const option = way === 'in' ? '-i' : '-o';
    const leaves = new Map<string, string>();
    for (const element of this.#ruleset.sets.get(map)?.elements.values() ?? [])
      if (element.kind === 'dispatch') leaves.set(element.interface, element.chain);
    const tree: Tree = treeOf(leaves);
    const branchName = (branch: string): string => xtChainName(`${map} ${branch}`, instance.isOuter);
    const turns = (branch: string): readonly XtRule[] =>
      (tree.get(branch) ?? []).map(({ interface: name, to }) =>
        xtRule(
          `${option} ${name} ${'branch' in to ? `-g ${branchName(to.branch)}` : this.#jump(to.chain, instance)}`,
        ),
      );
    const last = rest === undefined ? [] : [xtRule(`-g ${rest()}`)];
    for (const branch of tree.keys()) {
      if (branch !== '') this.#put(instance.table, branchName(branch), [...turns(branch), ...last]);
    }
    return [...turns(''), ...last];
  }

  #jump(chainName: string, { table, isOuter }: Instance): string {
    const chain = this.#ruleset.chains.get(chainName) ?? { name: chainName, rules: [] };
    const isGoto = isOuter && this.#alwaysEnds(chain) && !returns(chain);
    return `${isGoto ? '-g' : '-j'} ${this.#ask({ chain, table, isOuter: isGoto })}`;
  }

  #alwaysEnds({ rules }: Chain): boolean {
    const last = rules.at(-1);
    if (last?.verdict === undefined || last.matches.length > 0) return false;
    if (last.verdict.kind !== 'jump') return ending.includes(last.verdict.kind);
    const next = this.#ruleset.chains.get(last.verdict.chain);
    return next !== undefined && this.#alwaysEnds(next);
  }

  #plain(rule: Rule, instance: Instance): readonly XtRule[] {
    const ways = waysOf(rule.matches, this.#context);
    if (ways.length === 0) return [];
    const actions = this.#actions(rule, instance);
    const isOne = actions.length < 2 || !rule.matches.some(({ kind }) => stateful.includes(kind));
    const { comment } = rule;
    const line = (parts: readonly string[]): XtRule =>
      xtRule(parts.filter((part) => part !== '').join(' '), comment);
    if (isOne) return ways.flatMap((way) => actions.map((action) => line([way, action])));
    const name = `${instance.chain.name} does ${actions.join(', ')}`;
    const own = xtChainName(name, instance.isOuter);
    this.#tables.get(instance.table)?.set(
      own,
      actions.map((action) => line([action])),
    );
    return ways.map((way) => line([way, `${rule.verdict === undefined ? '-j' : '-g'} ${own}`]));
  }

  #actions(rule: Rule, instance: Instance): readonly string[] {
    const { verdict, statements = [] } = rule;
    const said = statements.map(statementTarget);
    if (verdict === undefined) return said;
    if ('map' in verdict) {
      const isHere = verdict.kind !== 'dispatch' && verdict.version === this.#version;
      return isHere ? [...said, ...this.#translations(verdict.kind, verdict.map)] : said;
    }
    const { isOuter, table } = instance;
    const { rejectedMark } = this.#options;
    const jump = (chain: string): string => this.#jump(chain, instance);
    const context = { place: { table }, version: this.#version, isOuter, rejectedMark, jump };
    return [...said, ...verdictTargets(verdict, context)];
  }

  #translations(kind: 'dnatMap' | 'snatMap', map: string): readonly string[] {
    return [...(this.#ruleset.sets.get(map)?.elements.values() ?? [])].flatMap((element) => {
      if (element.kind !== 'translation' || versionOf(element.from) !== this.#version) return [];
      const [from, to] = [element.from, element.to].map(formatAddress);
      return [
        kind === 'dnatMap'
          ? `-d ${from} -j DNAT --to-destination ${to}`
          : `-s ${from} -j SNAT --to-source ${to}`,
      ];
    });
  }

  /** Chains that only ever deny come first: what one accepts deep down, another of the same place would not see. */
  #hooks(
    bases: readonly { readonly chain: Chain; readonly place: XtPlace }[],
  ): Result<readonly (XtHook & { readonly table: XtTable })[]> {
    const result: (XtHook & { readonly table: XtTable })[] = [];
    const accepting = new Map<string, string>();
    const ranked = bases.map((base) => ({ ...base, accepts: this.#acceptsDeep(base) }));
    for (const { chain, place, accepts } of [...ranked].sort(
      (a, b) => Number(a.accepts) - Number(b.accepts),
    )) {
      const at = `${place.table} ${place.chain}`;
      const before = accepting.get(at);
      if (accepts && before !== undefined) {
        return err(`the chains ${before} and ${chain.name} both accept in ${at} of iptables`);
      }
      if (accepts) accepting.set(at, chain.name);
      result.push({
        table: place.table,
        builtin: place.chain,
        rule: xtRule(`-j ${xtChainName(chain.name, true)}`),
        at: place.last === true ? 'last' : this.#options.insert,
      });
    }
    return ok([...this.#rejecting(bases), ...result, ...this.#ending(bases)]);
  }

  #acceptsDeep({ chain, place }: { readonly chain: Chain; readonly place: XtPlace }): boolean {
    if (place.table === 'nat') return false;
    const chains = this.#tables.get(place.table);
    const seen = new Set<string>();
    const look = (name: string): boolean => {
      if (seen.has(name)) return false;
      seen.add(name);
      return (chains?.get(name) ?? []).some(({ text }) => {
        const target = /-[jg] (\S+)/.exec(text)?.[1] ?? '';
        return target === 'ACCEPT' || look(target);
      });
    };
    return look(xtChainName(chain.name, true));
  }

  /** Also while nothing is rejected: tables change one after the other, and what the first marks the last must know. */
  #rejecting(
    bases: readonly { readonly place: XtPlace }[],
  ): readonly (XtHook & { readonly table: XtTable })[] {
    const { rejectedMark } = this.#options;
    if (rejectedMark === 0 || !bases.some(({ place }) => place.chain === 'FORWARD')) return [];
    const name = `${xtPrefix}-rejected`;
    const match = `-m mark --mark ${hex(rejectedMark)}/${hex(rejectedMark)}`;
    this.#own('filter', name, [xtRule(`${match} ${rejectTarget[this.#version]}`, 'denied by policy')]);
    return [{ table: 'filter', builtin: 'FORWARD', rule: xtRule(`-j ${name}`), at: this.#options.insert }];
  }

  #ending(bases: readonly { readonly place: XtPlace }[]): readonly (XtHook & { readonly table: XtTable })[] {
    if (!bases.some(({ place }) => place.chain === 'FORWARD')) return [];
    const name = `${xtPrefix}-end`;
    const interfaces = [
      ...this.#options.workloadPrefixes.map((prefix) => `${prefix}+`),
      ...this.#context.interfacesOf(foreignEndpoints.name),
    ];
    const rules = interfaces.flatMap((each) =>
      ['-i', '-o'].map((option) => xtRule(`${option} ${each} -j ACCEPT`, 'judged before')),
    );
    this.#own('filter', name, rules);
    return [{ table: 'filter', builtin: 'FORWARD', rule: xtRule(`-j ${name}`), at: 'last' }];
  }

  #own(table: XtTable, name: string, rules: readonly XtRule[]): void {
    const chains = this.#tables.get(table) ?? new Map<string, readonly XtRule[]>();
    chains.set(name, rules);
    this.#tables.set(table, chains);
    this.#trunk.get(table)?.add(name);
  }
}

const returns = ({ rules }: Chain): boolean => rules.some(({ verdict }) => verdict?.kind === 'return');

const interfacesOf = (set: NamedSet | undefined): readonly string[] =>
  [...(set?.elements.values() ?? [])].flatMap((element) =>
    element.kind === 'interface' ? [element.interface] : [],
  );

function portSet(sets: Map<string, XtSet>, ranges: readonly PortRange[]): string {
  const name = portsSetName(ranges);
  if (!sets.has(name)) sets.set(name, { name, type: bitmapType, members: portMembers(ranges) });
  return name;
}
