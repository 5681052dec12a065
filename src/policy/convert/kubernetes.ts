/**
 * networking.k8s.io/v1 NetworkPolicy: tier default at order 1000, and rules that only allow.
 *
 * A rule becomes one for each peer and protocol. A port that the API refuses (a name with endPort, a range that ends before it
 * begins) allows nothing.
 */

import { everything } from '../../model/labels.ts';
import type { Direction, PortMatch, StagedKubernetesNetworkPolicy } from '../../model/policy.ts';
import type { NetworkPolicy, PolicyPeer, PolicyPort, PolicyRule } from '../../model/resource.ts';
import type { Converted, Entity, Rule, Unconverted } from '../policy.ts';
import { both, inNamespace, ofNamespaces, pods } from '../selectors.ts';
import { byProtocol, type PortLine, type ProtocolPorts, protocolNumbers } from './ports.ts';

const defaultOrder = 1000;

export function convertKubernetes(policy: NetworkPolicy | StagedKubernetesNetworkPolicy): Converted {
  const { meta, podSelector, policyTypes, ingress, egress } = policy;
  const namespace = meta.namespace ?? '';
  const kind = policy.kind === 'NetworkPolicy' ? 'KubernetesNetworkPolicy' : policy.kind;
  const [inward, outward] = [rulesOf(ingress, 'Ingress', namespace), rulesOf(egress, 'Egress', namespace)];
  return {
    policy: {
      id: `${kind} ${namespace}/${meta.name}`,
      kind,
      namespace,
      name: meta.name,
      tier: 'default',
      order: defaultOrder,
      selector: both(inNamespace(namespace), pods(podSelector)),
      types: policyTypes,
      ingress: inward.rules,
      egress: outward.rules,
      stage: 'normal',
      onForward: false,
      ...(policy.kind === 'StagedKubernetesNetworkPolicy' ? { staged: policy.stagedAction } : {}),
      onEveryNode: false,
    },
    unconverted: [...inward.unconverted, ...outward.unconverted],
  };
}

interface Rules {
  readonly rules: readonly Rule[];
  readonly unconverted: readonly Unconverted[];
}

function rulesOf(rules: readonly PolicyRule[], direction: Direction, namespace: string): Rules {
  const converted = rules.map((rule, index) => ruleOf(rule, index, direction, namespace));
  return {
    rules: converted.flatMap(({ rules: own }) => own),
    unconverted: converted.flatMap(({ unconverted }) => unconverted),
  };
}

/** Absent and empty lists mean everyone and every port. */
function ruleOf(
  { peers = [], ports = [] }: PolicyRule,
  index: number,
  direction: Direction,
  namespace: string,
): Rules {
  const remotes = peers.length === 0 ? [{}] : peers.map((peer) => entityOf(peer, namespace));
  const services: readonly ProtocolPorts[] = ports.length === 0 ? [{}] : byProtocol(linesOf(ports));
  const at = (port: number): readonly string[] => [
    'spec',
    direction.toLowerCase(),
    String(index),
    'ports',
    String(port),
  ];
  return {
    rules: remotes.flatMap((remote) =>
      services.map((service) => allow(direction, remote, service, index + 1)),
    ),
    unconverted: ports.flatMap((port, place) => {
      const flaw = flawOf(port);
      return flaw === undefined ? [] : [{ at: at(place), what: flaw, instead: 'allows nothing' as const }];
    }),
  };
}

function allow(direction: Direction, remote: Entity, service: ProtocolPorts, number: number): Rule {
  const ports = service.ports === undefined ? {} : { ports: service.ports };
  return {
    action: 'Allow',
    ...(service.protocol === undefined ? {} : { protocol: service.protocol }),
    ...(direction === 'Ingress'
      ? { source: remote, destination: ports }
      : { source: {}, destination: { ...remote, ...ports } }),
    number,
  };
}

function entityOf(peer: PolicyPeer, namespace: string): Entity {
  if (peer.kind === 'ipBlock')
    return { nets: [peer.cidr], ...(peer.except.length === 0 ? {} : { notNets: peer.except }) };
  const { namespaceSelector, podSelector = everything } = peer;
  const place = namespaceSelector === undefined ? inNamespace(namespace) : ofNamespaces(namespaceSelector);
  return { selector: both(place, pods(podSelector)) };
}

const order = ['SCTP', 'TCP', 'UDP'] as const;

const linesOf = (ports: readonly PolicyPort[]): readonly PortLine[] =>
  order.flatMap((protocol) =>
    ports
      .filter((port) => port.protocol === protocol && flawOf(port) === undefined)
      .map((port) => {
        const match = matchOf(port);
        return { protocol: protocolNumbers[protocol], ...(match === undefined ? {} : { port: match }) };
      }),
  );

function matchOf({ port, endPort }: PolicyPort): PortMatch | undefined {
  if (port === undefined) return undefined;
  return typeof port === 'string' ? { name: port } : { first: port, last: endPort ?? port };
}

function flawOf({ port, endPort }: PolicyPort): string | undefined {
  if (endPort === undefined) return undefined;
  if (typeof port !== 'number')
    return `endPort ${endPort} stands beside ${port === undefined ? 'no port' : `the named port ${JSON.stringify(port)}`}: a range starts at a number.`;
  return endPort < port ? `endPort ${endPort} is less than port ${port}.` : undefined;
}
