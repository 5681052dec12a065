/**
 * Endpoints, addresses and ports in classes: what no selector, network, service or port of the rules can tell apart is one class,
 * so a preview asks once for all of them.
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
import type { Labels } from '../../model/meta.ts';
import type { PortMatch, PortRange } from '../../model/policy.ts';
import { formatSelector, matchesSelector, type Selector } from '../../model/selector.ts';
import type { Cluster } from '../cluster.ts';
import { type Known, knownPod, whoIsAt } from '../known.ts';
import type { Traffic } from '../meet.ts';
import type { Entity, Policy, Rule } from '../policy.ts';
import { convertProfile } from '../profiles.ts';
import { type Who, whoHas } from '../who.ts';

/** What rules can tell things apart by. */
export interface Criteria {
  readonly selectors: readonly Selector[];
  readonly nets: readonly Prefix[];
  /** Names of ports. */
  readonly names: ReadonlySet<string>;
  /** Labels that the selectors name. */
  readonly keys: readonly string[];
  /** Which selectors the values of these labels satisfy, as found before. */
  readonly seen: Map<string, string>;
}

export interface TrafficClass extends Traffic {
  /** The ports that are as this one. */
  readonly ports?: PortRange;
}

export interface Class {
  /** Those that are one to every rule. */
  readonly members: readonly Who[];
}

export const rulesOf = ({ ingress, egress }: Policy): readonly Rule[] => [...ingress, ...egress];
const sidesOf = ({ source, destination }: Rule): readonly Entity[] => [source, destination];

export function criteriaOf(policies: readonly Policy[], clusters: readonly Cluster[]): Criteria {
  const rules = [...policies.flatMap(rulesOf), ...profileRules(clusters)];
  const sides = rules.flatMap(sidesOf);
  const selectors = new Map(
    [
      ...policies.map(({ selector }) => selector),
      ...sides.flatMap(({ selector, notSelector }) => [selector, notSelector]),
    ].flatMap((selector) => (selector === undefined ? [] : [[formatSelector(selector), selector] as const])),
  );
  const nets = [
    ...sides.flatMap(({ nets: own = [], notNets = [] }) => [...own, ...notNets]),
    ...clusters.flatMap(({ networkSets }) => networkSets.flatMap((set) => set.nets)),
  ];
  return {
    selectors: [...selectors.values()],
    nets: [...new Set(nets)],
    names: namesIn(rules),
    keys: [...new Set([...selectors.values()].flatMap(keysOf))],
    seen: new Map(),
  };
}

/** What host endpoints fall back to. */
const profileRules = (clusters: readonly Cluster[]): readonly Rule[] =>
  clusters
    .filter(({ hostEndpoints }) => hostEndpoints.length > 0)
    .flatMap(({ profiles }) => profiles)
    .map(convertProfile)
    .flatMap(({ ingress, egress }) => [...ingress, ...egress]);

const portsIn = (rules: readonly Rule[]): readonly PortMatch[] =>
  rules.flatMap(({ destination }) => [...(destination.ports ?? []), ...(destination.notPorts ?? [])]);

const namesIn = (rules: readonly Rule[]): ReadonlySet<string> =>
  new Set(portsIn(rules).flatMap((port) => ('name' in port ? [port.name] : [])));

/** Ports between two neighbouring bounds are one class; so is every protocol that no rule names. */
export function trafficOf(
  policies: readonly Policy[],
  clusters: readonly Cluster[],
): readonly TrafficClass[] {
  const rules = [...policies.flatMap(rulesOf), ...profileRules(clusters)];
  const [ports, names] = [portsIn(rules), namesIn(rules)];
  const declared = (names.size === 0 ? [] : clusters)
    .flatMap(({ pods }) => pods)
    .flatMap((pod) => pod.ports)
    .flatMap(({ name, port }) =>
      name !== undefined && names.has(name) ? [{ first: port, last: port }] : [],
    );
  const served = clusters
    .flatMap(({ backends }) => backends)
    .flatMap(({ port }) => (port === undefined ? [] : [{ first: port, last: port }]));
  const usesServices = rules.some(({ destination }) => destination.service !== undefined);
  const ranges = [
    ...ports.flatMap((port) => ('first' in port ? [port] : [])),
    ...declared,
    ...(usesServices ? served : []),
  ];
  const bounds = [...new Set([1, ...ranges.flatMap(({ first, last }) => [first, last + 1])])]
    .filter((bound) => bound >= 1 && bound <= 65535)
    .sort((a, b) => a - b);
  const classes = bounds.map((first, index) => ({ first, last: (bounds[index + 1] ?? 65536) - 1 }));
  const protocols = new Set(
    rules.flatMap(({ protocol, notProtocol }) =>
      [protocol, notProtocol].filter((each) => each !== undefined),
    ),
  );
  const plain = [...protocols].filter((protocol) => ![6, 17, 132, 1, 58].includes(protocol));
  const icmp = rules.flatMap((rule) => [rule.icmp, rule.notIcmp].flatMap((each) => each ?? []));
  return [
    ...[6, 17, ...(protocols.has(132) ? [132] : [])].flatMap((protocol) =>
      classes.map((range) => ({ protocol, port: range.first, ports: range })),
    ),
    ...[{ type: 8, code: 0 }, { type: 128, code: 0 }, ...icmp].flatMap(({ type, code = 0 }) =>
      [1, 58].map((protocol) => ({ protocol, icmp: { type, code } })),
    ),
    ...plain.map((protocol) => ({ protocol })),
  ];
}

