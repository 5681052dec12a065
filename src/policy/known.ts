/** Who is at an address: the endpoints and network sets that selectors look at, with their effective labels. */
import { type Address, containsAddress } from '../lib/net.ts';
import type { Labels } from '../model/meta.ts';
import type { HostEndpoint, NetworkSet } from '../model/policy.ts';
import type { Pod } from '../model/resource.ts';
import type { Cluster } from './cluster.ts';
import { protocolNumbers } from './convert/ports.ts';
import { hostEndpointLabels, networkSetLabels, podLabels } from './labels.ts';

export interface Known {
  readonly labels: Labels;
  /** The ports it has names for. */
  readonly ports: readonly { readonly name: string; readonly protocol: number; readonly port: number }[];
}

/** A pod of the host network has no endpoint of its own, and a finished one no address. */
const hasAddresses = ({ hostNetwork, finished }: Pod): boolean => !hostNetwork && !finished;

export function knownPod(cluster: Cluster, pod: Pod): Known {
  const { namespace } = pod.meta;
  return {
    labels: podLabels(
      pod,
      cluster.namespaces.find(({ meta }) => meta.name === namespace),
      cluster.accounts.find(({ meta }) => meta.namespace === namespace && meta.name === pod.serviceAccount),
    ),
    ports: pod.ports.flatMap(({ name, protocol, port }) =>
      name === undefined ? [] : [{ name, protocol: protocolNumbers[protocol], port }],
    ),
  };
}

export const knownHost = (cluster: Cluster, endpoint: HostEndpoint): Known => ({
  labels: hostEndpointLabels(endpoint, cluster.profiles),
  ports: endpoint.ports,
});

export const knownNetworkSet = ({ namespaces }: Cluster, set: NetworkSet): Known => ({
  labels: networkSetLabels(
    set,
    namespaces.find(({ meta }) => meta.name === set.meta.namespace),
  ),
  ports: [],
});

/** More than one while a pod replaces another, or where network sets overlap. */
export function whoIsAt(cluster: Cluster, address: Address): readonly Known[] {
  const { networkSets } = cluster;
  return [
    ...(endpointsOf(cluster).get(address) ?? []),
    ...networkSets
      .filter(({ nets }) => nets.some((net) => containsAddress(net, address)))
      .map((set) => knownNetworkSet(cluster, set)),
  ];
}

type Book = ReadonlyMap<Address, readonly Known[]>;
/** A cluster is a value and never changes, so its book is written once. */
const books = new WeakMap<Cluster, Book>();

function endpointsOf(cluster: Cluster): Book {
  const before = books.get(cluster);
  if (before !== undefined) return before;
  const book = new Map<Address, Known[]>();
  const enter = (addresses: readonly Address[], known: Known): void => {
    for (const address of addresses) book.set(address, [...(book.get(address) ?? []), known]);
  };
  for (const pod of cluster.pods.filter(hasAddresses)) enter(pod.ips, knownPod(cluster, pod));
  for (const endpoint of cluster.hostEndpoints) enter(endpoint.expectedIps, knownHost(cluster, endpoint));
  books.set(cluster, book);
  return book;
}
