/**
 * Unknown JSON to typed resources: the one door of this folder. It imports zod, so import it when it is first needed.
 */
import { err, ok, type Result } from '../../lib/result.ts';
import type { Kind, Meta, Resource } from '../../model/resource.ts';
import { isObject } from '../json.ts';
import { apiKinds, kindOfManifest, kinds, kindsCalled } from '../kinds.ts';
import { readBgpConfiguration } from './bgp-configuration.ts';
import { readBgpFilter } from './bgp-filter.ts';
import { readBgpPeer } from './bgp-peer.ts';
import { readBlockAffinity } from './block-affinity.ts';
import { readCalicoNodeStatus } from './calico-node-status.ts';
import {
  readCalicoNetworkPolicy,
  readGlobalNetworkPolicy,
  readStagedGlobalNetworkPolicy,
  readStagedNetworkPolicy,
} from './calico-policy.ts';
import { readClusterNetworkPolicy } from './cluster-network-policy.ts';
import { readEndpointSlice } from './endpoint-slice.ts';
import { readFelixConfiguration } from './felix-configuration.ts';
import { describe, type Flaw, nearest } from './flaw.ts';
import { readHostEndpoint } from './host-endpoint.ts';
import { readIpPool } from './ip-pool.ts';
import { readIpReservation } from './ip-reservation.ts';
import { readIpamBlock } from './ipam-block.ts';
import { readIpamConfiguration } from './ipam-configuration.ts';
import { readMeta } from './meta.ts';
import { readNamespace } from './namespace.ts';
import { readNetworkPolicy, readStagedKubernetesNetworkPolicy } from './network-policy.ts';
import { readGlobalNetworkSet, readNetworkSet } from './network-set.ts';
import { readNode } from './node.ts';
import { readPod } from './pod.ts';
import { readProfile } from './profile.ts';
import { readService } from './service.ts';
import { readServiceAccount } from './service-account.ts';
import { readTier } from './tier.ts';

const readers = {
  Node: readNode,
  Pod: readPod,
  Namespace: readNamespace,
  NetworkPolicy: readNetworkPolicy,
  BGPConfiguration: readBgpConfiguration,
  BGPPeer: readBgpPeer,
  BGPFilter: readBgpFilter,
  IPPool: readIpPool,
  Service: readService,
  EndpointSlice: readEndpointSlice,
  IPAMBlock: readIpamBlock,
  BlockAffinity: readBlockAffinity,
  IPAMConfiguration: readIpamConfiguration,
  IPReservation: readIpReservation,
  CalicoNodeStatus: readCalicoNodeStatus,
  CalicoNetworkPolicy: readCalicoNetworkPolicy,
  GlobalNetworkPolicy: readGlobalNetworkPolicy,
  StagedNetworkPolicy: readStagedNetworkPolicy,
  StagedGlobalNetworkPolicy: readStagedGlobalNetworkPolicy,
  StagedKubernetesNetworkPolicy: readStagedKubernetesNetworkPolicy,
  Tier: readTier,
  NetworkSet: readNetworkSet,
  GlobalNetworkSet: readGlobalNetworkSet,
  HostEndpoint: readHostEndpoint,
  Profile: readProfile,
  ServiceAccount: readServiceAccount,
  ClusterNetworkPolicy: readClusterNetworkPolicy,
  FelixConfiguration: readFelixConfiguration,
} as const satisfies {
  [K in Kind]: (meta: Meta, json: unknown) => Result<Extract<Resource, { kind: K }>, readonly Flaw[]>;
};

/** Calico's kinds that we do not read yet, for a better answer than "unknown". */
const calicoKinds = ['ClusterInformation', 'IPAMHandle', 'KubeControllersConfiguration', 'WorkloadEndpoint'];

