/**
 * Which neighbours are told the same by export policy: those of whom all that it is made of is the same, but for what a Member says.
 *
 * The name of a group is what its members have in common, written out, so that it is the same whichever of them comes first, and
 * a configuration that is read again and says the same makes the same groups.
 */
import { containsAddress } from '../../src/lib/net.ts';
import type { PeerConfig, SpeakerConfig } from '../config.ts';
import type { Member } from '../rib/update-group.ts';
import type { Negotiated } from '../session/event.ts';
import { asksForLink } from './by-link.ts';
import { sessionTypeOf } from './filter.ts';
import { rememberLast } from './memo.ts';

/** What the two OPENs settled that export depends on. */
export type Settled = Pick<Negotiated, 'families'> &
  Partial<Pick<Negotiated, 'longLived'>> & {
    readonly codec?: Partial<Negotiated['codec']>;
  };

/** What of the configuration export policy is made of. */
export const exportParts = (config: SpeakerConfig) => {
  const { ownAddress, exportDeny, importPolicy, connected, communities, clusterId, requirePolicy, drain } =
    config;
  return [
    ownAddress,
    exportDeny,
    importPolicy.within,
    connected,
    communities,
    clusterId,
    requirePolicy,
    drain,
  ];
};

/** The same of the neighbour's own configuration, in what a session can follow. */
export const exportPeerParts = (peer: PeerConfig) => {
  const { filters, nextHopMode, sharedAddress, gracefulShutdown, privateAs, isClient } = peer;
  return [
    filters?.exportV4,
    filters?.exportV6,
    nextHopMode,
    sharedAddress,
    gracefulShutdown,
    privateAs,
    isClient,
  ];
};

/** And in what it is born with. */
const sessionParts = (
  { connected = [] }: SpeakerConfig,
  peer: PeerConfig,
  { families, longLived, codec }: Settled,
) => {
  const { address, localAsn, localAddress, interface: link, role } = peer;
  return [
    sessionTypeOf(peer),
    localAsn,
    localAddress,
    link,
    role?.own,
    families,
    longLived !== undefined,
    codec,
    connected.map((subnet) => containsAddress(subnet, address)),
  ];
};

/** Undefined: what it is told may change without its policy, with the links that next hops are reached by. */
export function memberOf(config: SpeakerConfig, peer: PeerConfig, settled: Settled): Member | undefined {
  const { key, address, peerAsn, filters } = peer;
  if (asksForLink(filters?.exportV4) || asksForLink(filters?.exportV6)) return undefined;
  const group = (): string =>
    `${common(config)} ${written([exportPeerParts(peer), sessionParts(config, peer, settled)])}`;
  return sessionTypeOf(peer) === 'ebgp' ? { group, key, address, asn: peerAsn } : { group, key, address };
}

/** Of the configuration, which all neighbours have in common, and which may name every node of a cluster. */
const common = rememberLast((config: SpeakerConfig) => written(exportParts(config)));

/** Equal exactly if what is written is; numbers of IPv6 and of IPv4 differ. */
const written = (value: unknown): string =>
  JSON.stringify(value, (_, one: unknown) => {
    if (typeof one === 'bigint') return `${one}n`;
    return one instanceof Set || one instanceof Map ? [...one] : one;
  });
