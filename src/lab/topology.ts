/**
 * The lab's plan: which namespaces there are, how they are wired, which address is whose. Pure; `wire.ts` does it.
 *
 *     client   ──┬── outside (bridge) 192.0.2.0/24 ── tor ── rack (bridge) 172.30.0.0/24 ──┬── node1 ── pods
 *     client-b ──┘            2001:db8:30::/64                       fd00:30::/64         └── node2 ── pods …
 *
 * Every lab uses the same addresses: each lives in namespaces of its own, and nothing is taken from the machine's network.
 */
import { containsAddress, parseAddress, parsePrefix } from '../lib/net.ts';
import { err, ok, type Result } from '../lib/result.ts';

/** One address of each family, as text. */
export interface Pair {
  readonly v4: string;
  readonly v6: string;
}

export interface LabHost {
  readonly name: string;
  readonly netns: string;
  readonly address: Pair;
  /** The ToR's end of this host's cable. */
  readonly torPort: string;
}

export interface LabNode extends LabHost {
  readonly podCidrs: readonly string[];
}

export interface Topology {
  readonly name: string;
  readonly nodeAsn: number;
  readonly tor: { readonly netns: string; readonly address: Pair; readonly asn: number };
  /** Hosts outside the cluster, on a network of their own behind the ToR. */
  readonly clients: readonly LabHost[];
  readonly nodes: readonly LabNode[];
  /** The API server's machine, in the rack beside the nodes; absent if the resources are a directory. */
  readonly api?: LabHost;
}

/** What the Node manifests say. */
export interface NodeSpec {
  readonly name: string;
  readonly address: Pair;
  readonly podCidrs: readonly string[];
}

const rack = {
  v4: '172.30.0.0/24',
  v6: 'fd00:30::/64',
  tor: { v4: '172.30.0.1', v6: 'fd00:30::1' },
  api: { v4: '172.30.0.2', v6: 'fd00:30::2' },
} as const;
export const outside = {
  v4: '192.0.2.0/24',
  v6: '2001:db8:30::/64',
  tor: { v4: '192.0.2.1', v6: '2001:db8:30::1' },
  clients: {
    client: { v4: '192.0.2.10', v6: '2001:db8:30::10' },
    'client-b': { v4: '192.0.2.77', v6: '2001:db8:30:0:8000::77' },
  },
} as const;
const torAsn = 65000;
export const maxNodes = 60;

/** Another place for the run directories, for whoever may not write to /run; the same for every command of a lab. */
const runRoot = (): string => process.env['TORTIE_LAB_RUN'] ?? '/run/tortie-lab';

/** Names carry no dash, so that the namespaces of lab "a" can never look like those of another one. */
export function checkLabName(name: string): Result<string> {
  if (/^[a-z0-9]{1,16}$/.test(name)) return ok(name);
  return err(`--name "${name}" is not a lab name. Use up to 16 lower-case letters and digits.`);
}

export const runDirOf = (name: string): string => `${runRoot()}/${name}`;
export const storeDirOf = (name: string): string => `${runDirOf(name)}/store`;
export const netnsPrefix = (name: string): string => `tortie-${name}-`;
export const netnsPath = (netns: string): string => `/run/netns/${netns}`;
/** The underscore cannot occur in a Kubernetes name, so no pod's namespace can be taken for a node's. */
export const podNetns = (lab: string, namespace: string, pod: string): string =>
  `${netnsPrefix(lab)}${namespace}_${pod}`;

/** The node manifests' own values for node `index` (from 1) where the lab writes them itself. */
export const plannedNode = (index: number): NodeSpec => ({
  name: `node${index}`,
  address: { v4: `172.30.0.${10 + index}`, v6: `fd00:30::${10 + index}` },
  podCidrs: [`10.65.${index}.0/24`, `fd00:65:0:${index.toString(16)}::/64`],
});

/** @param withApi  also a machine for the API server */
export function planTopology(
  name: string,
  nodeAsn: number,
  nodes: readonly NodeSpec[],
  withApi = false,
): Result<Topology> {
  const wrong = nodes.map(nodeProblem).find((problem) => problem !== undefined);
  if (wrong !== undefined) return err(wrong);
  return ok({
    name,
    nodeAsn,
    tor: { netns: `${netnsPrefix(name)}tor`, address: rack.tor, asn: torAsn },
    clients: Object.entries(outside.clients).map(([client, address]) => ({
      name: client,
      netns: `${netnsPrefix(name)}${client}`,
      address,
      torPort: client,
    })),
    nodes: nodes.map((node, index) => ({
      ...node,
      netns: `${netnsPrefix(name)}${node.name}`,
      torPort: node.name.length <= 15 ? node.name : `port${index + 1}`,
    })),
    ...(withApi ? { api: apiHost(name) } : {}),
  });
}

