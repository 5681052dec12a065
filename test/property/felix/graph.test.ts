import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type CountedRule,
  change,
  createGraph,
  type Graph,
  isKnown,
  noteHostInterfaces,
  noteSettings,
  putEndpoint,
  removeEndpoint,
  ruleByTag,
  rulesetOf,
  rulesOf,
  tick,
} from '../../../felix/calc/graph.ts';
import { droppedByTag } from '../../../felix/rules/dropped.ts';
import type { Ruleset, RulesetChange } from '../../../felix/rules/model.ts';
import { applyChange, emptyRuleset, isEmptyChange } from '../../../felix/rules/ruleset.ts';
import { defaultRulesSettings } from '../../../felix/rules/settings.ts';
import { trace } from '../../../felix/rules/trace.ts';
import type { LocalEndpoint } from '../../../src/model/endpoint.ts';
import { everything } from '../../../src/model/labels.ts';
import { keyOf, type Pod, refOf } from '../../../src/model/resource.ts';
import { snapshotOf } from '../../../src/policy/cluster.ts';
import {
  clusterPolicy,
  globalPolicy,
  namespacedPolicy,
  resourcesOf,
  stagedPolicy,
  world,
} from '../../support/arbitrary-policy.ts';
import { address, policy as kubernetesPolicy, restlessPod } from '../../support/clusters.ts';
import { compileCluster } from '../../support/compiled-policy.ts';
import { actsOf, begin, history, node, run, type Told } from '../../support/graph-history.ts';
import { plain } from '../../support/rulesets.ts';

function fromScratch({ resources, endpoints, interfaces, settings }: Told): Graph {
  const graph = createGraph({ node, settings });
  noteHostInterfaces(graph, interfaces);
  for (const endpoint of [...endpoints.values()].reverse()) putEndpoint(graph, endpoint);
  for (const resource of [...resources.values()].reverse()) change(graph, { kind: 'put', resource });
  tick(graph);
  return graph;
}

const textOf = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? `${each}` : each));

/** Every chain that is jumped to and every set that is looked into is there. */
function expectWhole(graph: Graph): void {
  const { chains, sets } = rulesetOf(graph);
  const text = textOf([...chains.values()]);
  for (const [, name] of text.matchAll(/"kind":"jump","chain":"([^"]+)"/g))
    expect(chains.has(name ?? '')).toBe(true);
  for (const [, name] of text.matchAll(/"(?:set|map)":"([^"]+)"/g)) expect(sets.has(name ?? '')).toBe(true);
  for (const { elements } of sets.values()) {
    for (const element of elements.values())
      if (element.kind === 'dispatch') expect(chains.has(element.chain)).toBe(true);
  }
}

/** A counter and a report lead to the policy and rule they are of, whatever happened before. */
function expectTold(graph: Graph, fresh: Graph): void {
  for (const { name, rules } of rulesetOf(fresh).chains.values()) {
    const counted = rulesOf(fresh, name);
    expect([name, rulesOf(graph, name)]).toEqual([name, counted]);
    for (const rule of counted) expectOrigin(rule);
    for (const { origin } of counted)
      if (origin !== undefined) expect(ruleByTag(graph, origin.tag)).toEqual(origin);
    const reported = rules
      .flatMap(({ statements = [] }) => statements)
      .filter(({ kind }) => kind === 'nflog');
    for (const each of reported) {
      const tag = 'group' in each ? each.prefix : '';
      expect(ruleByTag(graph, tag) ?? droppedByTag(tag)).toBeDefined();
    }
  }
}

/** What people read and what programs read agree. */
function expectOrigin({ comment = '', origin }: CountedRule): void {
  const [, number] = /gress rule (\d+)/.exec(comment) ?? [];
  if (number !== undefined) {
    expect(comment.startsWith(origin?.policy ?? '?')).toBe(true);
    expect(origin?.rule).toBe(Number(number));
  } else if (comment.endsWith('no rule matched')) {
    expect(comment).toBe(`tier ${origin?.tier}: no rule matched`);
  }
}

