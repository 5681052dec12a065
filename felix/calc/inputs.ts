/**
 * The inputs of the graph: what the store, the CNI server and the kernel's links said since the last tick.
 *
 * Of an object only what the graph reads is kept, and of a key only the last word, so that reading a large cluster costs
 * no more than knowing it. Endpoints of this node are few and stay here.
 */
import type { Address } from '../../src/lib/net.ts';
import type { LocalEndpoint } from '../../src/model/endpoint.ts';
import type { Labels } from '../../src/model/meta.ts';
import type { HostEndpoint, NetworkSet, Profile } from '../../src/model/policy.ts';
import { type Kind, keyOf, type Resource, type ResourceRef, refOf } from '../../src/model/resource.ts';
import { convert, isPolicy } from '../../src/policy/convert.ts';
import { accountLabels, namespaceLabels } from '../../src/policy/labels.ts';
import type { Converted, TierFacts } from '../../src/policy/policy.ts';
import { tierFacts } from '../../src/policy/tiers.ts';
import { type Slice, sliceOf } from './backends.ts';
import {
  accountSource,
  type Endpoint,
  namespaceSource,
  nodeTold,
  podTold,
  profileSource,
  type Told,
} from './endpoints.ts';
import { KeyedSets } from './keyed-sets.ts';

/** One change of the cluster, in the shape the store port delivers. */
export type ClusterChange =
  | { readonly kind: 'put'; readonly resource: Resource }
  | { readonly kind: 'delete'; readonly ref: ResourceRef };

/** The kinds the graph reads. */
export const graphKinds = [
  ...['Node', 'Pod', 'Namespace', 'ServiceAccount', 'EndpointSlice'],
  ...['NetworkPolicy', 'CalicoNetworkPolicy', 'GlobalNetworkPolicy', 'ClusterNetworkPolicy', 'Tier'],
  ...['StagedKubernetesNetworkPolicy', 'StagedNetworkPolicy', 'StagedGlobalNetworkPolicy'],
  ...['NetworkSet', 'GlobalNetworkSet', 'HostEndpoint', 'Profile'],
] as const satisfies readonly Kind[];

/** An interface of this host that is no workload's. */
export interface HostInterface {
  readonly name: string;
  readonly addresses: readonly Address[];
}

/** By key of the object; absent values are objects that are gone. */
type News<T> = Map<string, T | undefined>;

export interface Inputs {
  readonly pods: News<Told<Endpoint>>;
  readonly nodes: News<Told<Endpoint>>;
  readonly slices: News<Slice>;
  /** By key of the source. */
  readonly labels: News<Labels>;
  readonly profiles: News<Profile>;
  readonly networkSets: News<NetworkSet>;
  readonly hostEndpoints: News<HostEndpoint>;
  readonly policies: News<Converted>;
  readonly tiers: News<TierFacts>;
  /** Stay from tick to tick. */
  readonly endpoints: Map<string, LocalEndpoint>;
  /** Pod key → ids, interface → ids. Two rows of one pod, or one interface, are rare and short. */
  readonly endpointsOf: KeyedSets<string, string>;
  readonly endpointsAt: KeyedSets<string, string>;
  /** Interfaces and pods whose endpoint rows changed, old rows included. */
  readonly changedInterfaces: Set<string>;
  readonly changedEndpointPods: Set<string>;
  /** Present: this host's interfaces changed, to these. */
  hostInterfaces: readonly HostInterface[] | undefined;
}

export const createInputs = (): Inputs => ({
  pods: new Map(),
  nodes: new Map(),
  slices: new Map(),
  labels: new Map(),
  profiles: new Map(),
  networkSets: new Map(),
  hostEndpoints: new Map(),
  policies: new Map(),
  tiers: new Map(),
  endpoints: new Map(),
  endpointsOf: new KeyedSets(),
  endpointsAt: new KeyedSets(),
  changedInterfaces: new Set(),
  changedEndpointPods: new Set(),
  hostInterfaces: undefined,
});

/** Joined: see `keyOf`. */
const podKey = (namespace: string, name: string): string => [namespace, name].join('/');
export const podKeyOf = (endpoint: LocalEndpoint): string => podKey(endpoint.namespace, endpoint.pod);

