/** Which BFD sessions the configuration asks for. Several BGP sessions with one address share one (RFC 5882 §2). */
import { type Address, formatAddress } from '../../src/lib/net.ts';
import type { BfdConfig, PeerConfig } from '../config.ts';
import type { BfdParameters } from './machine.ts';

export interface WantedSession {
  /** Stable while the neighbour, our end and the kind of session are the same. */
  readonly key: string;
  readonly address: Address;
  readonly localAddress: Address | undefined;
  readonly isMultihop: boolean;
  readonly parameters: BfdParameters;
  /** `PeerConfig.key` of those who share it. */
  readonly peers: readonly string[];
}

export function wantedSessions(peers: readonly PeerConfig[]): ReadonlyMap<string, WantedSession> {
  const wanted = new Map<string, WantedSession>();
  for (const peer of peers) {
    if (peer.bfd === undefined || peer.blocked !== undefined) continue;
    const one = sessionOf(peer, peer.bfd);
    const known = wanted.get(one.key);
    wanted.set(one.key, known === undefined ? one : shared(known, one));
  }
  return wanted;
}

function sessionOf(peer: PeerConfig, bfd: BfdConfig): WantedSession {
  const { address, localAddress } = peer;
  const isMultihop = bfd.isMultihop === true;
  const from = localAddress === undefined ? '' : ` from ${formatAddress(localAddress)}`;
  return {
    key: `${formatAddress(address)}${from}${isMultihop ? ' multihop' : ''}`,
    address,
    localAddress,
    isMultihop,
    parameters: { minTxUs: bfd.minTxMs * 1000, minRxUs: bfd.minRxMs * 1000, multiplier: bfd.multiplier },
    peers: [peer.key],
  };
}

/** The shortest of what they ask for: whoever wants to know soonest must. */
const shared = (a: WantedSession, b: WantedSession): WantedSession => ({
  ...a,
  parameters: {
    minTxUs: Math.min(a.parameters.minTxUs, b.parameters.minTxUs),
    minRxUs: Math.min(a.parameters.minRxUs, b.parameters.minRxUs),
    multiplier: Math.min(a.parameters.multiplier, b.parameters.multiplier),
  },
  peers: [...a.peers, ...b.peers],
});
