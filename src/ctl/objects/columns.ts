/** What `get` shows of each kind: calicoctl's columns for its kinds, kubectl's manner for the others. Pure, over objects as they are. */
import { standardTiers } from '../../model/policy.ts';
import type { Kind } from '../../model/resource.ts';
import type { Manifest } from '../../store/objects.ts';
import { at, listAt, mapAt, nameOf, namespaceOf, textAt } from '../cluster/json.ts';
import type { Cell } from '../table.ts';

type Show = (object: Manifest) => string;

interface Columns {
  readonly ps: Readonly<Record<string, Show>>;
  /** In place of `ps` under -o wide. Absent: the same. */
  readonly wide?: Readonly<Record<string, Show>>;
}

/** A field of spec, or what it counts as if it is not given. */
const spec =
  (field: string, otherwise = ''): Show =>
  (object) =>
    textAt(object, 'spec', field) || otherwise;

const joined =
  (...path: readonly string[]): Show =>
  (object) =>
    listAt(object, ...path).join(',');

const NAME: Show = nameOf;

/** calicoctl: the node, else the selector, else "(global)". */
const peerNode: Show = (peer) => spec('node')(peer) || spec('nodeSelector')(peer) || '(global)';

/** calicoctl: the address; where there is none, what stands in its place. */
const peerOf: Show = (peer) => {
  const range = spec('peerRange')(peer);
  const link = spec('interface')(peer);
  const pods = spec('localWorkloadSelector')(peer);
  const named = spec('peerIP')(peer) || spec('peerSelector')(peer) || range;
  if (named !== '') return named;
  return pods === '' ? (link === '' ? '' : `on ${link}`) : `pods: ${pods}`;
};

const addressOf =
  (type: 4 | 6): Show =>
  (node) =>
    listAt(node, 'status', 'addresses')
      .filter((one) => at(one, 'type') === 'InternalIP')
      .map((one) => textAt(one, 'address'))
      .filter((address) => address.includes(':') === (type === 6))
      .join(',');

/** A label selector as kubectl prints it. */
export function selectorText(json: unknown): string {
  const pairs = Object.entries(mapAt(json, 'matchLabels')).map(([key, value]) => `${key}=${value}`);
  const others = listAt(json, 'matchExpressions').map((one) => {
    const key = textAt(one, 'key');
    const values = listAt(one, 'values').join(',');
    const words: Readonly<Record<string, string>> = {
      In: `${key} in (${values})`,
      NotIn: `${key} notin (${values})`,
      Exists: key,
      DoesNotExist: `!${key}`,
    };
    return words[textAt(one, 'operator')] ?? '';
  });
  return [...pairs, ...others].join(',') || '<all>';
}

const podSelector: Show = (policy) => selectorText(at(policy, 'spec', 'podSelector'));

const usedOf: Show = (block) => {
  const all = listAt(block, 'spec', 'allocations');
  return `${all.filter((one) => one !== null).length}/${all.length}`;
};

const daemonVersion =
  (daemon: 'bgp' | 'felix'): Show =>
  (status) =>
    textAt(status, 'status', 'tortie', daemon, 'version');

const sessions: Show = (status) => {
  const counts = at(status, 'status', 'tortie', 'bgp', 'sessions');
  return counts === undefined ? '' : `${textAt(counts, 'established')}/${textAt(counts, 'total')}`;
};

const poolModes = { IPIPMODE: spec('ipipMode', 'Never'), VXLANMODE: spec('vxlanMode', 'Never') };

/** calicoctl: what has no order comes last, and says so. */
const tiered: Columns = {
  ps: { NAME, TIER: spec('tier', 'default') },
  wide: {
    NAME,
    TIER: spec('tier', 'default'),
    ORDER: spec('order', '<nil>'),
    SELECTOR: spec('selector', 'all()'),
  },
};

const tierOrder: Show = (tier) => spec('order', String(standardTiers[nameOf(tier)]?.order ?? '<nil>'))(tier);

const pairsText = (pairs: Readonly<Record<string, unknown>>): string =>
  Object.entries(pairs)
    .map(([key, value]) => `${key}=${String(value)}`)
    .join(',');

