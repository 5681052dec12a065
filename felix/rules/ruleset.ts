/** Rulesets as values: what a change makes of one. The desired one itself lives in `calc/output.ts`. */
import {
  type Chain,
  type Element,
  type ElementChange,
  elementKey,
  type NamedSet,
  type Ruleset,
  type RulesetChange,
} from './model.ts';

export const emptyRuleset: Ruleset = { chains: new Map(), sets: new Map() };

export const isEmptyChange = (change: RulesetChange): boolean =>
  change.sets.length +
    change.removedSets.length +
    change.elements.length +
    change.chains.length +
    change.removedChains.length ===
  0;

/** The ruleset after `change`; `ruleset` itself stays as it is. */
export function applyChange(ruleset: Ruleset, change: RulesetChange): Ruleset {
  const chains = new Map<string, Chain>(ruleset.chains);
  const sets = new Map<string, NamedSet>(ruleset.sets);
  for (const decl of change.sets) sets.set(decl.name, { decl, elements: new Map() });
  for (const elements of change.elements) applyElements(sets, elements);
  for (const chain of change.chains) chains.set(chain.name, chain);
  for (const name of change.removedChains) chains.delete(name);
  for (const { name } of change.removedSets) sets.delete(name);
  return { chains, sets };
}

function applyElements(sets: Map<string, NamedSet>, { decl, added, removed }: ElementChange): void {
  const elements = new Map<string, Element>(sets.get(decl.name)?.elements);
  for (const element of removed) elements.delete(elementKey(element));
  for (const element of added) elements.set(elementKey(element), element);
  sets.set(decl.name, { decl, elements });
}
