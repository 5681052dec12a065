/** Clusters for tests of policy, as a person writes them. */
import { parseAllDocuments } from 'yaml';
import type { HostEndpoint } from '../../src/model/policy.ts';
import type { Pod, Resource } from '../../src/model/resource.ts';
import { type Cluster, snapshotOf } from '../../src/policy/cluster.ts';
import type { Connection, End } from '../../src/policy/connection.ts';
import { readManifest } from '../../src/store/schema/manifest.ts';
import { address } from './clusters.ts';

/** Every document of these texts. */
export const resources = (...texts: readonly string[]): readonly Resource[] =>
  texts
    .flatMap((text) => parseAllDocuments(text))
    .map((document) => document.toJS())
    .filter((json) => json !== null)
    .map((json) => {
      const read = readManifest(json);
      if (!read.ok) throw new Error(JSON.stringify([json, read.error]));
      return read.value;
    });

export const clusterOf = (...texts: readonly string[]): Cluster => snapshotOf(resources(...texts)).cluster;

const v3 = 'apiVersion: projectcalico.org/v3';

/** @param spec  as YAML flow or lines */
const object = (apiVersion: string, kind: string, name: string, spec: string, namespace?: string): string =>
  `${apiVersion}\nkind: ${kind}\nmetadata: { name: ${name}${namespace === undefined ? '' : `, namespace: ${namespace}`} }\nspec: ${spec}\n---\n`;

export const gnp = (name: string, spec: string): string => object(v3, 'GlobalNetworkPolicy', name, spec);
export const np = (name: string, spec: string, namespace = 'shop'): string =>
  object(v3, 'NetworkPolicy', name, spec, namespace);
export const knp = (name: string, spec: string, namespace = 'shop'): string =>
  object('apiVersion: networking.k8s.io/v1', 'NetworkPolicy', name, spec, namespace);
export const cnp = (name: string, spec: string): string =>
  object('apiVersion: policy.networking.k8s.io/v1alpha2', 'ClusterNetworkPolicy', name, spec);
export const tier = (name: string, spec: string): string => object(v3, 'Tier', name, spec);
export const calico = (kind: string, name: string, spec: string, namespace?: string): string =>
  object(v3, kind, name, spec, namespace);

/** Namespaces shop (team: red) and ops; pods front and db of the shop, probe of ops; nodes node1 and node2. */
export const shop = `
{ apiVersion: v1, kind: Namespace, metadata: { name: shop, labels: { team: red } } }
---
{ apiVersion: v1, kind: Namespace, metadata: { name: ops } }
---
{ apiVersion: v1, kind: ServiceAccount, metadata: { name: web, namespace: shop, labels: { role: edge } } }
---
{ apiVersion: v1, kind: Node, metadata: { name: node1, labels: { rack: a } }, status: { addresses: [{ type: InternalIP, address: 172.30.0.11 }] } }
---
{ apiVersion: v1, kind: Node, metadata: { name: node2 }, status: { addresses: [{ type: InternalIP, address: 172.30.0.12 }] } }
---
apiVersion: v1
kind: Pod
metadata: { name: front, namespace: shop, labels: { app: front } }
spec: { nodeName: node1, serviceAccountName: web, containers: [{ name: c, ports: [{ name: http, containerPort: 8080 }] }] }
status: { podIPs: [{ ip: 10.65.1.2 }, { ip: 'fd00::2' }] }
---
apiVersion: v1
kind: Pod
metadata: { name: db, namespace: shop, labels: { app: db } }
spec: { nodeName: node2, containers: [{ name: c, ports: [{ name: postgres, containerPort: 5432 }] }] }
status: { podIPs: [{ ip: 10.65.2.2 }, { ip: 'fd00::3' }] }
---
apiVersion: v1
kind: Pod
metadata: { name: probe, namespace: ops, labels: { app: probe } }
spec: { nodeName: node2, containers: [{ name: c }] }
status: { podIP: 10.65.2.9 }
---
`;

export function podIn(cluster: Cluster, name: string): Pod {
  const pod = cluster.pods.find(({ meta }) => `${meta.namespace}/${meta.name}` === name);
  if (pod === undefined) throw new Error(`there is no pod ${name}`);
  return pod;
}

/** A pod of the cluster as an end. */
export function at(cluster: Cluster, name: string, over: Partial<End> = {}): End {
  const pod = podIn(cluster, name);
  const [own] = pod.ips;
  if (own === undefined) throw new Error(`${name} has no address`);
  return { address: own, spot: { kind: 'workload', pod }, ...over };
}

/** A host as an end, with its host endpoint if it has one. */
export function atHost(cluster: Cluster, node: string, text: string, port?: number): End {
  const endpoint: HostEndpoint | undefined = cluster.hostEndpoints.find((each) => each.node === node);
  return {
    address: address(text),
    spot: { kind: 'host', node, ...(endpoint === undefined ? {} : { endpoint }) },
    ...(port === undefined ? {} : { port }),
  };
}

/** TCP, to this port. */
export const tcp = (from: End, to: End, port = 80): Connection => ({
  from: { port: 40_000, ...from },
  to: { ...to, port },
  protocol: 6,
});
