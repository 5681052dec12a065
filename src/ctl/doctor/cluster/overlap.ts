/** Ranges that must be apart: pools, pod CIDRs of nodes, Services, and the nodes' own addresses. */
import { containsAddress, formatAddress, formatPrefix, overlaps, type Prefix } from '../../../lib/net.ts';
import { type Finding, pairsOf } from '../check.ts';
import type { ClusterFacts } from './facts.ts';

interface Range {
  readonly name: string;
  readonly field: string;
  readonly cidr: Prefix;
}

const rangeText = ({ name, field, cidr }: Range): string => `${name} ${field} is ${formatPrefix(cidr)}`;

function clashes(pairs: readonly (readonly [Range, Range])[], why: string, fix: string): readonly Finding[] {
  return pairs
    .filter(([a, b]) => overlaps(a.cidr, b.cidr))
    .map(([a, b]) => ({
      severity: 'error',
      subject: `${a.name} and ${b.name}`,
      evidence: `${rangeText(a)}, ${rangeText(b)}: they overlap.`,
      why,
      fix,
    }));
}

const across = <A, B>(some: readonly A[], others: readonly B[]): readonly (readonly [A, B])[] =>
  some.flatMap((a) => others.map((b) => [a, b] as const));

export function overlapping({
  pools,
  nodes,
  serviceCidrs,
  configurations,
}: ClusterFacts): readonly Finding[] {
  const poolRanges = pools.map(
    ({ meta, cidr }): Range => ({ name: `IPPool/${meta.name}`, field: 'spec.cidr', cidr }),
  );
  const nodeRanges = nodes.flatMap(({ meta, podCidrs }) =>
    podCidrs.map((cidr): Range => ({ name: `Node/${meta.name}`, field: 'spec.podCIDRs', cidr })),
  );
  const services: readonly Range[] = [
    ...serviceCidrs.map(({ name, cidr }) => ({ name, field: 'spec.cidrs', cidr })),
    ...configurations.flatMap(({ meta, serviceClusterIps = [] }) =>
      serviceClusterIps.map((cidr) => ({
        name: `BGPConfiguration/${meta.name}`,
        field: 'spec.serviceClusterIPs',
        cidr,
      })),
    ),
  ];
  return [
    ...clashes(
      pairsOf(poolRanges),
      'The same address would be given twice.',
      'Delete one of the pools once no pod has an address of it, and make it anew with a range of its own.',
    ),
    ...clashes(
      pairsOf(nodeRanges).filter(([a, b]) => a.name !== b.name),
      'Two nodes announce the same prefix: packets for pods of one reach the other.',
      'Correct --cluster-cidr and --node-cidr-mask-size of the controller manager, and join one of the nodes anew.',
    ),
    ...clashes(
      across([...poolRanges, ...nodeRanges], services),
      'An address of a Service would be that of a pod: kube-proxy catches what is meant for the pod.',
      'Choose a pool outside the service range.',
    ),
    ...nodesInside(nodes, [...poolRanges, ...nodeRanges]),
  ];
}

function nodesInside(nodes: ClusterFacts['nodes'], ranges: readonly Range[]): readonly Finding[] {
  return nodes.flatMap(({ meta, internalIps }) =>
    internalIps.flatMap((address) =>
      ranges
        .filter(({ cidr }) => containsAddress(cidr, address))
        .map(
          (range): Finding => ({
            severity: 'error',
            subject: `Node/${meta.name} and ${range.name}`,
            evidence: `The InternalIP of ${meta.name} is ${formatAddress(address)}, ${rangeText(range)}.`,
            why: 'A pod may be given the address of the node, and the route to the range hides the node.',
            fix: 'Choose a pod range outside the network of the nodes.',
          }),
        ),
    ),
  );
}
