/**
 * Kubernetes label selectors (metav1.LabelSelector): all of matchLabels and matchExpressions must hold.
 * An empty selector matches everything; "no selector" is the caller's to interpret.
 */
export type LabelRequirement =
  | { readonly key: string; readonly operator: 'In' | 'NotIn'; readonly values: readonly string[] }
  | { readonly key: string; readonly operator: 'Exists' | 'DoesNotExist' };

export interface LabelSelector {
  readonly matchLabels: Readonly<Record<string, string>>;
  readonly matchExpressions: readonly LabelRequirement[];
}

export const everything: LabelSelector = { matchLabels: {}, matchExpressions: [] };

const labelValue = (labels: Readonly<Record<string, string>>, key: string): string | undefined =>
  Object.hasOwn(labels, key) ? labels[key] : undefined;

/** NotIn also holds when the label is missing, as in Kubernetes. */
function meets(requirement: LabelRequirement, labels: Readonly<Record<string, string>>): boolean {
  const value = labelValue(labels, requirement.key);
  switch (requirement.operator) {
    case 'In':
      return value !== undefined && requirement.values.includes(value);
    case 'NotIn':
      return value === undefined || !requirement.values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
  }
}

export function matchesLabels(selector: LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  return (
    Object.entries(selector.matchLabels).every(([key, value]) => labelValue(labels, key) === value) &&
    selector.matchExpressions.every((requirement) => meets(requirement, labels))
  );
}

/**
 * One text for all selectors that mean the same by reordering: matchLabels are folded into `In` requirements, sorted
 * and de-duplicated. Two selectors with the same text select the same objects, so one set serves both.
 */
export function canonicalLabels(selector: LabelSelector): string {
  const requirements = [
    ...Object.entries(selector.matchLabels).map(
      ([key, value]): LabelRequirement => ({ key, operator: 'In', values: [value] }),
    ),
    ...selector.matchExpressions,
  ].map((requirement) =>
    'values' in requirement
      ? JSON.stringify([requirement.key, requirement.operator, [...new Set(requirement.values)].sort()])
      : JSON.stringify([requirement.key, requirement.operator]),
  );
  return [...new Set(requirements)].sort().join('&');
}
