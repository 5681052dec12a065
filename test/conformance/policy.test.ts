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
import { type Cluster, verdict } from '../../felix/rules/verdict.ts';
import { interfaceName } from '../../src/model/endpoint.ts';
import { keyOf, type Pod, type Resource, refOf } from '../../src/model/resource.ts';
import { changesOf, firstChanges, type PolicyStep, readPolicyCases } from '../support/policy-cases.ts';

const cases = readPolicyCases();

/** What the API server would hold. */
type Resources = Map<string, Resource>;

const podsIn = (resources: Resources): readonly Pod[] =>
  [...resources.values()].filter((each): each is Pod => each.kind === 'Pod');

const clusterOf = (resources: Resources): Cluster => ({
  pods: podsIn(resources),
  namespaces: [...resources.values()].filter((each) => each.kind === 'Namespace'),
  policies: [...resources.values()].filter((each) => each.kind === 'NetworkPolicy'),
});

/** One connection the cases judge. */
interface Cell {
  readonly from: Pod;
  readonly to: Pod;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly port: number;
}

const nameOf = ({ meta }: Pod): string => `${meta.namespace}/${meta.name}`;

function* cellsOf(resources: Resources): Generator<Cell> {
  const pods = podsIn(resources);
  for (const from of pods)
    for (const to of pods)
      for (const protocol of cases?.protocols ?? [])
        for (const port of cases?.ports ?? []) yield { from, to, protocol, port };
}

/** "x/a>y/b TCP/80" of every connection that is not allowed. */
const denied = (resources: Resources, isAllowed: (cell: Cell) => boolean): readonly string[] =>
  [...cellsOf(resources)]
    .filter(({ from, to }) => from !== to) // not judged by those who wrote the cases
    .filter((cell) => !isAllowed(cell))
    .map(({ from, to, protocol, port }) => `${nameOf(from)}>${nameOf(to)} ${protocol}/${port}`)
    .sort();

const others = (cells: readonly string[]): readonly string[] =>
  cells.filter((cell) => !/^(\S+)>\1 /.test(cell)).toSorted();

const addressOf = (pod: Pod): Pod['ips'][number] => pod.ips[0] ?? expect.unreachable();

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
    protocol: cell.protocol,
    destinationPort: cell.port,
    state: 'new',
    in: ends.from ? interfaceName(cell.from.meta.namespace ?? '', cell.from.meta.name) : 'eth0',
    out: ends.to ? interfaceName(cell.to.meta.namespace ?? '', cell.to.meta.name) : 'eth0',
  }).verdict === 'accept';

function note(resources: Resources, changes: readonly ClusterChange[]): void {
  for (const each of changes) {
    if (each.kind === 'put') resources.set(keyOf(refOf(each.resource)), each.resource);
    else resources.delete(keyOf(each.ref));
  }
}

/** Runs a case step by step; `look` is asked after each. */
function play(
  steps: readonly PolicyStep[],
  see: (changes: readonly ClusterChange[]) => void,
  look: (step: PolicyStep, resources: Resources) => void,
): void {
  if (cases === undefined) return;
  const resources: Resources = new Map();
  const tell = (changes: readonly ClusterChange[]): void => {
    note(resources, changes);
    see(changes);
  };
  tell(firstChanges(cases));
  for (const step of steps) {
    for (const action of step.actions) tell(changesOf(cases, action));
    expect([...cellsOf(resources)].length).toBe(step.cells);
    look(step, resources);
  }
}

describe.skipIf(cases === undefined)('NetworkPolicy as other projects read it', () => {
  test('there are 115 cases', () => {
    expect(cases?.cases.length).toBe(115);
  });

  for (const { id, description, steps } of cases?.cases ?? []) {
    test(`case ${id}: the oracle judges each end so: ${description}`, () => {
      play(
        steps,
        () => {},
        (step, resources) => {
          const cluster = clusterOf(resources);
          const judge = ({ from, to, protocol, port }: Cell) =>
            verdict(cluster, {
              from: { address: addressOf(from), pod: from },
              to: { address: addressOf(to), pod: to },
              protocol,
              port,
            });
          expect(denied(resources, (cell) => judge(cell).ingress)).toEqual(others(step.ingressDenied));
          expect(denied(resources, (cell) => judge(cell).egress)).toEqual(others(step.egressDenied));
          expect(denied(resources, (cell) => judge(cell).ingress && judge(cell).egress)).toEqual(
            others(step.denied),
          );
        },
      );
    });

    test(`case ${id}: the ruleset of one node with all pods does so: ${description}`, () => {
      const graph = createGraph();
      play(
        steps,
        (changes) => follow(graph, changes, () => true),
        (step, resources) => {
          expect(denied(resources, (cell) => passes(graph, cell, { from: true, to: true }))).toEqual(
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
      play(steps, see, (step, resources) => {
        const leaves = denied(resources, (cell) =>
          passes(nodeOf(cell.from), cell, { from: true, to: false }),
        );
        const enters = denied(resources, (cell) => passes(nodeOf(cell.to), cell, { from: false, to: true }));
        expect(leaves).toEqual(others(step.egressDenied));
        expect(enters).toEqual(others(step.ingressDenied));
      });
    });
  }
});
