import { expect, test } from 'vitest';
import { change, createGraph, type Graph, putEndpoint, rulesetOf, tick } from '../../../felix/calc/graph.ts';
import { elementKey, type RulesetChange } from '../../../felix/rules/model.ts';
import type { Resource } from '../../../src/model/resource.ts';
import {
  bigCluster,
  bigEndpoint,
  bigEndpoints,
  bigNamespace,
  bigPod,
  bigPolicy,
  type ClusterShape,
  thisNode,
} from '../../support/big-cluster.ts';
import { plain } from '../../support/rulesets.ts';

const shape: ClusterShape = { nodes: 20, pods: 10_000, policies: 300, selectors: 200, localPods: 50 };

function graphOf(more: readonly Resource[] = []): Graph {
  const graph = createGraph({ node: thisNode });
  for (const resource of [...bigCluster(shape), ...more]) change(graph, { kind: 'put', resource });
  for (const endpoint of bigEndpoints(shape)) putEndpoint(graph, endpoint);
  tick(graph);
  return graph;
}

const graph = graphOf();

const said = (resource: Resource): RulesetChange => {
  change(graph, { kind: 'put', resource });
  return tick(graph);
};

const touched = ({ elements }: RulesetChange): ReadonlySet<string> =>
  new Set(elements.flatMap(({ added, removed }) => [...added, ...removed].map(elementKey)));

const index = 5010;
const own = elementKey({
  kind: 'address',
  address: bigEndpoint(index, shape).addresses[0] ?? expect.unreachable(),
});

test('of ten thousand pods one that is relabelled moves its own address, and a policy edited is one chain', () => {
  const pod = said(bigPod(index, shape, { app: 'app-0', role: 'front' }));
  expect([...touched(pod)]).toEqual([own]);
  expect(pod.chains).toEqual([]);
  const policy = said(bigPolicy(1, shape, 1000));
  expect(policy.chains).toHaveLength(1);
  expect([policy.sets, policy.elements, policy.removedChains]).toEqual([[], [], []]);
  const namespace = said(bigNamespace(7, { team: 'team-3' }));
  expect(namespace.chains).toEqual([]);
  expect(touched(namespace).size).toBeLessThanOrEqual(200);
});

test('and it all comes to what is there from scratch', () => {
  const fresh = graphOf([
    bigPod(index, shape, { app: 'app-0', role: 'front' }),
    bigPolicy(1, shape, 1000),
    bigNamespace(7, { team: 'team-3' }),
  ]);
  expect(plain(rulesetOf(graph))).toEqual(plain(rulesetOf(fresh)));
});
