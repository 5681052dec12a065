/**
 * The inputs of the graph: what the store and the CNI server last said, and indexes over their keys.
 *
 * An object's key is "namespace/name" (a namespace's its name, an endpoint's its id). The indexes follow the rows at
 * once; everything else is for the nodes of the graph, which read the keys that changed from `drainInputs`.
 */
import { Table } from '../../src/lib/table.ts';
import type { LocalEndpoint } from '../../src/model/endpoint.ts';
import type { Namespace, NetworkPolicy, Pod, Resource, ResourceRef } from '../../src/model/resource.ts';
import { KeyedSets } from './keyed-sets.ts';

/** One change of the cluster, in the shape the store port delivers. */
export type ClusterChange =
  | { readonly kind: 'put'; readonly resource: Resource }
  | { readonly kind: 'delete'; readonly ref: ResourceRef };

export interface Inputs {
  readonly pods: Table<string, Pod>;
  readonly namespaces: Table<string, Namespace>;
  readonly policies: Table<string, NetworkPolicy>;
  readonly endpoints: Table<string, LocalEndpoint>;
  /** Namespace → keys. */
  readonly podsIn: KeyedSets<string, string>;
  readonly policiesIn: KeyedSets<string, string>;
  readonly interfacesIn: KeyedSets<string, string>;
  /** Pod key → ids, interface → ids. Two rows of one pod, or one interface, are rare and short. */
  readonly endpointsOf: KeyedSets<string, string>;
  readonly endpointsAt: KeyedSets<string, string>;
  /** Interfaces and pods whose endpoint rows changed since the last drain, old rows included. */
  readonly changedInterfaces: Set<string>;
  readonly changedEndpointPods: Set<string>;
}

export const createInputs = (): Inputs => ({
  pods: new Table(),
  namespaces: new Table(),
  policies: new Table(),
  endpoints: new Table(),
  podsIn: new KeyedSets(),
  policiesIn: new KeyedSets(),
  interfacesIn: new KeyedSets(),
  endpointsOf: new KeyedSets(),
  endpointsAt: new KeyedSets(),
  changedInterfaces: new Set(),
  changedEndpointPods: new Set(),
});

export const podKeyOf = (endpoint: LocalEndpoint): string => `${endpoint.namespace}/${endpoint.pod}`;

/** Of a key "namespace/name"; neither part holds a slash. */
export const namespaceOf = (key: string): string => key.slice(0, key.indexOf('/'));

const keyOf = ({ namespace, name }: { readonly namespace?: string; readonly name: string }): string =>
  `${namespace ?? ''}/${name}`;

/** Kinds the graph does not read are ignored. */
export function noteChange(inputs: Inputs, change: ClusterChange): void {
  if (change.kind === 'put') putResource(inputs, change.resource);
  else deleteResource(inputs, change.ref);
}

function putResource(inputs: Inputs, resource: Resource): void {
  const key = keyOf(resource.meta);
  switch (resource.kind) {
    case 'Pod':
      inputs.pods.put(key, resource);
      inputs.podsIn.add(namespaceOf(key), key);
      break;
    case 'NetworkPolicy':
      inputs.policies.put(key, resource);
      inputs.policiesIn.add(namespaceOf(key), key);
      break;
    case 'Namespace':
      inputs.namespaces.put(resource.meta.name, resource);
      break;
    default:
      break;
  }
}

function deleteResource(inputs: Inputs, ref: ResourceRef): void {
  const key = keyOf(ref);
  switch (ref.kind) {
    case 'Pod':
      inputs.pods.remove(key);
      inputs.podsIn.delete(namespaceOf(key), key);
      break;
    case 'NetworkPolicy':
      inputs.policies.remove(key);
      inputs.policiesIn.delete(namespaceOf(key), key);
      break;
    case 'Namespace':
      inputs.namespaces.remove(ref.name);
      break;
    default:
      break;
  }
}

export function noteEndpoint(inputs: Inputs, endpoint: LocalEndpoint): void {
  noteEndpointGone(inputs, endpoint.id);
  inputs.endpoints.put(endpoint.id, endpoint);
  inputs.endpointsOf.add(podKeyOf(endpoint), endpoint.id);
  inputs.endpointsAt.add(endpoint.interface, endpoint.id);
  inputs.interfacesIn.add(endpoint.namespace, endpoint.interface);
  touch(inputs, endpoint);
}

export function noteEndpointGone(inputs: Inputs, id: string): void {
  const old = inputs.endpoints.get(id);
  if (old === undefined) return;
  inputs.endpoints.remove(id);
  inputs.endpointsOf.delete(podKeyOf(old), id);
  inputs.endpointsAt.delete(old.interface, id);
  const others = [...inputs.endpointsAt.get(old.interface)].map((other) => inputs.endpoints.get(other));
  if (!others.some((other) => other?.namespace === old.namespace)) {
    inputs.interfacesIn.delete(old.namespace, old.interface);
  }
  touch(inputs, old);
}

function touch(inputs: Inputs, endpoint: LocalEndpoint): void {
  inputs.changedInterfaces.add(endpoint.interface);
  inputs.changedEndpointPods.add(podKeyOf(endpoint));
}

/** The endpoint an interface stands for: of several rows the one with the greatest id, so the order of events is nothing. */
export function endpointAt(inputs: Inputs, interfaceName: string): LocalEndpoint | undefined {
  const last = [...inputs.endpointsAt.get(interfaceName)].sort().at(-1);
  return last === undefined ? undefined : inputs.endpoints.get(last);
}

/** The keys that changed since the last drain. */
export interface Changed {
  readonly pods: ReadonlySet<string>;
  readonly namespaces: ReadonlySet<string>;
  readonly policies: ReadonlySet<string>;
  readonly interfaces: ReadonlySet<string>;
  readonly endpointPods: ReadonlySet<string>;
}

export function drainInputs(inputs: Inputs): Changed {
  const changed = {
    pods: new Set(inputs.pods.drain()),
    namespaces: new Set(inputs.namespaces.drain()),
    policies: new Set(inputs.policies.drain()),
    interfaces: new Set(inputs.changedInterfaces),
    endpointPods: new Set(inputs.changedEndpointPods),
  };
  inputs.endpoints.drain();
  inputs.changedInterfaces.clear();
  inputs.changedEndpointPods.clear();
  return changed;
}
