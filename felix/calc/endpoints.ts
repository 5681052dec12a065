/**
 * Endpoints, network sets and nodes as rows: what sets are made of, and nothing else of the objects they come from.
 *
 * Rows are small, for a cluster has a hundred thousand.
 */
import {
  type Address,
  type IpVersion,
  isIpv4,
  lengthOf,
  type Prefix,
  versionOf,
  widthOf,
} from '../../src/lib/net.ts';
import type { EndpointPort, HostEndpoint, NetworkSet } from '../../src/model/policy.ts';
import type { ContainerPort, Node, Pod } from '../../src/model/resource.ts';
import { ownNetworkSetLabels, ownPodLabels } from '../../src/policy/labels.ts';
import { type Element, elementKey } from '../rules/model.ts';
import { addressOf, spanOf } from '../rules/span.ts';
import type { Lineage } from './population.ts';

/** An element of a set with its key. */
export interface Member {
  readonly key: string;
  readonly element: Element;
}

export interface Endpoint {
  readonly addresses: readonly Address[];
  readonly ports: readonly EndpointPort[];
  /** Of this node. */
  readonly isLocal: boolean;
  /** Of a pod; absent where the rest says it: elsewhere, with its own addresses. */
  readonly pod?: PodFacts | undefined;
  /** Made when first asked for: most of a cluster's endpoints are in no set of a node's. */
  members?: readonly Member[] | undefined;
}

export interface PodFacts {
  /** By its status. */
  readonly addresses: readonly Address[];
  readonly hostNetwork: boolean;
  readonly finished: boolean;
}

/** A thing with labels, as it is told. */
export interface Told<T> {
  readonly lineage: Lineage;
  readonly item: T;
}

export const namespaceSource = (name: string): string => `namespace ${name}`;
export const accountSource = (namespace: string, name: string): string => `account ${namespace}/${name}`;
export const profileSource = (name: string): string => `profile ${name}`;

const protocolNumbers = { TCP: 6, UDP: 17, SCTP: 132 } as const;
const noPorts: readonly EndpointPort[] = [];

const namedPorts = (ports: readonly ContainerPort[]): readonly EndpointPort[] => {
  const named = ports.flatMap(({ name, protocol, port }) =>
    name === undefined ? [] : [{ name, protocol: protocolNumbers[protocol], port }],
  );
  return named.length === 0 ? noPorts : named;
};

/** As of a pod of another node. */
export function podTold(pod: Pod): Told<Endpoint> {
  const { meta, serviceAccount, ips, ports, hostNetwork, finished } = pod;
  const { namespace = '' } = meta;
  const place = namespaceSource(namespace);
  const heirOf = serviceAccount === undefined ? [place] : [accountSource(namespace, serviceAccount), place];
  const facts: PodFacts = { addresses: ips, hostNetwork, finished };
  return {
    lineage: { own: ownPodLabels(pod), heirOf },
    item: podEndpoint(facts, namedPorts(ports), undefined),
  };
}

/**
 * A local pod has the addresses its endpoint was given, before its status says so and whatever that says. Pods of the
 * host network and finished ones have none of their own: theirs may be the node's, or soon another pod's.
 * @param given  by the endpoints it has on this node; absent: it has none
 */
export function podEndpoint(
  pod: PodFacts,
  ports: readonly EndpointPort[],
  given: readonly Address[] | undefined,
): Endpoint {
  const all = given === undefined || given.length === 0 ? pod.addresses : given;
  const isPlain = !pod.hostNetwork && !pod.finished;
  return {
    addresses: isPlain ? all : [],
    ports,
    isLocal: given !== undefined,
    pod: isPlain && given === undefined ? undefined : pod,
    members: undefined,
  };
}

/** What is known of the pod that the endpoint is. */
export const factsOf = ({ pod, addresses }: Endpoint): PodFacts =>
  pod ?? { addresses, hostNetwork: false, finished: false };

const endpointOf = (
  addresses: readonly Address[],
  ports: readonly EndpointPort[],
  isLocal: boolean,
): Endpoint => ({ addresses, ports, isLocal, pod: undefined, members: undefined });

/** @param node  this one */
export const hostTold = (host: HostEndpoint, node: string): Told<Endpoint> => ({
  lineage: hostLineage(host),
  item: endpointOf(host.expectedIps, host.ports, host.node === node),
});

