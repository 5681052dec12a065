/**
 * The calculation graph: from what the cluster says to what this node's ruleset should be.
 *
 *     labels of namespaces, accounts, profiles ─┐
 *     pods, host endpoints, network sets, nodes ┴► populations ─┬───────────────────────► members ──┐
 *     policies, tiers ──────────► policies ─┐                   │                           ▲       ├─► output ─► change
 *     endpoints, interfaces ──► locals ─────┴► plans ─► uses ───┴─► sets asked for ─────────┘       │
 *                                                └──► chains of endpoints, tiers and policies ──────┘
 *
 * `tick` runs the nodes once, in that order, over what changed since the last tick. A node reads what is above it
 * and writes its own. The answer depends on what is, never on how it came to be, and the work on what changed.
 *
 * A gap never waits: an endpoint whose Pod is not known is closed, a Pod whose Namespace is not known is taken by no
 * namespace selector.
 */
import type { Address } from '../../src/lib/net.ts';
import { same } from '../../src/lib/same.ts';
import type { LocalEndpoint } from '../../src/model/endpoint.ts';
import type { Addition } from '../rules/addition.ts';
import { noHosts } from '../rules/host.ts';
import type { Ruleset, RulesetChange } from '../rules/model.ts';
import { defaultRulesSettings, type RulesSettings } from '../rules/settings.ts';
import type { StaticRuleset } from '../rules/static.ts';
import type { TagMeaning } from '../rules/tag.ts';
import { foreignEndpoints } from '../rules/traffic.ts';
import { Additions } from './additions.ts';
import { memberOf } from './endpoints.ts';
import { fitFrame, hostUseOf } from './frame.ts';
import {
  type ClusterChange,
  createInputs,
  type HostInterface,
  noteChange,
  noteEndpoint,
  noteEndpointGone,
} from './inputs.ts';
import { Members } from './members.ts';
import { Output } from './output.ts';
import { localKey, Plans } from './plans.ts';
import { Policies } from './policies.ts';
import { Population, Sources } from './population.ts';
import { readCrowd, readInputs, renew } from './reading.ts';
import { Register } from './register.ts';
import type { Frame, Graph, GraphOptions } from './state.ts';
import { Uses } from './uses.ts';

export type { ClusterChange, HostInterface } from './inputs.ts';
export type { Graph, GraphOptions } from './state.ts';

export function createGraph({
  node = '',
  settings = defaultRulesSettings,
  mostWaiting = 1024,
}: GraphOptions = {}): Graph {
  const output = new Output();
  const sources = new Sources();
  const register = new Register();
  const members = new Members(output, sources);
  const dirty = new Set<string>();
  const selectable = new Population<string>({
    sources,
    onChange: (_, endpoint) => dirty.add(endpoint),
    same: (a, b) => a === b,
  });
  const policies = new Policies(selectable);
  const uses = new Uses({ members, output, register }, settings);
  const rules: StaticRuleset = { chains: [], sets: [] };
  const frame: Frame = { settings: undefined, next: settings, hosts: noHosts, rules };
  return {
    node,
    mostWaiting,
    inputs: createInputs(),
    ...{ output, sources, members, selectable, policies, uses, register, dirty, frame },
    plans: new Plans({ output, register, policies, uses }),
    additions: new Additions(),
    locals: new Map(),
    foreign: new Set(),
    hosts: { own: new Map(), interfaces: [], places: { owners: new Map(), idle: new Map() } },
  };
}

/** Notes a change; kinds the graph does not read are ignored. No rule is calculated before `tick`. */
export function change(graph: Graph, clusterChange: ClusterChange): void {
  noteChange(graph.inputs, clusterChange);
  const { pods, policies } = graph.inputs;
  if (Math.max(pods.size, policies.size) >= graph.mostWaiting) readCrowd(graph);
}

/** Notes an endpoint, new or changed; `id` says which. */
export const putEndpoint = (graph: Graph, endpoint: LocalEndpoint): void =>
  noteEndpoint(graph.inputs, endpoint);

export const removeEndpoint = (graph: Graph, id: string): void => noteEndpointGone(graph.inputs, id);

