/**
 * The ruleset as iptables rules and ipsets: what `write.ts` is for nftables. Scripts are the difference between what there is, or
 * is believed to be, and what should be (rules/xtables/script.ts).
 *
 * Sets first, then rules, each table all or nothing, then what nobody asks any more; so no rule ever asks a set that is not there.
 * A chain that iptables refuses is closed, as in `quarantine.ts`, and the rest is written; so is one that asks a set which ipset
 * refuses. A chain or a set that cannot go, for somebody else's rule asks it, stays and is tried again.
 */
import { kernelError } from '../../src/kernel/kernel-error.ts';
import { type XtPrograms, XtRefusal } from '../../src/kernel/xtables.ts';
import type { IpVersion } from '../../src/lib/net.ts';
import type { Problem } from '../../src/model/problem.ts';
import { type Graph, rulesetOf } from '../calc/graph.ts';
import type { RulesetChange } from '../rules/model.ts';
import { emptyRuleset } from '../rules/ruleset.ts';
import { keptKey, withoutRefused } from '../rules/xtables/closed.ts';
import { renderXtables, type Xtables, type XtOptions } from '../rules/xtables/render.ts';
import {
  destroyedIn,
  elementScripts,
  filledIn,
  removedIn,
  ruleScript,
  type SetScripts,
  setScripts,
  withMembers,
  type XtSeen,
  type XtSetsSeen,
  xtAsSeen,
} from '../rules/xtables/script.ts';
import { xtSeen, xtSetsSeen } from '../rules/xtables/seen.ts';
import type { RulesetWriter } from './write.ts';

export interface XtWriterOptions {
  readonly graph: Graph;
  readonly programs: XtPrograms;
  readonly render: () => XtOptions;
}

/** Each may bring to light what the one before hid. */
const mostAttempts = 40;
/** Of sets that cannot go, in a row: the others may be as many, and there is a next time. */
const mostHeld = 8;

export class XtWriter implements RulesetWriter {
  readonly #options: XtWriterOptions;
  /** What was refused: in its words → why. Chains by name, for they are closed in each table. */
  readonly #refused: Readonly<Record<Refused['kind'], Map<string, string>>> = {
    chain: new Map(),
    set: new Map(),
    removal: new Map(),
  };
  /** What was written last; undefined: it is not known what there is. */
  #written: Written | undefined;

  constructor(options: XtWriterOptions) {
    this.#options = options;
  }

  get isWhole(): boolean {
    return kinds.every((kind) => this.#refused[kind].size === 0);
  }

  problems(): readonly Problem[] {
    return kinds.flatMap((kind) =>
      [...this.#refused[kind]].map(([name, why]) => ({
        where: `${words[kind].where} ${name}`,
        what: `${words[kind].what}: ${why}.`,
        fix: words[kind].fix,
      })),
    );
  }

  forgive(): void {
    for (const kind of kinds) this.#refused[kind].clear();
  }

  async change(change: RulesetChange): Promise<number> {
    const before = this.#written;
    if (before === undefined || !this.isWhole) return this.settle();
    try {
      return await this.#change(change, before);
    } catch (error) {
      if (error instanceof XtRefusal) return this.settle();
      throw error;
    }
  }

  async #change(change: RulesetChange, before: Written): Promise<number> {
    const isSameAsked = JSON.stringify(this.#options.render()) === before.options;
    const members = isSameAsked ? elementScripts(change) : undefined;
    if (members !== undefined) {
      this.#written = undefined;
      const { count } = await this.#apply(members, { 4: '', 6: '' });
      this.#written = {
        ...before,
        tables: { ...before.tables, sets: withMembers(before.tables.sets, change) },
      };
      return count;
    }
    const wanted = this.#render();
    const seen = xtAsSeen(before.tables, wanted);
    if (seen === undefined) return this.settle();
    const sets = new Map([...seen.sets, ...before.held]);
    return this.#write(wanted, { sets, 4: seen.families[4], 6: seen.families[6] });
  }

  async settle(): Promise<number> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#settle(this.#render());
      } catch (error) {
        // The first time somebody else may have changed what was just read.
        const isWorthIt = error instanceof XtRefusal && (this.#close(error) || attempt === 1);
        if (!isWorthIt || attempt === mostAttempts) throw asKernelError(error);
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
    this.#written = undefined;
  }

  async #settle(wanted: Xtables, withSets = true): Promise<number> {
    const { programs } = this.#options;
    this.#written = undefined;
    const sets = xtSetsSeen(withSets ? await programs.saveSets() : '');
    const read = async (version: IpVersion): Promise<XtSeen> =>
      programs.versions.includes(version) ? xtSeen(await programs.save(version)) : {};
    return this.#write(wanted, { sets, 4: await read(4), 6: await read(6) });
  }

  async #write(wanted: Xtables, seen: Seen): Promise<number> {
    const options = JSON.stringify(this.#options.render());
    this.#written = undefined;
    const { count, held } = await this.#apply(setScripts(wanted.sets, seen.sets), {
      4: ruleScript(wanted.families[4], seen[4]),
      6: ruleScript(wanted.families[6], seen[6]),
    });
    const there = [...seen.sets].filter(([name]) => held.has(name));
    this.#written = { tables: wanted, held: new Map(there), options };
    return count;
  }

  async #apply(sets: SetScripts, rules: Readonly<Record<IpVersion, string>>): Promise<Applied> {
    const { programs } = this.#options;
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
    const rendered = renderXtables(rulesetOf(this.#options.graph), this.#options.render());
    if (!rendered.ok) throw kernelError(doing, 'EINVAL', rendered.error);
    if (this.isWhole) return rendered.value;
    const { chain, set, removal } = this.#refused;
    const tables = withoutRefused(rendered.value, {
      chains: new Set(chain.keys()),
      sets: new Set(set.keys()),
      kept: new Set(removal.keys()),
    });
    if (tables !== undefined) return tables;
    const why = [...chain.values(), ...set.values()].join('; ');
    this.forgive(); // the next time it may do
    throw kernelError(doing, 'EINVAL', why);
  }

  /** True if something more is closed than before: that is worth another try. */
  #close(refusal: XtRefusal): boolean {
    if (!(refusal instanceof RefusedLine)) return false;
    const { what } = refusal;
    if (what === undefined || this.#refused[what.kind].has(what.name)) return false;
    this.#refused[what.kind].set(what.name, refusal.message);
    return true;
  }
}

interface Written {
  readonly tables: Xtables;
  /** Sets that should have gone. */
  readonly held: XtSetsSeen;
  /** How it was rendered, as JSON. */
  readonly options: string;
}

interface Seen extends Readonly<Record<IpVersion, XtSeen>> {
  readonly sets: XtSetsSeen;
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

  /** @param version  of iptables; undefined: of ipset */
  constructor({ message, line = 0 }: XtRefusal, script: string, version?: IpVersion) {
    super(message, line);
    const all = script.split('\n');
    this.text = all[line - 1] ?? '';
    this.after = all.slice(line).join('\n');
    const table = all.slice(0, line).findLast((each) => each.startsWith('*'));
    this.what = refusedBy(this.text, version, table?.slice(1) ?? '');
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