export const hostLineage = ({ meta, profiles }: HostEndpoint): Lineage => ({
  own: meta.labels,
  heirOf: profiles.map(profileSource).toReversed(),
});

export const nodeTold = ({ meta, internalIps }: Node): Told<Endpoint> => ({
  lineage: { own: meta.labels, heirOf: [] },
  item: endpointOf(internalIps, noPorts, false),
});

const setLineage = (set: NetworkSet): Lineage => ({
  own: ownNetworkSetLabels(set),
  heirOf: set.meta.namespace === undefined ? [] : [namespaceSource(set.meta.namespace)],
});

/** What of a network set is single addresses, for sets of addresses, and what is wider. */
export function setTold(set: NetworkSet): {
  readonly addresses: Told<Endpoint>;
  readonly networks: Told<readonly Prefix[]>;
} {
  const lineage = setLineage(set);
  const addresses = set.nets.filter(isSingle).map((net) => addressOf(versionOf(net), spanOf(net).first));
  return {
    addresses: { lineage, item: endpointOf(addresses, noPorts, false) },
    networks: { lineage, item: set.nets.filter((net) => !isSingle(net)) },
  };
}

const isSingle = (prefix: Prefix): boolean => lengthOf(prefix) === widthOf(prefix);

export const sameEndpoint = (a: Endpoint, b: Endpoint): boolean =>
  a.isLocal === b.isLocal &&
  sameList(a.addresses, b.addresses) &&
  samePorts(a.ports, b.ports) &&
  samePod(a.pod, b.pod);

const samePod = (a: PodFacts | undefined, b: PodFacts | undefined): boolean =>
  a === b ||
  (a !== undefined &&
    b !== undefined &&
    a.hostNetwork === b.hostNetwork &&
    a.finished === b.finished &&
    sameList(a.addresses, b.addresses));

export const sameList = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a === b || (a.length === b.length && a.every((each, index) => each === b[index]));

const samePorts = (a: readonly EndpointPort[], b: readonly EndpointPort[]): boolean =>
  a === b ||
  (a.length === b.length &&
    a.every(({ name, protocol, port }, index) => {
      const other = b[index];
      return name === other?.name && protocol === other.protocol && port === other.port;
    }));

/** Replicas have the same ports: one list for all of them. */
export const sharePorts = (endpoint: Endpoint, { ports }: Endpoint): Endpoint =>
  samePorts(endpoint.ports, ports) && endpoint.ports !== ports ? { ...endpoint, ports } : endpoint;

export const memberOf = (element: Element): Member => ({ key: elementKey(element), element });

/** The addresses of one family, as members of sets. */
export function addressMembers(endpoint: Endpoint, version: IpVersion): readonly Member[] {
  endpoint.members ??= allMembers(endpoint.addresses);
  const { members } = endpoint;
  const [first] = members;
  if (members.length === 1 && first !== undefined) return isOf(first, version) ? members : noMembers;
  return members.filter((member) => isOf(member, version));
}

const noMembers: readonly Member[] = [];

const isOf = ({ element }: Member, version: IpVersion): boolean =>
  element.kind === 'address' && isIpv4(element.address) === (version === 4);

const allMembers = (addresses: readonly Address[]): readonly Member[] =>
  (addresses.length < 2 ? addresses : [...new Set(addresses)]).map((address) =>
    memberOf({ kind: 'address', address }),
  );

/** @param protocol  absent: any */
export function portMembers(
  endpoint: Endpoint,
  version: IpVersion,
  name: string,
  protocol: number | undefined,
): readonly Member[] {
  const ports = endpoint.ports.filter(
    (port) => port.name === name && (protocol === undefined || port.protocol === protocol),
  );
  if (ports.length === 0) return [];
  return unique(
    addressesOf(endpoint, version).flatMap((address) =>
      ports.map(({ protocol: number, port }) => memberOf({ kind: 'port', address, protocol: number, port })),
    ),
  );
}

/** Two containers may call two ports by one name, and one port twice. */
const unique = (members: readonly Member[]): readonly Member[] =>
  members.length < 2 ? members : [...new Map(members.map((member) => [member.key, member])).values()];

const addressesOf = ({ addresses }: Endpoint, version: IpVersion): readonly Address[] => {
  const own = addresses.filter((address) => isIpv4(address) === (version === 4));
  return own.length < 2 ? own : [...new Set(own)];
};