const apiHost = (lab: string): LabHost => ({
  name: 'apiserver',
  netns: `${netnsPrefix(lab)}apiserver`,
  address: rack.api,
  torPort: 'apiserver',
});

/** Names of namespaces, and of links in the ToR's. */
const taken: readonly string[] = [
  'tor',
  'apiserver',
  'rack',
  'outside',
  'lo',
  ...Object.keys(outside.clients),
];

function nodeProblem(node: NodeSpec): string | undefined {
  if (taken.includes(node.name))
    return `Node/${node.name}: the lab uses this name itself. Choose another one.`;
  for (const family of ['v4', 'v6'] as const) {
    const lan = parsePrefix(rack[family]);
    const address = parseAddress(node.address[family]);
    if (lan === undefined || address === undefined || !containsAddress(lan, address)) {
      return `Node/${node.name}: the address "${node.address[family]}" is not in the lab's rack. Give it InternalIPs within ${rack.v4} and ${rack.v6}.`;
    }
  }
  if (node.podCidrs.length === 0)
    return `Node/${node.name}: spec.podCIDRs is empty. Give it one IPv4 and one IPv6 prefix.`;
  return undefined;
}

/** One `ip -batch` in one namespace, and what is written under /proc/sys there before it. */
export interface WireStep {
  readonly netns: string;
  readonly sysctls: readonly (readonly [path: string, value: string])[];
  readonly ip: readonly string[];
}

/** Nothing of the machine's own sysctls may leak in, and an address must be usable the moment it is there. */
export const clean: WireStep['sysctls'] = [
  ['net/ipv4/conf/all/rp_filter', '0'],
  ['net/ipv4/conf/default/rp_filter', '0'],
  ['net/ipv6/conf/all/disable_ipv6', '0'],
  ['net/ipv6/conf/default/disable_ipv6', '0'],
  ['net/ipv6/conf/default/accept_dad', '0'],
  ['net/ipv6/conf/all/accept_ra', '0'],
  ['net/ipv6/conf/default/accept_ra', '0'],
];
export const forwarding: WireStep['sysctls'] = [
  ['net/ipv4/ip_forward', '1'],
  ['net/ipv6/conf/all/forwarding', '1'],
];

const withLength = (address: string, network: string): string =>
  `${address}/${network.slice(network.lastIndexOf('/') + 1)}`;

const lan = (name: string, networks: Pair, tor: Pair, hosts: readonly LabHost[]): readonly string[] => [
  `link add ${name} type bridge stp_state 0 mcast_snooping 0`,
  `link set ${name} up`,
  `address add ${withLength(tor.v4, networks.v4)} dev ${name}`,
  `address add ${withLength(tor.v6, networks.v6)} dev ${name} nodad`,
  ...hosts.flatMap((host) => [
    `link add ${host.torPort} type veth peer name eth0 netns ${host.netns}`,
    `link set ${host.torPort} master ${name}`,
    `link set ${host.torPort} up`,
  ]),
];

const hostStep = (host: LabHost, networks: Pair, tor: Pair, sysctls: WireStep['sysctls']): WireStep => ({
  netns: host.netns,
  sysctls,
  ip: [
    'link set lo up',
    'link set eth0 up',
    `address add ${withLength(host.address.v4, networks.v4)} dev eth0`,
    `address add ${withLength(host.address.v6, networks.v6)} dev eth0 nodad`,
    `route add default via ${tor.v4}`,
    `route add ::/0 via ${tor.v6}`,
  ],
});

/** Steps in the order they must be done; the ToR's makes every cable and puts its far end in place. */
export function planWire({ tor, clients, nodes, api }: Topology): readonly WireStep[] {
  const servers = api === undefined ? [] : [api];
  const torStep: WireStep = {
    netns: tor.netns,
    sysctls: [...clean, ...forwarding],
    ip: [
      'link set lo up',
      ...lan('rack', rack, rack.tor, [...nodes, ...servers]),
      ...lan('outside', outside, outside.tor, clients),
    ],
  };
  return [
    torStep,
    ...nodes.map((node) => hostStep(node, rack, rack.tor, [...clean, ...forwarding])),
    ...servers.map((server) => hostStep(server, rack, rack.tor, clean)),
    ...clients.map((client) => hostStep(client, outside, outside.tor, clean)),
  ];
}
