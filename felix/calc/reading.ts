/** What was said since the last tick, taken in: who is there, with which labels, and which local endpoints that touches. */
import type { Address } from '../../src/lib/net.ts';
import { same } from '../../src/lib/same.ts';
import type { Direction, Profile } from '../../src/model/policy.ts';
import type { Converted, Policy } from '../../src/policy/policy.ts';
import { convertProfile } from '../../src/policy/profiles.ts';
import { directions } from '../rules/policy.ts';
import {
  type Endpoint,
  factsOf,
  hostLineage,
  hostTold,
  podEndpoint,
  setTold,
  type Told,
} from './endpoints.ts';
import { placeHosts } from './hosts.ts';
import { drain, endpointAt, givenTo, podKeyOf } from './inputs.ts';
import { type Local, localKey } from './plans.ts';
import type { Graph } from './state.ts';
import type { Use } from './uses.ts';

export function readInputs(graph: Graph): void {
  readLabels(graph);
  readPods(graph);
  readOthers(graph);
  readWorkloads(graph);
  readHosts(graph);
  readPolicies(graph);
}

/** What a cluster has most of, ahead of the tick that needs it; labels first, for they are inherited. */
export function readCrowd(graph: Graph): void {
  readLabels(graph);
  readPods(graph);
  takePolicies(graph);
}

/** Labels that others inherit come first: whoever comes in this tick comes with them. */
function readLabels({ inputs, sources, members, selectable }: Graph): void {
  drain(inputs.labels, (source, labels) => {
    if (same(sources.get(source), labels)) return;
    sources.put(source, labels);
    for (const population of [members.endpoints, members.networks, selectable]) population.inherit(source);
  });
}

/** Those that were told of, and those whose endpoints here changed. */
function readPods(graph: Graph): void {
  const { inputs, members } = graph;
  for (const [key, told] of inputs.pods) readPod(graph, key, told);
  for (const key of inputs.changedEndpointPods) {
    if (!inputs.pods.has(key)) readPod(graph, key, members.endpoints.told(key));
  }
  inputs.pods.clear();
  inputs.changedEndpointPods.clear();
}

function readPod({ inputs, members }: Graph, key: string, told: Told<Endpoint> | undefined): void {
  if (told === undefined) members.endpoints.remove(key);
  else members.endpoints.put(key, told.lineage, placed(told.item, givenTo(inputs, key)));
  if (!inputs.endpointsOf.has(key)) return;
  for (const id of inputs.endpointsOf.get(key)) {
    const endpoint = inputs.endpoints.get(id);
    if (endpoint !== undefined) inputs.changedInterfaces.add(endpoint.interface);
  }
}

/** Where it is now: told of it was as of a pod of another node, which most are. */
const placed = (endpoint: Endpoint, given: readonly Address[] | undefined): Endpoint =>
  given === undefined && !endpoint.isLocal ? endpoint : podEndpoint(factsOf(endpoint), endpoint.ports, given);

function readOthers({ inputs, members }: Graph): void {
  const { endpoints, networks, nodes, backends } = members;
  drain(inputs.networkSets, (key, set) => {
    if (set === undefined) {
      endpoints.remove(key);
      networks.remove(key);
      return;
    }
    const told = setTold(set);
    endpoints.put(key, told.addresses.lineage, told.addresses.item);
    if (told.networks.item.length === 0) networks.remove(key);
    else networks.put(key, told.networks.lineage, told.networks.item);
  });
  drain(inputs.nodes, (name, told) => {
    if (told === undefined) nodes.remove(name);
    else nodes.put(name, told.lineage, told.item);
  });
  drain(inputs.slices, (key, slice) => backends.put(key, slice));
}

function readWorkloads(graph: Graph): void {
  const { inputs, members, selectable } = graph;
  for (const name of inputs.changedInterfaces) {
    const key = localKey('workload', name);
    const endpoint = endpointAt(inputs, name);
    const told = endpoint === undefined ? undefined : members.endpoints.told(podKeyOf(endpoint));
    // A pod of the host network is no endpoint that a policy could select.
    if (told === undefined || told.item.pod?.hostNetwork === true) selectable.remove(key);
    else selectable.put(key, told.lineage, key);
    setLocal(
      graph,
      key,
      endpoint === undefined
        ? undefined
        : {
            key,
            kind: 'workload',
            interface: name,
            label: podKeyOf(endpoint),
            known: told !== undefined,
            profiles: [],
          },
    );
  }
  inputs.changedInterfaces.clear();
}

