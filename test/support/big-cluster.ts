/**
 * A cluster as large as asked for, object by object: what the calculation and the benches are measured with.
 *
 * Namespaces of two hundred pods, twenty apps of ten replicas in each; every fiftieth namespace is of one team. Policies of every
 * kind, whose rules share so many selectors: most of a namespace's own app, some of an app in a team's namespaces, few of an
 * app and role everywhere. The first pods are this node's, one of each app in turn, so that policies find them.
 */
import { ipv4, prefix4 } from '../../src/lib/net.ts';
import { interfaceName, type LocalEndpoint } from '../../src/model/endpoint.ts';
import { everything, type LabelSelector } from '../../src/model/labels.ts';
import type { Meta } from '../../src/model/meta.ts';
import type { CalicoEntity, CalicoRule } from '../../src/model/policy.ts';
import type { NetworkPolicy, Pod, PolicyPeer, Resource } from '../../src/model/resource.ts';
import type { Selector } from '../../src/model/selector.ts';

export interface ClusterShape {
  readonly nodes: number;
  readonly pods: number;
  readonly policies: number;
  /** Distinct selectors of peers in all policies together. */
  readonly selectors: number;
  /** Pods of this node; policies are laid out so that each selects one of so many pods. */
  readonly localPods: number;
  /** Policies that select pods of this node; default all. */
  readonly localPolicies?: number;
}

export const thisNode = 'node-0';
const podsOfApp = 10;
const appsOfNamespace = 20;
const podsOfNamespace = podsOfApp * appsOfNamespace;
const teams = 50;
const roles = ['front', 'back', 'store', 'cache', 'batch'] as const;

const meta = (name: string, namespace?: string, labels: Meta['labels'] = {}): Meta => ({
  name,
  labels,
  annotations: {},
  ...(namespace === undefined ? {} : { namespace }),
});

const namespaceName = (index: number): string => `ns-${index}`;
const teamOf = (namespace: number): string => `team-${namespace % teams}`;
const appName = (index: number): string => `app-${index % appsOfNamespace}`;

/** Where the pod lives: those of this node first, one namespace after another. */
interface Place {
  readonly namespace: number;
  readonly app: number;
}

/** This node's pods are replicas of as many apps as there are. */
function placeOf(index: number, { pods }: ClusterShape): Place {
  const apps = Math.ceil(pods / podsOfApp);
  const app = index % apps;
  return { namespace: Math.floor(app / appsOfNamespace), app: app % appsOfNamespace };
}

export function bigPod(index: number, shape: ClusterShape, labels: Meta['labels'] = {}): Pod {
  const { namespace, app } = placeOf(index, shape);
  const own = {
    app: appName(app),
    role: roles[namespace % roles.length] ?? 'front',
    'pod-template-hash': `h${namespace}x${app}`,
    ...labels,
  };
  const node = index < shape.localPods ? thisNode : `node-${1 + (index % Math.max(1, shape.nodes - 1))}`;
  return {
    kind: 'Pod',
    meta: meta(`pod-${index}`, namespaceName(namespace), own),
    nodeName: node,
    serviceAccount: 'default',
    hostNetwork: false,
    finished: false,
    ips: [ipv4(0x0a000000 + index)],
    ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
    deleting: false,
  };
}

export const bigEndpoint = (index: number, shape: ClusterShape): LocalEndpoint => {
  const { namespace } = placeOf(index, shape);
  const [ns, pod] = [namespaceName(namespace), `pod-${index}`];
  return {
    id: pod,
    namespace: ns,
    pod,
    interface: interfaceName(ns, pod),
    addresses: [ipv4(0x0a000000 + index)],
  };
};

export const bigEndpoints = (shape: ClusterShape): readonly LocalEndpoint[] =>
  Array.from({ length: shape.localPods }, (_, index) => bigEndpoint(index, shape));

const labelled = (matchLabels: LabelSelector['matchLabels']): LabelSelector => ({
  matchLabels,
  matchExpressions: [],
});

