/**
 * The meaning of NetworkPolicy, written to be obvious and never to be fast: the oracle that the compiled rules must
 * agree with. It reads resources and knows nothing of chains or sets.
 *
 * Source: the API documentation of networking.k8s.io/v1 NetworkPolicy, field by field.
 */
import { type Address, containsAddress } from '../../src/lib/net.ts';
import { everything, matchesLabels } from '../../src/model/labels.ts';
import type {
  Namespace,
  NetworkPolicy,
  Pod,
  PolicyPeer,
  PolicyPort,
  PolicyRule,
  Protocol,
} from '../../src/model/resource.ts';

export interface Cluster {
  readonly pods: readonly Pod[];
  readonly namespaces: readonly Namespace[];
  readonly policies: readonly NetworkPolicy[];
}

/** The first packet of a conversation. A pod at an end means: this end is that pod, here. */
export interface Connection {
  readonly from: { readonly address: Address; readonly pod?: Pod };
  readonly to: { readonly address: Address; readonly pod?: Pod };
  /** 'other' has no ports: ICMP and the rest. */
  readonly protocol: Protocol | 'other';
  /** Destination port. */
  readonly port: number;
}

export interface Judgement {
  /** The policies of the source pod let it go; true if there is no pod at that end. */
  readonly egress: boolean;
  /** The policies of the destination pod let it in; true if there is no pod at that end. */
  readonly ingress: boolean;
}

export function verdict(cluster: Cluster, connection: Connection): Judgement {
  const { from, to } = connection;
  if (from.pod !== undefined && from.pod === to.pod) return { egress: true, ingress: true };
  return {
    egress: from.pod === undefined || allows(cluster, from.pod, 'Egress', to.address, connection),
    ingress: to.pod === undefined || allows(cluster, to.pod, 'Ingress', from.address, connection),
  };
}

/** Not isolated in this direction, or one rule of one of the policies that isolate it allows it. */
function allows(
  cluster: Cluster,
  pod: Pod,
  direction: 'Ingress' | 'Egress',
  remote: Address,
  connection: Connection,
): boolean {
  const isolating = cluster.policies.filter(
    (policy) =>
      policy.policyTypes.includes(direction) &&
      policy.meta.namespace === pod.meta.namespace &&
      !pod.hostNetwork &&
      matchesLabels(policy.podSelector, pod.meta.labels),
  );
  if (isolating.length === 0) return true;
  return isolating.some((policy) =>
    (direction === 'Ingress' ? policy.ingress : policy.egress).some((rule) =>
      ruleAllows(cluster, policy, rule, remote, connection),
    ),
  );
}

const ruleAllows = (
  cluster: Cluster,
  policy: NetworkPolicy,
  { peers = [], ports = [] }: PolicyRule,
  remote: Address,
  connection: Connection,
): boolean =>
  (peers.length === 0 || peers.some((peer) => peerIs(cluster, policy, peer, remote))) &&
  (ports.length === 0 || ports.some((port) => portIs(cluster, port, connection)));

function peerIs(cluster: Cluster, policy: NetworkPolicy, peer: PolicyPeer, remote: Address): boolean {
  if (peer.kind === 'ipBlock') {
    return containsAddress(peer.cidr, remote) && !peer.except.some((hole) => containsAddress(hole, remote));
  }
  const { namespaceSelector, podSelector = everything } = peer;
  return podsAt(cluster, remote).some((pod) => {
    const namespace = cluster.namespaces.find(({ meta }) => meta.name === pod.meta.namespace);
    const inNamespace =
      namespaceSelector === undefined
        ? pod.meta.namespace === policy.meta.namespace
        : namespace !== undefined && matchesLabels(namespaceSelector, namespace.meta.labels);
    return inNamespace && matchesLabels(podSelector, pod.meta.labels);
  });
}

function portIs(cluster: Cluster, { protocol, port, endPort }: PolicyPort, connection: Connection): boolean {
  if (protocol !== connection.protocol) return false;
  if (typeof port === 'number') return port <= connection.port && connection.port <= (endPort ?? port);
  if (endPort !== undefined) return false; // the API refuses a range that does not start at a number
  if (port === undefined) return true;
  return podsAt(cluster, connection.to.address).some((pod) =>
    pod.ports.some(
      (each) => each.name === port && each.protocol === protocol && each.port === connection.port,
    ),
  );
}

/** The pods an address belongs to; those of the host network and finished ones have none of their own. */
const podsAt = (cluster: Cluster, address: Address): readonly Pod[] =>
  cluster.pods.filter((pod) => !pod.hostNetwork && !pod.finished && pod.ips.includes(address));
