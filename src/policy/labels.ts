/**
 * Effective labels: what selectors of policies look at. An endpoint's own labels, then what Calico puts beside them: where it
 * lives, and under prefixes the labels of its namespace and of its service account. Own labels win over inherited ones.
 */
import type { Labels } from '../model/meta.ts';
import type { HostEndpoint, NetworkSet, Profile, ServiceAccount } from '../model/policy.ts';
import type { Namespace, Pod } from '../model/resource.ts';

export const namespaceLabel = 'projectcalico.org/namespace';
export const orchestratorLabel = 'projectcalico.org/orchestrator';
export const accountLabel = 'projectcalico.org/serviceaccount';
/** Before each label of the namespace. */
export const namespacePrefix = 'pcns.';
/** Before each label of the service account. */
export const accountPrefix = 'pcsa.';
/** The namespace's name, on what lives in a namespace whose object is known, and on nothing else. */
export const namespaceNameLabel = `${namespacePrefix}projectcalico.org/name`;
const accountNameLabel = `${accountPrefix}projectcalico.org/name`;

/** A label's value has at most 63 characters; longer names of service accounts are left out, as Calico does. */
const longestAccount = 62;

const prefixed = (prefix: string, labels: Labels): Labels =>
  Object.fromEntries(Object.entries(labels).map(([key, value]) => [`${prefix}${key}`, value]));

/** @param namespace  absent: not known, so no namespaceSelector takes what lives there */
export const namespaceLabels = (namespace: Namespace | undefined): Labels =>
  namespace === undefined
    ? {}
    : { ...prefixed(namespacePrefix, namespace.meta.labels), [namespaceNameLabel]: namespace.meta.name };

/** @param account  absent: not known, or the pod does not say */
export const accountLabels = (account: ServiceAccount | undefined): Labels =>
  account === undefined
    ? {}
    : { ...prefixed(accountPrefix, account.meta.labels), [accountNameLabel]: account.meta.name };

/** What a pod has without its namespace's and its service account's labels. */
export function ownPodLabels({ meta, serviceAccount }: Pod): Labels {
  return {
    ...meta.labels,
    [namespaceLabel]: meta.namespace ?? '',
    [orchestratorLabel]: 'k8s',
    ...(serviceAccount === undefined || serviceAccount.length > longestAccount
      ? {}
      : { [accountLabel]: serviceAccount }),
  };
}

/**
 * @param namespace  the pod's, where its object is known
 * @param account  the one the pod runs as, where its object is known
 */
export const podLabels = (
  pod: Pod,
  namespace: Namespace | undefined,
  account: ServiceAccount | undefined,
): Labels => ({ ...accountLabels(account), ...namespaceLabels(namespace), ...ownPodLabels(pod) });

/** What a network set has without its namespace's labels. */
export const ownNetworkSetLabels = ({ meta }: NetworkSet): Labels =>
  meta.namespace === undefined ? meta.labels : { ...meta.labels, [namespaceLabel]: meta.namespace };

/** @param namespace  the set's, where it has one and its object is known */
export const networkSetLabels = (set: NetworkSet, namespace: Namespace | undefined): Labels => ({
  ...namespaceLabels(namespace),
  ...ownNetworkSetLabels(set),
});

/** @param profiles  all there are; of two the endpoint lists that set the same label, the one listed first wins */
export function hostEndpointLabels(endpoint: HostEndpoint, profiles: readonly Profile[]): Labels {
  const listed = endpoint.profiles.flatMap((name) => profiles.find(({ meta }) => meta.name === name) ?? []);
  return Object.assign(
    {},
    ...listed.toReversed().map(({ labelsToApply }) => labelsToApply),
    endpoint.meta.labels,
  );
}
