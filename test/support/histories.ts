/** What may happen to a cluster between two ticks of the graph, for histories of any kind. */
import fc from 'fast-check';
import { change, type Graph, putEndpoint, removeEndpoint } from '../../felix/calc/graph.ts';
import { type Resource, refOf } from '../../src/model/resource.ts';
import { namespace, type Placed, placedPods, policy, restlessPod } from './clusters.ts';

export type Act = (graph: Graph) => void;

const put =
  (resource: Resource): Act =>
  (graph) =>
    change(graph, { kind: 'put', resource });
const forget =
  (resource: Resource): Act =>
  (graph) =>
    change(graph, { kind: 'delete', ref: refOf(resource) });
const place =
  ({ pod, endpoint }: Placed): Act =>
  (graph) => {
    put(pod)(graph);
    if (endpoint !== undefined) putEndpoint(graph, endpoint);
  };
const unplug =
  (index: number): Act =>
  (graph) =>
    removeEndpoint(graph, `id-${index}`);

/** What happens between two ticks. */
export const step: fc.Arbitrary<readonly Act[]> = fc
  .tuple(
    fc.array(namespace.map(put), { maxLength: 1 }),
    fc.array(policy.map(put), { maxLength: 2 }),
    fc.array(policy.map(forget), { maxLength: 1 }),
    fc.oneof(placedPods, fc.array(restlessPod, { maxLength: 2 })).map((pods) => pods.map(place)),
    fc.array(fc.nat(5).map(unplug), { maxLength: 2 }),
  )
  .map((acts) => acts.flat());
