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
import type { IpVersion } from '../../../src/lib/net.ts';
import { ok, type Result } from '../../../src/lib/result.ts';
import type { Element, PortRange, Ruleset, RulesetChange, SetDecl } from '../model.ts';
import { Family } from './family.ts';
import { xtSetName } from './name.ts';
import { bitmapType, portMembers, type XtSet, xtMembers, xtSetType } from './set.ts';
import type { Xtables, XtOptions } from './tables.ts';
import type { XtFamilyChange } from './written.ts';

export type { Xtables, XtOptions } from './tables.ts';

/** What a change of the ruleset means for iptables and ipset. */
export interface XtChange {
  readonly families: Readonly<Record<IpVersion, XtFamilyChange>>;
  readonly sets: {
    readonly made: readonly Omit<XtSet, 'members'>[];
    readonly gone: readonly string[];
    readonly members: readonly {
      readonly name: string;
      readonly added: readonly string[];
      readonly removed: readonly string[];
    }[];
  };
}

/** The rules of a ruleset that changes in place, in step with it. */
export class XtRendering {
  readonly #ruleset: Ruleset;
  readonly #options: XtOptions;
  readonly #families: Readonly<Record<IpVersion, Family>>;
  #ports: ReadonlyMap<string, readonly PortRange[]> = new Map();

  /** Empty until the first update. */
  constructor(ruleset: Ruleset, options: XtOptions) {
    this.#ruleset = ruleset;
    this.#options = options;
    this.#families = { 4: new Family(ruleset, options, 4), 6: new Family(ruleset, options, 6) };
  }

  /** As of the last update: a view. */
  get families(): Xtables['families'] {
    return { 4: this.#families[4].tables, 6: this.#families[6].tables };
  }

  /** The same, with the sets as the ruleset has them now. */
  get tables(): Xtables {
    return {
      families: this.families,
      sets: new Map([...setsOf(this.#ruleset, this.#options), ...portSets(this.#ports)]),
    };
  }

  /**
   * Takes up what the ruleset has become, at a cost of what changed. Fails with a sentence, if iptables has no place for a base
   * chain, or two that accept share one: then another update has to look at all.
   * @param change  what did; undefined: anything may have, and of sets of addresses nothing is told
   */
  update(change?: RulesetChange): Result<XtChange> {
    const chains = change && [...change.chains.map(({ name }) => name), ...change.removedChains];
    const sets = change && [
      ...[...change.sets, ...change.removedSets].map(({ name }) => name),
      ...change.elements.map(({ decl }) => decl.name),
    ];
    const four = this.#families[4].update(chains, sets);
    const six = this.#families[6].update(chains, sets);
    if (!four.ok) return four;
    if (!six.ok) return six;
    const before = this.#ports;
    this.#ports = new Map([...this.#families[4].ports, ...this.#families[6].ports]);
    return ok({ families: { 4: four.value, 6: six.value }, sets: this.#setChange(change, before) });
  }

  #setChange(
    change: RulesetChange | undefined,
    portsBefore: ReadonlyMap<string, readonly PortRange[]>,
  ): XtChange['sets'] {
    const { sets = [], removedSets = [], elements = [] } = change ?? {};
    const typed = (decl: SetDecl): readonly Omit<XtSet, 'members'>[] => {
      const type = xtSetType(decl, this.#options.maxSetSize);
      return type === undefined ? [] : [{ name: xtSetName(decl.name), type }];
    };
    const ports = portSets(new Map([...this.#ports].filter(([name]) => !portsBefore.has(name))));
    const portsGone = [...portsBefore.keys()].filter((name) => !this.#ports.has(name));
    return {
      made: [...sets.flatMap(typed), ...ports.map(([, set]) => set)],
      gone: [...removedSets.flatMap(typed).map(({ name }) => name), ...portsGone],
      members: [
        ...elements.flatMap(({ decl, added, removed }) =>
          typed(decl).map(({ name }) => memberChange(name, added, removed)),
        ),
        ...ports.map(([name, { members }]) => ({ name, added: [...members], removed: [] })),
      ],
    };
  }
}

/** Fails: with a sentence, if iptables has no place for a base chain, or two that accept share one. */
export function renderXtables(ruleset: Ruleset, options: XtOptions): Result<Xtables> {
  const rendering = new XtRendering(ruleset, options);
  const updated = rendering.update();
  return updated.ok ? ok(rendering.tables) : updated;
}

/** A member that two elements share, of which one goes and one comes, stays. */
function memberChange(
  name: string,
  added: readonly Element[],
  removed: readonly Element[],
): XtChange['sets']['members'][number] {
  const [come, go] = [new Set(added.flatMap(xtMembers)), new Set(removed.flatMap(xtMembers))];
  return {
    name,
    added: [...come].filter((member) => !go.has(member)),
    removed: [...go].filter((member) => !come.has(member)),
  };
}

function* setsOf(ruleset: Ruleset, { maxSetSize }: XtOptions): Iterable<readonly [string, XtSet]> {
  for (const { decl, elements } of ruleset.sets.values()) {
    const type = xtSetType(decl, maxSetSize);
    if (type === undefined) continue;
    const name = xtSetName(decl.name);
    yield [name, { name, type, members: new Set([...elements.values()].flatMap(xtMembers)) }];
  }
}

const portSets = (ports: ReadonlyMap<string, readonly PortRange[]>): readonly (readonly [string, XtSet])[] =>
  [...ports].map(([name, ranges]) => [name, { name, type: bitmapType, members: portMembers(ranges) }]);
