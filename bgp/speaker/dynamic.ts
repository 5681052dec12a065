/**
 * Neighbours nobody named: whoever dials from inside a configured range is one, for as long as its session, or what is
 * kept of it, lasts. They are never dialled.
 */
import { asn, containsAddress, formatAddress, formatPrefix } from '../../src/lib/net.ts';
import type { DynamicPeers, PeerConfig, SpeakerConfig } from '../config.ts';
import type { SpeakerEvent } from './event.ts';
import { startPeer } from './sessions.ts';
import { log, type Turn } from './turn.ts';

/** RFC 4271 §8: port of the protocol; a dynamic neighbour's own is another for each connection. */
const bgpPort = 179;

/** The range's rule, and what is known of one neighbour from it. */
function configOf(
  { key: dynamic, peerAsns, template }: DynamicPeers,
  { key, address, peerAsn }: Pick<PeerConfig, 'key' | 'address' | 'peerAsn'>,
): PeerConfig {
  return {
    ...template,
    key,
    name: `${dynamic}_${formatAddress(address).replaceAll(/[.:%]/g, '_')}`,
    resource: template.resource ?? dynamic,
    address,
    port: bgpPort,
    peerAsn,
    peerAsns,
    dynamic,
    connect: 'passive',
  };
}

/** A range takes it in, if it is still configured and has room; else nobody answers its connection, and `drive` closes it. */
export function welcome(
  turn: Turn,
  { dynamic, peer: key, address }: Extract<SpeakerEvent, { readonly kind: 'arrived' }>,
): void {
  const { life, neighbours } = turn.speaker;
  const range = life.config?.dynamic?.find((one) => one.key === dynamic);
  if (life.config === undefined || range === undefined || neighbours.has(key)) return;
  const taken = [...neighbours.values()].filter(({ config }) => config.dynamic === dynamic).length;
  if (taken >= range.limit) {
    log(
      turn,
      'warn',
      `${formatAddress(address)} is turned away: ${dynamic} takes ${range.limit} neighbours, and has them`,
    );
    return;
  }
  const peer = configOf(range, { key, address, peerAsn: asn(0) });
  log(turn, 'info', `a neighbour has come from ${formatPrefix(range.range)}`, peer);
  startPeer(turn, life.config, peer);
}

/** What an OPEN has told of a named neighbour's AS is not asked again at each change of the configuration. */
function withLearnedAs(turn: Turn, peer: PeerConfig): PeerConfig {
  if (peer.peerAsns === undefined) return peer;
  return { ...peer, peerAsn: turn.speaker.neighbours.get(peer.key)?.config.peerAsn ?? peer.peerAsn };
}

/** The neighbours there should be: those named, and those that came and may stay. */
export function expectedPeers(turn: Turn, next: SpeakerConfig): readonly PeerConfig[] {
  const ranges = new Map(next.dynamic?.map((range) => [range.key, range]));
  const named = new Set(next.peers.map(({ key }) => key));
  const guests = [...turn.speaker.neighbours.values()].flatMap(({ config }) => {
    const range = config.dynamic === undefined ? undefined : ranges.get(config.dynamic);
    return range === undefined || named.has(config.key) || !containsAddress(range.range, config.address)
      ? []
      : [configOf(range, config)];
  });
  return [...next.peers.map((peer) => withLearnedAs(turn, peer)), ...guests];
}
