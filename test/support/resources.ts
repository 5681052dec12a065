/** Resources for tests, as short as the test that makes them. */
import type { NodeBgpSettings, PrefixAdvertisement } from '../../src/model/bgp-configuration.ts';
import type { BlockAffinity } from '../../src/model/ipam.ts';
import type {
  BgpConfiguration,
  BgpPeer,
  IpPool,
  Labels,
  Meta,
  Node,
  Taint,
} from '../../src/model/resource.ts';
import { parseSelector, type Selector } from '../../src/model/selector.ts';
import { address, as, prefix } from './wire.ts';

const meta = (name: string, over: { labels?: Labels; annotations?: Labels } = {}): Meta => ({
  name,
  labels: over.labels ?? {},
  annotations: over.annotations ?? {},
});

export const node = (
  name: string,
  over: {
    ips?: string[];
    podCidrs?: string[];
    labels?: Labels;
    annotations?: Labels;
    taints?: readonly Taint[];
    unschedulable?: boolean;
    ready?: boolean;
    deleting?: boolean;
  } = {},
): Node => ({
  kind: 'Node',
  meta: meta(name, over),
  podCidrs: (over.podCidrs ?? []).map(prefix),
  internalIps: (over.ips ?? []).map(address),
  taints: over.taints ?? [],
  unschedulable: over.unschedulable ?? false,
  ready: over.ready ?? true,
  deleting: over.deleting ?? false,
});

export const blockAffinity = (
  owner: string,
  cidr: string,
  over: { state?: BlockAffinity['state']; type?: BlockAffinity['type'] } = {},
): BlockAffinity => ({
  kind: 'BlockAffinity',
  meta: meta(`${owner}-${cidr.replace(/[.:/]/g, '-')}`),
  cidr: prefix(cidr),
  type: over.type ?? 'host',
  node: owner,
  state: over.state ?? 'confirmed',
  deleted: false,
});

export const bgpConfiguration = (
  over: {
    asNumber?: number;
    listenPort?: number;
    mesh?: boolean;
    clusterIps?: string[];
    externalIps?: string[];
    loadBalancerIps?: string[];
    aggregation?: boolean;
    advertisements?: readonly PrefixAdvertisement[];
    more?: Partial<BgpConfiguration>;
  } = {},
): BgpConfiguration => ({
  kind: 'BGPConfiguration',
  meta: meta('default'),
  asNumber: as(over.asNumber ?? 64512),
  listenPort: over.listenPort ?? 179,
  nodeToNodeMeshEnabled: over.mesh ?? true,
  serviceClusterIps: (over.clusterIps ?? []).map(prefix),
  serviceExternalIps: (over.externalIps ?? []).map(prefix),
  serviceLoadBalancerIps: (over.loadBalancerIps ?? []).map(prefix),
  serviceLoadBalancerAggregation: over.aggregation ?? true,
  prefixAdvertisements: over.advertisements ?? [],
  ...over.more,
});

export const bgpPeer = (
  name: string,
  peerIp: string,
  over: {
    asNumber?: number;
    port?: number;
    node?: string;
    nodeSelector?: string;
    keepaliveTimeMs?: number;
    maxRestartTimeMs?: number;
    filters?: readonly string[];
    more?: Partial<BgpPeer>;
  } = {},
): BgpPeer => {
  const selector = over.nodeSelector === undefined ? undefined : parseSelector(over.nodeSelector);
  if (selector?.ok === false) throw new Error('not a selector');
  return {
    kind: 'BGPPeer',
    meta: meta(name),
    remote: {
      kind: 'address',
      ip: address(peerIp),
      ...(over.port === undefined ? {} : { port: over.port }),
    },
    asNumber: as(over.asNumber ?? 65000),
    ...(over.node === undefined ? {} : { node: over.node }),
    ...(selector === undefined ? {} : { nodeSelector: selector.value }),
    ...(over.keepaliveTimeMs === undefined ? {} : { keepaliveTimeMs: over.keepaliveTimeMs }),
    ...(over.maxRestartTimeMs === undefined ? {} : { maxRestartTimeMs: over.maxRestartTimeMs }),
    filters: over.filters ?? [],
    ...over.more,
  };
};

const selectorOf = (text: string): Selector => {
  const selector = parseSelector(text);
  if (!selector.ok) throw new Error(`not a selector: ${text}`);
  return selector.value;
};

/** With nodes: `nodeSelector` of those that have it, `peerSelector` of those that are the other end. */
export const nodePeer = (
  name: string,
  peerSelector: string,
  over: { node?: string; nodeSelector?: string; more?: Partial<BgpPeer> } = {},
): BgpPeer => ({
  kind: 'BGPPeer',
  meta: meta(name),
  remote: { kind: 'nodes', selector: selectorOf(peerSelector) },
  ...(over.node === undefined ? {} : { node: over.node }),
  ...(over.nodeSelector === undefined ? {} : { nodeSelector: selectorOf(over.nodeSelector) }),
  filters: [],
  ...over.more,
});

export const rangePeer = (name: string, cidr: string, more: Partial<BgpPeer> = {}): BgpPeer => ({
  kind: 'BGPPeer',
  meta: meta(name),
  remote: { kind: 'range', range: prefix(cidr), limit: 100 },
  filters: [],
  ...more,
});

export const linkPeer = (name: string, link: string, more: Partial<BgpPeer> = {}): BgpPeer => ({
  kind: 'BGPPeer',
  meta: meta(name),
  remote: { kind: 'link', interface: link },
  asNumber: as(65000),
  filters: [],
  ...more,
});

/** BGPConfiguration of one node. */
export const nodeConfiguration = (name: string, override: NodeBgpSettings): BgpConfiguration => ({
  ...bgpConfiguration(),
  meta: meta(`node.${name}`),
  override,
});

export const ipPool = (cidr: string, over: Partial<Omit<IpPool, 'kind' | 'cidr'>> = {}): IpPool => ({
  kind: 'IPPool',
  meta: meta(cidr.replace(/[.:/]/g, '-')),
  cidr: prefix(cidr),
  disabled: false,
  disableBgpExport: false,
  blockSize: cidr.includes(':') ? 122 : 26,
  nodeSelector: { kind: 'all' },
  namespaceSelector: { kind: 'all' },
  allowedUses: ['Workload', 'Tunnel'],
  assignmentMode: 'Automatic',
  terminating: false,
  ...over,
});
