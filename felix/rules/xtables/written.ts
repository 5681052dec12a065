/** The chains of a family as they are written in its tables, and what became of them since the last time somebody took that. */
import { type XtTable, xtTables } from './place.ts';
import type { XtRule } from './rule.ts';
import { entriesOf, type XtHook, type XtTableRules } from './tables.ts';

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

/** A hook and whose chain it hangs in. */
export type TableHook = XtHook & { readonly table: XtTable };

type Rules = readonly XtRule[] | undefined;

interface Table extends XtTableRules {
  readonly chains: Map<string, readonly XtRule[]>;
  readonly trunk: Set<string>;
  hooks: readonly XtHook[];
  /** Of chains touched by this update: what was there before. */
  readonly before: Map<string, Rules>;
}

export class Written {
  readonly #tables: ReadonlyMap<XtTable, Table> = new Map(
    xtTables.map((table) => [table, { chains: new Map(), trunk: new Set(), hooks: [], before: new Map() }]),
  );

  /** A view. */
  get tables(): ReadonlyMap<XtTable, XtTableRules> {
    return this.#tables;
  }

  /** @param rules  undefined: there is no such chain */
  put(table: XtTable, name: string, rules: Rules): void {
    const there = this.#tables.get(table);
    if (there === undefined) return;
    if (!there.before.has(name)) there.before.set(name, there.chains.get(name));
    if (rules === undefined) there.chains.delete(name);
    else there.chains.set(name, rules);
  }

  /** One that everybody's packets go through. */
  putTrunk(table: XtTable, name: string, rules: Rules): void {
    const trunk = this.#tables.get(table)?.trunk;
    this.put(table, name, rules);
    if (rules === undefined) trunk?.delete(name);
    else trunk?.add(name);
  }

  /** @param hooks  all there are now */
  take(hooks: readonly TableHook[]): XtFamilyChange {
    const changes = new Map<XtTable, XtTableChange>();
    for (const [name, table] of this.#tables) {
      const change = taken(
        table,
        hooks.filter((hook) => hook.table === name),
      );
      if (change !== undefined) changes.set(name, change);
    }
    return changes;
  }
}

/** Undefined: nothing changed. */
function taken(table: Table, hooks: readonly XtHook[]): XtTableChange | undefined {
  const before = table.hooks;
  table.hooks = hooks;
  const touched = [...table.before];
  table.before.clear();
  const changed = touched.flatMap(([chain, rules]) => {
    const now = table.chains.get(chain);
    return now === undefined || saysSame(now, rules) ? [] : [chain];
  });
  const gone = touched.flatMap(([chain, rules]) =>
    rules !== undefined && !table.chains.has(chain) ? [chain] : [],
  );
  const isHooked = isHookedSame(before, hooks);
  if (changed.length + gone.length === 0 && isHooked) return undefined;
  const entries = touched.reduce(
    (sum, [chain, rules]) => sum + entriesOf(table.chains.get(chain)?.length) - entriesOf(rules?.length),
    hooks.length - before.length,
  );
  return { changed, gone, entries, ...(isHooked ? {} : { hooksBefore: before }) };
}

const saysSame = (a: readonly XtRule[], b: Rules): boolean =>
  a === b || (a.length === b?.length && a.every(({ hash }, index) => hash === b[index]?.hash));

const isHookedSame = (a: readonly XtHook[], b: readonly XtHook[]): boolean =>
  a.length === b.length &&
  a.every(
    ({ builtin, at, rule }, index) =>
      builtin === b[index]?.builtin && at === b[index].at && rule.hash === b[index].rule.hash,
  );
