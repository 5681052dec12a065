/** projectcalico.org/v3 BGPConfiguration: `default` for all nodes, `node.NAME` for what is different at one of them. */
import { type Asn, asn, type Ipv4, type Ipv6, type Prefix } from '../lib/net.ts';
import type { Community } from './bgp-filter.ts';
import type { Meta } from './meta.ts';

/** Defaults are filled in, for the object `default`. */
export interface BgpConfiguration extends NodeBgpSettings {
  readonly kind: 'BGPConfiguration';
  readonly meta: Meta;
  /** In an object `node.NAME`: all that it says, and what is beside it means nothing. */
  readonly override?: NodeBgpSettings;
  /** Default 64512. */
  readonly asNumber: Asn;
  /** Default 179. */
  readonly listenPort: number;
  /** Default true. */
  readonly nodeToNodeMeshEnabled: boolean;
  /** As BgpPeer.maxRestartTimeMs, for the mesh. */
  readonly nodeMeshMaxRestartTimeMs?: number;
  /** As BgpPeer.password, for the mesh. */
  readonly nodeMeshPassword?: SecretKey;
  /** Which addresses of Services may be announced; default none. */
  readonly serviceClusterIps: readonly Prefix[];
  readonly serviceExternalIps: readonly Prefix[];
  readonly serviceLoadBalancerIps: readonly Prefix[];
  /** Default true: the prefixes above are announced whole. False: only the addresses of Services, one by one. */
  readonly serviceLoadBalancerAggregation: boolean;
  /** What is announced inside `cidr` carries these too; names are looked up. Default none. */
  readonly prefixAdvertisements: readonly PrefixAdvertisement[];
}

/** What one node may have for itself; absent: what `default` says. */
export interface NodeBgpSettings {
  readonly listenPort?: number;
  readonly prefixAdvertisements?: readonly PrefixAdvertisement[];
  /** What the speaker logs; absent: what its command line says. */
  readonly logLevel?: 'debug' | 'info' | 'warn' | 'error';
  /** NodeIP: the speaker listens on the node's own addresses only. */
  readonly bindMode?: 'None' | 'NodeIP';
  /** Names of links, with * for anything: their subnets are not the node's own networks. */
  readonly ignoredInterfaces?: readonly string[];
  /** False: learned routes are not written to the kernel. */
  readonly programClusterRoutes?: boolean;
  /** Metric of our routes in the kernel. */
  readonly ipv4RoutePriority?: number;
  readonly ipv6RoutePriority?: number;
  readonly multipath?: { readonly ebgp?: number; readonly ibgp?: number; readonly relaxAsPath?: boolean };
  readonly bestPath?: { readonly alwaysCompareMed?: true; readonly missingMedWorst?: true };
  /** RFC 8212. */
  readonly requireEbgpPolicy?: boolean;
  /** Where the pods of a node reach its speaker; absent: at the node's own address. */
  readonly workloadPeering?: { readonly ipv4?: Ipv4; readonly ipv6?: Ipv6 };
}

/** What holds at a node. */
export type Settings = Omit<BgpConfiguration, 'kind' | 'meta' | 'override'>;

/** The IANA port of BGP. */
export const BGP_PORT = 179;

/** What Calico assumes without a BGPConfiguration. */
export const defaultSettings: Settings = {
  asNumber: asn(64512),
  listenPort: BGP_PORT,
  nodeToNodeMeshEnabled: true,
  serviceClusterIps: [],
  serviceExternalIps: [],
  serviceLoadBalancerIps: [],
  serviceLoadBalancerAggregation: true,
  prefixAdvertisements: [],
};

/** By the name of a node: what `default` says, and over it what `node.NAME` does. */
export function settingsByNode(configurations: Iterable<BgpConfiguration>): (node: string) => Settings {
  const all = new Map([...configurations].map((one) => [one.meta.name, one]));
  const shared: Settings = all.get('default') ?? defaultSettings;
  return (node) => {
    const override = all.get(`node.${node}`)?.override;
    return override === undefined ? shared : { ...shared, ...override };
  };
}

/** One key of a Secret in the namespace of the daemons; what it holds is never part of a resource. */
export interface SecretKey {
  readonly name: string;
  readonly key: string;
}

export interface PrefixAdvertisement {
  readonly cidr: Prefix;
  readonly communities: readonly Community[];
}
