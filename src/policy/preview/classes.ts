/**
 * Pods, hosts and addresses outside in classes: what no selector, network, service or port of the rules can tell apart is one class,
 * so a preview asks once for all of them. Where they are counts by what their nodes are to the rules; whether two are on one node is
 * a matter of their meeting.
 */
import {
  type Address,
  containsAddress,
  formatPrefix,
  ipv4,
  ipv6,
  isPrefix4,
  lengthOf,
  networkOf,
  type Prefix,
  parseAddress,
  versionOf,
  widthOf,
} from '../../lib/net.ts';
import type { Cluster } from '../cluster.ts';
import { knownPod, whoIsAt } from '../known.ts';
import { type Who, whoHas } from '../who.ts';
import { type Criteria, signatureOf } from './criteria.ts';
import { firstsOf, type NodeWords } from './nodes.ts';

export interface Class {
  /** Those that are one to every rule. */
  readonly members: readonly Who[];
}

/** Pods of the newest of these clusters. */
export function podClasses(
  clusters: readonly Cluster[],
  criteria: Criteria,
  nodes: NodeWords,
): readonly Class[] {
  const classes = new Map<string, Who[]>();
  const [last] = clusters.slice(-1);
  for (const pod of last?.pods ?? []) {
    if (pod.hostNetwork || pod.finished || pod.ips.length === 0) continue;
    const known = clusters.map((cluster) => knownPod(cluster, pod));
    const who: Who = {
      label: `${pod.meta.namespace}/${pod.meta.name}`,
      addresses: pod.ips,
      spot: { kind: 'workload', pod },
    };
    const key = JSON.stringify([
      known.map((each) => signatureOf(each, criteria)),
      pod.ips.map((address) => placeOf(address, clusters, criteria)),
      nodes.ofPod(pod.nodeName),
    ]);
    enter(classes, key, who);
  }
  return [...classes.values()].map((members) => ({ members }));
}

function enter(classes: Map<string, Who[]>, key: string, who: Who): void {
  const before = classes.get(key);
  if (before === undefined) classes.set(key, [who]);
  else before.push(who);
}

/** Nodes of the newest of these clusters, as the hosts they are. */
export function hostClasses(
  clusters: readonly Cluster[],
  criteria: Criteria,
  nodes: NodeWords,
): readonly Class[] {
  const classes = new Map<string, Who[]>();
  const [last] = clusters.slice(-1);
  for (const { meta, internalIps } of last?.nodes ?? []) {
    if (internalIps.length === 0) continue;
    const { name: node } = meta;
    const key = JSON.stringify([
      nodes.ofHost(node, internalIps),
      firstsOf(internalIps).map((address) => [
        placeOf(address, clusters, criteria),
        knownAt(address, clusters, criteria),
      ]),
    ]);
    enter(classes, key, { label: `host ${node}`, addresses: internalIps, spot: { kind: 'host', node } });
  }
  return [...classes.values()].map((members) => ({ members }));
}

/** What selectors say of who is at an address. */
const knownAt = (
  address: Address,
  clusters: readonly Cluster[],
  criteria: Criteria,
): readonly (readonly string[])[] =>
  clusters.map((each) =>
    whoIsAt(each, address)
      .map((one) => signatureOf(one, criteria))
      .sort(),
  );

/** What an address is to rules, but for the labels of who has it. */
const placeOf = (address: Address, clusters: readonly Cluster[], { nets }: Criteria): string =>
  `${versionOf(address)} ${nets.map((net) => (containsAddress(net, address) ? '1' : '0')).join('')} ${clusters
    .flatMap((cluster) => backendsAt(cluster).get(address) ?? [])
    .sort()
    .join(' ')}`;

/** A cluster is a value and never changes, so its book is written once. */
const books = new WeakMap<Cluster, ReadonlyMap<Address, readonly string[]>>();

/** In words, what is answered at each address for Services. */
export function backendsAt(cluster: Cluster): ReadonlyMap<Address, readonly string[]> {
  const before = books.get(cluster);
  if (before !== undefined) return before;
  const book = new Map<Address, string[]>();
  for (const { address, service, protocol, port } of cluster.backends) {
    const words = book.get(address) ?? [];
    words.push(`${service.namespace}/${service.name}/${protocol}/${port}`);
    book.set(address, words);
  }
  books.set(cluster, book);
  return book;
}

const elsewhere = ['192.0.2.1', '198.18.0.1', '2001:db8::1', '3fff::1'].flatMap(
  (text) => parseAddress(text) ?? [],
);

/** Outside the cluster: an address for each part of the world that the networks of rules and sets cut it into. */
export function outsideClasses(clusters: readonly Cluster[], criteria: Criteria): readonly Class[] {
  const [cluster] = clusters.slice(-1);
  if (cluster === undefined) return [];
  const candidates = [...criteria.nets.flatMap(edgesOf), ...elsewhere];
  const classes = new Map<string, Who>();
  for (const address of candidates) {
    const who = whoHas(cluster, address);
    if (who.spot !== undefined) continue;
    const key = JSON.stringify([knownAt(address, clusters, criteria), placeOf(address, clusters, criteria)]);
    if (!classes.has(key)) classes.set(key, { ...who, label: outsideLabel(address, criteria) });
  }
  return [...classes.values()].map((who) => ({ members: [who] }));
}

/** Inside at both ends, and right behind it. */
function edgesOf(net: Prefix): readonly Address[] {
  const first = networkOf(net);
  const width = widthOf(net);
  const size = 2n ** BigInt(width - lengthOf(net));
  return [0n, 1n, size - 1n, size]
    .map((offset) => BigInt(first) + offset)
    .filter((value) => value < 2n ** BigInt(width))
    .map((value) => (width === 32 ? ipv4(Number(value)) : ipv6(value)));
}

/** "outside, in 10.0.0.0/8", by the narrowest network; "anywhere else (IPv4)". */
function outsideLabel(address: Address, { nets }: Criteria): string {
  const around = nets
    .filter((net) => containsAddress(net, address) && lengthOf(net) > 0)
    .sort((a, b) => lengthOf(b) - lengthOf(a));
  const [narrowest] = around;
  if (narrowest === undefined) return `anywhere else (IPv${versionOf(address)})`;
  return isPrefix4(narrowest) && lengthOf(narrowest) === 32
    ? `outside ${formatPrefix(narrowest).replace('/32', '')}`
    : `outside, in ${formatPrefix(narrowest)}`;
}
