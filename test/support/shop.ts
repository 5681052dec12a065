/** A shop of three pods, two of them on our node, and policies that use every part of the language. */
import { change, createGraph, type Graph, putEndpoint } from '../../felix/calc/graph.ts';
import type { RulesSettings } from '../../felix/rules/settings.ts';
import { interfaceName, type LocalEndpoint } from '../../src/model/endpoint.ts';
import type { Resource } from '../../src/model/resource.ts';
import { readManifest } from '../../src/store/schema/manifest.ts';
import { address } from './clusters.ts';

function manifest(json: unknown): Resource {
  const read = readManifest(json);
  if (!read.ok) throw new Error(JSON.stringify(read.error));
  return read.value;
}

type Labels = Readonly<Record<string, string>>;

export const shopPod = (
  name: string,
  labels: Labels,
  podIPs: readonly string[],
  ports: readonly object[] = [],
): Resource =>
  manifest({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'shop', labels },
    spec: { containers: [{ name: 'main', ports }] },
    status: { podIPs: podIPs.map((ip) => ({ ip })) },
  });

export const shopPolicy = (name: string, spec: object): Resource =>
  manifest({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name, namespace: 'shop' },
    spec,
  });

export const shopEndpoint = (pod: string, addresses: readonly string[]): LocalEndpoint => ({
  id: pod,
  namespace: 'shop',
  pod,
  interface: interfaceName('shop', pod),
  addresses: addresses.map(address),
});

export const webAddresses = ['10.244.1.2', 'fd00:1::2'];
export const dbAddresses = ['10.244.1.3'];

const shop: readonly Resource[] = [
  manifest({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels: { team: 'a' } } }),
  shopPod('web', { app: 'web' }, webAddresses, [{ name: 'http', containerPort: 8080 }]),
  shopPod('db', { app: 'db' }, dbAddresses, [{ name: 'sql', containerPort: 5432 }]),
  shopPod('front', { app: 'front' }, ['10.244.2.7', 'fd00:2::7']),
  shopPolicy('default-deny', { podSelector: {}, policyTypes: ['Ingress'] }),
  shopPolicy('allow-web', {
    podSelector: { matchLabels: { app: 'web' } },
    policyTypes: ['Ingress', 'Egress'],
    ingress: [
      {
        from: [{ podSelector: { matchLabels: { app: 'front' } } }],
        ports: [{ port: 'http' }, { port: 443 }, { port: 9000, endPort: 9010 }],
      },
      {
        from: [
          { ipBlock: { cidr: '192.0.2.0/24', except: ['192.0.2.128/26'] } },
          { ipBlock: { cidr: '2001:db8::/32' } },
        ],
      },
    ],
    egress: [
      { to: [{ podSelector: { matchLabels: { app: 'db' } } }], ports: [{ port: 'sql' }] },
      { to: [{ namespaceSelector: {} }], ports: [{ port: 53, protocol: 'UDP' }, { port: 53 }] },
    ],
  }),
];

/** Told everything, not yet ticked. */
export function shopGraph(settings?: RulesSettings): Graph {
  const graph = createGraph(settings === undefined ? {} : { settings });
  for (const resource of shop) change(graph, { kind: 'put', resource });
  putEndpoint(graph, shopEndpoint('web', webAddresses));
  putEndpoint(graph, shopEndpoint('db', dbAddresses));
  return graph;
}