/**
 * Pods and hosts of these clusters in classes.
 * @param isWanted  which pods
 */
export function podClasses(
  clusters: readonly Cluster[],
  criteria: Criteria,
  isWanted: (known: readonly Known[]) => boolean,
): readonly Class[] {
  const classes = new Map<string, Who[]>();
  const [last] = clusters.slice(-1);
  for (const pod of last?.pods ?? []) {
    if (pod.hostNetwork || pod.finished || pod.ips.length === 0) continue;
    const known = clusters.map((cluster) => knownPod(cluster, pod));
    if (!isWanted(known)) continue;
    const who: Who = {
      label: `${pod.meta.namespace}/${pod.meta.name}`,
      addresses: pod.ips,
      spot: { kind: 'workload', pod },
    };
    const key = JSON.stringify([
      known.map((each) => signatureOf(each, criteria)),
      pod.ips.map((address) => placeOf(address, clusters, criteria)),
      clusters.some(({ hostEndpoints }) => hostEndpoints.length > 0) ? (pod.nodeName ?? '') : '',
    ]);
    const before = classes.get(key);
    if (before === undefined) classes.set(key, [who]);
    else before.push(who);
  }
  return [...classes.values()].map((members) => ({ members }));
}

/** Which selectors it satisfies, and its ports that rules name. */
const signatureOf = (known: Known, criteria: Criteria): string =>
  `${satisfiedBy(known.labels, criteria)} ${known.ports
    .filter(({ name }) => criteria.names.has(name))
    .map(({ name, protocol, port }) => `${name}/${protocol}/${port}`)
    .sort()
    .join(' ')}`;

/** Looked up by the labels that selectors name at all: most pods share those. */
function satisfiedBy(labels: Labels, { selectors, keys, seen }: Criteria): string {
  const bag = JSON.stringify(keys.map((key) => (Object.hasOwn(labels, key) ? labels[key] : null)));
  const before = seen.get(bag);
  if (before !== undefined) return before;
  const bits = selectors.map((selector) => (matchesSelector(selector, labels) ? '1' : '0')).join('');
  seen.set(bag, bits);
  return bits;
}

const keysOf = (selector: Selector): readonly string[] =>
  'key' in selector
    ? [selector.key]
    : selector.kind === 'not'
      ? keysOf(selector.of)
      : selector.kind === 'and' || selector.kind === 'or'
        ? selector.of.flatMap(keysOf)
        : [];

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

/** Outside the cluster: an address for each part of the world that the networks of rules and sets cut it into; and the nodes. */
export function outsideClasses(clusters: readonly Cluster[], criteria: Criteria): readonly Class[] {
  const [cluster] = clusters.slice(-1);
  if (cluster === undefined) return [];
  const candidates = [...criteria.nets.flatMap(edgesOf), ...elsewhere];
  const classes = new Map<string, Who>();
  for (const address of candidates) {
    const who = whoHas(cluster, address);
    if (who.spot !== undefined) continue;
    const known = clusters.map((each) =>
      whoIsAt(each, address)
        .map((one) => signatureOf(one, criteria))
        .sort(),
    );
    const key = JSON.stringify([known, placeOf(address, clusters, criteria)]);
    if (!classes.has(key)) classes.set(key, { ...who, label: outsideLabel(address, criteria) });
  }
  const nodes: readonly Who[] = cluster.nodes.flatMap(({ meta, internalIps }) =>
    internalIps.length === 0
      ? []
      : [
          {
            label: `host ${meta.name}`,
            addresses: internalIps,
            spot: { kind: 'host' as const, node: meta.name },
          },
        ],
  );
  return [...classes.values(), ...nodes].map((who) => ({ members: [who] }));
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