const columnsOf: Readonly<Record<Kind, Columns>> & Readonly<Record<string, Columns>> = {
  Node: {
    ps: { NAME },
    wide: { NAME, IPV4: addressOf(4), IPV6: addressOf(6), PODCIDRS: joined('spec', 'podCIDRs') },
  },
  Pod: {
    ps: { NAME, NODE: spec('nodeName'), IP: (pod) => textAt(pod, 'status', 'podIP') },
    wide: {
      NAME,
      NODE: spec('nodeName'),
      IPS: (pod) =>
        listAt(pod, 'status', 'podIPs')
          .map((one) => textAt(one, 'ip'))
          .join(','),
      PHASE: (pod) => textAt(pod, 'status', 'phase'),
    },
  },
  Namespace: { ps: { NAME } },
  CalicoNetworkPolicy: tiered,
  GlobalNetworkPolicy: tiered,
  StagedNetworkPolicy: tiered,
  StagedGlobalNetworkPolicy: tiered,
  StagedKubernetesNetworkPolicy: { ps: { NAME }, wide: { NAME, PODSELECTOR: podSelector } },
  Tier: { ps: { NAME, ORDER: tierOrder } },
  NetworkSet: { ps: { NAME }, wide: { NAME, NETS: joined('spec', 'nets') } },
  GlobalNetworkSet: { ps: { NAME }, wide: { NAME, NETS: joined('spec', 'nets') } },
  HostEndpoint: {
    ps: { NAME, NODE: spec('node') },
    wide: {
      NAME,
      NODE: spec('node'),
      INTERFACE: spec('interfaceName'),
      IPS: joined('spec', 'expectedIPs'),
      PROFILES: joined('spec', 'profiles'),
    },
  },
  Profile: {
    ps: { NAME },
    wide: { NAME, LABELS: (profile) => pairsText(mapAt(profile, 'spec', 'labelsToApply')) },
  },
  ServiceAccount: {
    ps: { NAME },
    wide: { NAME, LABELS: (account) => pairsText(mapAt(account, 'metadata', 'labels')) },
  },
  ClusterNetworkPolicy: {
    ps: { NAME, TIER: spec('tier'), PRIORITY: spec('priority') },
    wide: {
      NAME,
      TIER: spec('tier'),
      PRIORITY: spec('priority'),
      NUMINGRESS: (policy) => String(listAt(policy, 'spec', 'ingress').length),
      NUMEGRESS: (policy) => String(listAt(policy, 'spec', 'egress').length),
    },
  },
  NetworkPolicy: {
    ps: { NAME, PODSELECTOR: podSelector },
    wide: { NAME, PODSELECTOR: podSelector, TYPES: joined('spec', 'policyTypes') },
  },
  BGPConfiguration: {
    ps: {
      NAME,
      LOGSEVERITY: spec('logSeverityScreen', 'Info'),
      MESHENABLED: spec('nodeToNodeMeshEnabled', 'true'),
      ASNUMBER: spec('asNumber', '-'),
    },
  },
  BGPPeer: { ps: { NAME, PEERIP: peerOf, NODE: peerNode, ASN: spec('asNumber', '0') } },
  BGPFilter: {
    ps: {
      NAME,
      ...Object.fromEntries(
        ['exportV4', 'importV4', 'exportV6', 'importV6'].map((field) => [
          `NUM${field.toUpperCase()}`,
          (filter: Manifest) => String(listAt(filter, 'spec', field).length),
        ]),
      ),
    },
  },
  IPPool: {
    ps: { NAME, CIDR: spec('cidr'), SELECTOR: spec('nodeSelector', 'all()') },
    wide: {
      NAME,
      CIDR: spec('cidr'),
      NAT: spec('natOutgoing', 'false'),
      ...poolModes,
      DISABLED: spec('disabled', 'false'),
      DISABLEBGPEXPORT: spec('disableBGPExport', 'false'),
      SELECTOR: spec('nodeSelector', 'all()'),
      ASSIGNMENTMODE: spec('assignmentMode', 'Automatic'),
    },
  },
  FelixConfiguration: {
    ps: { NAME },
    wide: { NAME, NODESELECTOR: spec('nodeSelector', '-') },
  },
  IPReservation: { ps: { NAME }, wide: { NAME, CIDRS: joined('spec', 'reservedCIDRs') } },
  IPAMConfiguration: {
    ps: {
      NAME,
      STRICTAFFINITY: spec('strictAffinity', 'false'),
      AUTOALLOCATEBLOCKS: spec('autoAllocateBlocks', 'true'),
    },
    wide: {
      NAME,
      STRICTAFFINITY: spec('strictAffinity', 'false'),
      AUTOALLOCATEBLOCKS: spec('autoAllocateBlocks', 'true'),
      MAXBLOCKSPERHOST: spec('maxBlocksPerHost', '0'),
    },
  },
  IPAMBlock: { ps: { NAME, CIDR: spec('cidr'), AFFINITY: spec('affinity'), USED: usedOf } },
  BlockAffinity: { ps: { NAME, CIDR: spec('cidr'), NODE: spec('node'), STATE: spec('state') } },
  CalicoNodeStatus: {
    ps: { NAME, NODE: spec('node') },
    wide: {
      NAME,
      NODE: spec('node'),
      CLASSES: joined('spec', 'classes'),
      SESSIONS: sessions,
      BGP: daemonVersion('bgp'),
      FELIX: daemonVersion('felix'),
    },
  },
  Service: {
    ps: { NAME, TYPE: spec('type', 'ClusterIP'), CLUSTERIPS: joined('spec', 'clusterIPs') },
    wide: {
      NAME,
      TYPE: spec('type', 'ClusterIP'),
      CLUSTERIPS: joined('spec', 'clusterIPs'),
      EXTERNALIPS: joined('spec', 'externalIPs'),
      LOADBALANCERIPS: (service) =>
        listAt(service, 'status', 'loadBalancer', 'ingress')
          .map((one) => textAt(one, 'ip'))
          .join(','),
      EXTERNALPOLICY: spec('externalTrafficPolicy', 'Cluster'),
    },
  },
  EndpointSlice: {
    ps: {
      NAME,
      SERVICE: (slice) => textAt(slice, 'metadata', 'labels', 'kubernetes.io/service-name'),
      ENDPOINTS: (slice) => String(listAt(slice, 'endpoints').length),
    },
  },
};

