/** For every rule of our definitions an object that breaks only it, and one like it that does not. */
import type { Kind } from '../../src/model/resource.ts';
import { apiKindOf, kinds } from '../../src/store/kinds.ts';
import type { Json } from '../../src/store/store.ts';
import type { Manifest } from './manifests.ts';

export interface AdmissionCase {
  readonly kind: string;
  /** How the rule's message begins. */
  readonly message: string;
  /** Of a rule about changes: what is there before. */
  readonly before?: Manifest;
  readonly refused: Manifest;
  readonly accepted: Manifest;
}

const calico = (kind: string, spec: Json, name = 'default'): Manifest => ({
  apiVersion: 'projectcalico.org/v3',
  kind,
  metadata: { name },
  spec,
});

type Spec = { readonly [field: string]: Json };
const specs = (
  kind: string,
  message: string,
  refused: Spec,
  accepted: Spec,
  before?: Spec,
): AdmissionCase => ({
  kind,
  message,
  refused: calico(kind, refused),
  accepted: calico(kind, accepted),
  ...(before === undefined ? {} : { before: calico(kind, before) }),
});

const peer = { peerIP: '10.0.0.1', asNumber: 64513 };
const workloads = { localWorkloadSelector: "app == 'router'", asNumber: 64600 };
const pool = { cidr: '10.244.0.0/16' };
const forServices = { ...pool, allowedUses: ['LoadBalancer'] };
const block = {
  cidr: '10.0.0.0/31',
  allocations: [null, null],
  unallocated: [0, 1],
  attributes: [],
};
const affinity = { state: 'pending', node: 'node1', cidr: '10.0.0.0/26' };
const hostBits = 'must be a prefix without bits set after its length';

/** Of the rules that each list of a BGPFilter has. */
function ruleCases(list: string): readonly AdmissionCase[] {
  const isV6 = list.endsWith('6');
  const [own, other] = isV6 ? ['fd00::/16', '10.0.0.0/8'] : ['10.0.0.0/8', 'fd00::/16'];
  const one = (message: string, refused: Spec, accepted: Spec): AdmissionCase =>
    specs(
      'BGPFilter',
      message,
      { [list]: [{ action: 'Accept', ...refused }] },
      { [list]: [{ action: 'Accept', ...accepted }] },
    );
  const within = { cidr: own, matchOperator: 'In' };
  const add = { addCommunity: { value: '64512:1' } };
  return [
    one('cidr and matchOperator go together', { cidr: own }, within),
    one('must be a prefix like', { ...within, cidr: '10.0.0.0' }, within),
    one(`must be an IPv${isV6 ? 6 : 4} prefix`, { ...within, cidr: other }, within),
    one(
      'prefixLength goes with',
      { cidr: own, matchOperator: 'Equal', prefixLength: { min: 17 } },
      { ...within, prefixLength: { min: 17 } },
    ),
    one(
      'prefixLength.min must not',
      { ...within, prefixLength: { min: 25, max: 24 } },
      { ...within, prefixLength: { min: 24, max: 24 } },
    ),
    one('operations go with', { action: 'Reject', operations: [add] }, { operations: [add] }),
    one('has to be exactly one', { operations: [{}] }, { operations: [{ setPriority: { value: 1 } }] }),
    one(
      'must be a community',
      { operations: [{ addCommunity: { value: '1:2:3:4' } }] },
      { operations: [{ addCommunity: { value: '1:2:3' } }] },
    ),
    one('should match', { interface: 'eth 0' }, { interface: '*.calico' }),
    one('must be a community', { communities: { values: ['x'] } }, { communities: { values: ['1:2'] } }),
  ];
}

/** One that the policies of this kind, or profiles, are of. */
const ofKind =
  (kind: Kind) =>
  (message: string, refused: Spec, accepted: Spec): AdmissionCase => ({
    kind,
    message,
    refused: calico(apiKindOf(kind), refused),
    accepted: calico(apiKindOf(kind), accepted),
  });
type Of = ReturnType<typeof ofKind>;

