/** Objects of the rows of path-table.ts, as short as the rows that have them. */
import { addresses } from './path-table.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Of projectcalico.org/v3. @param name  with a namespace before a slash, if the kind has one */
export function calico(kind: string, name: string, spec: Fields, labels: Fields = {}): object {
  const [namespace, own] = name.includes('/') ? name.split('/') : [undefined, name];
  const metadata = { name: own, labels, ...(namespace === undefined ? {} : { namespace }) };
  return { apiVersion: 'projectcalico.org/v3', kind, metadata, spec };
}

const kindOf = (name: string): string => (name.includes('/') ? 'NetworkPolicy' : 'GlobalNetworkPolicy');

/** A policy of web, of its namespace if the name has one. */
export const ingress = (name: string, rules: readonly object[], more: Fields = {}): object =>
  calico(kindOf(name), name, { selector: "app == 'web'", types: ['Ingress'], ingress: rules, ...more });
/** A policy of friend. */
export const egress = (name: string, rules: readonly object[], more: Fields = {}): object =>
  calico(kindOf(name), name, { selector: "app == 'friend'", types: ['Egress'], egress: rules, ...more });
/** A policy of the host's endpoints. */
export const hostPolicy = (name: string, spec: Fields): object =>
  calico('GlobalNetworkPolicy', name, { selector: "role == 'node'", ...spec });
/** A policy of web that is staged. */
export const staged = (name: string, rules: readonly object[], more: Fields = {}): object =>
  calico(`Staged${kindOf(name)}`, name, {
    selector: "app == 'web'",
    types: ['Ingress'],
    ingress: rules,
    ...more,
  });

export const tier = (name: string, order: number, more: Fields = {}): object =>
  calico('Tier', name, { order, ...more });

export const felixConfiguration = (spec: Fields): object => calico('FelixConfiguration', 'default', spec);

export const hostEndpoint = (spec: Fields): object =>
  calico('HostEndpoint', 'host', { node: 'host', ...spec }, { role: 'node' });

export const kubernetes = (name: string, spec: Fields): object => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name, namespace: 'shop' },
  spec: { podSelector: { matchLabels: { app: 'web' } }, policyTypes: ['Ingress'], ...spec },
});

/** A ClusterNetworkPolicy of web. */
export const cluster = (
  name: string,
  at: 'Admin' | 'Baseline',
  spec: Fields,
  app: keyof typeof addresses = 'web',
): object => ({
  apiVersion: 'policy.networking.k8s.io/v1alpha2',
  kind: 'ClusterNetworkPolicy',
  metadata: { name },
  spec: {
    tier: at,
    priority: 10,
    subject: { pods: { podSelector: { matchLabels: { app } } } },
    ...spec,
  },
});
/** Peers of ClusterNetworkPolicies. */
export const everyone = { namespaces: {} };
export const podsLike = (app: string): object => ({ pods: { podSelector: { matchLabels: { app } } } });

/** What web serves, as Service web of its namespace: port 80. */
export const serviceOfWeb: readonly object[] = (['IPv4', 'IPv6'] as const).map((addressType, index) => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: {
    name: `web-${addressType.toLowerCase()}`,
    namespace: 'shop',
    labels: { 'kubernetes.io/service-name': 'web' },
  },
  addressType,
  ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
  endpoints: [{ addresses: [addresses.web[index]], conditions: { ready: true } }],
}));

export const allow = { action: 'Allow' };
export const deny = { action: 'Deny' };
export const pass = { action: 'Pass' };
export const from = (source: Fields, action: object = allow): object => ({ ...action, source });
export const to = (destination: Fields, action: object = allow): object => ({ ...action, destination });
export const tcp = (action: object, ...ports: readonly (number | string)[]): object => ({
  ...action,
  protocol: 'TCP',
  destination: { ports },
});
export const fromFriend = from({ selector: "app == 'friend'" });