/** @param interfaces  all of this host's but workloads' */
export function noteHostInterfaces(graph: Graph, interfaces: readonly HostInterface[]): void {
  graph.inputs.hostInterfaces = interfaces;
}

/** What the rules are made by, from the next tick on. */
export function noteSettings(graph: Graph, settings: RulesSettings): void {
  graph.frame.next = settings;
}

/** What the table holds beside policy, whole, from the next tick on. */
export const noteAddition = (graph: Graph, addition: Addition): void => graph.additions.note(addition);

/** Brings everything up to date; returns what changed in the ruleset since the last tick. */
export function tick(graph: Graph): RulesetChange {
  const { members, uses, plans, locals, dirty, output, frame } = graph;
  readInputs(graph);
  const wanted: RulesSettings = { ...frame.next, families: members.families };
  const isRefitted = !same(wanted, frame.settings);
  const settings = isRefitted ? wanted : (frame.settings ?? wanted);
  uses.settings = settings;
  if (isRefitted) renew(graph, [...uses.all()]);
  const hosts = hostUseOf(graph);
  const isRehosted = !same(hosts, frame.hosts);
  for (const { key, kind } of locals.values()) {
    if (isRefitted || (isRehosted && kind === 'host')) dirty.add(key);
  }
  const takeDown = fitFrame(graph, settings, hosts);
  graph.additions.fit(output, takeDown !== undefined);
  for (const key of dirty) {
    plans.plan(key, locals.get(key), hosts.stages, settings);
    markForeign(graph, key, settings);
  }
  dirty.clear();
  takeDown?.();
  plans.sweep();
  uses.sweep();
  members.settle();
  return output.take();
}

function markForeign({ locals, foreign, output }: Graph, key: string, settings: RulesSettings): void {
  const local = locals.get(key);
  const is =
    local?.kind === 'workload' &&
    !settings.workloadPrefixes.some((prefix) => local.interface.startsWith(prefix));
  if (is === foreign.has(key)) return;
  const name = key.slice(localKey('workload', '').length);
  const members = [memberOf({ kind: 'interface', interface: name })];
  if (is) {
    foreign.add(key);
    output.hold(foreignEndpoints.name, members);
  } else {
    foreign.delete(key);
    output.release(foreignEndpoints.name, members);
  }
}

/** The whole desired ruleset as of the last tick, for the first write and for a resync. A view: render it at once. */
export const rulesetOf = (graph: Graph): Ruleset => graph.output.ruleset;

/** Where what is denied is reported. */
export const deniedIn = ({ frame }: Graph): RulesSettings['denied'] => (frame.settings ?? frame.next).denied;

/** As of the last tick: the Pod object of the endpoint is known, so its chains are its policy and not "drop all". */
export function isKnown(graph: Graph, endpointId: string): boolean {
  const endpoint = graph.inputs.endpoints.get(endpointId);
  return endpoint !== undefined && graph.locals.get(localKey('workload', endpoint.interface))?.known === true;
}

/** Each local pod address and the interface it is reached by, for the route tables; endpoints as they are now. */
export function localRoutes(graph: Graph): ReadonlyMap<Address, string> {
  const rows = [...graph.inputs.endpoints.entries()].sort(([a], [b]) => (a < b ? -1 : 1));
  return new Map(
    rows.flatMap(([, { addresses, interface: name }]) => addresses.map((address) => [address, name])),
  );
}

/** What the tag of a reported packet stands for; undefined: no rule in use has it. */
export const ruleByTag = (graph: Graph, tag: string): TagMeaning | undefined => graph.register.get(tag);

/** A counted rule and what it stands for; absent: it is part of the frame and of no policy. */
export interface CountedRule {
  readonly comment?: string;
  readonly origin?: TagMeaning;
}

/** The rules of the chain that count, in the order in which the kernel tells their counters. */
export function rulesOf({ output, register }: Graph, chain: string): readonly CountedRule[] {
  const rules = output.ruleset.chains.get(chain)?.rules ?? [];
  return rules
    .filter(({ counted }) => counted === true)
    .map((rule) => {
      const origin = register.originOf(rule);
      return {
        ...(rule.comment === undefined ? {} : { comment: rule.comment }),
        ...(origin === undefined ? {} : { origin }),
      };
    });
}
