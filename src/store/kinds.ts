/** Where each kind we read or write lives in the API: the one table behind all datastores. */
import type { Kind } from '../model/resource.ts';
import type { WrittenKind } from './objects.ts';

export interface KindInfo {
  readonly apiVersion: string;
  /** The kind's name in URLs. */
  readonly plural: string;
  readonly namespaced: boolean;
  /** Defined by a CustomResourceDefinition, so it may not be there yet. */
  readonly custom: boolean;
  /** `kind` in manifests, where another API has the name too and ours must differ. */
  readonly apiKind?: string;
}

const calico = { apiVersion: 'projectcalico.org/v3', namespaced: false, custom: true } as const;
const spaced = { ...calico, namespaced: true } as const;

export const kinds = {
  Node: { apiVersion: 'v1', plural: 'nodes', namespaced: false, custom: false },
  Pod: { apiVersion: 'v1', plural: 'pods', namespaced: true, custom: false },
  Namespace: { apiVersion: 'v1', plural: 'namespaces', namespaced: false, custom: false },
  NetworkPolicy: {
    apiVersion: 'networking.k8s.io/v1',
    plural: 'networkpolicies',
    namespaced: true,
    custom: false,
  },
  Service: { apiVersion: 'v1', plural: 'services', namespaced: true, custom: false },
  EndpointSlice: {
    apiVersion: 'discovery.k8s.io/v1',
    plural: 'endpointslices',
    namespaced: true,
    custom: false,
  },
  BGPConfiguration: { ...calico, plural: 'bgpconfigurations' },
  BGPPeer: { ...calico, plural: 'bgppeers' },
  BGPFilter: { ...calico, plural: 'bgpfilters' },
  IPPool: { ...calico, plural: 'ippools' },
  IPAMBlock: { ...calico, plural: 'ipamblocks' },
  BlockAffinity: { ...calico, plural: 'blockaffinities' },
  IPAMConfiguration: { ...calico, plural: 'ipamconfigurations' },
  IPReservation: { ...calico, plural: 'ipreservations' },
  CalicoNodeStatus: { ...calico, plural: 'caliconodestatuses' },
  CalicoNetworkPolicy: { ...spaced, plural: 'networkpolicies', apiKind: 'NetworkPolicy' },
  GlobalNetworkPolicy: { ...calico, plural: 'globalnetworkpolicies' },
  StagedNetworkPolicy: { ...spaced, plural: 'stagednetworkpolicies' },
  StagedGlobalNetworkPolicy: { ...calico, plural: 'stagedglobalnetworkpolicies' },
  StagedKubernetesNetworkPolicy: { ...spaced, plural: 'stagedkubernetesnetworkpolicies' },
  Tier: { ...calico, plural: 'tiers' },
  NetworkSet: { ...spaced, plural: 'networksets' },
  GlobalNetworkSet: { ...calico, plural: 'globalnetworksets' },
  HostEndpoint: { ...calico, plural: 'hostendpoints' },
  Profile: { ...calico, plural: 'profiles' },
  FelixConfiguration: { ...calico, plural: 'felixconfigurations' },
  ServiceAccount: { apiVersion: 'v1', plural: 'serviceaccounts', namespaced: true, custom: false },
  // Its definition is Kubernetes' own (sigs.k8s.io/network-policy-api), not of ours.
  ClusterNetworkPolicy: {
    apiVersion: 'policy.networking.k8s.io/v1alpha2',
    plural: 'clusternetworkpolicies',
    namespaced: false,
    custom: true,
  },
} as const satisfies Record<Kind, KindInfo>;

/** The kinds whose definitions are ours: those of Calico's group. */
export type OwnKind = {
  [K in Kind]: (typeof kinds)[K]['apiVersion'] extends typeof calico.apiVersion ? K : never;
}[Kind];

export const isKind = (text: unknown): text is Kind => typeof text === 'string' && Object.hasOwn(kinds, text);

export const allKinds: readonly Kind[] = Object.keys(kinds).filter(isKind);

export const isOwnKind = (kind: Kind): kind is OwnKind => kinds[kind].apiVersion === calico.apiVersion;

export const ownKinds: readonly OwnKind[] = allKinds.filter(isOwnKind);

/**
 * Written, or read by name, and never read as resources.
 *
 * Event is of core v1: `kubectl describe` asks for those by involvedObject, and `count` with `lastTimestamp` lets one object
 * stand for a repetition. The server keeps both groups' Events in one place, so whoever reads events.k8s.io sees them too.
 */
const writtenKinds = {
  Event: { apiVersion: 'v1', plural: 'events', namespaced: true, custom: false },
  Lease: { apiVersion: 'coordination.k8s.io/v1', plural: 'leases', namespaced: true, custom: false },
  Secret: { apiVersion: 'v1', plural: 'secrets', namespaced: true, custom: false },
} as const satisfies Record<Exclude<WrittenKind, Kind>, KindInfo>;

export const infoOf = (kind: WrittenKind): KindInfo => (isKind(kind) ? kinds[kind] : writtenKinds[kind]);

export const everyKind: readonly WrittenKind[] = [...allKinds, 'Event', 'Lease', 'Secret'];

/** `kind` as manifests have it. */
export const apiKindOf = (kind: WrittenKind): string => infoOf(kind).apiKind ?? kind;

const nameOf = (apiVersion: string, apiKind: string): string => `${apiVersion} ${apiKind}`;
const byName: ReadonlyMap<string, WrittenKind> = new Map(
  everyKind.map((kind) => [nameOf(infoOf(kind).apiVersion, apiKindOf(kind)), kind]),
);

/** Which kind a manifest is of, by both its words; undefined: none that is written here. */
export const writtenKindOf = (apiVersion: unknown, apiKind: unknown): WrittenKind | undefined =>
  byName.get(nameOf(String(apiVersion), String(apiKind)));

/** Which kind a manifest is of, by both its words; undefined: none that is read here. */
export function kindOfManifest(apiVersion: unknown, apiKind: unknown): Kind | undefined {
  const kind = writtenKindOf(apiVersion, apiKind);
  return isKind(kind) ? kind : undefined;
}

/** The kinds that `kind` in a manifest may mean, whatever its apiVersion. */
export const kindsCalled = (apiKind: string): readonly Kind[] =>
  allKinds.filter((kind) => apiKindOf(kind) === apiKind);

/** Every name that `kind` of a manifest may have. */
export const apiKinds: readonly string[] = [...new Set(allKinds.map(apiKindOf))];
