/**
 * The calculation graph: from what the cluster says to what this node's ruleset should be.
 *
 *     policies ──┬─► selection ──┬─► policy chains ──► sets asked for ──► members ──┐
 *        pods ───┤       ▲       │                                          ▲       ├─► output ─► RulesetChange
 *   endpoints ───┴───────┘       └─► endpoint chains, dispatch elements ────┼───────┘
 *        pods, namespaces, endpoints ───────────────────────────────────────┘
 *
 * `tick` runs the nodes once, in that order, over what changed since the last tick. A node reads what is above it
 * and writes its own; nobody calls anybody back. The answer depends on what is, never on how it came to be.
 *
 * A gap never waits: an endpoint whose Pod is not known is closed, a Pod whose Namespace is not known is taken by no
 * namespace selector.
 */
import type { Address } from '../../src/lib/net.ts';
import { type LocalEndpoint, workloadPrefix } from '../../src/model/endpoint.ts';
import { dispatchElement, endpointChain, endpointChainName, type Isolation } from '../rules/endpoint.ts';
import type { Ruleset, RulesetChange } from '../rules/model.ts';
import type { SetSpec } from '../rules/pod-set.ts';
import { compilePolicy, type Direction, directions, policyChainName } from '../rules/policy.ts';
import { foreignEndpoints, fromEndpoint, staticChains, staticSets, toEndpoint } from '../rules/static.ts';
import {
  type ClusterChange,
  createInputs,
  drainInputs,
  endpointAt,
  type Inputs,
  namespaceOf,
  noteChange,
  noteEndpoint,
  noteEndpointGone,
  podKeyOf,
} from './inputs.ts';
import { askFor, createMembers, type Members, updateMembers } from './members.ts';
import { Output } from './output.ts';
import { createSelection, type Selection, updateSelection } from './selection.ts';

export type { ClusterChange } from './inputs.ts';

export interface Graph {
  readonly inputs: Inputs;
  readonly selection: Selection;
  readonly members: Members;
  readonly output: Output;
  /** The policies in use, by direction and key → their chain, and the sets it asks for. */
  readonly policyChains: Map<string, { readonly name: string; readonly sets: readonly SetSpec[] }>;
  /** Interfaces that have chains → is their Pod known. */
  readonly interfaces: Map<string, boolean>;
}

export function createGraph(): Graph {
  const output = new Output();
  for (const decl of staticSets) output.declare(decl);
  for (const chain of staticChains) output.putChain(chain);
  return {
    inputs: createInputs(),
    selection: createSelection(),
    members: createMembers(),
    output,
    policyChains: new Map(),
    interfaces: new Map(),
  };
}

/** Notes a change; kinds the graph does not read are ignored. Nothing is calculated before `tick`. */
export const change = (graph: Graph, clusterChange: ClusterChange): void =>
  noteChange(graph.inputs, clusterChange);

/** Notes an endpoint, new or changed; `id` says which. */
export const putEndpoint = (graph: Graph, endpoint: LocalEndpoint): void =>
  noteEndpoint(graph.inputs, endpoint);

export const removeEndpoint = (graph: Graph, id: string): void => noteEndpointGone(graph.inputs, id);

/** Brings everything up to date; returns what changed in the ruleset since the last tick. */
export function tick(graph: Graph): RulesetChange {
  const changed = drainInputs(graph.inputs);
  const looked = updateSelection(graph.selection, graph.inputs, changed);
  for (const key of looked.policies) {
    for (const direction of directions) updatePolicyChain(graph, key, direction, changed.policies.has(key));
  }
  for (const interfaceName of looked.interfaces) updateEndpointChains(graph, interfaceName);
  updateMembers(graph.members, graph.inputs, changed, graph.output);
  return graph.output.take();
}

/** Only policies that select a local endpoint have a chain. */
function updatePolicyChain(graph: Graph, policyKey: string, direction: Direction, isChanged: boolean): void {
  const { inputs, selection, members, output, policyChains } = graph;
  const use = `${direction} ${policyKey}`;
  const before = policyChains.get(use);
  const policy = inputs.policies.get(policyKey);
  if (policy === undefined || !selection.usersOf[direction].has(policyKey)) {
    if (before === undefined) return;
    askFor(members, use, before.sets, []);
    policyChains.delete(use);
    output.removeChain(before.name);
  } else if (before === undefined || isChanged) {
    const { chain, sets } = compilePolicy(policy, direction);
    askFor(members, use, before?.sets ?? [], sets);
    policyChains.set(use, { name: chain.name, sets });
    output.putChain(chain);
  }
}

const mapOf = (direction: Direction): string => (direction === 'Egress' ? fromEndpoint : toEndpoint).name;

function updateEndpointChains(graph: Graph, interfaceName: string): void {
  const { inputs, output, interfaces } = graph;
  const endpoint = endpointAt(inputs, interfaceName);
  const hadChains = interfaces.has(interfaceName);
  for (const direction of directions) {
    if (endpoint !== undefined) {
      output.putChain(endpointChain(endpoint, direction, isolationOf(graph, endpoint, direction)));
      if (!hadChains) output.hold(mapOf(direction), dispatchElement(direction, interfaceName));
    } else if (hadChains) {
      output.removeChain(endpointChainName(direction, interfaceName));
      output.release(mapOf(direction), dispatchElement(direction, interfaceName));
    }
  }
  if (!interfaceName.startsWith(workloadPrefix) && (endpoint !== undefined) !== hadChains) {
    const element = { kind: 'interface', interface: interfaceName } as const;
    if (endpoint === undefined) output.release(foreignEndpoints.name, element);
    else output.hold(foreignEndpoints.name, element);
  }
  if (endpoint === undefined) interfaces.delete(interfaceName);
  else interfaces.set(interfaceName, inputs.pods.get(podKeyOf(endpoint)) !== undefined);
}

function isolationOf(graph: Graph, endpoint: LocalEndpoint, direction: Direction): Isolation {
  if (graph.inputs.pods.get(podKeyOf(endpoint)) === undefined) return { kind: 'closed' };
  const policies = [...graph.selection.policiesOf[direction].get(endpoint.interface)].sort();
  if (policies.length === 0) return { kind: 'open' };
  return {
    kind: 'isolated',
    policyChains: policies.map((key) =>
      policyChainName(direction, namespaceOf(key), key.slice(key.indexOf('/') + 1)),
    ),
  };
}

/** The whole desired ruleset as of the last tick, for the first write and for a resync. A view: render it at once. */
export const rulesetOf = (graph: Graph): Ruleset => graph.output.ruleset;

/** As of the last tick: the Pod object of the endpoint is known, so its chains are its policy and not "drop all". */
export function isKnown(graph: Graph, endpointId: string): boolean {
  const endpoint = graph.inputs.endpoints.get(endpointId);
  return endpoint !== undefined && graph.interfaces.get(endpoint.interface) === true;
}

/** Each local pod address and the interface it is reached by, for the route tables; endpoints as they are now. */
export function localRoutes(graph: Graph): ReadonlyMap<Address, string> {
  const rows = [...graph.inputs.endpoints.entries()].sort(([a], [b]) => (a < b ? -1 : 1));
  return new Map(
    rows.flatMap(([, { addresses, interface: name }]) => addresses.map((address) => [address, name])),
  );
}
