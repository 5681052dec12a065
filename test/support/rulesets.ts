/** Rulesets as plain values that a test can compare and print. */
import { type Ruleset, type SetDecl, tableName } from '../../felix/rules/model.ts';
import { renderRule } from '../../felix/rules/text.ts';

interface PlainRuleset {
  readonly table: string;
  readonly chains: Readonly<Record<string, readonly string[]>>;
  readonly sets: Readonly<Record<string, { readonly decl: SetDecl; readonly elements: readonly string[] }>>;
}

const sortedRecord = <T>(entries: readonly (readonly [string, T])[]): Readonly<Record<string, T>> =>
  Object.fromEntries([...entries].sort(([a], [b]) => (a < b ? -1 : 1)));

export const plain = (ruleset: Ruleset): PlainRuleset => ({
  table: tableName,
  chains: sortedRecord(
    [...ruleset.chains.values()].map((chain) => [
      chain.name,
      [...(chain.base === undefined ? [] : [JSON.stringify(chain.base)]), ...chain.rules.map(renderRule)],
    ]),
  ),
  sets: sortedRecord(
    [...ruleset.sets].map(([name, { decl, elements }]) => [
      name,
      { decl, elements: [...elements.keys()].sort() },
    ]),
  ),
});
