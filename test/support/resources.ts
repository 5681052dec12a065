/** Resources for tests, as short as the test that makes them. */
import type { BgpConfiguration, BgpPeer, IpPool, Labels, Meta, Node } from '../../src/model/resource.ts';
import { parseSelector } from '../../src/model/selector.ts';
import { address, as, prefix } from './wire.ts';

const meta = (name: string, over: { labels?: Labels; annotations?: Labels } = {}): Meta => ({
  name,
  labels: over.labels ?? {},
  annotations: over.annotations ?? {},
});

export const node = (
  name: string,
  over: { ips?: string[]; podCidrs?: string[]; labels?: Labels; annotations?: Labels } = {},
): Node => ({
  kind: 'Node',
  meta: meta(name, over),
  podCidrs: (over.podCidrs ?? []).map(prefix),
  internalIps: (over.ips ?? []).map(address),
});

export const bgpConfiguration = (
  over: { asNumber?: number; listenPort?: number; mesh?: boolean } = {},
): BgpConfiguration => ({
  kind: 'BGPConfiguration',
  meta: meta('default'),
  asNumber: as(over.asNumber ?? 64512),
  listenPort: over.listenPort ?? 179,
  nodeToNodeMeshEnabled: over.mesh ?? true,
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
  } = {},
): BgpPeer => {
  const selector = over.nodeSelector === undefined ? undefined : parseSelector(over.nodeSelector);
  if (selector?.ok === false) throw new Error('not a selector');
  return {
    kind: 'BGPPeer',
    meta: meta(name),
    peerIp: address(peerIp),
    asNumber: as(over.asNumber ?? 65000),
    ...(over.port === undefined ? {} : { peerPort: over.port }),
    ...(over.node === undefined ? {} : { node: over.node }),
    ...(selector === undefined ? {} : { nodeSelector: selector.value }),
    ...(over.keepaliveTimeMs === undefined ? {} : { keepaliveTimeMs: over.keepaliveTimeMs }),
  };
};

export const ipPool = (
  cidr: string,
  over: { disabled?: boolean; disableBgpExport?: boolean } = {},
): IpPool => ({
  kind: 'IPPool',
  meta: meta(cidr.replace(/[.:/]/g, '-')),
  cidr: prefix(cidr),
  disabled: over.disabled ?? false,
  disableBgpExport: over.disableBgpExport ?? false,
});
