/**
 * The other side of our sessions with one router: what that router must be told so that they come up. Pure; worked out by the
 * same rules as the speakers' own configuration (src/model/peering.ts).
 */
import {
  type Address,
  type Asn,
  compareAddresses,
  comparePrefixes,
  contains,
  formatAddress,
  type IpVersion,
  isIpv4,
  type Prefix,
} from '../../lib/net.ts';
import { type BgpConfiguration, defaultSettings, settingsByNode } from '../../model/bgp-configuration.ts';
import type { BgpPeer, PeerRole, SessionOptions } from '../../model/bgp-peer.ts';
import { type Claim, claimsOf, neighbourhoodOf } from '../../model/peering.ts';
import type { IpPool, Node } from '../../model/resource.ts';
import { type Router, routerOf, sourceFor } from '../../model/router.ts';

export interface TorInputs {
  readonly nodes: readonly Node[];
  readonly configurations: readonly BgpConfiguration[];
  readonly peers: readonly BgpPeer[];
  readonly pools: readonly IpPool[];
}

export interface TorSide {
  /** The router's, as the BGPPeers have it. */
  readonly address: Address;
  readonly asn: Asn;
  /** One for each BGPPeer. */
  readonly groups: readonly TorGroup[];
  /** What nodes announce: pools, podCIDRs and ranges of Services; sorted. */
  readonly announced: readonly Prefix[];
  /** Instead of a neighbour for each node: whoever dials from there. */
  readonly range?: Prefix;
}

/** What all sessions by one BGPPeer have in common. Times in s. */
export interface TorGroup {
  readonly resource: string;
  /** A name every vendor takes: letters, digits and dashes. */
  readonly name: string;
  readonly nodes: readonly { readonly name: string; readonly address: Address; readonly asn: Asn }[];
  readonly isInternal: boolean;
  readonly families: readonly IpVersion[];
  readonly keepalive: number;
  readonly hold: number;
  readonly options: SessionOptions;
  /** The router's own role (RFC 9234). */
  readonly role?: PeerRole;
  /** Nodes wait to be dialled. */
  readonly mustDial: boolean;
  readonly port: number;
}

/** Routes a node may announce before the router takes it for broken: many times what a node has. */
export const mostPrefixes = 10_000;
const usualHold = 90;
const longestHold = 65_535;

const otherRole: Readonly<Record<PeerRole, PeerRole>> = {
  provider: 'customer',
  customer: 'provider',
  rs: 'rs-client',
  'rs-client': 'rs',
  peer: 'peer',
};

/** The routers outside the cluster that BGPPeers name by address, ascending. */
export function torSides(inputs: TorInputs): readonly TorSide[] {
  const sessions = sessionsOf(inputs);
  const routers = new Map<string, Found[]>();
  for (const found of sessions) {
    const key = formatAddress(found.address);
    routers.set(key, [...(routers.get(key) ?? []), found]);
  }
  const announced = announcedBy(inputs);
  return [...routers.values()]
    .flatMap((all) => {
      const [first] = all;
      if (first === undefined) return [];
      return [{ address: first.address, asn: first.asn, groups: groupsOf(all), announced }];
    })
    .sort((a, b) => compareAddresses(a.address, b.address));
}

interface Found {
  readonly router: Router;
  readonly claim: Claim;
  readonly address: Address;
  readonly asn: Asn;
  readonly source: Address;
  readonly port: number;
}

function sessionsOf({ nodes, configurations, peers }: TorInputs): readonly Found[] {
  const settings = settingsByNode(configurations);
  const routers = nodes.map((node) => routerOf(node, settings(node.meta.name)));
  const around = neighbourhoodOf(routers);
  return around.routers.flatMap((router) =>
    claimsOf(router, peers, around).inForce.flatMap((claim): readonly Found[] => {
      const { to, peerAsn } = claim;
      if (to.kind !== 'address' || to.node !== undefined || peerAsn === undefined) return [];
      const source = sourceFor(router, to.address);
      if (source === undefined) return [];
      return [{ router, claim, address: to.address, asn: peerAsn, source, port: router.port }];
    }),
  );
}

function groupsOf(all: readonly Found[]): readonly TorGroup[] {
  const groups = new Map<string, Found[]>();
  for (const found of all) {
    const { name } = found.claim.peer.meta;
    groups.set(name, [...(groups.get(name) ?? []), found]);
  }
  return [...groups].map(([resource, members]) => groupOf(resource, members));
}

