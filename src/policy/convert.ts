/** Any policy of any API in its one form. Selectors of what it selects and allows are over effective labels (`labels.ts`). */
import type {
  CalicoNetworkPolicy,
  ClusterNetworkPolicy,
  GlobalNetworkPolicy,
  StagedGlobalNetworkPolicy,
  StagedKubernetesNetworkPolicy,
  StagedNetworkPolicy,
} from '../model/policy.ts';
import type { NetworkPolicy } from '../model/resource.ts';
import { convertGlobal, convertNamespaced } from './convert/calico.ts';
import { convertCluster } from './convert/cluster.ts';
import { convertKubernetes } from './convert/kubernetes.ts';
import type { Converted } from './policy.ts';

export type Convertible =
  | NetworkPolicy
  | CalicoNetworkPolicy
  | GlobalNetworkPolicy
  | StagedNetworkPolicy
  | StagedGlobalNetworkPolicy
  | StagedKubernetesNetworkPolicy
  | ClusterNetworkPolicy;

const kinds: Readonly<Record<Convertible['kind'], true>> = {
  NetworkPolicy: true,
  CalicoNetworkPolicy: true,
  GlobalNetworkPolicy: true,
  StagedNetworkPolicy: true,
  StagedGlobalNetworkPolicy: true,
  StagedKubernetesNetworkPolicy: true,
  ClusterNetworkPolicy: true,
};

export const isPolicy = (resource: { readonly kind: string }): resource is Convertible =>
  Object.hasOwn(kinds, resource.kind);

export function convert(policy: Convertible): Converted {
  switch (policy.kind) {
    case 'NetworkPolicy':
    case 'StagedKubernetesNetworkPolicy':
      return convertKubernetes(policy);
    case 'CalicoNetworkPolicy':
    case 'StagedNetworkPolicy':
      return convertNamespaced(policy);
    case 'GlobalNetworkPolicy':
    case 'StagedGlobalNetworkPolicy':
      return convertGlobal(policy);
    case 'ClusterNetworkPolicy':
      return convertCluster(policy);
  }
}