/** The condition that says whether the object is well: `Ready`, else `Accepted`, else `Allocatable`. */
function healthOf(object: Manifest): { readonly status: string; readonly message: string } | undefined {
  const conditions = listAt(object, 'status', 'conditions');
  for (const type of ['Ready', 'Accepted', 'Allocatable']) {
    const found = conditions.find((one) => textAt(one, 'type') === type);
    if (found !== undefined) return { status: textAt(found, 'status'), message: textAt(found, 'message') };
  }
  return undefined;
}

export interface Shown {
  readonly headers: readonly string[];
  readonly row: (object: Manifest) => readonly Cell[];
}

/** Kinds with conditions of ours, which -o wide shows behind Calico's columns. */
const judged: ReadonlySet<Kind> = new Set([
  'NetworkPolicy',
  'BGPConfiguration',
  'BGPPeer',
  'BGPFilter',
  'IPPool',
  'CalicoNetworkPolicy',
  'GlobalNetworkPolicy',
  'StagedNetworkPolicy',
  'StagedGlobalNetworkPolicy',
  'StagedKubernetesNetworkPolicy',
  'Tier',
  'NetworkSet',
  'GlobalNetworkSet',
  'HostEndpoint',
  'Profile',
]);

export function shown(kind: Kind, wide: boolean, withNamespace: boolean): Shown {
  const { ps, wide: more = ps } = columnsOf[kind];
  const chosen = Object.entries(wide ? more : ps);
  const health = wide && judged.has(kind);
  return {
    headers: [
      ...(withNamespace ? ['NAMESPACE'] : []),
      ...chosen.map(([header]) => header),
      ...(health ? ['READY', 'WHY'] : []),
    ],
    row: (object) => [
      ...(withNamespace ? [namespaceOf(object)] : []),
      ...chosen.map(([, show]) => show(object)),
      ...(health ? healthCells(object) : []),
    ],
  };
}

function healthCells(object: Manifest): readonly Cell[] {
  const { status = '', message = '' } = healthOf(object) ?? {};
  return [
    { text: status, ...(status === 'False' ? { tone: 'bad' as const } : {}) },
    status === 'True' ? '' : message,
  ];
}

/** A column of any name anywhere shown for the kind, for -o custom-columns; a path such as .spec.peerIP works as well. */
export function customColumn(kind: Kind, word: string): Show | undefined {
  const { ps, wide = {} } = columnsOf[kind];
  const path = /^(?:[A-Z0-9_-]+:)?\.?([a-z]\w*(?:\.[\w/-]+)*)$/.exec(word)?.[1];
  const named: Readonly<Record<string, Show>> = { NAMESPACE: namespaceOf, ...ps, ...wide };
  const show = named[word.toUpperCase()];
  if (show !== undefined) return show;
  return path === undefined ? undefined : (object) => textAt(object, ...path.split('.'));
}

export const customColumnNames = (kind: Kind): readonly string[] => [
  ...new Set(['NAMESPACE', ...Object.keys(columnsOf[kind].ps), ...Object.keys(columnsOf[kind].wide ?? {})]),
];