function readHosts(graph: Graph): void {
  const { inputs, members, node, hosts, selectable } = graph;
  if (inputs.hostEndpoints.size === 0 && inputs.hostInterfaces === undefined) return;
  hosts.interfaces = inputs.hostInterfaces ?? hosts.interfaces;
  inputs.hostInterfaces = undefined;
  drain(inputs.hostEndpoints, (name, host) => {
    const key = `HostEndpoint/${name}`;
    if (host?.node === node) hosts.own.set(name, host);
    else hosts.own.delete(name);
    if (host === undefined) members.endpoints.remove(key);
    else {
      const told = hostTold(host, node);
      members.endpoints.put(key, told.lineage, told.item);
    }
  });
  const before = hosts.places.owners;
  hosts.places = placeHosts(hosts.own.values(), hosts.interfaces);
  const { owners } = hosts.places;
  for (const name of before.keys()) {
    if (owners.has(name)) continue;
    selectable.remove(localKey('host', name));
    setLocal(graph, localKey('host', name), undefined);
  }
  for (const [name, host] of owners) {
    const key = localKey('host', name);
    selectable.put(key, hostLineage(host), key);
    const label = `HostEndpoint ${host.meta.name}`;
    setLocal(graph, key, {
      key,
      kind: 'host',
      interface: name,
      label,
      known: true,
      profiles: host.profiles,
    });
  }
}

function setLocal({ locals, dirty }: Graph, key: string, local: Local | undefined): void {
  if (same(locals.get(key), local)) return;
  if (local === undefined) locals.delete(key);
  else locals.set(key, local);
  dirty.add(key);
}

function readPolicies(graph: Graph): void {
  const { inputs, policies, plans, uses, dirty, members } = graph;
  drain(inputs.tiers, (name, facts) => {
    if (policies.putTier(name, facts)) for (const key of plans.inTier(name)) dirty.add(key);
  });
  drain(inputs.profiles, (name, profile) => readProfile(graph, name, profile));
  takePolicies(graph);
  renew(graph, uses.answeredAnew(members.takeFlipped()));
}

const takePolicies = (graph: Graph): void =>
  drain(graph.inputs.policies, (key, converted) => readPolicy(graph, key, converted));

function readProfile(graph: Graph, name: string, profile: Profile | undefined): void {
  const { plans, uses, locals, dirty } = graph;
  const cameOrWent = plans.putProfile(name, profile === undefined ? undefined : convertProfile(profile));
  const source = plans.profile(name);
  for (const direction of directions) {
    const use = uses.find(`Profile ${name}`, direction);
    if (use !== undefined && source !== undefined) renew(graph, [use], source);
  }
  if (!cameOrWent) return;
  for (const { key, profiles } of locals.values()) if (profiles.includes(name)) dirty.add(key);
}

function readPolicy(graph: Graph, key: string, converted: Converted | undefined): void {
  const { policies, uses, dirty } = graph;
  const policy = converted?.policy;
  const put = policies.put(key, policy, converted?.unconverted ?? []);
  if (put === undefined) return;
  const { before, endpoints } = put;
  for (const endpoint of endpoints) dirty.add(endpoint);
  for (const direction of directions) {
    const use = policy === undefined ? undefined : uses.find(policy.id, direction);
    if (use !== undefined) renew(graph, [use], policy);
    if (before !== undefined && isEverywhere(before, direction)) uses.releaseEverywhere(before.id, direction);
    if (policy !== undefined && isEverywhere(policy, direction)) uses.holdEverywhere(policy, direction);
  }
}

const isEverywhere = ({ onEveryNode, staged, types }: Policy, direction: Direction): boolean =>
  onEveryNode && staged === undefined && types.includes(direction);

/** Compiles them anew. */
export function renew(graph: Graph, uses: Iterable<Use>, source?: Use['source']): void {
  for (const use of uses) {
    for (const chain of graph.uses.renew(use, source)) {
      const owner = graph.plans.ownerOf(chain);
      if (owner !== undefined) graph.dirty.add(owner);
    }
  }
}
