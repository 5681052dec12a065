/**
 * The ruleset as iptables rules and ipsets: what `write.ts` is for nftables. Scripts are the difference between what there is, or
 * is believed to be, and what should be (rules/xtables/script.ts).
 *
 * Sets first, then rules, each table all or nothing, then what nobody asks any more; so no rule ever asks a set that is not there.
 * A chain that iptables refuses is closed, as in `quarantine.ts`, and the rest is written.
 */

import { kernelError } from '../../src/kernel/kernel-error.ts';
import { type XtPrograms, XtRefusal } from '../../src/kernel/xtables.ts';
import type { IpVersion } from '../../src/lib/net.ts';
import type { Problem } from '../../src/model/problem.ts';
import { type Graph, rulesetOf } from '../calc/graph.ts';
import type { RulesetChange } from '../rules/model.ts';
import { emptyRuleset } from '../rules/ruleset.ts';
import { renderXtables, type Xtables, type XtOptions } from '../rules/xtables/render.ts';
import { xtRule } from '../rules/xtables/rule.ts';
import {
  elementScripts,
  ruleScript,
  type SetScripts,
  setScripts,
  withMembers,
  xtAsSeen,
} from '../rules/xtables/script.ts';
import { xtSeen, xtSetsSeen } from '../rules/xtables/seen.ts';
import type { RulesetWriter } from './write.ts';

export interface XtWriterOptions {
  readonly graph: Graph;
  readonly programs: XtPrograms;
  readonly render: () => XtOptions;
}

const families: readonly IpVersion[] = [4, 6];
/** Each may bring to light what the one before hid. */
const mostAttempts = 8;

export class XtWriter implements RulesetWriter {
  readonly #options: XtWriterOptions;
  /** Chains of iptables that were refused → why. */
  readonly #closed = new Map<string, string>();
  /** What was written last; undefined: it is not known what there is. */
  #written: Xtables | undefined;

  constructor(options: XtWriterOptions) {
    this.#options = options;
  }

  get isWhole(): boolean {
    return this.#closed.size === 0;
  }

  problems(): readonly Problem[] {
    return [...this.#closed].map(([chain, why]) => ({
      where: `iptables chain ${chain}`,
      what: `iptables refuses to take it: ${why}.`,
      fix: 'It is closed meanwhile and tried again; check that the kernel has the xtables modules it names, or change the policy.',
    }));
  }

  forgive(): void {
    this.#closed.clear();
  }

  async change(change: RulesetChange): Promise<number> {
    const before = this.#written;
    if (before === undefined || !this.isWhole) return this.settle();
    const members = elementScripts(change);
    if (members !== undefined) {
      this.#written = undefined;
      const count = await this.#apply(members, { 4: '', 6: '' });
      this.#written = { ...before, sets: withMembers(before.sets, change) };
      return count;
    }
    const wanted = this.#render();
    const seen = xtAsSeen(before, wanted);
    if (seen === undefined) return this.settle();
    this.#written = undefined;
    const count = await this.#apply(setScripts(wanted.sets, seen.sets), {
      4: ruleScript(wanted.families[4], seen.families[4]),
      6: ruleScript(wanted.families[6], seen.families[6]),
    });
    this.#written = wanted;
    return count;
  }

  async settle(): Promise<number> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#settle(this.#render());
      } catch (error) {
        if (attempt === mostAttempts || !this.#close(error)) throw asKernelError(error);
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
    const sets = withSets ? await programs.saveSets() : '';
    const [four, six] = [await programs.save(4), await programs.save(6)];
    const count = await this.#apply(setScripts(wanted.sets, xtSetsSeen(sets)), {
      4: ruleScript(wanted.families[4], xtSeen(four)),
      6: ruleScript(wanted.families[6], xtSeen(six)),
    });
    this.#written = wanted;
    return count;
  }

  /** @returns  how many programs had something to write */
  async #apply(sets: SetScripts, rules: Readonly<Record<IpVersion, string>>): Promise<number> {
    const { programs } = this.#options;
    await programs.restoreSets(sets.before);
    for (const version of families) {
      try {
        await programs.restore(version, rules[version]);
      } catch (error) {
        throw error instanceof XtRefusal ? new RefusedLine(error, rules[version]) : error;
      }
    }
    await programs.restoreSets(sets.after);
    return [sets.before, rules[4], rules[6], sets.after].filter((script) => script !== '').length;
  }

  #render(): Xtables {
    const rendered = renderXtables(rulesetOf(this.#options.graph), this.#options.render());
    if (!rendered.ok) throw kernelError('write the ruleset by iptables', 'EINVAL', rendered.error);
    return this.#closed.size === 0
      ? rendered.value
      : withClosed(rendered.value, new Set(this.#closed.keys()));
  }

  /** True if that is worth another try. */
  #close(error: unknown): boolean {
    if (!(error instanceof RefusedLine) || error.chain === undefined || this.#closed.has(error.chain))
      return false;
    this.#closed.set(error.chain, error.message);
    return true;
  }
}

/** A refusal, and the chain of ours whose rule was refused. */
class RefusedLine extends Error {
  readonly chain: string | undefined;

  constructor({ message, line }: XtRefusal, script: string) {
    super(message);
    const text = line === undefined ? '' : (script.split('\n', line)[line - 1] ?? '');
    this.chain = /^-A (tortie[-.]\S+)/.exec(text)?.[1];
  }
}

const asKernelError = (error: unknown): unknown =>
  error instanceof RefusedLine || error instanceof XtRefusal
    ? kernelError('write the ruleset by iptables', 'EINVAL', error.message)
    : error;

/** Drops where it would judge; where it would translate, a drop would take the host's own connections. */
function withClosed(tables: Xtables, closed: ReadonlySet<string>): Xtables {
  const drop = [xtRule('-j DROP', 'iptables refused this chain: it is closed')];
  const family = (version: IpVersion): Xtables['families'][IpVersion] =>
    new Map(
      [...tables.families[version]].map(([table, { chains, hooks }]) => [
        table,
        {
          hooks,
          chains: new Map(
            [...chains].map(([name, rules]) => [
              name,
              closed.has(name) ? (table === 'nat' ? [] : drop) : rules,
            ]),
          ),
        },
      ]),
    );
  return { ...tables, families: { 4: family(4), 6: family(6) } };
}
