/**
 * Which policies select which local endpoints, in which direction.
 *
 * A policy selects pods of its own namespace only, and never pods of the host network. A changed policy is tried
 * against the interfaces of its namespace, a changed endpoint or Pod against the policies of its own.
 */
import { matchesLabels } from '../../src/model/labels.ts';
import type { NetworkPolicy, Pod } from '../../src/model/resource.ts';
import { type Direction, directions } from '../rules/policy.ts';
import { type Changed, endpointAt, type Inputs, namespaceOf, podKeyOf } from './inputs.ts';
import { KeyedSets } from './keyed-sets.ts';

export interface Selection {
  /** Interface → keys of the policies that select its pod. */
  readonly policiesOf: Readonly<Record<Direction, KeyedSets<string, string>>>;
  /** Policy key → interfaces whose pod it selects. */
  readonly usersOf: Readonly<Record<Direction, KeyedSets<string, string>>>;
}

export const createSelection = (): Selection => ({
  policiesOf: { Ingress: new KeyedSets(), Egress: new KeyedSets() },
  usersOf: { Ingress: new KeyedSets(), Egress: new KeyedSets() },
});

/** What the chains must be looked at again for. */
export interface SelectionChange {
  readonly interfaces: ReadonlySet<string>;
  readonly policies: ReadonlySet<string>;
}

export function updateSelection(selection: Selection, inputs: Inputs, changed: Changed): SelectionChange {
  const interfaces = new Set(changed.interfaces);
  for (const key of changed.pods) {
    for (const id of inputs.endpointsOf.get(key)) {
      const endpoint = inputs.endpoints.get(id);
      if (endpoint !== undefined) interfaces.add(endpoint.interface);
    }
  }
  const policies = new Set(changed.policies);
  const looked = [...interfaces];
  const judge = (interfaceName: string, policyKey: string): void => {
    for (const direction of directions) {
      const is = selects(inputs, policyKey, interfaceName, direction);
      if (!setPair(selection, direction, interfaceName, policyKey, is)) continue;
      interfaces.add(interfaceName);
      policies.add(policyKey);
    }
  };
  for (const interfaceName of looked) {
    for (const key of candidatePolicies(selection, inputs, interfaceName)) judge(interfaceName, key);
  }
  for (const key of changed.policies) {
    for (const interfaceName of candidateInterfaces(selection, inputs, key)) judge(interfaceName, key);
  }
  return { interfaces, policies };
}

/** Those of the namespace it is in now, and those that selected it before. */
function candidatePolicies(selection: Selection, inputs: Inputs, interfaceName: string): ReadonlySet<string> {
  const endpoint = endpointAt(inputs, interfaceName);
  const own = endpoint === undefined ? [] : inputs.policiesIn.get(endpoint.namespace);
  return new Set([...own, ...directions.flatMap((way) => [...selection.policiesOf[way].get(interfaceName)])]);
}

function candidateInterfaces(selection: Selection, inputs: Inputs, policyKey: string): ReadonlySet<string> {
  const own = inputs.interfacesIn.get(namespaceOf(policyKey));
  return new Set([...own, ...directions.flatMap((way) => [...selection.usersOf[way].get(policyKey)])]);
}

/** True if that was a change. */
function setPair(
  selection: Selection,
  direction: Direction,
  interfaceName: string,
  policyKey: string,
  is: boolean,
): boolean {
  const policies = selection.policiesOf[direction];
  const users = selection.usersOf[direction];
  if (is) users.add(policyKey, interfaceName);
  else users.delete(policyKey, interfaceName);
  return is ? policies.add(interfaceName, policyKey) : policies.delete(interfaceName, policyKey);
}

function selects(inputs: Inputs, policyKey: string, interfaceName: string, direction: Direction): boolean {
  const policy = inputs.policies.get(policyKey);
  const endpoint = endpointAt(inputs, interfaceName);
  const pod = endpoint === undefined ? undefined : inputs.pods.get(podKeyOf(endpoint));
  return policy !== undefined && pod !== undefined && policySelects(policy, pod, direction);
}

const policySelects = (policy: NetworkPolicy, pod: Pod, direction: Direction): boolean =>
  policy.policyTypes.includes(direction) &&
  policy.meta.namespace === pod.meta.namespace &&
  !pod.hostNetwork &&
  matchesLabels(policy.podSelector, pod.meta.labels);
