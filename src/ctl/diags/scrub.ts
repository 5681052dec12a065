/**
 * What of each object may leave the cluster in a bundle: an allow-list. A field that is not named here does not go along,
 * so that a secret in a place nobody thought of stays where it is. Pure.
 */
import { felixFields } from '../../model/felix-fields.ts';
import { refusedFelixFields } from '../../model/felix-refused.ts';
import type { Kind } from '../../model/resource.ts';
import type { Manifest } from '../../store/objects.ts';
import type { Json } from '../../store/store.ts';
import { mapAt } from '../cluster/json.ts';

/** Nested as the objects are; `true` takes all below, and a list is walked item by item. */
type Allowed = true | { readonly [field: string]: Allowed };

const conditions: Allowed = {
  type: true,
  status: true,
  reason: true,
  message: true,
  lastTransitionTime: true,
  observedGeneration: true,
};

const metadata: Allowed = {
  name: true,
  namespace: true,
  uid: true,
  resourceVersion: true,
  generation: true,
  creationTimestamp: true,
  deletionTimestamp: true,
  labels: true,
};

/** Of annotations, which hold anything (kubectl keeps whole manifests there), only those of our own and Calico's names. */
const ownAnnotation = /^(cni\.)?projectcalico\.org\/|^node\.tortie\.io\//;

const fields = (...names: readonly string[]): Allowed =>
  Object.fromEntries(names.map((name) => [name, true as const]));

const calicoPolicy: Allowed = {
  spec: fields(
    ...['tier', 'order', 'selector', 'namespaceSelector', 'serviceAccountSelector', 'types'],
    ...['ingress', 'egress', 'doNotTrack', 'preDNAT', 'applyOnForward', 'performanceHints', 'stagedAction'],
  ),
  status: { conditions },
};

const specs: Readonly<Record<Kind, Allowed>> = {
  Node: {
    spec: fields('podCIDR', 'podCIDRs', 'taints', 'unschedulable'),
    status: {
      addresses: true,
      conditions,
      nodeInfo: fields(
        'kernelVersion',
        'osImage',
        'containerRuntimeVersion',
        'kubeletVersion',
        'architecture',
        'kubeProxyVersion',
      ),
    },
  },
  Pod: {
    spec: {
      nodeName: true,
      hostNetwork: true,
      containers: { name: true, ports: true },
      initContainers: { name: true, ports: true },
    },
    status: {
      phase: true,
      podIP: true,
      podIPs: true,
      hostIP: true,
      reason: true,
      conditions: fields('type', 'status', 'reason'),
    },
  },
  Namespace: { status: { phase: true } },
  NetworkPolicy: { spec: fields('podSelector', 'policyTypes', 'ingress', 'egress'), status: { conditions } },
  Service: {
    spec: fields(
      'type',
      'clusterIP',
      'clusterIPs',
      'externalIPs',
      'loadBalancerIP',
      'loadBalancerClass',
      'externalTrafficPolicy',
      'internalTrafficPolicy',
      'ipFamilies',
      'ports',
      'selector',
    ),
    status: { loadBalancer: true, conditions },
  },
  EndpointSlice: {
    addressType: true,
    ports: true,
    endpoints: fields('addresses', 'nodeName', 'conditions', 'zone'),
  },
  BGPConfiguration: {
    spec: fields(
      ...[
        'asNumber',
        'listenPort',
        'nodeToNodeMeshEnabled',
        'logSeverityScreen',
        'serviceLoadBalancerIPs',
        'serviceExternalIPs',
        'serviceClusterIPs',
      ],
      ...[
        'serviceLoadBalancerAggregation',
        'communities',
        'prefixAdvertisements',
        'bindMode',
        'ignoredInterfaces',
        'programClusterRoutes',
      ],
      ...[
        'nodeMeshMaxRestartTime',
        'ipv4NormalRoutePriority',
        'ipv6NormalRoutePriority',
        'multipath',
        'bestPath',
        'requireEBGPPolicy',
      ],
      ...['localWorkloadPeeringIPV4', 'localWorkloadPeeringIPV6'],
    ),
    status: { conditions },
  },
  BGPPeer: {
    spec: fields(
      ...[
        'node',
        'nodeSelector',
        'peerIP',
        'asNumber',
        'localASNumber',
        'peerSelector',
        'keepOriginalNextHop',
        'nextHopMode',
        'sourceAddress',
      ],
      ...[
        'maxRestartTime',
        'keepaliveTime',
        'numAllowedLocalASNumbers',
        'ttlSecurity',
        'reachableBy',
        'filters',
        'reversePeering',
      ],
      ...['peerRange', 'peerLimit', 'interface', 'holdTime', 'connectRetry', 'connectMode', 'families'],
      ...['role', 'roleStrict', 'addPath', 'maxPrefix', 'prefixLimit', 'restartMode', 'longLivedStaleTime'],
      ...['gracefulShutdown', 'enforceFirstAS', 'privateAS', 'failureDetectionMode', 'bfd'],
      ...['localWorkloadSelector'],
    ),
    status: { conditions },
  },
  BGPFilter: { spec: fields('exportV4', 'importV4', 'exportV6', 'importV6'), status: { conditions } },
  IPPool: {
    spec: fields(
      ...[
        'cidr',
        'ipipMode',
        'vxlanMode',
        'natOutgoing',
        'disabled',
        'disableBGPExport',
        'blockSize',
        'nodeSelector',
        'namespaceSelector',
      ],
      ...['allowedUses', 'assignmentMode'],
    ),
    status: { conditions },
  },
  IPAMBlock: {
    spec: {
      ...(fields(
        'cidr',
        'affinity',
        'affinityClaimTime',
        'allocations',
        'unallocated',
        'sequenceNumber',
        'sequenceNumberForAllocation',
        'deleted',
      ) as object),
      attributes: {
        handle_id: true,
        releasedAt: true,
        secondary: fields('pod', 'namespace', 'node', 'type', 'timestamp'),
      },
    },
  },
  BlockAffinity: { spec: fields('state', 'node', 'type', 'cidr', 'deleted') },
  IPAMConfiguration: {
    spec: fields('strictAffinity', 'maxBlocksPerHost', 'autoAllocateBlocks', 'ipCooldownSeconds'),
  },
  IPReservation: { spec: fields('reservedCIDRs') },
  CalicoNetworkPolicy: calicoPolicy,
  GlobalNetworkPolicy: calicoPolicy,
  StagedNetworkPolicy: calicoPolicy,
  StagedGlobalNetworkPolicy: calicoPolicy,
  StagedKubernetesNetworkPolicy: {
    spec: fields('podSelector', 'policyTypes', 'ingress', 'egress', 'stagedAction'),
    status: { conditions },
  },
  Tier: { spec: fields('order', 'defaultAction'), status: { conditions } },
  NetworkSet: { spec: fields('nets'), status: { conditions } },
  GlobalNetworkSet: { spec: fields('nets'), status: { conditions } },
  HostEndpoint: {
    spec: fields('node', 'interfaceName', 'expectedIPs', 'profiles', 'ports'),
    status: { conditions },
  },
  Profile: { spec: fields('ingress', 'egress', 'labelsToApply'), status: { conditions } },
  // Its secrets are references only, and those are not needed.
  ServiceAccount: {},
  ClusterNetworkPolicy: {
    spec: fields('tier', 'priority', 'subject', 'ingress', 'egress'),
    status: { conditions },
  },
  FelixConfiguration: {
    spec: fields('nodeSelector', ...Object.keys(felixFields), ...Object.keys(refusedFelixFields)),
    status: { conditions },
  },
  // Written by our own daemons, out of what they know of the network.
  CalicoNodeStatus: { spec: fields('node', 'classes', 'updatePeriodSeconds'), status: true },
};

