/** Calico's objects, kind by kind: what we make of each. Pure, over objects as Calico stores them. */

import { standardTiers } from '../../model/policy.ts';
import { kindOfManifest } from '../../store/kinds.ts';
import type { Manifest } from '../../store/objects.ts';
import { formatPath } from '../../store/schema/flaw.ts';
import { readManifest } from '../../store/schema/manifest.ts';
import { at, listAt, nameOf, namespaceOf, textAt } from '../cluster/json.ts';
import { differs, unsupported, type Verdict, works } from './verdict.ts';

/** Both of Calico's groups have the same kinds; which has the objects depends on how it was installed. */
export const calicoVersions = ['crd.projectcalico.org/v1', 'projectcalico.org/v3'] as const;

const ownVersion = 'projectcalico.org/v3';

interface Row {
  readonly kind: string;
  readonly plural: string;
  readonly namespaced?: boolean;
  readonly judge: (object: Manifest) => readonly Verdict[];
}

const label = (object: Manifest): string =>
  [textAt(object, 'kind'), namespaceOf(object), nameOf(object)].filter((word) => word !== '').join('/');

/** Fields that our schema refuses, with more to say than it does. */
const advice: Readonly<Record<string, string>> = {
  'spec.ipipMode':
    'Set it to Never once every node and ToR has routes to the pods: all nodes on one network, or BGPPeers with the ToR routers.',
  'spec.vxlanMode':
    'Set it to Never once every node and ToR has routes to the pods: all nodes on one network, or BGPPeers with the ToR routers.',
  'spec.bpfEnabled':
    'Remove the field, and run kube-proxy again before the change: Tortie does not replace it.',
};

/** A kind of ours: the daemons' own schema decides, field by field. */
function ours(object: Manifest): readonly Verdict[] {
  const kind = textAt(object, 'kind');
  if (kindOfManifest(ownVersion, kind) === undefined) return [];
  const read = readManifest({ ...object, apiVersion: ownVersion });
  if (read.ok) return [works(label(object))];
  return read.error.map(({ path, what, fix }) => {
    const field = formatPath(path);
    return unsupported(`${label(object)} ${field}`.trim(), what, advice[field] ?? fix);
  });
}

const otherwise =
  (what: string, fix = '') =>
  (object: Manifest): readonly Verdict[] => [differs(label(object), what, fix)];

/** Calico makes these by itself, and here they are there without being written. */
const unless =
  (isMade: (name: string) => boolean) =>
  (object: Manifest): readonly Verdict[] =>
    isMade(nameOf(object)) ? [] : ours(object);

const madeTiers: readonly string[] = [
  ...Object.keys(standardTiers),
  'adminnetworkpolicy',
  'baselineadminnetworkpolicy',
];

export const calicoRows: readonly Row[] = [
  { kind: 'BGPConfiguration', plural: 'bgpconfigurations', judge: ours },
  { kind: 'BGPPeer', plural: 'bgppeers', judge: ours },
  { kind: 'BGPFilter', plural: 'bgpfilters', judge: ours },
  { kind: 'IPPool', plural: 'ippools', judge: ours },
  { kind: 'IPReservation', plural: 'ipreservations', judge: ours },
  {
    kind: 'IPAMConfiguration',
    plural: 'ipamconfigs',
    judge: otherwise(
      'means the same with --ipam blocks, in projectcalico.org/v3.',
      'Apply it anew as IPAMConfiguration "default" of projectcalico.org/v3.',
    ),
  },
  { kind: 'FelixConfiguration', plural: 'felixconfigurations', judge: ours },
  { kind: 'GlobalNetworkPolicy', plural: 'globalnetworkpolicies', judge: ours },
  { kind: 'NetworkPolicy', plural: 'networkpolicies', namespaced: true, judge: ours },
  { kind: 'StagedGlobalNetworkPolicy', plural: 'stagedglobalnetworkpolicies', judge: ours },
  { kind: 'StagedNetworkPolicy', plural: 'stagednetworkpolicies', namespaced: true, judge: ours },
  {
    kind: 'StagedKubernetesNetworkPolicy',
    plural: 'stagedkubernetesnetworkpolicies',
    namespaced: true,
    judge: ours,
  },
  { kind: 'GlobalNetworkSet', plural: 'globalnetworksets', judge: ours },
  { kind: 'NetworkSet', plural: 'networksets', namespaced: true, judge: ours },
  { kind: 'HostEndpoint', plural: 'hostendpoints', judge: ours },
  { kind: 'Tier', plural: 'tiers', judge: unless((name) => madeTiers.includes(name)) },
  { kind: 'Profile', plural: 'profiles', judge: unless((name) => /^(kns|ksa)\.|^projectcalico-/.test(name)) },
  {
    kind: 'KubeControllersConfiguration',
    plural: 'kubecontrollersconfigurations',
    judge: otherwise('is not read: "tortie controller" has flags for what it does.'),
  },
];