test('after any history the ruleset is what it would be from scratch, and the changes led there', () => {
  fc.assert(
    fc.property(history(40), (acts) => {
      const told = begin();
      let applied = emptyRuleset;
      for (const each of [...acts, { do: 'tick' } as const]) {
        const changed = run(told, each);
        if (changed !== undefined) applied = applyChange(applied, changed);
      }
      const fresh = fromScratch(told);
      const wanted = plain(rulesetOf(fresh));
      expect(plain(rulesetOf(told.graph))).toEqual(wanted);
      expect(plain(applied)).toEqual(wanted);
      expect(told.graph.members.size).toBe(fresh.members.size);
      expect(told.graph.register.size).toBe(fresh.register.size);
      for (const id of told.endpoints.keys()) expect(isKnown(told.graph, id)).toBe(isKnown(fresh, id));
      expectWhole(fresh);
      expectTold(told.graph, fresh);
    }),
    { numRuns: 250 },
  );
});

/** Without what no packet reaches: policies that are here only because they are to be everywhere, or copied and not jumped to. */
function reached({ chains, sets }: Ruleset): Ruleset {
  const asked = new Set<string>();
  const looked = new Set<string>();
  const wanted = [...chains.values()].filter(({ base }) => base !== undefined);
  for (const chain of wanted) {
    const text = textOf(chain);
    for (const [, name = ''] of text.matchAll(/"(?:set|map)":"([^"]+)"/g)) {
      looked.add(name);
      for (const element of sets.get(name)?.elements.values() ?? [])
        if (element.kind === 'dispatch') ask(element.chain);
    }
    for (const [, name = ''] of text.matchAll(/"kind":"jump","chain":"([^"]+)"/g)) ask(name);
  }
  function ask(name: string): void {
    const chain = chains.get(name);
    if (chain === undefined || asked.has(name)) return;
    asked.add(name);
    wanted.push(chain);
  }
  return {
    chains: new Map(wanted.map((chain) => [chain.name, chain])),
    sets: new Map([...sets].filter(([name]) => looked.has(name))),
  };
}

test('what packets reach is what compiling everything for everybody gives', () => {
  const policy = fc.oneof(kubernetesPolicy, namespacedPolicy, globalPolicy, clusterPolicy, stagedPolicy);
  let sizes = 0;
  fc.assert(
    fc.property(world({ hosts: true, policy, policies: 8 }), (all) => {
      const graph = createGraph({ node });
      for (const each of actsOf(all)) {
        if (each.do === 'put') change(graph, { kind: 'put', resource: each.resource });
        else if (each.do === 'endpoint') putEndpoint(graph, each.endpoint);
      }
      tick(graph);
      const { cluster } = snapshotOf(resourcesOf(all));
      const pods = all.placed.flatMap(({ pod, endpoint }) => {
        const told = cluster.pods.find(({ meta }) => keyOf({ kind: 'Pod', ...meta }) === keyOf(refOf(pod)));
        return endpoint === undefined || told === undefined
          ? []
          : { pod: told, interface: endpoint.interface };
      });
      const hosts = cluster.hostEndpoints.map((endpoint) => ({
        endpoint,
        interface: endpoint.interfaceName ?? expect.unreachable(),
      }));
      const compiled = compileCluster(cluster, { pods, hosts }, defaultRulesSettings);
      const wanted = reached(compiled.ruleset);
      expect(plain(reached(rulesetOf(graph)))).toEqual(plain(wanted));
      for (const { elements } of wanted.sets.values()) sizes += elements.size;
      for (const [tag, meaning] of compiled.tags)
        expect([tag, ruleByTag(graph, tag)]).toEqual([tag, meaning]);
    }),
    { numRuns: 150 },
  );
  expect(sizes).toBeGreaterThan(100); // the worlds are not empty
});

test('telling again what is known changes nothing', () => {
  fc.assert(
    fc.property(history(20), (acts) => {
      const told = begin();
      for (const each of acts) run(told, each);
      tick(told.graph);
      for (const endpoint of told.endpoints.values()) putEndpoint(told.graph, { ...endpoint });
      for (const resource of told.resources.values())
        change(told.graph, { kind: 'put', resource: structuredClone(resource) });
      noteHostInterfaces(told.graph, structuredClone(told.interfaces));
      noteSettings(told.graph, structuredClone(told.settings));
      expect(isEmptyChange(tick(told.graph))).toBe(true);
    }),
    { numRuns: 150 },
  );
});

