/** What applies to a pod or a host of a cluster, in the order it is asked: what a node says of its own, of any node. */
import { interfaceName } from '../model/endpoint.ts';
import type { Labels } from '../model/meta.ts';
import type { Direction, HostEndpoint } from '../model/policy.ts';
import type { Pod } from '../model/resource.ts';
import { matchesSelector } from '../model/selector.ts';
import type { DirectionStatus, HostPolicyStatus, PodPolicyStatus, TierStatus } from '../model/status.ts';
import type { Cluster } from './cluster.ts';
import type { Moment } from './judgement.ts';
import { knownHost, knownPod } from './known.ts';
import { comparePolicies, type Policy } from './policy.ts';
import { tiersOf } from './walk.ts';
import { ruleWords } from './words.ts';

export function podStatus(cluster: Cluster, pod: Pod): PodPolicyStatus {
  const { name, namespace = '' } = pod.meta;
  const { labels } = knownPod(cluster, pod);
  return {
    namespace,
    pod: name,
    interface: interfaceName(namespace, name),
    ingress: directionStatus(cluster, labels, 'Ingress', 'normal'),
    egress: directionStatus(cluster, labels, 'Egress', 'normal'),
  };
}

const moments: readonly (readonly [Moment, readonly Direction[]])[] = [
  ['untracked', ['Ingress', 'Egress']],
  ['preDnat', ['Ingress']],
  ['normal', ['Ingress', 'Egress']],
  ['forward', ['Ingress', 'Egress']],
];

/** The interface of one that is found by its address is known on its node only. */
export function hostStatus(cluster: Cluster, endpoint: HostEndpoint): HostPolicyStatus {
  const { labels } = knownHost(cluster, endpoint);
  return {
    name: endpoint.meta.name,
    interface: endpoint.interfaceName ?? '',
    profiles: endpoint.profiles,
    stages: moments.flatMap(([stage, directions]) =>
      directions.map((direction) => ({
        stage,
        direction,
        ...directionStatus(cluster, labels, direction, stage),
      })),
    ),
  };
}

const isAsked = ({ stage, onForward }: Policy, moment: Moment): boolean =>
  moment === 'forward' ? stage === 'normal' && onForward : stage === moment;

function directionStatus(
  cluster: Cluster,
  labels: Labels,
  direction: Direction,
  moment: Moment,
): DirectionStatus {
  const selecting = cluster.policies.filter(
    (policy) =>
      policy.types.includes(direction) && isAsked(policy, moment) && matchesSelector(policy.selector, labels),
  );
  const tiers = tiersOf(cluster, selecting).map((tier): TierStatus => {
    const own = selecting.filter((policy) => policy.tier === tier.name).sort(comparePolicies);
    const isOpen = tier.defaultAction === 'Pass' || own.every(({ staged }) => staged !== undefined);
    return {
      name: tier.name,
      ...(Number.isFinite(tier.order) ? { order: tier.order } : {}),
      defined: tier.defined,
      end: isOpen ? 'pass' : 'deny',
      policies: own.map((policy) => policyStatus(policy, direction)),
    };
  });
  return { isolated: selecting.some(({ staged }) => staged === undefined), tiers };
}

const policyStatus = (
  { kind, namespace, name, order, staged, ingress, egress }: Policy,
  direction: Direction,
): TierStatus['policies'][number] => ({
  kind,
  ...(namespace === undefined ? {} : { namespace }),
  name,
  ...(Number.isFinite(order) ? { order } : {}),
  ...(staged === undefined ? {} : { staged }),
  rules: (direction === 'Ingress' ? ingress : egress).map((rule) => ruleWords(rule, direction)),
});
