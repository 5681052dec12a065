/**
 * What labels must have for a selector to be true of them: how an index finds the few selectors that a bag of labels can
 * satisfy, and the few bags that can satisfy a selector, without trying all.
 */
import type { Selector } from '../../src/model/selector.ts';

/** The label is there, and with one of `values` if they are given. */
export interface Need {
  readonly key: string;
  readonly values?: readonly string[];
}

/**
 * Whatever satisfies the selector meets one of these needs at least; undefined: labels without any may satisfy it. An empty
 * list: nothing does.
 * @param weigh  how many things a need does not tell apart; of several ways to be sure the lightest is taken
 */
export function needsOf(selector: Selector, weigh: (need: Need) => number): readonly Need[] | undefined {
  switch (selector.kind) {
    case 'equals':
      return [{ key: selector.key, values: [selector.value] }];
    case 'in':
      return selector.values.length === 0 ? [] : [{ key: selector.key, values: selector.values }];
    case 'has':
    case 'contains':
    case 'startsWith':
    case 'endsWith':
      return [{ key: selector.key }];
    case 'and':
      return lightest(
        selector.of.map((operand) => needsOf(operand, weigh)),
        weigh,
      );
    case 'or':
      return all(selector.of.map((operand) => needsOf(operand, weigh)));
    case 'all':
    case 'global':
    case 'not':
    case 'notEquals':
    case 'notIn':
      return undefined;
  }
}

type Needs = readonly Need[] | undefined;

function lightest(ways: readonly Needs[], weigh: (need: Need) => number): Needs {
  let best: Needs;
  let bestWeight = Number.POSITIVE_INFINITY;
  for (const way of ways) {
    if (way === undefined) continue;
    const weight = way.reduce((sum, need) => sum + weigh(need), 0);
    if (best !== undefined && weight >= bestWeight) continue;
    best = way;
    bestWeight = weight;
  }
  return best;
}

function all(ways: readonly Needs[]): Needs {
  const needs: Need[] = [];
  for (const way of ways) {
    if (way === undefined) return undefined;
    needs.push(...way);
  }
  return needs;
}

/** Every label that the selector looks at: only a change of one of these can change what it says. */
export function keysOf(selector: Selector, into: Set<string> = new Set()): ReadonlySet<string> {
  switch (selector.kind) {
    case 'all':
    case 'global':
      return into;
    case 'not':
      return keysOf(selector.of, into);
    case 'and':
    case 'or':
      for (const each of selector.of) keysOf(each, into);
      return into;
    default:
      return into.add(selector.key);
  }
}