/** Of the rules that each list of rules of a policy has. */
function policyRuleCases(of: Of, list: string, namespaced: boolean): readonly AdmissionCase[] {
  const one = (message: string, refused: Spec, accepted: Spec): AdmissionCase =>
    of(
      message,
      { [list]: [{ action: 'Allow', ...refused }] },
      { [list]: [{ action: 'Allow', ...accepted }] },
    );
  const web = { services: { name: 'web', namespace: 'shop' } };
  return [
    one('icmp and notICMP', { icmp: { type: 8 } }, { protocol: 'ICMP', icmp: { type: 8, code: 0 } }),
    one('icmp and notICMP', { protocol: 6, notICMP: { type: 8 } }, { protocol: 58, notICMP: { type: 8 } }),
    one('code needs a type', { protocol: 'ICMP', icmp: { code: 0 } }, { protocol: 'ICMP', icmp: {} }),
    one('ipVersion is not that', { protocol: 'ICMP', ipVersion: 6 }, { protocol: 'ICMPv6', ipVersion: 6 }),
    one(
      'ports need a protocol',
      { destination: { ports: [80] } },
      { protocol: 'TCP', destination: { ports: [80, '90:99'] } },
    ),
    one(
      'ports need a protocol',
      { protocol: 'ICMP', source: { notPorts: ['web'] } },
      { source: { notPorts: ['web'] } },
    ),
    one(
      'nets and notNets of a rule',
      { source: { nets: ['10.0.0.0/8'] }, destination: { notNets: ['fd00::/8'] } },
      { source: { nets: ['10.0.0.0/8'] }, destination: { notNets: ['10.1.0.0/16'] } },
    ),
    one(
      'nets and notNets of a rule',
      { ipVersion: 6, source: { nets: ['10.0.0.0/8'] } },
      { ipVersion: 4, source: { nets: ['10.0.0.0/8'] } },
    ),
    one('should match', { source: { nets: ['x'] } }, { source: { nets: ['10.0.0.9'] } }),
    one('should match', { source: { notNets: ['::/0'] } }, { source: { notNets: ['8000::/1'] } }),
    one('should match', { source: { selector: 'a = "b"' } }, { source: { selector: "a == 'b=c'" } }),
    one('cannot use global()', { source: { selector: 'global()' } }, { source: { selector: 'all()' } }),
    one(
      'global() stands alone',
      { source: { namespaceSelector: 'global() || all()' } },
      { source: { namespaceSelector: ' global() ' } },
    ),
    one(
      'services cannot stand beside',
      { source: { ...web, nets: ['10.0.0.0/8'] } },
      { source: { ...web, nets: [] } },
    ),
    one(
      'services say the ports',
      { protocol: 'TCP', destination: { ...web, ports: [80] } },
      { protocol: 'TCP', source: { ...web, ports: [80] } },
    ),
    ...(namespaced
      ? []
      : [one('services.namespace is missing', { source: { services: { name: 'web' } } }, { source: web })]),
  ];
}

/** @param lists  of which the rules are tried: they are the same in all */
function policyCases(kind: Kind, lists: readonly string[]): readonly AdmissionCase[] {
  const of = ofKind(kind);
  const { namespaced } = kinds[kind];
  const early = { applyOnForward: true, types: ['Ingress'] };
  return [
    ...lists.flatMap((list) => policyRuleCases(of, list, namespaced)),
    of('should match', { selector: 'a & b' }, { selector: 'has(a) && b != "c"' }),
    of('cannot use global()', { serviceAccountSelector: 'global()' }, { serviceAccountSelector: 'all()' }),
    {
      kind,
      message: 'the name must be one word',
      refused: calico(apiKindOf(kind), {}, 'a.b.c'),
      accepted: calico(apiKindOf(kind), {}, 'a.b'),
    },
    ...(namespaced
      ? []
      : [
          of('doNotTrack and preDNAT cannot', { ...early, doNotTrack: true, preDNAT: true }, early),
          of('doNotTrack and preDNAT need', { doNotTrack: true }, { ...early, doNotTrack: true }),
          of('preDNAT is for', { ...early, preDNAT: true, types: ['Egress'] }, { ...early, preDNAT: true }),
        ]),
  ];
}

