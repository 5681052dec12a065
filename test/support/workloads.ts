/** Pods that may be neighbours of their node, and BGPPeers with them, as short as the test that makes them. */
import type { ServiceAccount } from '../../src/model/policy.ts';
import type { BgpPeer, Labels, Namespace, Pod } from '../../src/model/resource.ts';
import { parseSelector, type Selector } from '../../src/model/selector.ts';
import { address, as } from './wire.ts';

const selectorOf = (text: string): Selector => {
  const selector = parseSelector(text);
  if (!selector.ok) throw new Error(`not a selector: ${text}`);
  return selector.value;
};

/** On node1, in namespace default, as service account `bot`. */
export const pod = (
  name: string,
  ips: readonly string[],
  labels: Labels = {},
  more: Partial<Pod> = {},
): Pod => ({
  kind: 'Pod',
  meta: { name, namespace: 'default', labels, annotations: {} },
  nodeName: 'node1',
  serviceAccount: 'bot',
  hostNetwork: false,
  finished: false,
  ips: ips.map(address),
  ports: [],
  deleting: false,
  ...more,
});

export const namespace = (name: string, labels: Labels = {}): Namespace => ({
  kind: 'Namespace',
  meta: { name, labels, annotations: {} },
});

export const serviceAccount = (name: string, labels: Labels = {}): ServiceAccount => ({
  kind: 'ServiceAccount',
  meta: { name, namespace: 'default', labels, annotations: {} },
});

export const workloadPeer = (
  name: string,
  localWorkloadSelector: string,
  over: { node?: string; nodeSelector?: string; more?: Partial<BgpPeer> } = {},
): BgpPeer => ({
  kind: 'BGPPeer',
  meta: { name, labels: {}, annotations: {} },
  remote: { kind: 'workloads', selector: selectorOf(localWorkloadSelector) },
  asNumber: as(64600),
  ...(over.node === undefined ? {} : { node: over.node }),
  ...(over.nodeSelector === undefined ? {} : { nodeSelector: selectorOf(over.nodeSelector) }),
  filters: [],
  ...over.more,
});