/** Peers number `index` of so many: the same in Kubernetes' words and in Calico's. */
function peerOf(
  index: number,
  { pods }: ClusterShape,
): { readonly peer: PolicyPeer; readonly entity: CalicoEntity } {
  const namespaces = Math.ceil(pods / podsOfNamespace);
  const app = appName(index * 7 + Math.floor(index / appsOfNamespace));
  const isApp: Selector = { kind: 'equals', key: 'app', value: app };
  if (index % 10 === 0) {
    const role = roles[Math.floor(index / 10) % roles.length] ?? 'front';
    const all: Selector = { kind: 'and', of: [isApp, { kind: 'equals', key: 'role', value: role }] };
    return {
      peer: { kind: 'pods', namespaceSelector: everything, podSelector: labelled({ app, role }) },
      entity: { selector: all, namespaceSelector: { kind: 'all' } },
    };
  }
  if (index % 10 < 4) {
    const team = teamOf(Math.floor(index / 3));
    return {
      peer: { kind: 'pods', namespaceSelector: labelled({ team }), podSelector: labelled({ app }) },
      entity: { selector: isApp, namespaceSelector: { kind: 'equals', key: 'team', value: team } },
    };
  }
  const name = namespaceName(index % namespaces);
  return {
    peer: {
      kind: 'pods',
      namespaceSelector: labelled({ 'kubernetes.io/metadata.name': name }),
      podSelector: labelled({ app }),
    },
    entity: {
      selector: isApp,
      namespaceSelector: { kind: 'equals', key: 'kubernetes.io/metadata.name', value: name },
    },
  };
}

const rule = (action: CalicoRule['action'], source: CalicoEntity, port: number): CalicoRule => ({
  action,
  protocol: 6,
  source,
  destination: { ports: [{ first: port, last: port }] },
  annotations: {},
});

/** @param twist  another one makes another policy of the same name: a rule's port */
export function bigPolicy(index: number, shape: ClusterShape, twist = 0): Resource {
  const { localPods, localPolicies = shape.policies, selectors } = shape;
  const subject = index < localPolicies ? index % localPods : localPods + index;
  const { namespace, app } = placeOf(subject, shape);
  const ns = namespaceName(namespace);
  const port = 8000 + (index % 50) + twist;
  const [one, other] = [peerOf(index % selectors, shape), peerOf((index * 7 + 3) % selectors, shape)];
  const selector: Selector = { kind: 'equals', key: 'app', value: appName(app) };
  const common = {
    tier: 'default',
    order: index % 100,
    selector,
    types: ['Ingress'] as const,
    ingress: [rule('Allow', one.entity, port), rule('Allow', other.entity, port)],
    egress: [],
    onEveryNode: false,
  };
  if (index % 20 === 19) {
    return {
      kind: 'GlobalNetworkPolicy',
      meta: meta(`policy-${index}`),
      ...common,
      tier: `tier-${index % 3}`,
      namespaceSelector: { kind: 'equals', key: 'kubernetes.io/metadata.name', value: ns },
      ingress: [rule('Deny', other.entity, port), { ...rule('Pass', {}, port), destination: {} }],
      doNotTrack: false,
      preDnat: false,
      applyOnForward: false,
    };
  }
  if (index % 20 >= 10) return { kind: 'CalicoNetworkPolicy', meta: meta(`policy-${index}`, ns), ...common };
  return {
    kind: 'NetworkPolicy',
    meta: meta(`policy-${index}`, ns),
    podSelector: labelled({ app: appName(app) }),
    policyTypes: ['Ingress', 'Egress'],
    ingress: [{ peers: [one.peer], ports: [{ protocol: 'TCP', port }] }],
    egress: [{ peers: [other.peer] }],
  } satisfies NetworkPolicy;
}

export const bigNamespace = (index: number, labels: Meta['labels'] = {}): Resource => {
  const name = namespaceName(index);
  const own = { 'kubernetes.io/metadata.name': name, team: teamOf(index), ...labels };
  return { kind: 'Namespace', meta: meta(name, undefined, own) };
};

/** Everything there is, in the order an API server tells it: kind by kind. */
export function* bigCluster(shape: ClusterShape): Generator<Resource> {
  for (let index = 0; index < shape.nodes; index += 1) {
    yield {
      kind: 'Node',
      meta: meta(`node-${index}`, undefined, { zone: `z${index % 3}` }),
      podCidrs: [],
      internalIps: [ipv4(0xac100000 + index)],
      taints: [],
      unschedulable: false,
      ready: true,
      deleting: false,
    };
  }
  for (let index = 0; index < shape.pods; index += 1) yield bigPod(index, shape);
  const namespaces = Math.ceil(shape.pods / podsOfNamespace);
  for (let index = 0; index < namespaces; index += 1) {
    yield bigNamespace(index);
    yield { kind: 'ServiceAccount', meta: meta('default', namespaceName(index)) };
  }
  for (let index = 0; index < 3; index += 1) {
    yield { kind: 'Tier', meta: meta(`tier-${index}`), order: index, defaultAction: 'Pass' };
  }
  for (let index = 0; index < 50; index += 1) {
    const nets = Array.from({ length: 20 }, (_, net) =>
      prefix4(ipv4(0xc0000000 + index * 65536 + net * 512), 24),
    );
    yield {
      kind: 'GlobalNetworkSet',
      meta: meta(`outside-${index}`, undefined, { outside: `${index}` }),
      nets,
    };
  }
  for (let index = 0; index < shape.policies; index += 1) yield bigPolicy(index, shape);
}
