/**
 * The ruleset as iptables rules and ipsets: what `write.ts` is for nftables. Scripts are the difference between what there is, or
 * is believed to be, and what should be (rules/xtables/script.ts).
 *
 * Sets first, then rules, each table all or nothing, then what nobody asks any more; so no rule ever asks a set that is not there.
 * A chain that iptables refuses is closed, as in `quarantine.ts`, and the rest is written; so is one that asks a set which ipset
 * refuses. Where only the kernel refuses, and a table as a whole, the chains are found by asking it (rules/xtables/trial.ts). A
 * chain or a set that cannot go, for somebody else's rule asks it, stays and is tried again.
 */
import type { Clock } from '../../src/host/clock.ts';
import { kernelError } from '../../src/kernel/kernel-error.ts';
import { type XtPrograms, XtRefusal } from '../../src/kernel/xtables.ts';
import { type IpVersion, millis } from '../../src/lib/net.ts';
import type { Problem } from '../../src/model/problem.ts';
import { deniedIn, type Graph, rulesetOf } from '../calc/graph.ts';
import type { RulesetChange } from '../rules/model.ts';
import { emptyRuleset } from '../rules/ruleset.ts';
import { keptKey, withoutRefused } from '../rules/xtables/closed.ts';
import { xtSetName } from '../rules/xtables/name.ts';
import { renderXtables, type Xtables, type XtOptions, XtRendering } from '../rules/xtables/render.ts';
import { commentOf } from '../rules/xtables/rule.ts';
import {
  changeScripts,
  destroyedIn,
  destroying,
  entriesSeen,
  filledIn,
  removedIn,
  ruleScript,
  type SetScripts,
  setScripts,
  type XtSeen,
} from '../rules/xtables/script.ts';
import { xtSeen, xtSetsSeen } from '../rules/xtables/seen.ts';
import { entriesIn } from '../rules/xtables/tables.ts';
import { type RefusedTable, refusedTable, trialBegin, trialScript } from '../rules/xtables/trial.ts';
import { culprits } from './bisect.ts';
import { Shapes } from './shapes.ts';
import type { RulesetWriter } from './write.ts';

export interface XtWriterOptions {
  readonly graph: Graph;
  readonly programs: XtPrograms;
  readonly render: () => XtOptions;
}

/** From a change of tables of which the kernel does not tell to when it is seen. */
const lookEveryMs = millis(200);
/** So many times as long as a comparison takes is waited between two for changes that are most likely others' own affair. */
const patienceTimes = 20;
/** Each may bring to light what the one before hid. */
const mostAttempts = 40;
/** Of sets that cannot go, in a row: the others may be as many, and there is a next time. */
const mostHeld = 8;

