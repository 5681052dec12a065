/** projectcalico.org/v3 NetworkPolicy, GlobalNetworkPolicy and their staged kinds. */
import type {
  CalicoNetworkPolicy,
  CalicoPolicySpec,
  GlobalNetworkPolicy,
  GlobalPolicySpec,
  StagedGlobalNetworkPolicy,
  StagedNetworkPolicy,
} from '../../model/policy.ts';
import type { Converted, Policy, Stage } from '../policy.ts';
import { both, inNamespace, namespaced, ofAccounts } from '../selectors.ts';
import { convertRules } from './rule.ts';

const common = (
  spec: CalicoPolicySpec,
  namespace: string | undefined,
): Pick<Policy, 'tier' | 'order' | 'types' | 'ingress' | 'egress' | 'onEveryNode'> => ({
  tier: spec.tier,
  order: spec.order ?? Number.POSITIVE_INFINITY,
  types: spec.types,
  ingress: convertRules(spec.ingress, namespace),
  egress: convertRules(spec.egress, namespace),
  onEveryNode: spec.onEveryNode,
});

const accounts = ({ serviceAccountSelector }: CalicoPolicySpec) =>
  serviceAccountSelector === undefined ? undefined : ofAccounts(serviceAccountSelector);

export function convertNamespaced(policy: CalicoNetworkPolicy | StagedNetworkPolicy): Converted {
  const { name, namespace = '' } = policy.meta;
  const kind = policy.kind === 'CalicoNetworkPolicy' ? 'NetworkPolicy' : policy.kind;
  return {
    policy: {
      id: `${kind} ${namespace}/${name}`,
      kind,
      namespace,
      name,
      ...common(policy, namespace),
      selector: both(inNamespace(namespace), accounts(policy), policy.selector),
      stage: 'normal',
      onForward: false,
      ...(policy.kind === 'StagedNetworkPolicy' ? { staged: policy.stagedAction } : {}),
    },
    unconverted: [],
  };
}

const stageOf = ({ doNotTrack, preDnat }: GlobalPolicySpec): Stage =>
  doNotTrack ? 'untracked' : preDnat ? 'preDnat' : 'normal';

export function convertGlobal(policy: GlobalNetworkPolicy | StagedGlobalNetworkPolicy): Converted {
  const { kind, meta, namespaceSelector, applyOnForward } = policy;
  const place = namespaceSelector === undefined ? undefined : namespaced(namespaceSelector);
  return {
    policy: {
      id: `${kind} ${meta.name}`,
      kind,
      name: meta.name,
      ...common(policy, undefined),
      selector: both(place, accounts(policy), policy.selector),
      stage: stageOf(policy),
      onForward: applyOnForward,
      ...(policy.kind === 'StagedGlobalNetworkPolicy' ? { staged: policy.stagedAction } : {}),
    },
    unconverted: [],
  };
}
