/** One chain of the model as a chain of iptables, with all it needs: chains it leads to, chains made for it alone, sets of ports. */
import { formatAddress, type IpVersion, versionOf } from '../../../src/lib/net.ts';
import { assert } from '../../../src/lib/result.ts';
import type { Chain, Match, NamedSet, PortRange, Rule, Ruleset } from '../model.ts';
import { mergedPorts } from '../span.ts';
import { type MatchContext, waysOf } from './match.ts';
import { xtChainName } from './name.ts';
import type { XtTable } from './place.ts';
import { type XtRule, xtRule } from './rule.ts';
import { portsSetName } from './set.ts';
import { statementTarget, verdictTargets } from './target.ts';
import { type Tree, treeOf } from './tree.ts';

/** A chain as it is in one table: see `xtChainName`. */
export interface Instance {
  readonly chain: Chain;
  readonly table: XtTable;
  readonly isOuter: boolean;
  /** A base chain, or the rest of one. */
  readonly isTrunk?: boolean;
  /** Of another chain: the model has none of that name. */
  readonly isRest?: true;
}

export const nameOf = ({ chain, isOuter }: Instance): string => xtChainName(chain.name, isOuter);

/** Names of chains and sets are the model's where nothing else is said. */
export interface Draft {
  readonly rules: readonly XtRule[];
  /** By the names iptables gives them, as the chain's own. */
  readonly own: ReadonlyMap<string, readonly XtRule[]>;
  /** By the names iptables gives them: chains of the same table that it leads to. */
  readonly asks: ReadonlyMap<string, Instance>;
  /** Whose ends it asked for: see `endOf`. */
  readonly ends: ReadonlySet<string>;
  /** Whose elements became rules. */
  readonly sets: ReadonlySet<string>;
  /** By the names ipset gives them. */
  readonly ports: ReadonlyMap<string, readonly PortRange[]>;
}

export interface DraftContext {
  readonly ruleset: Ruleset;
  readonly version: IpVersion;
  /** See XtOptions. */
  readonly rejectedMark: number;
}

export const draftOf = (instance: Instance, context: DraftContext): Draft =>
  new Drafting(instance, context).draft();

const ending: readonly string[] = ['accept', 'drop', 'reject'];
const stateful: readonly Match['kind'][] = ['limit', 'connectionsOver', 'mark'];

/** What whoever jumps to a chain has to know of it: two chains of one answer are jumped to in the same way. */
export function endOf(chain: Chain | undefined): string {
  if (chain === undefined) return '';
  const last = chain.rules.at(-1);
  const isPlain = last !== undefined && last.matches.length === 0;
  const verdict = isPlain ? last.verdict : undefined;
  const own = verdict === undefined ? '' : verdict.kind === 'jump' ? `jump ${verdict.chain}` : verdict.kind;
  return `${own}${returns(chain) ? ', returns' : ''}`;
}

/**
 * Nobody comes back from the chain: whoever is left by RETURN can be left by going there.
 * @param asked  gets the names of all chains whose ends that depends on
 */
export function isLast(name: string, { chains }: Ruleset, asked: Set<string>): boolean {
  const chain = chains.get(name);
  asked.add(name);
  for (let at = chain; at !== undefined; ) {
    const last = at.rules.at(-1);
    if (last?.verdict === undefined || last.matches.length > 0) return false;
    if (last.verdict.kind !== 'jump')
      return ending.includes(last.verdict.kind) && chain !== undefined && !returns(chain);
    asked.add(last.verdict.chain);
    at = chains.get(last.verdict.chain);
  }
  return false;
}

const returns = ({ rules }: Chain): boolean => rules.some(({ verdict }) => verdict?.kind === 'return');

export const interfacesOf = (set: NamedSet | undefined): readonly string[] =>
  [...(set?.elements.values() ?? [])].flatMap((element) =>
    element.kind === 'interface' ? [element.interface] : [],
  );