const event: Allowed = {
  ...(fields(
    'type',
    'reason',
    'message',
    'count',
    'firstTimestamp',
    'lastTimestamp',
    'eventTime',
    'reportingComponent',
  ) as object),
  involvedObject: fields('kind', 'namespace', 'name', 'uid'),
  source: { component: true },
};

function keep(json: unknown, allowed: Allowed): Json | undefined {
  if (allowed === true) return json as Json;
  if (Array.isArray(json)) return json.map((item: unknown) => keep(item, allowed) ?? null);
  if (typeof json !== 'object' || json === null) return undefined;
  return Object.fromEntries(
    Object.entries(json).flatMap(([key, value]: [string, unknown]) => {
      const inner = Object.hasOwn(allowed, key) ? allowed[key] : undefined;
      const kept = inner === undefined ? undefined : keep(value, inner);
      return kept === undefined ? [] : [[key, kept] as const];
    }),
  );
}

function scrubbed(object: Manifest, allowed: Allowed): Manifest {
  const annotations = Object.fromEntries(
    Object.entries(mapAt(object, 'metadata', 'annotations')).filter(([key]) => ownAnnotation.test(key)),
  );
  const { apiVersion = '', kind = '' } = object;
  const meta = (keep(object['metadata'], metadata) ?? {}) as Manifest;
  const rest = (keep(object, allowed) ?? {}) as Manifest;
  return { apiVersion, kind, metadata: { ...meta, annotations }, ...rest };
}

export const scrub = (kind: Kind, object: Manifest): Manifest => scrubbed(object, specs[kind]);
export const scrubEvent = (object: Manifest): Manifest => scrubbed(object, event);

/** The names of fields in our own log records; the rest of a record, and every line that is none, is left out. */
const logged: Allowed = fields(
  'level',
  'time',
  'name',
  'node',
  'message',
  'peer',
  'prefix',
  'pod',
  'namespace',
  'kind',
  'where',
  'count',
  'state',
  'interface',
);

/** What looks like a secret, should one stand in the middle of a sentence after all. */
const secretLike =
  /\b(bearer|password|passwd|token|secret)(["']?\s*[:=]\s*|\s+)["']?[^\s"',;]{4,}|eyJ[\w-]{8,}\.[\w-]+\.[\w-]+|-----BEGIN[^-]*-----[\s\S]*/gi;

/** @returns the lines that may go along, and how many may not */
export function scrubLog(text: string): { readonly text: string; readonly leftOut: number } {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const kept = lines.flatMap((line) => {
    const record = parse(line);
    if (typeof record !== 'object' || record === null || !Object.hasOwn(record, 'message')) return [];
    return [JSON.stringify(keep(record, logged)).replaceAll(secretLike, '(left out)')];
  });
  return { text: kept.map((line) => `${line}\n`).join(''), leftOut: lines.length - kept.length };
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
