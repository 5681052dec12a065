/** What the graph says to people: which policies hold a pod, in the order they are evaluated. */
import type { DirectionStatus, PodPolicyStatus } from '../../src/model/status.ts';
import type { Direction } from '../rules/policy.ts';
import { describeRule } from '../rules/words.ts';
import type { Graph } from './graph.ts';
import { endpointAt, namespaceOf } from './inputs.ts';

/** What applies to a local pod, as of the last tick; undefined if no such endpoint or its Pod is not known. */
export function policyOf(graph: Graph, namespace: string, pod: string): PodPolicyStatus | undefined {
  const { inputs } = graph;
  const key = `${namespace}/${pod}`;
  const interfaces = [...inputs.endpointsOf.get(key)].flatMap(
    (id) => inputs.endpoints.get(id)?.interface ?? [],
  );
  const name = interfaces.find((each) => {
    const endpoint = endpointAt(inputs, each);
    return endpoint?.namespace === namespace && endpoint.pod === pod;
  });
  if (name === undefined || inputs.pods.get(key) === undefined) return undefined;
  return {
    namespace,
    pod,
    ingress: directionOf(graph, name, 'Ingress'),
    egress: directionOf(graph, name, 'Egress'),
  };
}

function directionOf(graph: Graph, interfaceName: string, direction: Direction): DirectionStatus {
  const keys = [...graph.selection.policiesOf[direction].get(interfaceName)].sort();
  const policies = keys.flatMap((key) => {
    const policy = graph.inputs.policies.get(key);
    if (policy === undefined) return [];
    const namespace = namespaceOf(key);
    const rules = direction === 'Ingress' ? policy.ingress : policy.egress;
    return [
      {
        namespace,
        name: policy.meta.name,
        rules: rules.map((rule) => describeRule(rule, direction, namespace)),
      },
    ];
  });
  return { isolated: keys.length > 0, policies };
}
