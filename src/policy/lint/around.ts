/** Checks that look at what is around a policy: tiers, other policies, and the endpoints there are. */
import { matchesSelector, type Selector } from '../../model/selector.ts';
import { type Known, knownHost } from '../known.ts';
import { compareTiers, type Policy, type Rule, type TierFacts } from '../policy.ts';
import { builtInTiers, tierFacts, tierNamed } from '../tiers.ts';
import { selectorWords } from '../words.ts';
import { type Check, everyRule, isKubernetes, ruleAt, type World } from './check.ts';

const isTaken = (selector: Selector, known: readonly Known[]): boolean =>
  known.some(({ labels }) => matchesSelector(selector, labels));

/** UDP 53 to somebody. */
const mayAllowDns = ({ action, protocol, notProtocol, destination }: Rule): boolean =>
  (action === 'Allow' || action === 'Pass') &&
  (protocol === undefined || protocol === 17) &&
  notProtocol !== 17 &&
  (destination.ports === undefined ||
    destination.ports.some((port) =>
      'name' in port ? port.name.includes('dns') : port.first <= 53 && 53 <= port.last,
    ));

/** With what else holds the egress of the same endpoints. */
const dnsMissing: Check = ({ policy }, { cluster, known = [] }) => {
  const { types, egress, stage, selector } = policy;
  if (!types.includes('Egress') || stage !== 'normal') return [];
  if (!egress.some(({ action }) => action === 'Allow')) return [];
  const taken = known.filter(({ labels }) => matchesSelector(selector, labels));
  const beside = cluster.policies.filter(
    (other) => other.staged === undefined && other.types.includes('Egress') && isTaken(other.selector, taken),
  );
  if ([policy, ...beside].some((one) => one.egress.some(mayAllowDns))) return [];
  return [
    {
      at: ['spec', 'egress'],
      what: 'allows some traffic and no DNS (UDP 53), so the names of what it allows cannot be resolved.',
      fix: 'Add a rule that allows UDP and TCP 53 to the DNS pods of the cluster.',
    },
  ];
};

const selectsNothing: Check = ({ policy }, { known }) =>
  known === undefined || isTaken(policy.selector, known)
    ? []
    : [
        {
          at: ['spec', isKubernetes(policy) ? 'podSelector' : 'selector'],
          what: `selects nothing: there are no ${selectorWords(policy.selector)} now.`,
          fix: 'Check the labels and the namespace.',
        },
      ];

const peerSelectsNothing: Check = ({ policy }, { known }) =>
  known === undefined
    ? []
    : everyRule(policy).flatMap(({ direction, rule }) =>
        [rule.source.selector, rule.destination.selector]
          .filter((selector) => selector !== undefined)
          .filter((selector) => !isTaken(selector, known))
          .map((selector) => ({
            at: ruleAt(direction, rule),
            what: `holds of nothing: there are no ${selectorWords(selector)} now.`,
            fix: 'Check the labels and the namespaces.',
          })),
      );

const portUnknown: Check = ({ policy }, { known }) =>
  known === undefined
    ? []
    : everyRule(policy).flatMap(({ direction, rule }) => {
        const wanted = direction === 'Ingress' ? policy.selector : rule.destination.selector;
        const names = (rule.destination.ports ?? []).flatMap((port) => ('name' in port ? [port.name] : []));
        const reached = known.filter(({ labels }) => wanted === undefined || matchesSelector(wanted, labels));
        return names
          .filter((name) => !reached.some(({ ports }) => ports.some((port) => port.name === name)))
          .map((name) => ({
            at: ruleAt(direction, rule),
            what: `no port is called ${JSON.stringify(name)} at what it may reach.`,
            fix: 'Name the port in the pod, or write its number.',
          }));
      });

const factsOf = ({ cluster }: World, name: string): TierFacts => {
  const written = cluster.tiers.find(({ meta }) => meta.name === name);
  return written === undefined ? tierNamed(name) : tierFacts(written);
};

const tierUnknown: Check = ({ policy }, world) => {
  if (factsOf(world, policy.tier).defined) return [];
  const names = new Set([...builtInTiers, ...world.cluster.tiers.map(tierFacts)].map(({ name }) => name));
  return [
    {
      at: ['spec', 'tier'],
      what: `there is no Tier ${JSON.stringify(policy.tier)}: the policy is asked after all others.`,
      fix: `Create the Tier, or use one that is there: ${[...names].join(', ')}.`,
    },
  ];
};

const passInLastTier: Check = ({ policy }, world) =>
  hasLaterTier(policy, world)
    ? []
    : everyRule(policy)
        .filter(({ rule }) => rule.action === 'Pass')
        .map(({ direction, rule }) => ({
          at: ruleAt(direction, rule),
          what: `passes on, but no policy is in a tier after ${policy.tier}: a pod's packet is allowed then.`,
          fix: 'Write Allow if that is meant, or Deny.',
        }));

function hasLaterTier(policy: Policy, world: World): boolean {
  const own = factsOf(world, policy.tier);
  return world.cluster.policies.some(
    ({ tier, staged }) => staged === undefined && compareTiers(own, factsOf(world, tier)) < 0,
  );
}

const noHostEndpoint: Check = ({ policy }, { known, cluster }) =>
  known === undefined ||
  policy.stage === 'normal' ||
  isTaken(
    policy.selector,
    cluster.hostEndpoints.map((endpoint) => knownHost(cluster, endpoint)),
  )
    ? []
    : [
        {
          at: ['spec', policy.stage === 'preDnat' ? 'preDNAT' : 'doNotTrack'],
          what: 'is for host endpoints only, and the policy selects none.',
          fix: 'Create HostEndpoints with the labels it selects.',
        },
      ];

export const aroundChecks: Readonly<Record<string, Check>> = {
  'tier-unknown': tierUnknown,
  'pass-in-last-tier': passInLastTier,
  'dns-missing': dnsMissing,
  'selects-nothing': selectsNothing,
  'peer-selects-nothing': peerSelectsNothing,
  'port-name-unknown': portUnknown,
  'no-host-endpoint': noHostEndpoint,
};
