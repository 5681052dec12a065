/** v1 Service and discovery.k8s.io/v1 EndpointSlice: the parts that make a service reachable from outside. */
import type { Address } from '../lib/net.ts';
import type { Meta } from './meta.ts';

export interface Service {
  readonly kind: 'Service';
  readonly meta: Meta;
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';
  /** spec.clusterIPs (or clusterIP); empty for a headless one. */
  readonly clusterIps: readonly Address[];
  readonly externalIps: readonly Address[];
  /** spec.loadBalancerIP; deprecated in Kubernetes, still asked for. */
  readonly loadBalancerIp?: Address;
  readonly loadBalancerClass?: string;
  /** status.loadBalancer.ingress[].ip */
  readonly ingressIps: readonly Address[];
  /** Default Cluster. */
  readonly externalTrafficPolicy: 'Cluster' | 'Local';
  readonly internalTrafficPolicy: 'Cluster' | 'Local';
  readonly ports: readonly ServicePort[];
  /** spec.ipFamilies, in order: 4, 6. */
  readonly ipFamilies: readonly (4 | 6)[];
  readonly allocateLoadBalancerNodePorts: boolean;
  readonly deleting: boolean;
}

/** What it is dialled at; the EndpointSlices have the backends' port under the same name. */
export interface ServicePort {
  readonly name?: string;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly port: number;
  /** Where each node answers for it on its own addresses; absent: nowhere. */
  readonly nodePort?: number;
}

export interface EndpointSlice {
  readonly kind: 'EndpointSlice';
  readonly meta: Meta;
  /** Label kubernetes.io/service-name; absent: of no Service. */
  readonly service?: string;
  readonly family: 4 | 6 | 'FQDN';
  readonly endpoints: readonly ServiceEndpoint[];
  readonly ports: readonly SlicePort[];
}

/** A port that every endpoint of the slice answers at. */
export interface SlicePort {
  readonly name?: string;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  /** Absent: every port. */
  readonly port?: number;
}

export interface ServiceEndpoint {
  readonly addresses: readonly Address[];
  readonly nodeName?: string;
  /** conditions.ready; absent counts as ready. */
  readonly ready: boolean;
  /** conditions.serving; absent: as ready. */
  readonly serving: boolean;
  /** conditions.terminating; default false. */
  readonly terminating: boolean;
}
