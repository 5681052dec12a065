/**
 * A policy as one text: a cluster has ten thousand, a node's pods are selected by some hundreds, and of the others nothing is
 * read until they select one. The text is a third of the size of what it says.
 */
import type { Policy } from '../../src/policy/policy.ts';

/** All but the selector, by which it is found. */
export type Folded = string;

/** Numbers for which JSON has no form. */
const odd = '$number';

export function fold({ selector: _, ...rest }: Policy): Folded {
  return JSON.stringify(rest, (_key, value: unknown) =>
    typeof value === 'bigint' || value === Number.POSITIVE_INFINITY
      ? { [odd]: `${value}${typeof value === 'bigint' ? 'n' : ''}` }
      : value,
  );
}

export function unfold(folded: Folded, selector: Policy['selector']): Policy {
  const rest = folded.includes(odd) ? JSON.parse(folded, oddOf) : JSON.parse(folded);
  return { ...(rest as Omit<Policy, 'selector'>), selector };
}

function oddOf(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !(odd in value)) return value;
  const text = String(value[odd]);
  return text.endsWith('n') ? BigInt(text.slice(0, -1)) : Number(text);
}
