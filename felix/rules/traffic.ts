/** Kinds of traffic that every base chain tells apart. */
import type { Match, Rule, SetDecl } from './model.ts';
import type { RulesSettings } from './settings.ts';

/** Policy is ours there, the interface is not: those that do not start with the workload prefix. */
export const foreignEndpoints: SetDecl = {
  name: 'foreign-endpoints',
  kind: 'interface',
  comment: 'interfaces of local pods that another CNI plugin made',
};

export const notWorkload = ({ workloadPrefixes }: RulesSettings, way: 'in' | 'out'): readonly Match[] => [
  ...workloadPrefixes.map((prefix): Match => ({ kind: 'interface', way, name: `${prefix}*`, not: true })),
  { kind: 'interfaceSet', way, set: foreignEndpoints.name, not: true },
];

/** What was allowed once stays allowed until it ends, whatever policy changes to; and most packets go no further. */
export const established: Rule = {
  matches: [{ kind: 'ctState', states: ['established', 'related'] }],
  verdict: { kind: 'accept' },
};

/**
 * ICMPv6 types a pod's IPv6 cannot live without: multicast listener query, report and done, router solicitation,
 * neighbour solicitation and advertisement (RFC 2710, RFC 4861). Allowed to the host whatever policy says.
 */
export const neighbourDiscovery: Match = { kind: 'icmp', version: 6, types: [130, 131, 132, 133, 135, 136] };

/** A host's own: router advertisements too, and listener reports of version 2 (RFC 3810). */
export const hostNeighbourDiscovery: Match = {
  kind: 'icmp',
  version: 6,
  types: [130, 131, 132, 133, 134, 135, 136, 143],
};
