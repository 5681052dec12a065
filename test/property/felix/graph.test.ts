import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type ClusterChange,
  change,
  createGraph,
  type Graph,
  isKnown,
  putEndpoint,
  removeEndpoint,
  rulesetOf,
  tick,
} from '../../../felix/calc/graph.ts';
import type { RulesetChange } from '../../../felix/rules/model.ts';
import { applyChange, emptyRuleset, isEmptyChange } from '../../../felix/rules/ruleset.ts';
import { trace } from '../../../felix/rules/trace.ts';
import type { LocalEndpoint } from '../../../src/model/endpoint.ts';
import { keyOf, type Resource, refOf } from '../../../src/model/resource.ts';
import { namespace, placedPods, policy, restlessPod } from '../../support/clusters.ts';
import { plain } from '../../support/rulesets.ts';

type Act =
  | { readonly do: 'put'; readonly resource: Resource }
  | { readonly do: 'endpoint'; readonly endpoint: LocalEndpoint }
  | { readonly do: 'forget' | 'unplug'; readonly nth: number }
  | { readonly do: 'tick' };

const resourceAct = (resource: Resource): Act => ({ do: 'put', resource });

const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 3, arbitrary: restlessPod.map(({ pod }) => resourceAct(pod)) },
  { weight: 3, arbitrary: policy.map(resourceAct) },
  { weight: 1, arbitrary: namespace.map(resourceAct) },
  {
    weight: 3,
    arbitrary: restlessPod.map(
      ({ endpoint }): Act => (endpoint === undefined ? { do: 'tick' } : { do: 'endpoint', endpoint }),
    ),
  },
  { weight: 2, arbitrary: fc.nat(15).map((nth): Act => ({ do: 'forget', nth })) },
  { weight: 1, arbitrary: fc.nat(3).map((nth): Act => ({ do: 'unplug', nth })) },
  { weight: 3, arbitrary: fc.constant<Act>({ do: 'tick' }) },
);

const scene = fc.record({
  pods: placedPods,
  namespaces: fc.uniqueArray(namespace, { selector: ({ meta }) => meta.name }),
  policies: fc.uniqueArray(policy, {
    selector: ({ meta }) => `${meta.namespace}/${meta.name}`,
    maxLength: 5,
  }),
});

/** Begins with a cluster in which something is in use, so that what follows meets something. */
const history = (maxLength: number): fc.Arbitrary<readonly Act[]> =>
  fc
    .tuple(scene, fc.array(act, { maxLength }))
    .map(([{ pods, namespaces, policies }, later]) => [
      ...[...namespaces, ...policies, ...pods.map(({ pod }) => pod)].map(resourceAct),
      ...pods.flatMap(({ endpoint }): Act[] =>
        endpoint === undefined ? [] : [{ do: 'endpoint', endpoint }],
      ),
      ...later,
    ]);

/** A graph, and beside it what it was told in the end. */
interface Told {
  readonly graph: Graph;
  readonly resources: Map<string, Resource>;
  readonly endpoints: Map<string, LocalEndpoint>;
}

const tell = (graph: Graph, clusterChange: ClusterChange): void => change(graph, clusterChange);

function run({ graph, resources, endpoints }: Told, each: Act): RulesetChange | undefined {
  switch (each.do) {
    case 'put':
      resources.set(keyOf(refOf(each.resource)), each.resource);
      tell(graph, { kind: 'put', resource: each.resource });
      return undefined;
    case 'endpoint':
      endpoints.set(each.endpoint.id, each.endpoint);
      putEndpoint(graph, each.endpoint);
      return undefined;
    case 'forget': {
      const gone = [...resources][each.nth];
      if (gone === undefined) return undefined;
      resources.delete(gone[0]);
      tell(graph, { kind: 'delete', ref: refOf(gone[1]) });
      return undefined;
    }
    case 'unplug': {
      const id = [...endpoints.keys()][each.nth] ?? 'never was';
      endpoints.delete(id);
      removeEndpoint(graph, id);
      return undefined;
    }
    case 'tick':
      return tick(graph);
  }
}

function fromScratch({ resources, endpoints }: Told): Graph {
  const graph = createGraph();
  for (const endpoint of [...endpoints.values()].reverse()) putEndpoint(graph, endpoint);
  for (const resource of [...resources.values()].reverse()) change(graph, { kind: 'put', resource });
  tick(graph);
  return graph;
}