/** iptables has no maps: one rule for each chain that a packet may go to by its port. */
function spread(rule: Rule): readonly Rule[] {
  const { verdict } = rule;
  if (verdict?.kind !== 'portJump') return [rule];
  const ranges = new Map<string, PortRange[]>();
  const keyOf = (protocol: number, chain: string): string => `${protocol} ${chain}`;
  for (const { protocol, port, chain } of verdict.ports) {
    const known = ranges.get(keyOf(protocol, chain));
    if (known === undefined) ranges.set(keyOf(protocol, chain), [{ first: port, last: port }]);
    else known.push({ first: port, last: port });
  }
  const isFirst = new Set(ranges.keys());
  return verdict.ports.flatMap(({ protocol, chain }): readonly Rule[] => {
    const key = keyOf(protocol, chain);
    if (!isFirst.delete(key)) return [];
    const all = mergedPorts(ranges.get(key) ?? []);
    const ports: Match = { kind: 'ports', side: 'destination', protocol, ranges: all };
    return [{ ...rule, matches: [...rule.matches, ports], verdict: { kind: 'jump', chain } }];
  });
}

class Drafting {
  readonly #instance: Instance;
  readonly #context: DraftContext;
  readonly #match: MatchContext;
  readonly #own = new Map<string, readonly XtRule[]>();
  readonly #asks = new Map<string, Instance>();
  readonly #ends = new Set<string>();
  readonly #sets = new Set<string>();
  readonly #ports = new Map<string, readonly PortRange[]>();

  constructor(instance: Instance, context: DraftContext) {
    this.#instance = instance;
    this.#context = context;
    this.#match = {
      version: context.version,
      interfacesOf: (name) => interfacesOf(this.#set(name)),
      portSet: (ranges) => {
        const name = portsSetName(ranges);
        this.#ports.set(name, ranges);
        return name;
      },
    };
  }

  draft(): Draft {
    const rules = this.#rulesOf(this.#instance.chain.rules);
    return {
      ...{ rules, own: this.#own, asks: this.#asks },
      ...{ ends: this.#ends, sets: this.#sets, ports: this.#ports },
    };
  }

  #set(name: string): NamedSet | undefined {
    this.#sets.add(name);
    return this.#context.ruleset.sets.get(name);
  }

  #ask(instance: Instance): string {
    const name = nameOf(instance);
    this.#asks.set(name, instance);
    return name;
  }

  #rulesOf(rules: readonly Rule[]): readonly XtRule[] {
    const lines: XtRule[] = [];
    for (const [index, rule] of rules.entries()) {
      const split = this.#split(rule, rules.slice(index + 1), index);
      if (split !== undefined) return [...lines, ...split];
      for (const each of spread(rule)) lines.push(...this.#plain(each));
    }
    return lines;
  }

