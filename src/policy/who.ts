/**
 * Who is meant by what a person writes: "shop/web-1", "web-1", "shop/app=web", "10.0.0.7", "host:node1"; and, of a destination,
 * "svc:shop/web", and ":PORT" and "/PROTOCOL" behind it.
 */
import { type Address, formatAddress, parseAddress, versionOf } from '../lib/net.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { HostEndpoint } from '../model/policy.ts';
import type { Pod } from '../model/resource.ts';
import type { Cluster } from './cluster.ts';
import type { Spot } from './connection.ts';
import { protocolNumber } from './words.ts';

/** One that is meant. */
export interface Who {
  /** "pod shop/web-1", "host node1", "192.0.2.1". */
  readonly label: string;
  readonly addresses: readonly Address[];
  readonly spot?: Spot;
}

export interface Target {
  readonly who: string;
  /** A number, or a name that the destination gives one of its ports. */
  readonly port?: number | string;
  /** IANA number. */
  readonly protocol?: number;
}

const protocolSuffix = /^(.+)\/([A-Za-z0-9]+)$/;
const portSuffix = /^(.+):([0-9]+|[a-z0-9][a-z0-9-]*)$/;

/**
 * Reads "WHO[:PORT][/PROTOCOL]". An IPv6 address stands in brackets if a port follows. Without a port the protocol counts as one
 * only behind an address, a "host:NODE" or a "NAMESPACE/…", for "web/tcp" is a pod, and "svc:web/tcp" a Service of namespace web.
 */
export function parseTarget(text: string): Result<Target> {
  const [, before = text, word] = protocolSuffix.exec(text) ?? [];
  const protocol = word === undefined ? undefined : protocolNumber(word);
  const isProtocol = protocol !== undefined && isWhole(before);
  const rest = isProtocol ? before : text;
  const taken = isProtocol ? { protocol } : {};
  const bracketed = /^\[([^\]]+)\](?::(.+))?$/.exec(rest);
  if (bracketed !== null) return withPort(bracketed[1] ?? '', bracketed[2], taken);
  if (parseAddress(rest) !== undefined || /^(?:host|svc):[^:]+$/.test(rest))
    return ok({ who: rest, ...taken });
  const [, who = rest, port] = portSuffix.exec(rest) ?? [];
  return withPort(who, port, taken);
}

/** Complete without what follows the slash. */
const isWhole = (text: string): boolean =>
  text.includes('/') ||
  (!/^svc:[^:]+$/.test(text) && /:[0-9a-z-]+$/.test(text)) ||
  text.endsWith(']') ||
  parseAddress(text) !== undefined;

function withPort(who: string, port: string | undefined, taken: Pick<Target, 'protocol'>): Result<Target> {
  if (port === undefined) return ok({ who, ...taken });
  if (!/^\d+$/.test(port)) return ok({ who, port, ...taken });
  const number = Number(port);
  return number >= 1 && number <= 65535
    ? ok({ who, port: number, ...taken })
    : err(`${port} is not a port: they are 1 to 65535.`);
}

/** @param namespace  of names without one. Fails: a sentence. */
export function whoIs(cluster: Cluster, text: string, namespace: string): Result<readonly Who[]> {
  const host = /^host:(.+)$/.exec(text)?.[1];
  if (host !== undefined) return hostNamed(cluster, host);
  const address = parseAddress(text.replace(/^\[(.*)\]$/, '$1'));
  if (address !== undefined) return ok([whoHas(cluster, address)]);
  const slash = text.indexOf('/');
  const [place, name] = slash < 0 ? [namespace, text] : [text.slice(0, slash), text.slice(slash + 1)];
  return name.includes('=') ? podsWith(cluster, place, name) : podNamed(cluster, place, name);
}

const whoOfPod = (pod: Pod): Who => ({
  label: `pod ${pod.meta.namespace}/${pod.meta.name}`,
  addresses: pod.ips,
  spot: { kind: 'workload', pod },
});

