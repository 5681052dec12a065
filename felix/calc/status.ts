/** What the graph says to people: which tiers and policies judge an endpoint of this node, in the order they are asked. */

import type { Direction } from '../../src/model/policy.ts';
import type { Problem } from '../../src/model/problem.ts';
import type {
  DirectionStatus,
  HostPolicyStatus,
  PodPolicyStatus,
  TierStatus,
} from '../../src/model/status.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { ruleWords } from '../../src/policy/words.ts';
import { stageDirections } from '../rules/host.ts';
import { directions } from '../rules/policy.ts';
import type { HostStage } from '../rules/stage.ts';
import { endpointAt } from './inputs.ts';
import { type Local, localKey } from './plans.ts';
import type { TierSelection } from './policies.ts';
import type { Graph } from './state.ts';

/** What applies to a local pod, as of the last tick; undefined if no such endpoint or its Pod is not known. */
export function policyOf(graph: Graph, namespace: string, pod: string): PodPolicyStatus | undefined {
  const { inputs, locals } = graph;
  for (const id of inputs.endpointsOf.get(`${namespace}/${pod}`)) {
    const name = inputs.endpoints.get(id)?.interface;
    const owner = name === undefined ? undefined : endpointAt(inputs, name);
    if (name === undefined || owner?.namespace !== namespace || owner.pod !== pod) continue;
    const local = locals.get(localKey('workload', name));
    if (local?.known !== true) continue;
    const [ingress, egress] = directions.map((direction) => directionOf(graph, local, direction, 'normal'));
    if (ingress !== undefined && egress !== undefined)
      return { namespace, pod, interface: name, ingress, egress };
  }
  return undefined;
}

/** What applies to each host endpoint of this node, by interface, as of the last tick. */
export function hostPolicies(graph: Graph): readonly HostPolicyStatus[] {
  const { stages } = graph.frame.hosts;
  const { owners } = graph.hosts.places;
  return [...owners]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, host]) => {
      const local = graph.locals.get(localKey('host', name));
      return local === undefined
        ? []
        : {
            name: host.meta.name,
            interface: name,
            profiles: host.profiles,
            stages: stages.flatMap((stage) =>
              stageDirections(stage).map((direction) => ({
                stage,
                direction,
                ...directionOf(graph, local, direction, stage),
              })),
            ),
          };
    });
}

/** HostEndpoints of this node that have no interface, and why, a sentence each. */
const idleHosts = ({ hosts }: Graph): readonly (readonly [name: string, why: string])[] => [
  ...hosts.places.idle,
];

/** What a person should mend about policies and host endpoints, by object. */
export function policyProblems(graph: Graph): readonly Problem[] {
  const policies = [...graph.policies.flawed].flatMap(([key, flaws]) =>
    flaws.map(
      ({ at, what, instead }): Problem => ({
        where: `${key} ${at.join('.')}`,
        what: `cannot be done as written (${what.replace(/\.$/, '')}), so it ${instead}.`,
        fix: 'Say it in a way that is supported, or take it out.',
      }),
    ),
  );
  const hosts = idleHosts(graph).map(
    ([name, why]): Problem => ({
      where: `HostEndpoint/${name} spec`,
      what: `is not in force: ${why}`,
      fix: 'Give it an interface of this node that no other HostEndpoint has.',
    }),
  );
  return [...policies, ...hosts].sort((a, b) => (a.where < b.where ? -1 : 1));
}

function directionOf(
  { policies }: Graph,
  { key }: Local,
  direction: Direction,
  stage: HostStage,
): DirectionStatus {
  const tiers = policies
    .tiersOf(policies.of(key), direction, stage)
    .map((selection) => tierStatus(selection, direction));
  const isolated = tiers.some(({ policies: own }) => own.some(({ staged }) => staged === undefined));
  return { isolated, tiers };
}

function tierStatus({ tier, policies }: TierSelection, direction: Direction): TierStatus {
  const isStaged = policies.every(({ staged }) => staged !== undefined);
  return {
    name: tier.name,
    ...(Number.isFinite(tier.order) ? { order: tier.order } : {}),
    defined: tier.defined,
    end: isStaged || tier.defaultAction === 'Pass' ? 'pass' : 'deny',
    policies: policies.map((policy) => policyStatus(policy, direction)),
  };
}

function policyStatus(policy: Policy, direction: Direction): TierStatus['policies'][number] {
  const { kind, namespace, name, order, staged } = policy;
  const rules = direction === 'Ingress' ? policy.ingress : policy.egress;
  return {
    kind,
    ...(namespace === undefined ? {} : { namespace }),
    name,
    ...(Number.isFinite(order) ? { order } : {}),
    ...(staged === undefined ? {} : { staged }),
    rules: rules.map((rule) => ruleWords(rule, direction)),
  };
}
