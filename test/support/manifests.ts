/** Small manifests for tests of the datastores. */
import type { Json } from '../../src/store/store.ts';

export type Manifest = { readonly [key: string]: Json };

export const podManifest = (name: string, ip?: string, namespace = 'default'): Manifest => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace, labels: { app: name } },
  spec: { nodeName: 'node1', containers: [{ name: 'main', image: 'none' }] },
  ...(ip === undefined ? {} : { status: { phase: 'Running', podIPs: [{ ip }] } }),
});

export const nodeManifest = (name: string, podCidr: string): Manifest => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name },
  spec: { podCIDRs: [podCidr] },
});

export const peerManifest = (name: string, asNumber: Json): Manifest => ({
  apiVersion: 'projectcalico.org/v3',
  kind: 'BGPPeer',
  metadata: { name },
  spec: { peerIP: '10.0.0.1', asNumber },
});
