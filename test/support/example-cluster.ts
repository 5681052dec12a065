/** The cluster of the examples in docs/CLI.md, as a directory datastore: three nodes, of which one is well. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Json } from '../../src/store/store.ts';
import { bgpReport, felixReport, type Parts, reportManifest, torDown, torSession } from './reports.ts';

type Manifest = Readonly<Record<string, Json>> & {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
};

const calico = 'projectcalico.org/v3';
const minute = 60_000;

/** What `-f peers.yaml` reads in the examples that change something, and the one of the examples of validate. */
export const peersFile = `apiVersion: ${calico}
kind: BGPPeer
metadata: { name: tor }
spec: { peerIP: 172.30.0.1, asNumber: 65000 }
`;
export const wrongFile = `apiVersion: ${calico}
kind: BGPPeer
metadata: { name: rack1 }
spec:
  peerIP: 10.0.0.300
  asNumbr: 65001
---
apiVersion: ${calico}
kind: BGPConfiguration
metadata: { name: default }
spec: { asNumber: 64512 }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
`;

/** Written Events are for the API server's watchers only; here one stands in a file. */
const eventOf = (ago: (ms: number) => string): Json => ({
  ...{ apiVersion: 'v1', kind: 'Event', type: 'Warning', reason: 'PeerDown', count: 4 },
  metadata: { name: 'tor-1', namespace: 'default' },
  involvedObject: { apiVersion: calico, kind: 'BGPPeer', name: 'tor' },
  source: { component: 'tortie-controller' },
  lastTimestamp: ago(10 * minute + 10_000),
  message: 'Established on 1 of 2 nodes; down on node2',
});

/** What Calico leaves, for the example of migrate check: it is looked for under these names. */
const leftByCalico = `apiVersion: apps/v1
kind: DaemonSet
metadata: { name: calico-node, namespace: kube-system }
---
apiVersion: crd.projectcalico.org/v1
kind: FelixConfiguration
metadata: { name: default }
spec: { bpfEnabled: true }
---
apiVersion: crd.projectcalico.org/v1
kind: GlobalNetworkPolicy
metadata: { name: default-deny }
spec: { selector: all() }
`;

export const writeLeftByCalico = (directory: string): void =>
  writeFileSync(join(directory, 'calico.yaml'), leftByCalico);

/** What the examples of policy find beside the cluster: a shop of two pods, and what is allowed between them. */
const shopOfPolicies = `apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
apiVersion: v1
kind: Namespace
metadata: { name: ops }
---
apiVersion: v1
kind: Pod
metadata: { name: front-2, namespace: shop, labels: { app: front } }
spec: { nodeName: node1, containers: [{ name: front, ports: [{ name: http, containerPort: 8080 }] }] }
status: { phase: Running, podIP: 10.65.1.7 }
---
apiVersion: v1
kind: Pod
metadata: { name: db, namespace: shop, labels: { app: db } }
spec: { nodeName: node2, containers: [{ name: db, ports: [{ name: postgres, containerPort: 5432 }] }] }
status: { phase: Running, podIP: 10.65.2.3 }
---
apiVersion: v1
kind: Pod
metadata: { name: probe, namespace: ops, labels: { app: probe } }
spec: { nodeName: node2, containers: [{ name: probe }] }
status: { phase: Running, podIP: 10.65.2.9 }
---
apiVersion: v1
kind: Service
metadata: { name: db, namespace: shop }
spec: { clusterIP: 10.96.7.7, ports: [{ port: 5432 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: db-1, namespace: shop, labels: { kubernetes.io/service-name: db } }
addressType: IPv4
endpoints: [{ addresses: [10.65.2.3] }]
ports: [{ port: 5432, protocol: TCP }]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: db-from-front, namespace: shop }
spec:
  podSelector: { matchLabels: { app: db } }
  ingress:
    - from: [{ podSelector: { matchLabels: { app: front } } }]
      ports: [{ port: 5432 }]
---
apiVersion: ${calico}
kind: GlobalNetworkPolicy
metadata: { name: no-metadata }
spec:
  order: 10
  namespaceSelector: all()
  types: [Egress]
  egress:
    - { action: Deny, destination: { nets: [169.254.169.254/32] } }
    - { action: Allow }
`;

/** What `-f policy.yaml` and `-f cases.yaml` read in the examples of policy. */
export const policyFile = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: default-deny, namespace: shop }
spec:
  podSelector: {}
  policyTypes: [Ingress]
  ingress:
    - {}
---
apiVersion: ${calico}
kind: NetworkPolicy
metadata: { name: probes, namespace: shop }
spec:
  order: 100
  selector: app == 'db'
  types: [Ingress]
  ingress:
    - action: Allow
      protocol: TCP
      source: { namespaceSelector: kubernetes.io/metadata.name == 'ops' }
      destination: { ports: [postgress] }
    - { action: Pass }
