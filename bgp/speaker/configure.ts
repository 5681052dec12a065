/**
 * Following the configuration with the least disturbance.
 *
 * A session ends only if what its OPEN or its connection was made of has changed; names and timers change in place
 * (a hold time counts from the next OPEN on). Policies are asked again of what the RIBs hold, without any reset.
 */
import { type IpVersion, versionOf } from '../../src/lib/net.ts';
import type { PeerConfig, SpeakerConfig } from '../config.ts';
import { compileExport } from '../policy/export.ts';
import { compileGuard, compileImport } from '../policy/import.ts';
import type { Path } from '../rib/path.ts';
import { ceaseReasons } from '../wire/iana.ts';
import { expectedPeers } from './dynamic.ts';
import { reexport, reimport } from './routes.ts';
import { sameData } from './same.ts';
import { drive, endPeer, startPeer } from './sessions.ts';
import { amend, amendSession, localKey, type Turn } from './turn.ts';

export function configure(turn: Turn, next: SpeakerConfig | undefined): void {
  const { life } = turn.speaker;
  const before = life.config;
  if (sameData(before, next)) return;
  life.config = next;
  if (next !== undefined && !sameData(before && guardParts(before), guardParts(next)))
    life.guard = compileGuard(next);
  endPeers(turn, before, next);
  originate(turn, before, next);
  if (next === undefined) return;
  renewPolicies(turn, before, next);
  for (const peer of expectedPeers(turn, next)) followPeer(turn, next, peer);
}

/** Ends the sessions that are no longer configured or were made for another AS or identifier of ours. */
function endPeers(turn: Turn, before: SpeakerConfig | undefined, next: SpeakerConfig | undefined): void {
  const wanted = new Map(next && expectedPeers(turn, next).map((peer) => [peer.key, peer]));
  const isOther = before?.asn !== next?.asn || before?.routerId !== next?.routerId;
  for (const [key, { config }] of [...turn.speaker.neighbours]) {
    const peer = wanted.get(key);
    if (peer === undefined)
      endPeer(turn, key, ceaseReasons.peerDeconfigured, 'the neighbour is no longer configured');
    else if (isOther)
      endPeer(turn, key, ceaseReasons.otherConfigurationChange, 'our own AS or BGP Identifier changed');
    else if (!sameData(sessionParts(config), sessionParts(peer)))
      endPeer(turn, key, ceaseReasons.otherConfigurationChange, 'the configuration of the session changed');
  }
}

/** What cannot change under a living session: it is in the OPEN, or in the connection itself. */
const sessionParts = (peer: PeerConfig) => {
  const { address, port, peerAsn, localAsn, localAddress, families, password, ttlSecurity, blocked } = peer;
  const { role, addPath, longLivedMs, notificationRestart, extendedNextHop, connect, peerAsns } = peer;
  const connection = [
    address,
    port,
    peerAsn,
    localAsn,
    localAddress,
    password,
    ttlSecurity,
    blocked,
    connect,
  ];
  const isOneAddPath = [addPath?.receive, addPath?.send !== undefined]; // how many are sent is no part of the OPEN
  const open = [families, role, isOneAddPath, longLivedMs, notificationRestart, extendedNextHop, peerAsns];
  return [connection, open];
};

function followPeer(turn: Turn, config: SpeakerConfig, peer: PeerConfig): void {
  const known = turn.speaker.neighbours.get(peer.key);
  if (known === undefined) {
    startPeer(turn, config, peer);
  } else if (!sameData(known.config, peer)) {
    amend(turn, peer.key, { config: peer });
    drive(turn, peer.key, { kind: 'Configured', config: peer });
    turn.shown.add(peer.key);
  }
}

/**
 * Offers the Loc-RIB what we originate now. A family in which we have no address cannot be originated.
 * Addresses of Services are many: only what has changed is looked at.
 */
function originate(turn: Turn, before: SpeakerConfig | undefined, next: SpeakerConfig | undefined): void {
  const isPathSame = sameData(before?.ownAddress, next?.ownAddress);
  if (isPathSame && sameData(before?.origins, next?.origins)) return;
  const { locRib } = turn.speaker;
  const [had, wanted] = [new Set(before?.origins), new Set(next?.origins)];
  const paths = { 4: localPath(turn, 4), 6: localPath(turn, 6) };
  for (const prefix of had) if (!wanted.has(prefix)) locRib.offer(prefix, localKey, undefined);
  for (const prefix of wanted)
    if (!isPathSame || !had.has(prefix)) locRib.offer(prefix, localKey, paths[versionOf(prefix)]);
}

function localPath(turn: Turn, version: IpVersion): Path | undefined {
  const { life, origins, attributes } = turn.speaker;
  const nextHop = version === 4 ? life.config?.ownAddress.ipv4 : life.config?.ownAddress.ipv6;
  return nextHop === undefined
    ? undefined
    : origins.of(attributes.intern({ origin: 'igp', asPath: [], nextHop }));
}

const guardParts = ({ importPolicy, connected }: SpeakerConfig) => ({ importPolicy, connected });

const importParts = ({ importPolicy, ownAddress, connected, clusterId, requirePolicy }: SpeakerConfig) => [
  importPolicy,
  ownAddress,
  connected,
  clusterId,
  requirePolicy,
];

const exportParts = (config: SpeakerConfig) => {
  const { ownAddress, exportDeny, connected, communities, clusterId, requirePolicy, drain } = config;
  return [ownAddress, exportDeny, connected, communities, clusterId, requirePolicy, drain];
};

/** What of a neighbour's own configuration its two policies are made of. */
const importPeerParts = ({ filters, allowedOwnAs, gracefulShutdown }: PeerConfig) => [
  filters?.importV4,
  filters?.importV6,
  allowedOwnAs,
  gracefulShutdown,
];
const exportPeerParts = ({ filters, nextHopMode, gracefulShutdown, privateAs, isClient }: PeerConfig) => [
  filters?.exportV4,
  filters?.exportV6,
  nextHopMode,
  gracefulShutdown,
  privateAs,
  isClient,
];

/** For the sessions that stay: the rules they were born with give way to those of today. */
function renewPolicies(turn: Turn, before: SpeakerConfig | undefined, next: SpeakerConfig): void {
  if (before === undefined) return;
  const isAllImportOther = !sameData(importParts(before), importParts(next));
  const isAllExportOther = !sameData(exportParts(before), exportParts(next));
  const wanted = new Map(expectedPeers(turn, next).map((peer) => [peer.key, peer]));
  const { guard } = turn.speaker.life;
  for (const [key, { config: was, session, stale }] of turn.speaker.neighbours) {
    const config = wanted.get(key) ?? was;
    const isImportOther = isAllImportOther || !sameData(importPeerParts(was), importPeerParts(config));
    const isExportOther = isAllExportOther || !sameData(exportPeerParts(was), exportPeerParts(config));
    if (stale !== undefined && isImportOther)
      reimport(turn, stale.source, compileImport(next, config, guard, turn.speaker.attributes), stale.routes);
    if (session === undefined) continue;
    if (isImportOther) {
      const accept = compileImport(next, config, guard, turn.speaker.attributes);
      const renewed = { ...session, accept };
      amendSession(turn, key, { accept: renewed.accept });
      reimport(turn, renewed.source, renewed.accept, renewed.adjRibIn.entries());
      turn.shown.add(key);
    }
    if (isExportOther) {
      const rule = compileExport(next, config, session.negotiated, turn.speaker.attributes);
      amendSession(turn, key, { export: rule });
      reexport(turn, { ...session, export: rule });
    }
  }
}
