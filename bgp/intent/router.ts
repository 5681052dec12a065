/** What is wrong with how a Node says what it is as a router, and what counts instead. */
import { formatAddress } from '../../src/lib/net.ts';
import type { Problem } from '../../src/model/problem.ts';
import type { Node } from '../../src/model/resource.ts';
import {
  addressAnnotations,
  addressesOf,
  annotatedAddress,
  annotatedAsn,
  annotatedClusterId,
  asnAnnotation,
  clusterIdAnnotation,
  drainAnnotation,
  type Router,
} from '../../src/model/router.ts';
import type { Family } from '../wire/message.ts';

/** What can be originated, and so is offered: a family without an own address would have no next hop. */
export const familiesOf = ({ ipv4, ipv6 }: Router): Family[] => [
  ...(ipv4 === undefined ? [] : (['ipv4-unicast'] as const)),
  ...(ipv6 === undefined ? [] : (['ipv6-unicast'] as const)),
];

export const describeAddresses = (router: Router): string =>
  addressesOf(router).map(formatAddress).join(' and ') || 'no address';

/** Annotations that are there and cannot be used, and what counts instead. */
export const annotationProblems = (node: Node): Problem[] => [
  ...addressProblems(node),
  ...unusable(
    node,
    asnAnnotation,
    annotatedAsn(node) !== undefined,
    'is not an AS number a node can have, so it speaks for the AS of BGPConfiguration/default.',
    'Write a number like 64512 or "1.10", or remove the annotation.',
  ),
  ...unusable(
    node,
    clusterIdAnnotation,
    annotatedClusterId(node) !== undefined,
    'is not a cluster id, so the node reflects no routes and takes part in the mesh.',
    'Write it like an IPv4 address, for example 244.0.0.1, or remove the annotation.',
  ),
  ...unusable(
    node,
    drainAnnotation,
    ['true', 'false', ''].includes(node.meta.annotations[drainAnnotation] ?? ''),
    'says neither that the node is to be drained nor that it is not, so it is not.',
    'Write "true", or remove the annotation.',
  ),
];

function unusable(node: Node, name: string, isUsable: boolean, what: string, fix: string): Problem[] {
  const text = node.meta.annotations[name];
  if (text === undefined || isUsable) return [];
  return [{ where: `Node/${node.meta.name} annotation ${name}`, what: `"${text}" ${what}`, fix }];
}

/** The InternalIP, if any, takes the place of an address that cannot be used. */
function addressProblems(node: Node): Problem[] {
  return (['ipv4', 'ipv6'] as const).flatMap((key) => {
    const version = key === 'ipv4' ? 'IPv4' : 'IPv6';
    return unusable(
      node,
      addressAnnotations[key],
      annotatedAddress(node, key) !== undefined,
      `is not an ${version} address, so the node's InternalIP is used instead.`,
      `Write an ${version} address, with or without a prefix length, or remove the annotation.`,
    );
  });
}