test('after any history the ruleset is what it would be from scratch, and the changes led there', () => {
  fc.assert(
    fc.property(history(40), (acts) => {
      const told: Told = { graph: createGraph(), resources: new Map(), endpoints: new Map() };
      let applied = emptyRuleset;
      for (const each of [...acts, { do: 'tick' } as const]) {
        const changed = run(told, each);
        if (changed !== undefined) applied = applyChange(applied, changed);
      }
      const fresh = fromScratch(told);
      expect(plain(rulesetOf(told.graph))).toEqual(plain(rulesetOf(fresh)));
      expect(plain(applied)).toEqual(plain(rulesetOf(fresh)));
      for (const id of told.endpoints.keys()) expect(isKnown(told.graph, id)).toBe(isKnown(fresh, id));
    }),
    { numRuns: 1000 },
  );
});

test('telling again what is known changes nothing', () => {
  fc.assert(
    fc.property(history(20), (acts) => {
      const told: Told = { graph: createGraph(), resources: new Map(), endpoints: new Map() };
      for (const each of acts) run(told, each);
      tick(told.graph);
      for (const endpoint of told.endpoints.values()) putEndpoint(told.graph, { ...endpoint });
      for (const resource of told.resources.values())
        change(told.graph, { kind: 'put', resource: structuredClone(resource) });
      expect(isEmptyChange(tick(told.graph))).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test('when everything is gone only the static part is left', () => {
  fc.assert(
    fc.property(history(20), (acts) => {
      const told: Told = { graph: createGraph(), resources: new Map(), endpoints: new Map() };
      for (const each of acts) run(told, each);
      for (const resource of told.resources.values())
        change(told.graph, { kind: 'delete', ref: refOf(resource) });
      for (const id of told.endpoints.keys()) removeEndpoint(told.graph, id);
      tick(told.graph);
      const empty = createGraph();
      tick(empty);
      expect(plain(rulesetOf(told.graph))).toEqual(plain(rulesetOf(empty)));
      expect(told.graph.members.used.size + told.graph.policyChains.size + told.graph.interfaces.size).toBe(
        0,
      );
    }),
    { numRuns: 300 },
  );
});

test('a remote pod that comes, is relabelled or goes changes set elements and nothing else', () => {
  fc.assert(
    fc.property(scene, restlessPod, restlessPod, ({ pods, namespaces, policies }, first, second) => {
      const graph = createGraph();
      for (const resource of [...namespaces, ...policies, ...pods.map(({ pod }) => pod)])
        change(graph, { kind: 'put', resource });
      for (const { endpoint } of pods) if (endpoint !== undefined) putEndpoint(graph, endpoint);
      tick(graph);
      const name = 'remote';
      for (const { pod } of [first, second]) {
        change(graph, { kind: 'put', resource: { ...pod, meta: { ...pod.meta, name } } });
        expectElementsOnly(tick(graph));
      }
      for (const { pod } of [first, second]) {
        change(graph, {
          kind: 'delete',
          ref: {
            kind: 'Pod',
            name,
            ...(pod.meta.namespace === undefined ? {} : { namespace: pod.meta.namespace }),
          },
        });
      }
      expectElementsOnly(tick(graph));
    }),
    { numRuns: 300 },
  );
});

function expectElementsOnly({ chains, removedChains, sets, removedSets }: RulesetChange): void {
  expect({ chains, removedChains, sets, removedSets }).toEqual({
    chains: [],
    removedChains: [],
    sets: [],
    removedSets: [],
  });
}

const passes = (graph: Graph, { addresses, interface: name }: LocalEndpoint, way: 'in' | 'out'): boolean => {
  const own = addresses[0] ?? expect.unreachable();
  const packet = {
    source: own,
    destination: own,
    protocol: 'TCP',
    destinationPort: 80,
    state: 'new',
  } as const;
  return trace(rulesetOf(graph), { ...packet, in: 'eth0', out: 'eth0', [way]: name }).verdict === 'accept';
};

test('an endpoint whose Pod is not known is closed in both directions until it is', () => {
  fc.assert(
    fc.property(scene, ({ pods, namespaces, policies }) => {
      const graph = createGraph();
      const endpoints = pods.flatMap(({ endpoint }) => endpoint ?? []);
      for (const resource of [...namespaces, ...policies]) change(graph, { kind: 'put', resource });
      for (const endpoint of endpoints) putEndpoint(graph, endpoint);
      tick(graph);
      for (const endpoint of endpoints) {
        expect(isKnown(graph, endpoint.id)).toBe(false);
        expect([passes(graph, endpoint, 'in'), passes(graph, endpoint, 'out')]).toEqual([false, false]);
      }
      for (const { pod } of pods) change(graph, { kind: 'put', resource: pod });
      tick(graph);
      for (const endpoint of endpoints) expect(isKnown(graph, endpoint.id)).toBe(true);
    }),
    { numRuns: 100 },
  );
});