/** Kinds the graph does not read are ignored. */
export function noteChange(inputs: Inputs, change: ClusterChange): void {
  if (change.kind === 'put') notePut(inputs, change.resource);
  else noteDelete(inputs, change.ref);
}

function notePut(inputs: Inputs, resource: Resource): void {
  const { name, namespace = '' } = resource.meta;
  if (isPolicy(resource)) {
    inputs.policies.set(keyOf(refOf(resource)), convert(resource));
    return;
  }
  switch (resource.kind) {
    case 'Pod':
      inputs.pods.set(podKey(namespace, name), podTold(resource));
      break;
    case 'Node':
      inputs.nodes.set(name, nodeTold(resource));
      break;
    case 'EndpointSlice':
      inputs.slices.set(`${namespace}/${name}`, sliceOf(resource));
      break;
    case 'Namespace':
      inputs.labels.set(namespaceSource(name), namespaceLabels(resource));
      break;
    case 'ServiceAccount':
      inputs.labels.set(accountSource(namespace, name), accountLabels(resource));
      break;
    case 'Profile':
      inputs.labels.set(profileSource(name), resource.labelsToApply);
      inputs.profiles.set(name, resource);
      break;
    case 'NetworkSet':
    case 'GlobalNetworkSet':
      inputs.networkSets.set(keyOf(refOf(resource)), resource);
      break;
    case 'HostEndpoint':
      inputs.hostEndpoints.set(name, resource);
      break;
    case 'Tier':
      inputs.tiers.set(name, tierFacts(resource));
      break;
    default:
      break;
  }
}

function noteDelete(inputs: Inputs, ref: ResourceRef): void {
  const { name, namespace = '' } = ref;
  if (isPolicy(ref)) {
    inputs.policies.set(keyOf(ref), undefined);
    return;
  }
  switch (ref.kind) {
    case 'Pod':
      inputs.pods.set(podKey(namespace, name), undefined);
      break;
    case 'Node':
      inputs.nodes.set(name, undefined);
      break;
    case 'EndpointSlice':
      inputs.slices.set(`${namespace}/${name}`, undefined);
      break;
    case 'Namespace':
      inputs.labels.set(namespaceSource(name), undefined);
      break;
    case 'ServiceAccount':
      inputs.labels.set(accountSource(namespace, name), undefined);
      break;
    case 'Profile':
      inputs.labels.set(profileSource(name), undefined);
      inputs.profiles.set(name, undefined);
      break;
    case 'NetworkSet':
    case 'GlobalNetworkSet':
      inputs.networkSets.set(keyOf(ref), undefined);
      break;
    case 'HostEndpoint':
      inputs.hostEndpoints.set(name, undefined);
      break;
    case 'Tier':
      inputs.tiers.set(name, undefined);
      break;
    default:
      break;
  }
}

export function noteEndpoint(inputs: Inputs, endpoint: LocalEndpoint): void {
  noteEndpointGone(inputs, endpoint.id);
  inputs.endpoints.set(endpoint.id, endpoint);
  inputs.endpointsOf.add(podKeyOf(endpoint), endpoint.id);
  inputs.endpointsAt.add(endpoint.interface, endpoint.id);
  touch(inputs, endpoint);
}

export function noteEndpointGone(inputs: Inputs, id: string): void {
  const old = inputs.endpoints.get(id);
  if (old === undefined) return;
  inputs.endpoints.delete(id);
  inputs.endpointsOf.delete(podKeyOf(old), id);
  inputs.endpointsAt.delete(old.interface, id);
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

/** Addresses that the pod's endpoints on this node were given; undefined: it has none. */
export function givenTo(inputs: Inputs, pod: string): readonly Address[] | undefined {
  if (!inputs.endpointsOf.has(pod)) return undefined;
  return [...inputs.endpointsOf.get(pod)].flatMap((id) => inputs.endpoints.get(id)?.addresses ?? []);
}

/** Hands each piece of news to `use` and forgets it. */
export function drain<T>(news: News<T>, use: (key: string, value: T | undefined) => void): void {
  for (const [key, value] of news) use(key, value);
  news.clear();
}
