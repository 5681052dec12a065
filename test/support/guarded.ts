/** Pods on two nodes, one of them guarded by a policy, and the traffic that tells whether forwarding and policy are right. */
import { netnsPath } from '../../src/lab/topology.ts';
import type { LabCluster } from './lab-cluster.ts';
import type { Manifest } from './manifests.ts';
import type { Flow } from './traffic.ts';

const pod = (name: string, node: string): string => `
---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: app, labels: { app: ${name} } }
spec: { nodeName: ${node}, containers: [{ name: main }] }`;

/** Only a may send to b. a and c are on node1, b and d on node2; gone1 and gone2 are there to be deleted. */
export const guardedPods = `
apiVersion: v1
kind: Namespace
metadata: { name: app }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: guard, namespace: app }
spec:
  podSelector: { matchLabels: { app: b } }
  ingress: [{ from: [{ podSelector: { matchLabels: { app: a } } }], ports: [{ port: 7007, protocol: UDP }] }]
${pod('a', 'node1')}${pod('c', 'node1')}${pod('b', 'node2')}${pod('d', 'node2')}${pod('gone1', 'node1')}${pod('gone2', 'node2')}
`;

export const guardedNames = ['app/a', 'app/b', 'app/c', 'app/d', 'app/gone1', 'app/gone2'] as const;

export const appPod = (name: string, node: string): Manifest => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'app', labels: { app: name } },
  spec: { nodeName: node, containers: [{ name: 'main', image: 'none' }] },
});

const outsider = ['192.0.2.10', '2001:db8:30::10'];

/** Over the mesh, within a node, from outside by the ToR; each in both families. */
export function guardedFlows(cluster: LabCluster): readonly Flow[] {
  const end = (name: string) => {
    const { netns, addresses } = cluster.pod(`app/${name}`);
    return { netns: netnsPath(netns), addresses };
  };
  const client = { netns: netnsPath(cluster.netnsOf('client')), addresses: outsider };
  return [
    { name: 'a > b', from: end('a'), to: end('b'), passes: true },
    { name: 'b > a', from: end('b'), to: end('a'), passes: true },
    { name: 'a > c', from: end('a'), to: end('c'), passes: true },
    { name: 'client > a', from: client, to: end('a'), passes: true },
    { name: 'c > b', from: end('c'), to: end('b'), passes: false },
    { name: 'd > b', from: end('d'), to: end('b'), passes: false },
    { name: 'client > b', from: client, to: end('b'), passes: false },
  ];
}