  /** Rules that take the rest of the chain with them. Undefined: it is none of those. */
  #split(rule: Rule, others: readonly Rule[], index: number): readonly XtRule[] | undefined {
    const { verdict } = rule;
    const excluding = rule.matches.find((match) => match.kind === 'interfaceSet' && match.not === true);
    if (excluding?.kind !== 'interfaceSet') {
      return verdict?.kind === 'dispatch' ? this.#tree(rule, this.#rest(others, index)) : undefined;
    }
    const option = excluding.way === 'in' ? '-i' : '-o';
    const names = this.#match.interfacesOf(excluding.set);
    const passing = { ...rule, matches: rule.matches.filter((match) => match !== excluding) };
    if (names.length === 0) return this.#rulesOf([passing, ...others]);
    const rest = this.#rest(others, index);
    return [
      ...names.map((name) => xtRule(`${option} ${name} ${rest === undefined ? '-j RETURN' : `-g ${rest}`}`)),
      ...this.#plain(passing),
      ...(rest === undefined ? [] : [xtRule(`-g ${rest}`)]),
    ];
  }

  /** What comes after rule `index`, as a chain that several can go to: its name. */
  #rest(rules: readonly Rule[], index: number): string | undefined {
    const { chain } = this.#instance;
    if (rules.length === 0) return undefined;
    const rest: Chain = { name: `${chain.name} after ${index}`, rules };
    return this.#ask({ ...this.#instance, chain: rest, isRest: true });
  }

  #tree(rule: Rule, rest: string | undefined): readonly XtRule[] {
    if (rule.verdict?.kind !== 'dispatch') return [];
    assert(rule.matches.length === 0, 'whoever looks into a map looks every time');
    const { map, way } = rule.verdict;
    const { chain, isOuter } = this.#instance;
    const option = way === 'in' ? '-i' : '-o';
    const leaves = new Map<string, string>();
    for (const element of this.#set(map)?.elements.values() ?? [])
      if (element.kind === 'dispatch') leaves.set(element.interface, element.chain);
    const tree: Tree = treeOf(leaves);
    const branchName = (branch: string): string => xtChainName(`${map} ${branch} of ${chain.name}`, isOuter);
    const turns = (branch: string): readonly XtRule[] =>
      (tree.get(branch) ?? []).map(({ interface: name, to }) =>
        xtRule(`${option} ${name} ${'branch' in to ? `-g ${branchName(to.branch)}` : this.#jump(to.chain)}`),
      );
    const last = rest === undefined ? [] : [xtRule(`-g ${rest}`)];
    for (const branch of tree.keys())
      if (branch !== '') this.#own.set(branchName(branch), [...turns(branch), ...last]);
    return [...turns(''), ...last];
  }

  #jump(chainName: string): string {
    const { table, isOuter } = this.#instance;
    const { ruleset } = this.#context;
    const chain = ruleset.chains.get(chainName) ?? { name: chainName, rules: [] };
    const isGoto = isOuter && isLast(chainName, ruleset, this.#ends);
    return `${isGoto ? '-g' : '-j'} ${this.#ask({ chain, table, isOuter: isGoto })}`;
  }

  #plain(rule: Rule): readonly XtRule[] {
    const ways = waysOf(rule.matches, this.#match);
    if (ways.length === 0) return [];
    const actions = this.#actions(rule);
    const isOne = actions.length < 2 || !rule.matches.some(({ kind }) => stateful.includes(kind));
    const { comment } = rule;
    const line = (parts: readonly string[]): XtRule =>
      xtRule(parts.filter((part) => part !== '').join(' '), comment);
    if (isOne) return ways.flatMap((way) => actions.map((action) => line([way, action])));
    const { chain, isOuter } = this.#instance;
    const own = xtChainName(`${chain.name} does ${actions.join(', ')}`, isOuter);
    this.#own.set(
      own,
      actions.map((action) => line([action])),
    );
    return ways.map((way) => line([way, `${rule.verdict === undefined ? '-j' : '-g'} ${own}`]));
  }

  #actions(rule: Rule): readonly string[] {
    const { verdict, statements = [] } = rule;
    const { version, rejectedMark } = this.#context;
    const said = statements.map(statementTarget);
    if (verdict === undefined || verdict.kind === 'portJump') return said;
    if ('map' in verdict) {
      const isHere = verdict.kind !== 'dispatch' && verdict.version === version;
      return isHere ? [...said, ...this.#translations(verdict.kind, verdict.map)] : said;
    }
    const { isOuter, table } = this.#instance;
    const jump = (chain: string): string => this.#jump(chain);
    const context = { place: { table }, version, isOuter, rejectedMark, jump };
    return [...said, ...verdictTargets(verdict, context)];
  }

  #translations(kind: 'dnatMap' | 'snatMap', map: string): readonly string[] {
    return [...(this.#set(map)?.elements.values() ?? [])].flatMap((element) => {
      if (element.kind !== 'translation' || versionOf(element.from) !== this.#context.version) return [];
      const [from, to] = [element.from, element.to].map(formatAddress);
      return [
        kind === 'dnatMap'
          ? `-d ${from} -j DNAT --to-destination ${to}`
          : `-s ${from} -j SNAT --to-source ${to}`,
      ];
    });
  }
}
