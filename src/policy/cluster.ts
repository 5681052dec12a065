/** The cluster as policy sees it, at one moment, and how it comes of resources. */
import type { Address } from '../lib/net.ts';
import type { FelixConfiguration } from '../model/felix-configuration.ts';
import type { HostEndpoint, NetworkSet, Profile, ServiceAccount, ServiceRef, Tier } from '../model/policy.ts';
import type { IpPool, Namespace, Node, Pod, Resource } from '../model/resource.ts';
import type { EndpointSlice, Service } from '../model/service.ts';
import { protocolNumbers } from './convert/ports.ts';
import { convert, isPolicy } from './convert.ts';
import type { Policy, Unconverted } from './policy.ts';

/** Where one endpoint of a Service answers; without protocol and port of a slice that names no port, so no destination of a rule. */
export interface Backend {
  readonly service: ServiceRef;
  readonly address: Address;
  /** IANA number. */
  readonly protocol?: number;
  readonly port?: number;
}

export interface Cluster {
  readonly pods: readonly Pod[];
  readonly namespaces: readonly Namespace[];
  readonly accounts: readonly ServiceAccount[];
  readonly networkSets: readonly NetworkSet[];
  readonly hostEndpoints: readonly HostEndpoint[];
  readonly profiles: readonly Profile[];
  readonly tiers: readonly Tier[];
  readonly policies: readonly Policy[];
  readonly backends: readonly Backend[];
  readonly services: readonly Service[];
  readonly slices: readonly EndpointSlice[];
  readonly nodes: readonly Node[];
  readonly pools: readonly IpPool[];
  readonly configurations: readonly FelixConfiguration[];
}

export const emptyCluster: Cluster = {
  pods: [],
  namespaces: [],
  accounts: [],
  networkSets: [],
  hostEndpoints: [],
  profiles: [],
  tiers: [],
  policies: [],
  backends: [],
  services: [],
  slices: [],
  nodes: [],
  pools: [],
  configurations: [],
};

export interface Snapshot {
  readonly cluster: Cluster;
  /** What of each policy could not be done as written, by the policy's resource. */
  readonly unconverted: ReadonlyMap<Resource, readonly Unconverted[]>;
}

/** Of any resources, those that policy looks at. */
export function snapshotOf(resources: Iterable<Resource>): Snapshot {
  const all = [...resources];
  const unconverted = new Map<Resource, readonly Unconverted[]>();
  const policies = all.filter(isPolicy).flatMap((resource) => {
    const converted = convert(resource);
    if (converted.unconverted.length > 0) unconverted.set(resource, converted.unconverted);
    return converted.policy ?? [];
  });
  const cluster: Cluster = {
    ...emptyCluster,
    pods: all.filter((each) => each.kind === 'Pod'),
    namespaces: all.filter((each) => each.kind === 'Namespace'),
    accounts: all.filter((each) => each.kind === 'ServiceAccount'),
    networkSets: all.filter((each) => each.kind === 'NetworkSet' || each.kind === 'GlobalNetworkSet'),
    hostEndpoints: all.filter((each) => each.kind === 'HostEndpoint'),
    profiles: all.filter((each) => each.kind === 'Profile'),
    tiers: all.filter((each) => each.kind === 'Tier'),
    backends: all.flatMap((each) => (each.kind === 'EndpointSlice' ? backendsOf(each) : [])),
    services: all.filter((each) => each.kind === 'Service'),
    slices: all.filter((each) => each.kind === 'EndpointSlice'),
    nodes: all.filter((each) => each.kind === 'Node'),
    pools: all.filter((each) => each.kind === 'IPPool'),
    configurations: all.filter((each) => each.kind === 'FelixConfiguration'),
    policies,
  };
  return { cluster, unconverted };
}

/** Each endpoint, ready or not, at each port of the slice. */
function backendsOf({ meta, service, endpoints, ports }: EndpointSlice): readonly Backend[] {
  if (service === undefined) return [];
  const ref = { namespace: meta.namespace ?? '', name: service };
  const at = ports.flatMap(({ protocol, port }) =>
    port === undefined ? [] : [{ protocol: protocolNumbers[protocol], port }],
  );
  return endpoints
    .flatMap(({ addresses }) => addresses)
    .flatMap((address) => (at.length === 0 ? [{}] : at).map((each) => ({ service: ref, address, ...each })));
}