export class XtWriter implements RulesetWriter {
  readonly needs = 'the modules of iptables and ipset';
  readonly #options: XtWriterOptions;
  /** What was refused: in its words → why. Chains by name, for they are closed in each table. */
  readonly #refused: Readonly<Record<Refused['kind'], Map<string, string>>> = {
    chain: new Map(),
    set: new Map(),
    removal: new Map(),
  };
  #rendered: Rendered | undefined;
  readonly #shapes: Shapes;
  /** What reading all that there is took the last time. */
  #comparedMs = 0;
  /** What there is is as it was rendered last, but for sets that should have gone. Undefined: that is not known. */
  #held: ReadonlySet<string> | undefined;

  constructor(options: XtWriterOptions) {
    this.#options = options;
    this.#shapes = new Shapes(options.programs);
  }

  get isWhole(): boolean {
    return kinds.every((kind) => this.#refused[kind].size === 0);
  }

  problems(): readonly Problem[] {
    return kinds.flatMap((kind) =>
      [...this.#refused[kind]].map(([name, why]) => {
        const whose = this.#ownerOf(kind, name);
        return {
          where: `${words[kind].where} ${name}${whose === undefined ? '' : ` (${whose})`}`,
          what: `${words[kind].what}: ${why}.`,
          fix: words[kind].fix,
        };
      }),
    );
  }

  /** "NetworkPolicy shop/web ingress rule 1", of the comments of a chain's rules, or the comment of a set. */
  #ownerOf(kind: Refused['kind'], name: string): string | undefined {
    if (kind === 'set') {
      const sets = [...rulesetOf(this.#options.graph).sets.values()];
      return sets.find(({ decl }) => xtSetName(decl.name) === name)?.decl.comment;
    }
    const families = this.#rendered?.rendering.families;
    for (const version of [4, 6] as const) {
      for (const { chains } of families?.[version].values() ?? []) {
        const said = commentOf(chains.get(name) ?? []);
        if (said !== undefined) return said;
      }
    }
    return undefined;
  }

  forgive(): void {
    for (const kind of kinds) this.#refused[kind].clear();
  }

  watch(clock: Clock, onForeignChange: () => void): () => void {
    if (this.#options.programs.look === undefined) return () => undefined;
    let cancel = (): void => undefined;
    let toldAt = clock.now();
    const isDue = (): boolean => {
      const { touched } = this.#shapes;
      const patience = touched === 'all' ? 0 : this.#comparedMs * patienceTimes;
      return touched !== undefined && clock.now() - toldAt >= patience;
    };
    const again = (): void => {
      cancel = clock.after(lookEveryMs, () => {
        if (isDue()) {
          toldAt = clock.now();
          this.#forget();
          onForeignChange();
        }
        again();
      });
    };
    again();
    return () => cancel();
  }

  /** Until the next comparison nobody knows what there is. */
  #forget(): void {
    this.#held = undefined;
    this.#shapes.forget();
  }

  async change(change: RulesetChange): Promise<number> {
    const held = this.#held;
    if (held === undefined || !this.isWhole || this.#shapes.touched === 'all') return this.settle();
    try {
      return await this.#change(change, held);
    } catch (error) {
      if (error instanceof XtRefusal) return this.settle();
      throw error;
    }
  }

  async #change(change: RulesetChange, held: ReadonlySet<string>): Promise<number> {
    const before = this.#rendered;
    if (before === undefined || before.options !== JSON.stringify(this.#options.render()))
      return this.settle();
    const { rendering } = before;
    const shapes = this.#shapes.known;
    this.#forget();
    const changed = rendering.update(change);
    if (!changed.ok) throw kernelError(doing, 'EINVAL', changed.error);
    const scripts = changeScripts(changed.value, rendering.families);
    // A set that could not go and is wanted again has members of before.
    const isBack = changed.value.sets.made.some(({ name }) => held.has(name));
    if (scripts === undefined || isBack) return this.settle();
    const after = `${scripts.sets.after}${destroying(held)}`;
    const applied = await this.#apply({ ...scripts.sets, after }, scripts);
    this.#held = applied.held;
    const { families } = changed.value;
    this.#shapes.expect(
      rendering.families,
      shapes,
      (version, table) => families[version].get(table)?.entries,
    );
    return applied.count;
  }

  async settle(): Promise<number> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#settle(this.#render());
      } catch (error) {
        if (!(error instanceof XtRefusal) || attempt === mostAttempts) throw asKernelError(error);
        // The first time somebody else may have changed what was just read.
        const isWorthIt = this.#close(error) || attempt === 1 || (await this.#narrow(error));
        if (!isWorthIt) throw asKernelError(error);
      }
    }
  }

  /** There is no other form. */
  byText(): Promise<number> {
    return this.settle();
  }

  /**
   * Takes all of ours out again, for another is in place.
   * @param withSets  false: the sets are asked by the other iptables' rules
   */
  async leave(withSets: boolean): Promise<void> {
    const empty = renderXtables(emptyRuleset, this.#options.render());
    if (empty.ok) await this.#settle(empty.value, withSets);
    this.#forget();
  }

  async #settle(wanted: Xtables, withSets = true): Promise<number> {
    const { programs } = this.#options;
    const begun = performance.now();
    this.#forget();
    const shapes = this.#shapes.of(wanted.families);
    const read = async (version: IpVersion): Promise<XtSeen> =>
      programs.versions.includes(version) ? xtSeen(await programs.save(version)) : {};
    const readSets = async () => xtSetsSeen(withSets ? await programs.saveSets() : '');
    const [sets, four, six] = await Promise.all([readSets(), read(4), read(6)]);
    const seen = { 4: four, 6: six };
    this.#comparedMs = performance.now() - begun;
    const scripts = {
      4: ruleScript(wanted.families[4], seen[4]),
      6: ruleScript(wanted.families[6], seen[6]),
    };
    const { count, held } = await this.#apply(setScripts(wanted.sets, sets), scripts);
    this.#held = held;
    this.#shapes.expect(wanted.families, shapes, (version, table) => {
      const [after, before] = [wanted.families[version].get(table), seen[version][table]];
      if (after === undefined || !scripts[version].includes(`*${table}\n`)) return undefined;
      return entriesIn(after) - (before === undefined ? 0 : entriesSeen(before));
    });
    return count;
  }

  async #apply(sets: SetScripts, rules: Readonly<Record<IpVersion, string>>): Promise<Applied> {
    const { programs } = this.#options;
    const isOfMembers = programs.versions.every((version) => rules[version] === '');
    const isDestroying = sets.after.split('\n').some((line) => destroyedIn(line) !== undefined);
    if (isOfMembers && !isDestroying) {
      const script = `${sets.before}${sets.after}`;
      await inLines(script, (text) => programs.restoreSets(text));
      return { count: script === '' ? 0 : 1, held: new Set() };
    }
    await inLines(sets.before, (script) => programs.restoreSets(script));
    for (const version of programs.versions) {
      await inLines(rules[version], (script) => programs.restore(version, script), version);
    }
    const held = await this.#takeAway(sets.after);
    const all = [sets.before, ...programs.versions.map((version) => rules[version]), sets.after];
    return { count: all.filter((script) => script !== '').length, held };
  }

  /** @returns  sets that stay, for somebody's rule asks them, or the kernel has not yet let go of one that did */
  async #takeAway(script: string): Promise<ReadonlySet<string>> {
    const held = new Set<string>();
    for (let rest = script; rest !== ''; ) {
      const refusal = await this.#tryTakingAway(rest);
      if (refusal === undefined) break;
      held.add(destroyedIn(refusal.text) ?? '');
      rest = refusal.after;
      if (held.size < mostHeld) continue;
      for (const line of rest.split('\n')) held.add(destroyedIn(line) ?? '');
      break;
    }
    return held;
  }

  /** @returns  of a set that cannot go */
  async #tryTakingAway(script: string): Promise<RefusedLine | undefined> {
    try {
      await inLines(script, (text) => this.#options.programs.restoreSets(text));
      return undefined;
    } catch (error) {
      if (error instanceof RefusedLine && destroyedIn(error.text) !== undefined) return error;
      throw error;
    }
  }

  #render(): Xtables {
    const options = this.#options.render();
    const said = JSON.stringify(options);
    if (this.#rendered?.options !== said) {
      const rendering = new XtRendering(rulesetOf(this.#options.graph), options);
      this.#rendered = { rendering, options: said };
    }
    const { rendering } = this.#rendered;
    const updated = rendering.update();
    if (!updated.ok) throw kernelError(doing, 'EINVAL', updated.error);
    if (this.isWhole) return rendering.tables;
    const { chain, set, removal } = this.#refused;
    const tables = withoutRefused(
      rendering.tables,
      { chains: new Set(chain.keys()), sets: new Set(set.keys()), kept: new Set(removal.keys()) },
      deniedIn(this.#options.graph),
    );
    if (tables !== undefined) return tables;
    const why = [...chain.values(), ...set.values()].join('; ');
    this.forgive(); // the next time it may do
    throw kernelError(doing, 'EINVAL', why);
  }

  /**
   * Of what no line is to blame for but a whole table: looks which chains the kernel does not take, in a chain beside all.
   * @returns  something more is closed than before
   */
  async #narrow(refusal: XtRefusal): Promise<boolean> {
    if (!(refusal instanceof RefusedLine) || refusal.where === undefined) return false;
    const { where, message } = refusal;
    const { programs } = this.#options;
    const tries = async (script: string): Promise<boolean> => {
      try {
        await programs.restore(where.version, script);
        return true;
      } catch (error) {
        if (error instanceof XtRefusal) return false;
        throw error;
      }
    };
    const tables = [...(this.#rendered?.rendering.families[where.version] ?? [])];
    const hooks = tables.flatMap(([name, rules]) => (name === where.table ? rules.hooks : []));
    const begin = trialBegin(
      where,
      hooks.map(({ builtin }) => builtin),
    );
    if (!(await tries(begin))) return false;
    const works = (without: readonly string[]) => tries(trialScript(where, new Set(without)));
    const found = await culprits([...where.chains.keys()], works);
    const more = (found ?? []).filter((name) => !this.#refused.chain.has(name));
    for (const name of more) this.#refused.chain.set(name, `${message}; the kernel's log may say more`);
    return more.length > 0;
  }

  /** It may be refused for what it leads to. */
  #isTrunk({ kind, name }: Refused): boolean {
    const { 4: four, 6: six } = this.#rendered?.rendering.families ?? { 4: new Map(), 6: new Map() };
    return kind === 'chain' && [...four.values(), ...six.values()].some(({ trunk }) => trunk.has(name));
  }

  /** True if something more is closed than before: that is worth another try. */
  #close(refusal: XtRefusal): boolean {
    if (!(refusal instanceof RefusedLine)) return false;
    const { what } = refusal;
    if (what === undefined || this.#refused[what.kind].has(what.name) || this.#isTrunk(what)) return false;
    this.#refused[what.kind].set(what.name, refusal.message);
    return true;
  }
}

interface Rendered {
  readonly rendering: XtRendering;
  /** How, as JSON. */
  readonly options: string;
}

interface Applied {
  /** Programs that had something to write. */
  readonly count: number;
  /** Sets that should have gone. */
  readonly held: ReadonlySet<string>;
}

interface Refused {
  readonly kind: 'chain' | 'set' | 'removal';
  /** Of a removal with program and table: "iptables mangle tortie-x". */
  readonly name: string;
}

const kinds: readonly Refused['kind'][] = ['chain', 'set', 'removal'];
const doing = 'write the ruleset by iptables';
const closedFix = (what: string): string =>
  `It is closed meanwhile and tried again; check that the kernel has the modules it names, or change ${what}.`;
const words: Readonly<Record<Refused['kind'], Omit<Problem, 'where'> & { readonly where: string }>> = {
  chain: {
    where: 'iptables chain',
    what: 'iptables refuses to take it',
    fix: closedFix('the policy'),
  },
  set: {
    where: 'ipset',
    what: 'ipset refuses to take it, so each chain that asks it is closed',
    fix: 'It is tried again; raise spec.maxIpsetSize of the FelixConfiguration if it is full, or check that the kernel has the ipset module.',
  },
  removal: {
    where: 'chain of',
    what: 'it is not needed any more and iptables refuses to remove it, so it stays, empty',
    fix: 'It is tried again; take out the rule that leads there ("iptables-save" shows it).',
  },
};
/** A refusal, and what was refused. */
class RefusedLine extends XtRefusal {
  readonly text: string;
  /** What stood after it. */
  readonly after: string;
  readonly what: Refused | undefined;
  /** Its table. Absent: it is of ipset, or nobody says where. */
  readonly where: RefusedTable | undefined;

  /** @param version  of iptables; undefined: of ipset */
  constructor({ message, line = 0 }: XtRefusal, script: string, version?: IpVersion) {
    super(message, line);
    const all = script.split('\n');
    this.text = all[line - 1] ?? '';
    this.after = all.slice(line).join('\n');
    const begin = all.slice(0, line).findLastIndex((each) => each.startsWith('*'));
    const table = all[begin]?.slice(1) ?? '';
    this.what = refusedBy(this.text, version, table);
    this.where =
      version === undefined || begin < 0
        ? undefined
        : refusedTable(version, all.slice(begin, all.indexOf('COMMIT', begin)));
  }
}

function refusedBy(line: string, version: IpVersion | undefined, table: string): Refused | undefined {
  const of = (kind: Refused['kind'], name: string | undefined): Refused | undefined =>
    name === undefined ? undefined : { kind, name };
  if (version === undefined) return of('set', filledIn(line));
  const removed = removedIn(line);
  if (removed !== undefined) return of('removal', keptKey(version, table, removed));
  return of('chain', /^-A (tortie[-.]\S+)/.exec(line)?.[1]);
}

/** Fails with a RefusedLine instead of an XtRefusal. */
async function inLines(
  script: string,
  run: (script: string) => Promise<void>,
  version?: IpVersion,
): Promise<void> {
  try {
    await run(script);
  } catch (error) {
    throw error instanceof XtRefusal ? new RefusedLine(error, script, version) : error;
  }
}

const asKernelError = (error: unknown): unknown =>
  error instanceof XtRefusal ? kernelError(doing, 'EINVAL', error.message) : error;