/** One object to a resource. Flaws have paths from the object's root. */
export function readManifest(json: unknown): Result<Resource, readonly Flaw[]> {
  const kind = readKind(json);
  if (!kind.ok) return err([kind.error]);
  const clean = withoutNulls(json);
  const meta = readMeta(kind.value, clean);
  // Both halves are read even if one is wrong, so that a person sees all flaws at once.
  const body = readers[kind.value](meta.ok ? meta.value : placeholder, clean);
  if (meta.ok) return body;
  return err(body.ok ? meta.error : [...meta.error, ...body.error]);
}

const placeholder: Meta = { name: 'default', labels: {}, annotations: {} };

/** Which of our kinds an object is, by apiVersion and kind. */
export function readKind(json: unknown): Result<Kind, Flaw> {
  if (!isObject(json))
    return err({
      path: [],
      what: `must be an object with apiVersion, kind and metadata, but is ${describe(json)}.`,
      fix: 'Write a Kubernetes manifest.',
    });
  const { apiVersion, kind } = json;
  if (typeof apiVersion !== 'string') return err(missing('apiVersion', 'projectcalico.org/v3'));
  if (typeof kind !== 'string') return err(missing('kind', 'BGPPeer'));
  const found = kindOfManifest(apiVersion, kind);
  if (found !== undefined) return ok(found);
  const versions = kindsCalled(kind)
    .map((one) => kinds[one].apiVersion)
    .join(' or ');
  if (versions === '') return err(unknownKind(apiVersion, kind));
  return err({
    path: ['apiVersion'],
    what: `must be ${versions} for a ${kind}, but is ${describe(apiVersion)}.`,
    fix: `Write ${versions}.`,
  });
}

const isCalico = (apiVersion: string, kind: string): boolean =>
  apiVersion === 'projectcalico.org/v3' && calicoKinds.includes(kind);

const missing = (field: string, example: string): Flaw => ({
  path: [field],
  what: 'is missing.',
  fix: `Every manifest begins with apiVersion and kind; write for example ${field}: ${example}.`,
});

function unknownKind(apiVersion: string, kind: string): Flaw {
  const meant = nearest(kind, apiKinds);
  const path = ['kind'];
  if (isCalico(apiVersion, kind))
    return { path, what: `${kind} is not supported in this version.`, fix: 'Remove this object.' };
  return {
    path,
    what: `${JSON.stringify(kind)} of ${apiVersion} is not a kind Tortie reads.`,
    fix:
      meant === undefined
        ? `Remove this object; the kinds are ${apiKinds.join(', ')}.`
        : `Did you mean ${meant}?`,
  };
}

/**
 * A null field is an absent field, as for the API server; a null in a list is an element (IPAMBlock's allocations). Few objects have
 * one, and the others are not copied.
 */
const withoutNulls = (json: unknown): unknown => (hasNulls(json) ? copied(json) : json);

function hasNulls(json: unknown): boolean {
  if (Array.isArray(json)) return json.some(hasNulls);
  if (!isObject(json)) return false;
  for (const key in json) {
    const value = json[key];
    if (value === null || hasNulls(value)) return true;
  }
  return false;
}

function copied(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(copied);
  if (!isObject(json)) return json;
  return Object.fromEntries(
    Object.entries(json)
      .filter(([, value]) => value !== null)
      .map(([key, value]) => [key, copied(value)]),
  );
}

export interface ListItem {
  readonly json: unknown;
  /** Where the item stands in what it was taken from. */
  readonly path: readonly (string | number)[];
}

/** The items of a `List` (or `PodList`, …, whose items need not repeat their kind), or the object itself. */
export function expandList(json: unknown): readonly ListItem[] {
  if (!isObject(json) || typeof json['kind'] !== 'string' || !json['kind'].endsWith('List'))
    return [{ json, path: [] }];
  const { items, apiVersion } = json;
  if (!Array.isArray(items)) return [{ json, path: [] }];
  const kind = json['kind'].slice(0, -'List'.length);
  const inherited = kind === '' ? {} : { apiVersion, kind };
  return items.map((item: unknown, index) => ({
    json: isObject(item) ? { ...inherited, ...item } : item,
    path: ['items', index],
  }));
}