function groupOf(resource: string, members: readonly Found[]): TorGroup {
  const [first] = members as [Found, ...Found[]];
  const { options } = first.claim;
  const keepaliveMs = options.keepaliveTimeMs;
  const hold =
    options.holdTimeMs === undefined
      ? keepaliveMs === undefined
        ? usualHold
        : Math.min((3 * keepaliveMs) / 1000, longestHold)
      : options.holdTimeMs / 1000;
  return {
    resource,
    name: `tortie-${resource.replaceAll(/[^A-Za-z0-9]+/g, '-')}`,
    nodes: members.map(({ router, source, claim }) => ({
      name: router.name,
      address: source,
      asn: claim.localAsn,
    })),
    isInternal: first.claim.localAsn === first.asn,
    families: options.families ?? familiesOf(members),
    keepalive: keepaliveMs === undefined ? Math.floor(hold / 3) : keepaliveMs / 1000,
    hold,
    options,
    ...(options.role === undefined ? {} : { role: otherRole[options.role.own] }),
    mustDial: options.connectMode === 'Passive',
    port: first.port,
  };
}

/** Those every node has, or else at least one has. */
function familiesOf(members: readonly Found[]): readonly IpVersion[] {
  const has = (version: IpVersion): boolean =>
    members.some(({ router }) => (version === 4 ? router.ipv4 : router.ipv6) !== undefined);
  return ([4, 6] as const).filter(has);
}

function announcedBy({ nodes, configurations, pools }: TorInputs): readonly Prefix[] {
  const settings = configurations.find(({ meta }) => meta.name === 'default') ?? defaultSettings;
  const all = [
    ...pools.filter(({ disableBgpExport }) => !disableBgpExport).map(({ cidr }) => cidr),
    ...nodes.flatMap(({ podCidrs }) => podCidrs),
    ...settings.serviceClusterIps,
    ...settings.serviceExternalIps,
    ...settings.serviceLoadBalancerIps,
  ];
  const inOrder = [...new Set(all)].sort(comparePrefixes);
  return inOrder.filter((prefix) => !inOrder.some((other) => other !== prefix && contains(other, prefix)));
}

/** Of one IP version. */
export const announcedIn = ({ announced }: TorSide, version: IpVersion): readonly Prefix[] =>
  announced.filter((prefix) => (typeof prefix === 'number' ? 4 : 6) === version);

/** What stands for a password, which nobody prints. */
export const passwordText = ({ options: { password } }: TorGroup): string | undefined =>
  password && `<${password.key} of Secret ${password.name}>`;

export const isV4 = (address: Address): boolean => isIpv4(address);

/** The comment above each configuration. @param sign  that begins a comment */
export function preamble(side: TorSide, sign: string): readonly string[] {
  const count = side.groups.reduce((sum, { nodes }) => sum + nodes.length, 0);
  const secrets = side.groups.some(({ options }) => options.password !== undefined);
  const line = (text: string): string => `${sign} ${text}`;
  return [
    line(`${formatAddress(side.address)}, AS ${side.asn}: its side of the sessions with ${count} nodes.`),
    line(
      'Made by "tortiectl bgp tor-config" from BGPPeer, BGPConfiguration, IPPool and Node objects; look it over.',
    ),
    ...(secrets ? [line('Put each password in place of <KEY of Secret NAME>.')] : []),
  ];
}

/** Above each group: where it comes from, and what the router should know of it. */
export function notes(group: TorGroup, sign: string): readonly string[] {
  const { options } = group;
  const said = [
    `BGPPeer/${group.resource}: ${group.nodes.length} nodes`,
    ...(group.mustDial ? ['connectMode Passive: this router must dial the nodes'] : []),
    ...(group.port === 179 ? [] : [`the nodes listen on port ${group.port}`]),
    ...(options.longLivedMs === undefined
      ? []
      : [`nodes keep stale routes for ${options.longLivedMs / 1000} s (RFC 9494)`]),
    ...(options.addPath?.send === undefined
      ? []
      : ['nodes send several paths of a prefix (RFC 7911): receive them']),
    ...(options.addPath?.receive === undefined
      ? []
      : ['nodes take several paths of a prefix (RFC 7911): send them']),
  ];
  return said.map((text) => `${sign} ${text}`);
}
