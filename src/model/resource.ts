/**
 * The resources Tortie reads, as typed values.
 *
 * What a resource means is parsed once, at the edge (`src/store/schema`): addresses are values here, defaults
 * are filled in, and nothing inside checks again. Field names follow the API each kind comes from.
 */
import type { Address, Prefix } from '../lib/net.ts';
import type { BgpConfiguration } from './bgp-configuration.ts';
import type { BgpFilter } from './bgp-filter.ts';
import type { BgpPeer } from './bgp-peer.ts';
import type { FelixConfiguration } from './felix-configuration.ts';
import type { BlockAffinity, IpamBlock, IpamConfiguration, IpReservation } from './ipam.ts';
import type { Meta } from './meta.ts';
import type { NetworkPolicy, Protocol } from './network-policy.ts';
import type { CalicoNodeStatus } from './node-report.ts';
import type { PolicyResource } from './policy.ts';
import type { Selector } from './selector.ts';
import type { EndpointSlice, Service } from './service.ts';

export type { BgpConfiguration, SecretKey } from './bgp-configuration.ts';
export type { BgpPeer } from './bgp-peer.ts';
export type { Labels, Meta } from './meta.ts';
export type { NetworkPolicy, PolicyPeer, PolicyPort, PolicyRule, Protocol } from './network-policy.ts';

/** v1 Node: the parts that make a node a router. */
export interface Node {
  readonly kind: 'Node';
  readonly meta: Meta;
  /** spec.podCIDRs (or spec.podCIDR), in order. */
  readonly podCidrs: readonly Prefix[];
  /** status.addresses of type InternalIP, in order. */
  readonly internalIps: readonly Address[];
  /** spec.taints, in order. */
  readonly taints: readonly Taint[];
  /** spec.unschedulable: cordoned. */
  readonly unschedulable: boolean;
  /** The condition Ready is True. A node without that condition, as in a directory of manifests, counts as ready. */
  readonly ready: boolean;
  /** metadata.deletionTimestamp is set. */
  readonly deleting: boolean;
}

export interface Taint {
  readonly key: string;
  readonly value?: string;
  readonly effect: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute';
}

/** One containers[].ports[] entry; `name` is what a NetworkPolicy's named port refers to. */
export interface ContainerPort {
  readonly name?: string;
  readonly protocol: Protocol;
  readonly port: number;
}

/** v1 Pod: the parts that make a workload endpoint. */
export interface Pod {
  readonly kind: 'Pod';
  readonly meta: Meta;
  readonly nodeName?: string;
  /** spec.serviceAccountName; absent in manifests that do not say. */
  readonly serviceAccount?: string;
  readonly hostNetwork: boolean;
  /** status.phase is Succeeded or Failed: its addresses are no longer its own. */
  readonly finished: boolean;
  /** status.podIPs (or status.podIP); empty while it has none. */
  readonly ips: readonly Address[];
  /** Of all containers, init containers included. */
  readonly ports: readonly ContainerPort[];
  /** metadata.deletionTimestamp is set: it is being stopped, and has its addresses until it is gone. */
  readonly deleting: boolean;
}

export interface Namespace {
  readonly kind: 'Namespace';
  /** The label kubernetes.io/metadata.name is always present, as the API server sets it. */
  readonly meta: Meta;
}

export type PoolUse = 'Workload' | 'Tunnel' | 'LoadBalancer';

/** projectcalico.org/v3 IPPool. Defaults are filled in. */
export interface IpPool {
  readonly kind: 'IPPool';
  readonly meta: Meta;
  readonly cidr: Prefix;
  readonly disabled: boolean;
  readonly disableBgpExport: boolean;
  /** Prefix length of the allocation blocks; default 26 and 122. */
  readonly blockSize: number;
  /** The nodes that may have blocks of it; default all(). */
  readonly nodeSelector: Selector;
  /** The namespaces whose pods may have addresses of it; default all(). */
  readonly namespaceSelector: Selector;
  /** Default Workload and Tunnel; without Tunnel if there is a namespaceSelector. */
  readonly allowedUses: readonly PoolUse[];
  /** Default Automatic; Manual: only for what names this pool or an address of it. */
  readonly assignmentMode: 'Automatic' | 'Manual';
  /** What leaves all pools has the node's address; default false. */
  readonly natOutgoing?: true;
  /** metadata.deletionTimestamp is set: nothing new is given from it. */
  readonly terminating: boolean;
  /** metadata.creationTimestamp; of two pools that overlap the elder keeps its range, and one that does not say it is the eldest. */
  readonly created?: string;
}

export type Resource =
  | Node
  | Pod
  | Namespace
  | NetworkPolicy
  | Service
  | EndpointSlice
  | BgpConfiguration
  | BgpPeer
  | BgpFilter
  | IpPool
  | IpamBlock
  | BlockAffinity
  | IpamConfiguration
  | IpReservation
  | CalicoNodeStatus
  | FelixConfiguration
  | PolicyResource;

export type Kind = Resource['kind'];

/** What tells one object from another; the kind is ours, which for Calico's NetworkPolicy is not the API's. */
export interface ResourceRef {
  readonly kind: Kind;
  readonly name: string;
  readonly namespace?: string;
}

/**
 * "Pod/default/web-1" or "Node/node1": one string for maps, logs and status. Joined and not put together by a template, which
 * would be a tree of its pieces for as long as the key is kept.
 */
export const keyOf = ({ kind, namespace, name }: ResourceRef): string =>
  (namespace === undefined ? [kind, name] : [kind, namespace, name]).join('/');

/** The ref whose key it is: neither a name nor a namespace has a slash. */
export function refOfKey(key: string): ResourceRef {
  const [kind = '', first = '', second] = key.split('/');
  return second === undefined
    ? { kind: kind as Kind, name: first }
    : { kind: kind as Kind, namespace: first, name: second };
}

export const refOf = (resource: Resource): ResourceRef => ({
  kind: resource.kind,
  name: resource.meta.name,
  ...(resource.meta.namespace === undefined ? {} : { namespace: resource.meta.namespace }),
});