`;
export const casesFile = `- { name: the shop works, from: shop/app=front, to: 'shop/db:postgres', expect: allow }
- { name: nobody else, from: ops/probe, to: 'shop/db:5432', expect: deny, by: shop/db-from-front }
- { name: no metadata, from: shop/db, to: '169.254.169.254:80', expect: allow }
`;

export const writePolicies = (directory: string): void =>
  writeFileSync(join(directory, 'shop.yaml'), shopOfPolicies);

/** @param without  kinds of which nothing is there. Everything is a written object, so commands may change it. */
export function writeExampleCluster(directory: string, now: Date, without: readonly string[] = []): void {
  const ago = (ms: number): string => new Date(now.getTime() - ms).toISOString();
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'event.json'), JSON.stringify(eventOf(ago)));
  for (const manifest of manifests(ago)) {
    if (without.includes(manifest.kind)) continue;
    const { name, namespace = '_' } = manifest.metadata;
    const own = join(directory, '.objects', manifest.kind, namespace, name);
    mkdirSync(own, { recursive: true });
    writeFileSync(join(own, '1.json'), JSON.stringify(manifest));
  }
}

function manifests(ago: (ms: number) => string): readonly Manifest[] {
  // A little more than whole minutes, so that an age is the same however long the test takes.
  const at = ago(3 * minute + 10_000);
  const tenMinutes = ago(10 * minute + 10_000);
  const twoHours = ago(120 * minute + 10_000);
  const wellParts = ({
    node,
    session,
  }: {
    readonly node: number;
    readonly session: typeof torSession;
  }): Parts => ({
    bgp: {
      ...bgpReport,
      ...{ at, routerId: `172.30.0.1${node}`, originated: [`10.65.${node}.0/24`] },
      sessions: { established: session.state === 'Established' ? 2 : 1, total: 2 },
      peers: [session],
    },
    felix: { ...felixReport, at },
  });
  const report = (node: number, session: typeof torSession): Manifest =>
    reportManifest(`node${node}`, wellParts({ node, session })) as unknown as Manifest;
  const made = { resourceVersion: '1', creationTimestamp: twoHours };
  return [
    ...[1, 2, 3].map((number): Manifest => node(number, made)),
    report(1, { ...torSession, since: twoHours }),
    report(2, { ...torDown, since: tenMinutes }),
    {
      ...{ apiVersion: calico, kind: 'BGPPeer' },
      metadata: { ...made, name: 'tor' },
      spec: { peerIP: '172.30.0.1', asNumber: 65000 },
      status: {
        conditions: [
          {
            ...{ type: 'Ready', status: 'False', reason: 'SessionsDown', lastTransitionTime: tenMinutes },
            message: `Established on 1 of 2 nodes; down on node2: ${torDown.lastError ?? ''}`,
          },
        ],
      },
    },
    {
      ...{ apiVersion: calico, kind: 'BGPConfiguration' },
      metadata: { ...made, name: 'default' },
      spec: { asNumber: 64512 },
    },
    {
      ...{ apiVersion: calico, kind: 'IPPool' },
      metadata: { ...made, name: 'main' },
      spec: { cidr: '10.65.0.0/16', blockSize: 26 },
      status: {
        conditions: [{ type: 'Allocatable', status: 'True', reason: 'OK', lastTransitionTime: twoHours }],
      },
    },
    pod('front', '10.65.1.0', made),
    block(twoHours, made),
    {
      ...{ apiVersion: calico, kind: 'BlockAffinity' },
      metadata: { ...made, name: 'node1-10-65-1-0-26' },
      spec: { cidr: '10.65.1.0/26', node: 'node1', type: 'host', state: 'confirmed', deleted: false },
    },
  ];
}

const node = (number: number, made: Readonly<Record<string, Json>>): Manifest => ({
  ...{ apiVersion: 'v1', kind: 'Node' },
  metadata: { ...made, name: `node${number}`, labels: number === 1 ? { rack: '1' } : {} },
  spec: { podCIDRs: [`10.65.${number}.0/24`] },
  status: { addresses: [{ type: 'InternalIP', address: `172.30.0.1${number}` }] },
});

const pod = (name: string, address: string, made: Readonly<Record<string, Json>>): Manifest => ({
  ...{ apiVersion: 'v1', kind: 'Pod' },
  metadata: { ...made, name, namespace: 'shop' },
  spec: { nodeName: 'node1', containers: [{ name }] },
  status: { phase: 'Running', podIP: address, podIPs: [{ ip: address }] },
});

/** Two addresses are given, and the second one's pod is gone. */
const block = (claimed: string, made: Readonly<Record<string, Json>>): Manifest => ({
  ...{ apiVersion: calico, kind: 'IPAMBlock' },
  metadata: { ...made, name: '10-65-1-0-26' },
  spec: {
    ...{ cidr: '10.65.1.0/26', affinity: 'host:node1', affinityClaimTime: claimed, deleted: false },
    allocations: Array.from({ length: 64 }, (_, ordinal) => (ordinal < 2 ? ordinal : null)),
    unallocated: Array.from({ length: 62 }, (_, index) => index + 2),
    attributes: ['front', 'old'].map((name, index) => ({
      handle_id: `k8s-pod-network.${index}f57f9cbb374`,
      secondary: { node: 'node1', namespace: 'shop', pod: name, type: 'pod', timestamp: claimed },
    })),
    ...{ sequenceNumber: 2, sequenceNumberForAllocation: { 0: 0, 1: 1 }, strictAffinity: false },
  },
});
