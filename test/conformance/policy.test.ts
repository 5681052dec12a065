import { describe, expect, test } from 'vitest';
import {
  type ClusterChange,
  change,
  createGraph,
  type Graph,
  putEndpoint,
  removeEndpoint,
  rulesetOf,
  tick,
} from '../../felix/calc/graph.ts';
import { trace } from '../../felix/rules/trace.ts';
import { interfaceName } from '../../src/model/endpoint.ts';
import type { Pod } from '../../src/model/resource.ts';
import { protocolNumbers } from '../../src/policy/convert/ports.ts';
import {
  addressOf,
  type Cell,
  denied,
  nameOf,
  others,
  type PolicyCases,
  play,
  readPolicyCases,
} from '../support/policy-cases.ts';

const cases = readPolicyCases();

/** One node for the pods that `isLocal`; it follows the changes of the case as the agent does. */
function follow(graph: Graph, changes: readonly ClusterChange[], isLocal: (pod: string) => boolean): void {
  for (const each of changes) {
    change(graph, each);
    if (each.kind === 'put' && each.resource.kind === 'Pod' && isLocal(nameOf(each.resource))) {
      const { meta, ips } = each.resource;
      const namespace = meta.namespace ?? '';
      putEndpoint(graph, {
        id: nameOf(each.resource),
        namespace,
        pod: meta.name,
        interface: interfaceName(namespace, meta.name),
        addresses: ips,
      });
    }
    if (each.kind === 'delete' && each.ref.kind === 'Pod')
      removeEndpoint(graph, `${each.ref.namespace}/${each.ref.name}`);
  }
  tick(graph);
}

const passes = (graph: Graph, cell: Cell, ends: { readonly from: boolean; readonly to: boolean }): boolean =>
  trace(rulesetOf(graph), {
    source: addressOf(cell.from),
    destination: addressOf(cell.to),
    protocol: protocolNumbers[cell.protocol],
    destinationPort: cell.port,
    state: 'new',
    in: ends.from ? interfaceName(cell.from.meta.namespace ?? '', cell.from.meta.name) : 'eth0',
    out: ends.to ? interfaceName(cell.to.meta.namespace ?? '', cell.to.meta.name) : 'eth0',
  }).verdict === 'accept';

const known: PolicyCases = cases ?? { podIPs: {}, nextPodIP: '', ports: [], protocols: [], cases: [] };

describe.skipIf(cases === undefined)('NetworkPolicy as other projects read it', () => {
  test('there are 115 cases', () => {
    expect(cases?.cases.length).toBe(115);
  });

  for (const { id, description, steps } of cases?.cases ?? []) {
    test(`case ${id}: the ruleset of one node with all pods does so: ${description}`, () => {
      const graph = createGraph();
      play(
        known,
        steps,
        (changes) => follow(graph, changes, () => true),
        (step, resources) => {
          expect(denied(known, resources, (cell) => passes(graph, cell, { from: true, to: true }))).toEqual(
            others(step.denied),
          );
        },
      );
    });

    test(`case ${id}: each pod alone on its node is held so at its end: ${description}`, () => {
      const nodes = new Map<string, Graph>();
      const keys = [...Object.keys(cases?.podIPs ?? {}), 'w/a'];
      for (const key of keys) nodes.set(key, createGraph());
      const nodeOf = (pod: Pod): Graph => nodes.get(nameOf(pod)) ?? expect.unreachable();
      const see = (changes: readonly ClusterChange[]): void => {
        for (const [key, graph] of nodes) follow(graph, changes, (pod) => pod === key);
      };
      play(known, steps, see, (step, resources) => {
        const leaves = denied(known, resources, (cell) =>
          passes(nodeOf(cell.from), cell, { from: true, to: false }),
        );
        const enters = denied(known, resources, (cell) =>
          passes(nodeOf(cell.to), cell, { from: false, to: true }),
        );
        expect(leaves).toEqual(others(step.egressDenied));
        expect(enters).toEqual(others(step.ingressDenied));
      });
    });
  }
});
