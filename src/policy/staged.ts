/** What the policies would be if what is staged were done. */
import type { Cluster } from './cluster.ts';
import type { Policy, PolicyKind } from './policy.ts';

/** The kind that a staged kind would become. */
const enforcedKind = {
  StagedKubernetesNetworkPolicy: 'KubernetesNetworkPolicy',
  StagedNetworkPolicy: 'NetworkPolicy',
  StagedGlobalNetworkPolicy: 'GlobalNetworkPolicy',
} as const satisfies Partial<Record<PolicyKind, PolicyKind>>;

const isStagedKind = (kind: PolicyKind): kind is keyof typeof enforcedKind =>
  Object.hasOwn(enforcedKind, kind);

/** The enforced policy that the staged one stands for: the same name, without "staged". */
const targetOf = ({ kind, namespace, name }: Policy): string => {
  const target = isStagedKind(kind) ? enforcedKind[kind] : kind;
  return namespace === undefined ? `${target} ${name}` : `${target} ${namespace}/${name}`;
};

/**
 * Set and Learn put the staged policy in the place of its namesake, or beside the others if it has none; Delete takes the
 * namesake away; Ignore does nothing.
 */
export function pendingPolicies(policies: readonly Policy[]): readonly Policy[] {
  const doing = policies.filter(({ staged }) => staged !== undefined && staged !== 'Ignore');
  const replaced = new Set(doing.map(targetOf));
  return [
    ...policies.filter(({ staged, id }) => staged === undefined && !replaced.has(id)),
    ...doing.filter(({ staged }) => staged !== 'Delete'),
  ];
}

/** The cluster in which what is staged is done. */
export const enacted = (cluster: Cluster): Cluster => ({
  ...cluster,
  policies: pendingPolicies(cluster.policies).map(({ staged: _, ...policy }) => policy),
});
