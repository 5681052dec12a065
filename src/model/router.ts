/** A Node as a router: its addresses for BGP, its AS, its pod prefixes, and what its annotations say of it. */
import {
  type Address,
  type Asn,
  asn,
  type Ipv4,
  type Ipv6,
  isIpv4,
  type Prefix,
  parseAddress,
} from '../lib/net.ts';
import { defaultSettings, type Settings } from './bgp-configuration.ts';
import type { Labels, Node } from './resource.ts';
import { routerIdOf } from './router-id.ts';

export interface Router {
  readonly name: string;
  readonly labels: Labels;
  readonly ipv4?: Ipv4;
  readonly ipv6?: Ipv6;
  readonly routerId: Ipv4;
  /** By annotation, else that of BGPConfiguration. */
  readonly asn: Asn;
  /** Where it listens. */
  readonly port: number;
  /** It is a route reflector (RFC 4456), and so not in the mesh. */
  readonly clusterId?: Ipv4;
  readonly podCidrs: readonly Prefix[];
}

export const addressAnnotations = {
  ipv4: 'projectcalico.org/IPv4Address',
  ipv6: 'projectcalico.org/IPv6Address',
} as const;
export const asnAnnotation = 'projectcalico.org/ASNumber';
export const clusterIdAnnotation = 'projectcalico.org/RouteReflectorClusterID';
export const drainAnnotation = 'node.tortie.io/drain';

/** The address goes before an annotation's prefix length: "10.0.0.1/24" means 10.0.0.1. */
export function annotatedAddress(node: Node, key: keyof typeof addressAnnotations): Address | undefined {
  const text = node.meta.annotations[addressAnnotations[key]];
  const address = text === undefined ? undefined : parseAddress(text.replace(/\/\d{1,3}$/, ''));
  return address !== undefined && isIpv4(address) === (key === 'ipv4') ? address : undefined;
}

/** No speaker may have these: RFC 7607, RFC 6793 §9 (AS_TRANS), RFC 7300. */
const reservedAsns: readonly number[] = [0, 23456, 65535, 4294967295];

/** Plain or as "a.b" (RFC 5396). */
export function annotatedAsn(node: Node): Asn | undefined {
  const parts = /^(?:(\d{1,5})\.)?(\d{1,10})$/.exec(node.meta.annotations[asnAnnotation] ?? '');
  if (parts === null) return undefined;
  const [high, low] = [Number(parts[1] ?? 0), Number(parts[2])];
  if (high > 65535 || low > (parts[1] === undefined ? 4294967295 : 65535)) return undefined;
  const number = high * 65536 + low;
  return reservedAsns.includes(number) ? undefined : asn(number);
}

/** Any 32 bits but zero, written as an IPv4 address (RFC 4456 §7). */
export function annotatedClusterId(node: Node): Ipv4 | undefined {
  const address = parseAddress(node.meta.annotations[clusterIdAnnotation] ?? '');
  return address !== undefined && isIpv4(address) && address !== 0 ? address : undefined;
}

/** Only "true" asks for it. */
export const isDrained = ({ meta }: Node): boolean => meta.annotations[drainAnnotation] === 'true';

/** Calico's annotations, else the first InternalIP of each family, and what holds for all nodes. */
export function routerOf(
  node: Node,
  settings: Pick<Settings, 'asNumber' | 'listenPort'> = defaultSettings,
): Router {
  const ipv4 = [annotatedAddress(node, 'ipv4'), ...node.internalIps].find(
    (address) => address !== undefined && isIpv4(address),
  );
  const ipv6 = [annotatedAddress(node, 'ipv6'), ...node.internalIps].find(
    (address) => address !== undefined && !isIpv4(address),
  );
  const { name, labels } = node.meta;
  const clusterId = annotatedClusterId(node);
  return {
    name,
    labels,
    ...(ipv4 === undefined ? {} : { ipv4 }),
    ...(ipv6 === undefined ? {} : { ipv6 }),
    routerId: routerIdOf(name, ipv4),
    asn: annotatedAsn(node) ?? settings.asNumber,
    port: settings.listenPort,
    ...(clusterId === undefined ? {} : { clusterId }),
    podCidrs: node.podCidrs,
  };
}

export const addressesOf = ({ ipv4, ipv6 }: Pick<Router, 'ipv4' | 'ipv6'>): Address[] =>
  [ipv4, ipv6].filter((address) => address !== undefined);

/** The own address to open a session to `remote` from. */
export const sourceFor = (router: Pick<Router, 'ipv4' | 'ipv6'>, remote: Address): Address | undefined =>
  isIpv4(remote) ? router.ipv4 : router.ipv6;

/** Where `own` meets `other`: over IPv4 if both have it, else over IPv6. */
export function meetingAddress(own: Router, other: Router): Address | undefined {
  if (own.ipv4 !== undefined && other.ipv4 !== undefined) return other.ipv4;
  return own.ipv6 === undefined ? undefined : other.ipv6;
}
