/**
 * Every way of an API to say "these endpoints" as one selector over effective labels.
 *
 * Source: Calico's rewriting when its resources become what its agent reads; Kubernetes' metav1.LabelSelector.
 */
import type { LabelRequirement, LabelSelector } from '../model/labels.ts';
import type { Selector } from '../model/selector.ts';
import {
  accountLabel,
  accountPrefix,
  namespaceLabel,
  namespaceNameLabel,
  namespacePrefix,
  orchestratorLabel,
} from './labels.ts';

const all: Selector = { kind: 'all' };
const isPod: Selector = { kind: 'equals', key: orchestratorLabel, value: 'k8s' };
const isNamespaced: Selector = { kind: 'has', key: namespaceLabel };
/** Of what lives in a namespace that is known: a gap in what we know is no answer to a question about it. */
const isPlaced: Selector = { kind: 'has', key: namespaceNameLabel };

export const inNamespace = (namespace: string): Selector => ({
  kind: 'equals',
  key: namespaceLabel,
  value: namespace,
});

/** All of them; those that say nothing are left out, and nested ones flattened. */
export function both(...selectors: readonly (Selector | undefined)[]): Selector {
  const operands = selectors.flatMap((each) =>
    each === undefined || each.kind === 'all' ? [] : each.kind === 'and' ? each.of : [each],
  );
  const [first] = operands;
  if (first === undefined) return all;
  return operands.length === 1 ? first : { kind: 'and', of: operands };
}

/** Every label key with a prefix before it. */
function withPrefix(prefix: string, selector: Selector): Selector {
  switch (selector.kind) {
    case 'all':
    case 'global':
      return selector;
    case 'not':
      return { kind: 'not', of: withPrefix(prefix, selector.of) };
    case 'and':
    case 'or':
      return { kind: selector.kind, of: selector.of.map((each) => withPrefix(prefix, each)) };
    default:
      return { ...selector, key: `${prefix}${selector.key}` };
  }
}

/** What Calico's namespaceSelector takes: `all()` is whatever is in a namespace, `global()` what is in none. */
export function namespaced(selector: Selector): Selector {
  if (selector.kind === 'all') return isNamespaced;
  if (selector.kind === 'global') return { kind: 'not', of: isNamespaced };
  return both(isPlaced, withPrefix(namespacePrefix, selector));
}

export const ofAccounts = (selector: Selector): Selector => withPrefix(accountPrefix, selector);

export const namedAccounts = (names: readonly string[]): Selector => ({
  kind: 'in',
  key: accountLabel,
  values: [...new Set(names)].sort(),
});

const requirementOf = (requirement: LabelRequirement): Selector => {
  const { key } = requirement;
  switch (requirement.operator) {
    case 'In':
      return { kind: 'in', key, values: [...new Set(requirement.values)].sort() };
    case 'NotIn':
      return { kind: 'notIn', key, values: [...new Set(requirement.values)].sort() };
    case 'Exists':
      return { kind: 'has', key };
    case 'DoesNotExist':
      return { kind: 'not', of: { kind: 'has', key } };
  }
};

/** matchLabels sorted by key, then matchExpressions in order, as Calico writes them. */
export const ofLabels = ({ matchLabels, matchExpressions }: LabelSelector): Selector =>
  both(
    ...Object.entries(matchLabels)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]): Selector => ({ kind: 'equals', key, value })),
    ...matchExpressions.map(requirementOf),
  );

/** Kubernetes' podSelector: pods only, whatever else has such labels. */
export const pods = (selector: LabelSelector): Selector => both(isPod, ofLabels(selector));

/** Kubernetes' namespaceSelector: an empty one takes every namespace that is known. */
export const ofNamespaces = (selector: LabelSelector): Selector =>
  both(isPlaced, withPrefix(namespacePrefix, ofLabels(selector)));

/** With the prefix taken off every label; undefined if one has it not, or there is none. */
export function withoutPrefix(prefix: string, selector: Selector): Selector | undefined {
  switch (selector.kind) {
    case 'all':
    case 'global':
      return undefined;
    case 'not': {
      const of = withoutPrefix(prefix, selector.of);
      return of === undefined ? undefined : { kind: 'not', of };
    }
    case 'and':
    case 'or': {
      const operands = selector.of.flatMap((each) => withoutPrefix(prefix, each) ?? []);
      return operands.length === selector.of.length ? { kind: selector.kind, of: operands } : undefined;
    }
    default:
      return selector.key.startsWith(prefix)
        ? { ...selector, key: selector.key.slice(prefix.length) }
        : undefined;
  }
}
