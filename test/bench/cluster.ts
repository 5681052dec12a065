/** The cluster that the policy and CNI benches work on: namespaces of 100 pods, half with policies, 50 pods on our node. */
import { namespaceObject, nodeObject, podObject } from '../support/felix.ts';

export const nodeName = 'node1';
export const localPods = 50;

/** Pods of other nodes have addresses from here on: 10.245.0.0/16. */
const remoteAddress = (index: number): string => `10.245.${index >> 8}.${index & 255}`;

const namespaceOf = (index: number): string => `ns${Math.floor(index / 100)}`;

/** "namespace/name" of a pod on another node; `index` counts from 0. */
export const remotePodName = (index: number): string => `${namespaceOf(index)}/pod${index}`;

export const remotePod = (index: number, labels: Readonly<Record<string, string>>): object =>
  podObject(remotePodName(index), `node${2 + (index % 9)}`, { labels, ips: [remoteAddress(index)] });

/** What pod `index` is labelled with when nothing changes it: one of ten applications. */
export const appOf = (index: number): string => `app${index % 10}`;

export const localPodName = (index: number): string => `ns0/local${index}`;

export const localPod = (index: number, ips: readonly string[] = []): object =>
  podObject(localPodName(index), nodeName, { labels: { app: appOf(index) }, ips });

/** Ingress to one application from another, which differs from policy to policy in ports and in who may come. */
function policy(index: number): object {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: `policy${index}`, namespace: 'ns0' },
    spec: {
      podSelector: { matchLabels: { app: appOf(index) } },
      ingress: [
        {
          from: [{ namespaceSelector: {}, podSelector: { matchLabels: { app: appOf(index + 3) } } }],
          ports: [{ port: 1000 + index }],
        },
        { from: [{ podSelector: { matchLabels: { role: `role${index}` } } }] },
      ],
    },
  };
}

/** Everything but the pods of our own node. */
export function cluster(pods: number, policies: number): readonly object[] {
  const count = Math.max(1, Math.ceil(pods / 100));
  return [
    nodeObject(nodeName, '10.244.1.0/24'),
    ...Array.from({ length: count }, (_, index) => namespaceObject(`ns${index}`, { team: `team${index}` })),
    ...Array.from({ length: policies }, (_, index) => policy(index)),
    ...Array.from({ length: pods }, (_, index) => remotePod(index, { app: appOf(index) })),
  ];
}
