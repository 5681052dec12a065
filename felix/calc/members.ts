/**
 * The members of the named sets in use.
 *
 * A changed pod is looked at by the sets that can hold pods of its namespace; a set newly in use looks at all pods
 * once. Sets are asked for by policy chains and live as long as one asks.
 */
import { type Address, type IpVersion, versionOf } from '../../src/lib/net.ts';
import { assert } from '../../src/lib/result.ts';
import { same } from '../../src/lib/same.ts';
import { type LabelSelector, matchesLabels } from '../../src/model/labels.ts';
import type { Pod } from '../../src/model/resource.ts';
import type { Element } from '../rules/model.ts';
import type { PodScope, SetSpec } from '../rules/pod-set.ts';
import { type Changed, type Inputs, namespaceOf } from './inputs.ts';
import { KeyedSets } from './keyed-sets.ts';
import type { Output } from './output.ts';

interface UsedSet {
  readonly spec: SetSpec;
  /** Pod key → the elements it holds in the set; only pods that hold any. */
  readonly held: Map<string, readonly Element[]>;
}

export interface Members {
  readonly used: Map<string, UsedSet>;
  /** Set name → the policy chains that ask for it. */
  readonly askers: KeyedSets<string, string>;
  /** Namespace → names of the sets that hold pods of that namespace only; '' → sets that may hold any. */
  readonly setsFor: KeyedSets<string, string>;
  /** Asked for or dropped since the last update; the askers say which it came to. */
  readonly unsettled: Map<string, SetSpec>;
}

export const createMembers = (): Members => ({
  used: new Map(),
  askers: new KeyedSets(),
  setsFor: new KeyedSets(),
  unsettled: new Map(),
});

/** From now on `asker` asks for exactly `after`; before it asked for `before`. */
export function askFor(
  members: Members,
  asker: string,
  before: readonly SetSpec[],
  after: readonly SetSpec[],
): void {
  for (const spec of before) {
    members.askers.delete(spec.decl.name, asker);
    members.unsettled.set(spec.decl.name, spec);
  }
  for (const spec of after) {
    members.askers.add(spec.decl.name, asker);
    members.unsettled.set(spec.decl.name, spec);
  }
}

export function updateMembers(members: Members, inputs: Inputs, changed: Changed, output: Output): void {
  const pods = new Set([...changed.pods, ...changed.endpointPods]);
  for (const name of changed.namespaces) for (const key of inputs.podsIn.get(name)) pods.add(key);
  const fresh = settle(members, output);
  for (const key of pods) {
    for (const name of [...members.setsFor.get(namespaceOf(key)), ...members.setsFor.get('')]) {
      if (!fresh.has(name)) updateMember(members, name, key, inputs, output);
    }
  }
  for (const [name, spec] of fresh) {
    for (const key of candidatePods(spec, inputs)) updateMember(members, name, key, inputs, output);
  }
}

/** Drops the sets nobody asks for any more, declares the new ones, and returns these. */
function settle(members: Members, output: Output): ReadonlyMap<string, SetSpec> {
  const fresh = new Map<string, SetSpec>();
  for (const [name, spec] of members.unsettled) {
    const wanted = members.askers.has(name);
    if (wanted === members.used.has(name)) continue;
    if (wanted) {
      begin(members, spec, output);
      fresh.set(name, spec);
    } else end(members, spec, output);
  }
  members.unsettled.clear();
  return fresh;
}

function begin(members: Members, spec: SetSpec, output: Output): void {
  const { decl, content } = spec;
  const home = homeOf(spec);
  members.used.set(decl.name, { spec, held: new Map() });
  if (home !== undefined) members.setsFor.add(home, decl.name);
  output.declare(decl);
  if (content.kind === 'fixed') for (const element of content.elements) output.hold(decl.name, element);
}

function end(members: Members, spec: SetSpec, output: Output): void {
  const { name } = spec.decl;
  const home = homeOf(spec);
  members.used.delete(name);
  if (home !== undefined) members.setsFor.delete(home, name);
  output.removeSet(name);
}

/** Key in `setsFor`; undefined for a set that holds no pods. */
function homeOf({ content }: SetSpec): string | undefined {
  if (content.kind === 'fixed') return undefined;
  const { scope } = content;
  return scope.kind === 'selected' && typeof scope.namespace === 'string' ? scope.namespace : '';
}

function candidatePods(spec: SetSpec, inputs: Inputs): Iterable<string> {
  const home = homeOf(spec);
  if (home === undefined) return [];
  return home === '' ? [...inputs.pods.entries()].map(([key]) => key) : inputs.podsIn.get(home);
}

function updateMember(members: Members, name: string, podKey: string, inputs: Inputs, output: Output): void {
  const set = members.used.get(name);
  assert(set !== undefined, `set ${name} is not in use`);
  const before = set.held.get(podKey) ?? [];
  const after = elementsOf(set.spec, podKey, inputs);
  if (same(before, after)) return;
  for (const element of after) output.hold(name, element);
  for (const element of before) output.release(name, element);
  if (after.length === 0) set.held.delete(podKey);
  else set.held.set(podKey, after);
}

function elementsOf({ decl, content }: SetSpec, podKey: string, inputs: Inputs): readonly Element[] {
  const pod = inputs.pods.get(podKey);
  if (pod === undefined || content.kind === 'fixed' || !inScope(content.scope, podKey, pod, inputs))
    return [];
  const addresses = addressesOf(pod, podKey, decl.version ?? 4, inputs);
  const { port } = content;
  if (port === undefined) return addresses.map((address) => ({ kind: 'address', address }));
  const numbers = pod.ports.filter(({ name, protocol }) => name === port.name && protocol === port.protocol);
  return addresses.flatMap((address) =>
    numbers.map((number): Element => ({ kind: 'port', address, protocol: port.protocol, port: number.port })),
  );
}

function inScope(scope: PodScope, podKey: string, pod: Pod, inputs: Inputs): boolean {
  switch (scope.kind) {
    case 'every':
      return true;
    case 'local':
      return inputs.endpointsOf.has(podKey);
    case 'selected':
      return (
        inNamespaces(scope.namespace, namespaceOf(podKey), inputs) &&
        matchesLabels(scope.pods, pod.meta.labels)
      );
  }
}

/** A namespace that is not known yet has no labels to judge by: no selector takes it, not even one that negates. */
function inNamespaces(wanted: string | LabelSelector, namespace: string, inputs: Inputs): boolean {
  if (typeof wanted === 'string') return wanted === namespace;
  const known = inputs.namespaces.get(namespace);
  return known !== undefined && matchesLabels(wanted, known.meta.labels);
}

/**
 * A local pod has the addresses its endpoint was given, before its status says so and whatever that says. Pods of the
 * host network and finished ones have none of their own: theirs may be the node's, or soon another pod's.
 */
function addressesOf(pod: Pod, podKey: string, version: IpVersion, inputs: Inputs): readonly Address[] {
  if (pod.hostNetwork || pod.finished) return [];
  const local = [...inputs.endpointsOf.get(podKey)].flatMap(
    (id) => inputs.endpoints.get(id)?.addresses ?? [],
  );
  const all = local.length > 0 ? local : pod.ips;
  return [...new Set(all)].filter((address) => versionOf(address) === version);
}