function hostNamed(cluster: Cluster, name: string): Result<readonly Who[]> {
  const node = cluster.nodes.find(({ meta }) => meta.name === name);
  if (node === undefined)
    return err(
      `There is no node ${JSON.stringify(name)}. There ${cluster.nodes.length === 0 ? 'is none' : `are: ${cluster.nodes.map(({ meta }) => meta.name).join(', ')}`}.`,
    );
  const addresses = node.internalIps;
  if (addresses.length === 0)
    return err(
      `Node ${name} says no address of its own. Wait until its kubelet has reported, or ask for an address.`,
    );
  return ok([{ label: `host ${name}`, addresses, spot: { kind: 'host', node: name } }]);
}

/** A pod of the host network is its node's host. */
function podNamed(cluster: Cluster, namespace: string, name: string): Result<readonly Who[]> {
  const pod = cluster.pods.find(({ meta }) => meta.namespace === namespace && meta.name === name);
  if (pod === undefined)
    return err(
      `There is no pod ${namespace}/${name}. Write NAMESPACE/NAME, NAMESPACE/LABEL=VALUE, an address, or host:NODE.`,
    );
  if (pod.hostNetwork && pod.nodeName !== undefined) {
    const host = hostNamed(cluster, pod.nodeName);
    if (host.ok)
      return ok(
        host.value.map((who) => ({
          ...who,
          label: `${who.label} (pod ${namespace}/${name} is of its network)`,
        })),
      );
  }
  if (pod.ips.length === 0)
    return err(`Pod ${namespace}/${name} has no address yet. Ask again once it runs.`);
  return ok([whoOfPod(pod)]);
}

function podsWith(cluster: Cluster, namespace: string, labels: string): Result<readonly Who[]> {
  const wanted = labels.split(',').map((each) => {
    const equals = each.indexOf('=');
    return [
      each.slice(0, equals).trim(),
      each
        .slice(equals + 1)
        .replace(/^=/, '')
        .trim(),
    ] as const;
  });
  if (wanted.some(([key]) => key === ''))
    return err(
      `${JSON.stringify(labels)} is no selection: write LABEL=VALUE, and more of them behind commas.`,
    );
  const pods = cluster.pods.filter(
    (pod) =>
      (namespace === '*' || pod.meta.namespace === namespace) &&
      !pod.hostNetwork &&
      !pod.finished &&
      pod.ips.length > 0 &&
      wanted.every(([key, value]) => Object.hasOwn(pod.meta.labels, key) && pod.meta.labels[key] === value),
  );
  return pods.length === 0
    ? err(`No pod ${namespace === '*' ? '' : `of namespace ${namespace} `}has ${labels} and an address.`)
    : ok(pods.map(whoOfPod));
}

/** The pod or node that has it, or somewhere outside. */
export function whoHas(cluster: Cluster, address: Address): Who {
  const pod = cluster.pods.find(
    ({ hostNetwork, finished, ips }) => !hostNetwork && !finished && ips.includes(address),
  );
  if (pod !== undefined) return { ...whoOfPod(pod), addresses: [address] };
  const label = formatAddress(address);
  const node = cluster.nodes.find(({ internalIps }) => internalIps.includes(address));
  if (node !== undefined)
    return {
      label: `host ${node.meta.name} (${label})`,
      addresses: [address],
      spot: { kind: 'host', node: node.meta.name },
    };
  return { label, addresses: [address] };
}

/**
 * The host endpoint that a packet to or from another machine crosses at a node: the one that expects this address, else the one
 * of all interfaces, else the only one there is. Which interface it takes is the node's routing, not known here.
 */
export function hostEndpointAt(
  { hostEndpoints, nodes }: Cluster,
  node: string | undefined,
  address?: Address,
): HostEndpoint | undefined {
  const own = hostEndpoints.filter((endpoint) => endpoint.node === node);
  const addresses =
    address === undefined ? (nodes.find(({ meta }) => meta.name === node)?.internalIps ?? []) : [address];
  return (
    own.find(({ expectedIps }) => expectedIps.some((each) => addresses.includes(each))) ??
    own.find(({ interfaceName }) => interfaceName === '*') ??
    (own.length === 1 ? own[0] : undefined)
  );
}

/** An address of each, of one family, IPv4 first; one pair for each family both have. */
export const pairsOf = (from: Who, to: Who): readonly (readonly [Address, Address])[] =>
  ([4, 6] as const).flatMap((version) => {
    const [source, destination] = [from, to].map(({ addresses }) =>
      addresses.find((each) => versionOf(each) === version),
    );
    return source === undefined || destination === undefined ? [] : [[source, destination] as const];
  });