const tiers: readonly AdmissionCase[] = (
  [
    ['the name of a tier', 'a.b', {}, 'a', {}],
    ['the tier default has', 'default', { order: 5 }, 'default', { order: 1_000_000 }],
    ['the tier default ends', 'default', { defaultAction: 'Pass' }, 'default', { defaultAction: 'Deny' }],
    ['the tier kube-admin has', 'kube-admin', { order: 5 }, 'kube-admin', { order: 1000 }],
    ['the tier kube-admin ends', 'kube-admin', { defaultAction: 'Deny' }, 'kube-admin', {}],
    ['the tier kube-baseline has', 'kube-baseline', { order: 5 }, 'kube-baseline', { order: 10_000_000 }],
    ['the tier kube-baseline ends', 'kube-baseline', { defaultAction: 'Deny' }, 'other', { order: 5.5 }],
  ] as const
).map(([message, name, refused, other, accepted]) => ({
  kind: 'Tier',
  message,
  refused: calico('Tier', refused, name),
  accepted: calico('Tier', accepted, other),
}));

export const admissionCases: readonly AdmissionCase[] = [
  ...policyCases('CalicoNetworkPolicy', ['ingress', 'egress']),
  ...policyCases('GlobalNetworkPolicy', ['ingress']),
  ...policyCases('StagedNetworkPolicy', ['egress']),
  ...policyCases('StagedGlobalNetworkPolicy', ['ingress']),
  ...policyRuleCases(ofKind('Profile'), 'egress', false),
  ...tiers,
  {
    kind: 'FelixConfiguration',
    message: 'name it default',
    refused: calico('FelixConfiguration', {}, 'other'),
    accepted: calico('FelixConfiguration', {}, 'node.a'),
  },
  {
    kind: 'FelixConfiguration',
    message: 'default and node.NAME cannot have a nodeSelector',
    refused: calico('FelixConfiguration', { nodeSelector: 'all()' }),
    accepted: calico('FelixConfiguration', { nodeSelector: 'all()' }, 'other'),
  },
  specs('HostEndpoint', 'name the interface', { node: 'node1' }, { node: 'node1', interfaceName: '*' }),
  specs(
    'BGPPeer',
    'must be an address like',
    { ...peer, peerIP: 'tor' },
    { ...peer, peerIP: '[fd00::1]:1790' },
  ),
  specs(
    'BGPPeer',
    'node cannot stand next to nodeSelector',
    { ...peer, node: 'node1', nodeSelector: 'all()' },
    { ...peer, node: 'node1', nodeSelector: '' },
  ),
  specs(
    'BGPPeer',
    'keepOriginalNextHop cannot stand',
    { ...peer, keepOriginalNextHop: true, nextHopMode: 'Keep' },
    { ...peer, keepOriginalNextHop: true, nextHopMode: 'Auto' },
  ),
  specs(
    'BGPPeer',
    'exactly one of peerIP',
    { ...peer, peerRange: '10.1.0.0/16' },
    { ...peer, peerSelector: '' },
  ),
  specs('BGPPeer', 'exactly one of peerIP', { asNumber: 1 }, { interface: 'eth1', asNumber: 1 }),
  specs(
    'BGPPeer',
    'asNumber cannot stand next to peerSelector',
    { peerSelector: 'all()', asNumber: 1 },
    { peerSelector: 'all()' },
  ),
  specs('BGPPeer', 'asNumber is missing', { peerIP: '10.0.0.1' }, { interface: 'eth1' }),
  specs('BGPPeer', 'asNumber is missing', { localWorkloadSelector: 'all()' }, workloads),
  specs(
    'BGPPeer',
    'exactly one of peerIP',
    { ...peer, localWorkloadSelector: 'all()' },
    { ...peer, localWorkloadSelector: '' },
  ),
  specs(
    'BGPPeer',
    'connectMode cannot be Active with localWorkloadSelector',
    { ...workloads, connectMode: 'Active' },
    { ...workloads, connectMode: 'Passive' },
  ),
  specs(
    'BGPPeer',
    'reversePeering goes with peers that are nodes',
    { ...workloads, reversePeering: 'Manual' },
    { ...workloads, reversePeering: 'Auto' },
  ),
  specs(
    'BGPPeer',
    'bfd cannot stand next to localWorkloadSelector',
    { ...workloads, bfd: {} },
    { ...workloads, failureDetectionMode: 'None' },
  ),
  specs(
    'BGPPeer',
    'bfd.strict cannot stand next to peerRange',
    { peerRange: '10.1.0.0/16', bfd: { strict: true } },
    { peerRange: '10.1.0.0/16', bfd: { multiplier: 3 } },
  ),
  specs('BGPPeer', hostBits, { peerRange: '10.1.0.1/16' }, { peerRange: 'fd00::/64' }),
  specs(
    'BGPPeer',
    'peerLimit goes with',
    { ...peer, peerLimit: 3 },
    { peerRange: '10.1.0.0/16', peerLimit: 3 },
  ),
  specs(
    'BGPPeer',
    'connectMode cannot be Active',
    { peerRange: '10.1.0.0/16', connectMode: 'Active' },
    { peerRange: '10.1.0.0/16', connectMode: 'Passive' },
  ),
  specs(
    'BGPPeer',
    'reachableBy goes with peerIP',
    { peerSelector: 'all()', reachableBy: '10.0.0.9' },
    { ...peer, reachableBy: '10.0.0.9' },
  ),
  specs(
    'BGPPeer',
    'reachableBy must be of the same',
    { ...peer, reachableBy: 'fd00::9' },
    { ...peer, peerIP: '[fd00::1]:1790', reachableBy: 'fd00::9' },
  ),
  specs(
    'BGPPeer',
    'must be an address like',
    { ...peer, reachableBy: 'x' },
    { ...peer, reachableBy: '10.0.0.9' },
  ),
  specs('BGPPeer', 'holdTime must be', { ...peer, holdTime: '2s' }, { ...peer, holdTime: '0s' }),
  specs(
    'BGPPeer',
    'roleStrict goes with',
    { ...peer, roleStrict: true },
    { ...peer, role: 'peer', roleStrict: true },
  ),
  specs(
    'BGPPeer',
    'families must not name',
    { ...peer, families: ['IPv6', 'IPv6'] },
    { ...peer, families: ['IPv6', 'IPv4'] },
  ),
  specs(
    'BGPPeer',
    'longLivedStaleTime goes with',
    { ...peer, longLivedStaleTime: '1h' },
    { ...peer, longLivedStaleTime: '1h', restartMode: 'LongLivedGracefulRestart' },
  ),
  specs(
    'BGPPeer',
    'bfd cannot stand next to',
    { ...peer, failureDetectionMode: 'None', bfd: {} },
    { ...peer, failureDetectionMode: 'BFDIfDirectlyConnected', bfd: { multiplier: 5 } },
  ),
  specs(
    'BGPPeer',
    'bfd cannot be multihop',
    { ...peer, failureDetectionMode: 'BFDIfDirectlyConnected', bfd: { multihop: true } },
    { ...peer, bfd: { multihop: true, minimumSendInterval: '50ms' } },
  ),
  specs(
    'BGPPeer',
    'restartAfter goes with',
    { ...peer, maxPrefix: { ipv4: { limit: 1, action: 'Warn', restartAfter: '60s' } } },
    {
      ...peer,
      maxPrefix: { ipv4: { limit: 1, restartAfter: '60s' }, ipv6: { limit: 2, action: 'Discard' } },
    },
  ),
  {
    kind: 'BGPConfiguration',
    message: 'only default, for all nodes',
    refused: calico('BGPConfiguration', {}, 'other'),
    accepted: calico('BGPConfiguration', { listenPort: 1790 }, 'node.node1'),
  },
  {
    kind: 'BGPConfiguration',
    message: 'in an object for one node there cannot be',
    refused: calico('BGPConfiguration', { asNumber: 64513 }, 'node.node1'),
    accepted: calico('BGPConfiguration', { asNumber: 64513 }),
  },
  specs(
    'BGPConfiguration',
    'must be an IPv4 address',
    { localWorkloadPeeringIPV4: 'fd00::1' },
    { localWorkloadPeeringIPV4: '169.254.77.1' },
  ),
  specs(
    'BGPConfiguration',
    'must be an IPv6 address',
    { localWorkloadPeeringIPV6: '169.254.77.1' },
    { localWorkloadPeeringIPV6: 'fd00:77::1' },
  ),
  ...(['serviceClusterIPs', 'serviceExternalIPs', 'serviceLoadBalancerIPs'] as const).map((field) =>
    specs(
      'BGPConfiguration',
      'must be a prefix like',
      { [field]: [{ cidr: '10.96.0.0' }] },
      { [field]: [{ cidr: '10.96.0.0/12' }] },
    ),
  ),
  specs(
    'BGPConfiguration',
    'must be a prefix like',
    { prefixAdvertisements: [{ cidr: '10.96.0.0', communities: [] }] },
    { prefixAdvertisements: [{ cidr: '10.96.0.0/12', communities: ['64512:1'] }] },
  ),
  specs(
    'BGPConfiguration',
    'must be a community',
    { communities: [{ name: 'a', value: '64512' }] },
    { communities: [{ name: 'a', value: '64512:1' }] },
  ),
  ...(['exportV4', 'importV4', 'exportV6', 'importV6'] as const).flatMap(ruleCases),
  specs('IPPool', hostBits, { cidr: '10.244.0.1/16' }, { cidr: 'fd00:1::/64' }),
  specs('IPPool', 'must not overlap', { cidr: '169.254.0.0/20' }, { cidr: '169.253.0.0/20' }),
  specs('IPPool', 'cidr never changes', { cidr: '10.245.0.0/16' }, { ...pool, disabled: true }, pool),
  specs('IPPool', 'blockSize must be', { ...pool, blockSize: 64 }, { ...pool, blockSize: 24 }),
  specs(
    'IPPool',
    'blockSize makes blocks',
    { cidr: '10.244.0.0/28' },
    { cidr: '10.244.0.0/28', blockSize: 28 },
  ),
  specs('IPPool', 'blockSize never changes', { ...pool, blockSize: 28 }, { ...pool, blockSize: 26 }, pool),
  specs(
    'IPPool',
    'namespaceSelector cannot',
    { ...pool, namespaceSelector: 'has(team)', allowedUses: ['Workload', 'Tunnel'] },
    { ...pool, namespaceSelector: 'has(team)', allowedUses: ['Workload'] },
  ),
  specs(
    'IPPool',
    'cannot use global()',
    { ...pool, nodeSelector: 'global()' },
    { ...pool, nodeSelector: 'has(rack)' },
  ),
  specs(
    'IPPool',
    'allowedUses cannot',
    { ...pool, allowedUses: ['LoadBalancer', 'Workload'] },
    { ...pool, allowedUses: ['Tunnel', 'Workload'] },
  ),
  specs('IPPool', 'nodeSelector must be all()', { ...forServices, nodeSelector: 'has(rack)' }, forServices),
  specs(
    'IPPool',
    'disableBGPExport cannot',
    { ...forServices, disableBGPExport: true },
    { ...forServices, disableBGPExport: false },
  ),
  specs('IPAMBlock', hostBits, { ...block, cidr: '10.0.0.1/31' }, block),
  specs(
    'IPAMBlock',
    'cidr never changes',
    { ...block, cidr: '10.0.0.2/31' },
    { ...block, unallocated: [1, 0] },
    block,
  ),
  specs('BlockAffinity', hostBits, { ...affinity, cidr: '10.0.0.0' }, affinity),
  specs(
    'BlockAffinity',
    'cidr never changes',
    { ...affinity, cidr: '10.0.0.64/26' },
    { ...affinity, state: 'confirmed' },
    affinity,
  ),
  specs(
    'BlockAffinity',
    'node never changes',
    { ...affinity, node: 'node2' },
    { ...affinity, state: 'confirmed' },
    affinity,
  ),
  {
    kind: 'IPAMConfiguration',
    message: 'only the object named default',
    refused: calico('IPAMConfiguration', {}, 'other'),
    accepted: calico('IPAMConfiguration', {}),
  },
  specs(
    'IPAMConfiguration',
    'autoAllocateBlocks cannot be false',
    { autoAllocateBlocks: false },
    { autoAllocateBlocks: false, strictAffinity: true },
  ),
  specs(
    'IPReservation',
    'must be a prefix or an address',
    { reservedCIDRs: ['x'] },
    { reservedCIDRs: ['10.0.0.9', 'fd00::/120'] },
  ),
  specs(
    'CalicoNodeStatus',
    'node never changes',
    { node: 'node2' },
    { node: 'node1', classes: ['BGP'] },
    { node: 'node1' },
  ),
];