test('when everything is gone only the static part is left, and nothing is remembered', () => {
  fc.assert(
    fc.property(history(20), (acts) => {
      const told = begin();
      const { graph } = told;
      for (const each of acts) run(told, each);
      for (const resource of told.resources.values()) change(graph, { kind: 'delete', ref: refOf(resource) });
      for (const id of told.endpoints.keys()) removeEndpoint(graph, id);
      tick(graph);
      const empty = createGraph({ node, settings: told.settings });
      tick(empty);
      expect(plain(rulesetOf(graph))).toEqual(plain(rulesetOf(empty)));
      const { members, sources, selectable, policies, uses, plans, register, locals, foreign } = graph;
      const left = { members, sources, selectable, policies, uses, plans, register, locals, foreign };
      expect(Object.entries(left).map(([name, { size }]) => `${name} ${size}`)).toEqual(
        Object.keys(left).map((name) => `${name} 0`),
      );
    }),
    { numRuns: 150 },
  );
});

/** One elsewhere with an address of each family, so that no other pod is the first of its. */
const both = (pod: Pod): Pod => ({
  ...pod,
  meta: { ...pod.meta, name: 'both', labels: {} },
  nodeName: 'elsewhere',
  hostNetwork: false,
  finished: false,
  ips: ['10.9.9.9', 'fd09::9'].map(address),
});

test('a remote pod that comes, is relabelled or goes changes set elements and nothing else', () => {
  fc.assert(
    fc.property(world(), restlessPod, restlessPod, (all, first, second) => {
      const graph = createGraph({ node });
      for (const each of actsOf(all)) {
        if (each.do === 'put') change(graph, { kind: 'put', resource: each.resource });
        else if (each.do === 'endpoint') putEndpoint(graph, each.endpoint);
      }
      change(graph, { kind: 'put', resource: both(first.pod) });
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
    { numRuns: 150 },
  );
});

test('what asks for endpoints of a family is there while any endpoint has an address of it', () => {
  let asked = 0;
  fc.assert(
    fc.property(restlessPod, restlessPod, kubernetesPolicy, ({ pod }, { pod: other }, policy) => {
      const graph = createGraph({ node });
      const here: Pod = { ...both(pod), nodeName: node, ips: [address('10.9.9.9')] };
      const there: Pod = { ...both(other), meta: { ...other.meta, name: 'there' } };
      const namespace = here.meta.namespace ?? '';
      const selected = { ...policy, meta: { ...policy.meta, namespace }, podSelector: everything };
      for (const resource of [here, selected]) change(graph, { kind: 'put', resource });
      putEndpoint(graph, { id: '1', namespace, pod: 'both', interface: 'cali0', addresses: here.ips });
      const asks = (version: number): number =>
        [...rulesetOf(graph).sets.keys()].filter((name) => name.startsWith(`endpoints${version}-`)).length;
      tick(graph);
      const before = plain(rulesetOf(graph));
      expect(asks(6)).toBe(0);
      asked += asks(4);
      change(graph, { kind: 'put', resource: there });
      tick(graph);
      expect(asks(6)).toBe(asks(4));
      change(graph, { kind: 'delete', ref: refOf(there) });
      tick(graph);
      expect(plain(rulesetOf(graph))).toEqual(before);
    }),
    { numRuns: 100 },
  );
  expect(asked).toBeGreaterThan(10);
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
    protocol: 6,
    destinationPort: 80,
    state: 'new',
  } as const;
  return trace(rulesetOf(graph), { ...packet, in: 'eth0', out: 'eth0', [way]: name }).verdict === 'accept';
};

test('an endpoint whose Pod is not known is closed in both directions until it is', () => {
  fc.assert(
    fc.property(world(), (all) => {
      const graph = createGraph({ node });
      const endpoints = all.placed.flatMap(({ endpoint }) => endpoint ?? []);
      for (const resource of [...all.others, ...all.policies]) change(graph, { kind: 'put', resource });
      for (const endpoint of endpoints) putEndpoint(graph, endpoint);
      tick(graph);
      for (const endpoint of endpoints) {
        expect(isKnown(graph, endpoint.id)).toBe(false);
        expect([passes(graph, endpoint, 'in'), passes(graph, endpoint, 'out')]).toEqual([false, false]);
      }
      for (const { pod } of all.placed) change(graph, { kind: 'put', resource: pod });
      tick(graph);
      for (const endpoint of endpoints) expect(isKnown(graph, endpoint.id)).toBe(true);
    }),
    { numRuns: 100 },
  );
});