/** IPAM's own objects, judged as a whole: there may be thousands. */
export function calicoBlocks(version: string, blocks: readonly Manifest[]): readonly Verdict[] {
  if (blocks.length === 0) return [];
  const used = blocks.reduce(
    (sum, block) => sum + listAt(block, 'spec', 'allocations').filter((one) => one !== null).length,
    0,
  );
  const what = `${blocks.length} blocks hold ${used} addresses`;
  return [
    version === 'projectcalico.org/v3'
      ? works('IPAMBlock', `${what}; --ipam blocks goes on with them.`)
      : differs(
          'IPAMBlock',
          `${what}, in ${version}, which is not read.`,
          'Copy blocks and affinities to projectcalico.org/v3 while no pod is made, or give pods new addresses node by node: drain, switch, uncordon.',
        ),
  ];
}

const annotated = (object: Manifest, key: string): string => textAt(object, 'metadata', 'annotations', key);

/** Annotations that Calico keeps on Nodes. */
export function calicoNode(node: Manifest): readonly Verdict[] {
  const own = (key: string): string => annotated(node, `projectcalico.org/${key}`);
  const name = `Node/${nameOf(node)}`;
  const tunnels = ['IPv4IPIPTunnelAddr', 'IPv4VXLANTunnelAddr', 'IPv6VXLANTunnelAddr'].filter(
    (key) => own(key) !== '',
  );
  const address = own('IPv4Address').split('/')[0] ?? '';
  const internal = listAt(node, 'status', 'addresses')
    .filter((one) => at(one, 'type') === 'InternalIP')
    .map((one) => textAt(one, 'address'));
  return [
    ...(own('RouteReflectorClusterID') === ''
      ? []
      : [
          works(
            name,
            `is a route reflector (cluster id ${own('RouteReflectorClusterID')}), and is one here by the same annotation.`,
          ),
        ]),
    ...(own('WireguardPublicKey') === ''
      ? []
      : [unsupported(name, 'encrypts by WireGuard.', 'Encrypt below, or in the applications.')]),
    ...(tunnels.length === 0
      ? []
      : [differs(name, `has tunnel addresses (${tunnels.join(', ')}); there are no tunnels.`)]),
    ...(address !== '' && internal.length > 0 && !internal.includes(address)
      ? [
          differs(
            name,
            `Calico peers from ${address}, Tortie from the InternalIP ${internal.join(', ')}.`,
            'Let the neighbours know that address, or set --node-ip of the kubelet.',
          ),
        ]
      : []),
  ];
}

/** Annotations on pods and namespaces that ask Calico's CNI plugin for something. */
const cniAnnotations: Readonly<Record<string, 'kept' | string>> = {
  'cni.projectcalico.org/ipv4pools': 'kept',
  'cni.projectcalico.org/ipv6pools': 'kept',
  'cni.projectcalico.org/ipAddrs': 'kept',
  'cni.projectcalico.org/floatingIPs': 'floating addresses are not there.',
  'cni.projectcalico.org/ipAddrsNoIpam': "every address is IPAM's.",
  'cni.projectcalico.org/hwAddr': 'the MAC address cannot be chosen.',
  'cni.projectcalico.org/allowedSourcePrefixes': 'a pod sends from its own addresses only.',
};

export function calicoAnnotations(object: Manifest): readonly Verdict[] {
  return Object.entries(cniAnnotations).flatMap(([key, fate]) => {
    if (annotated(object, key) === '') return [];
    const name = `${label(object)} ${key}`;
    return fate === 'kept'
      ? [works(name, 'means the same with --ipam blocks.')]
      : [unsupported(name, fate, 'Do without the annotation.')];
  });
}
