/** A Node as a router: its addresses for BGP, its pod prefixes, and what is wrong with how it says so. */
import {
  type Address,
  type Asn,
  asn,
  formatAddress,
  type Ipv4,
  type Ipv6,
  isIpv4,
  type Prefix,
  parseAddress,
} from '../../src/lib/net.ts';
import type { Problem } from '../../src/model/problem.ts';
import type { Labels, Node } from '../../src/model/resource.ts';
import type { Family } from '../wire/message.ts';
import { routerIdOf } from './router-id.ts';

export interface Router {
  readonly name: string;
  readonly labels: Labels;
  readonly ipv4?: Ipv4;
  readonly ipv6?: Ipv6;
  readonly routerId: Ipv4;
  /** By annotation; absent: that of BGPConfiguration. */
  readonly asn?: Asn;
  readonly podCidrs: readonly Prefix[];
}

const annotations = { ipv4: 'projectcalico.org/IPv4Address', ipv6: 'projectcalico.org/IPv6Address' } as const;

/** The address goes before an annotation's prefix length: "10.0.0.1/24" means 10.0.0.1. */
function annotated(node: Node, key: keyof typeof annotations): Address | undefined {
  const text = node.meta.annotations[annotations[key]];
  const address = text === undefined ? undefined : parseAddress(text.replace(/\/\d{1,3}$/, ''));
  return address !== undefined && isIpv4(address) === (key === 'ipv4') ? address : undefined;
}

const asnAnnotation = 'projectcalico.org/ASNumber';
/** No speaker may have these: RFC 7607, RFC 6793 §9 (AS_TRANS), RFC 7300. */
const reservedAsns: readonly number[] = [0, 23456, 65535, 4294967295];

/** Plain or as "a.b" (RFC 5396). */
function annotatedAsn(node: Node): Asn | undefined {
  const parts = /^(?:(\d{1,5})\.)?(\d{1,10})$/.exec(node.meta.annotations[asnAnnotation] ?? '');
  if (parts === null) return undefined;
  const [high, low] = [Number(parts[1] ?? 0), Number(parts[2])];
  if (high > 65535 || low > (parts[1] === undefined ? 4294967295 : 65535)) return undefined;
  const number = high * 65536 + low;
  return reservedAsns.includes(number) ? undefined : asn(number);
}

/** Calico's annotation, else the first InternalIP of the family. */
export function routerOf(node: Node): Router {
  const ipv4 = [annotated(node, 'ipv4'), ...node.internalIps].find(
    (address) => address !== undefined && isIpv4(address),
  );
  const ipv6 = [annotated(node, 'ipv6'), ...node.internalIps].find(
    (address) => address !== undefined && !isIpv4(address),
  );
  const { name, labels } = node.meta;
  const ownAsn = annotatedAsn(node);
  return {
    name,
    labels,
    ...(ipv4 === undefined ? {} : { ipv4 }),
    ...(ipv6 === undefined ? {} : { ipv6 }),
    routerId: routerIdOf(name, ipv4),
    ...(ownAsn === undefined ? {} : { asn: ownAsn }),
    podCidrs: node.podCidrs,
  };
}

export const addressesOf = ({ ipv4, ipv6 }: Router): Address[] =>
  [ipv4, ipv6].filter((address) => address !== undefined);

/** What can be originated, and so is offered: a family without an own address would have no next hop. */
export const familiesOf = ({ ipv4, ipv6 }: Router): Family[] => [
  ...(ipv4 === undefined ? [] : (['ipv4-unicast'] as const)),
  ...(ipv6 === undefined ? [] : (['ipv6-unicast'] as const)),
];

/** The own address to open a session to `remote` from. */
export const sourceFor = (router: Router, remote: Address): Address | undefined =>
  isIpv4(remote) ? router.ipv4 : router.ipv6;

export const describeAddresses = (router: Router): string =>
  addressesOf(router).map(formatAddress).join(' and ') || 'no address';

/** Annotations that are there and cannot be used, and what counts instead. */
export const annotationProblems = (node: Node): Problem[] => [...addressProblems(node), ...asnProblems(node)];

function asnProblems(node: Node): Problem[] {
  const text = node.meta.annotations[asnAnnotation];
  if (text === undefined || annotatedAsn(node) !== undefined) return [];
  return [
    {
      where: `Node/${node.meta.name} annotation ${asnAnnotation}`,
      what: `"${text}" is not an AS number a node can have, so it speaks for the AS of BGPConfiguration/default.`,
      fix: 'Write a number like 64512 or "1.10", or remove the annotation.',
    },
  ];
}

/** The InternalIP, if any, takes the place of an address that cannot be used. */
function addressProblems(node: Node): Problem[] {
  return (['ipv4', 'ipv6'] as const)
    .filter(
      (key) => node.meta.annotations[annotations[key]] !== undefined && annotated(node, key) === undefined,
    )
    .map((key) => {
      const version = key === 'ipv4' ? 'IPv4' : 'IPv6';
      return {
        where: `Node/${node.meta.name} annotation ${annotations[key]}`,
        what: `"${node.meta.annotations[annotations[key]]}" is not an ${version} address, so the node's InternalIP is used instead.`,
        fix: `Write an ${version} address, with or without a prefix length, or remove the annotation.`,
      };
    });
}

/** Calico's per-node settings that we do not follow yet, and what happens instead. */
const unsupported: Readonly<Record<string, string>> = {
  'projectcalico.org/RouteReflectorClusterID': 'the node takes part in the mesh and reflects no routes.',
};

export const unsupportedAnnotations = (node: Node): Problem[] =>
  Object.entries(unsupported)
    .filter(([key]) => node.meta.annotations[key] !== undefined)
    .map(([key, instead]) => ({
      where: `Node/${node.meta.name} annotation ${key}`,
      what: `It is not supported by this version: ${instead}`,
      fix: 'Remove the annotation.',
    }));
