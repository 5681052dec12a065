/**
 * Following the configuration with the least disturbance.
 *
 * A session ends only if what its OPEN or its connection was made of has changed; names and timers change in place
 * (a hold time counts from the next OPEN on). Policies are asked again of what the RIBs hold, without any reset.
 */
import { type IpVersion, versionOf } from '../../src/lib/net.ts';
import { ok } from '../../src/lib/result.ts';
import type { PeerConfig, SpeakerConfig } from '../config.ts';
import { compileExport } from '../policy/export.ts';
import { exportParts, exportPeerParts } from '../policy/group.ts';
import { compileGuard, compileImport, type ImportRule } from '../policy/import.ts';
import { type Path, pathOf } from '../rib/path.ts';
import { ceaseReasons } from '../wire/iana.ts';
import { expectedPeers } from './dynamic.ts';
import type { Neighbour } from './neighbour.ts';
import { decideBy } from './next-hops.ts';
import { reexport } from './routes.ts';
import { sameData } from './same.ts';
import { drive, endPeer, sourceOf, startPeer } from './sessions.ts';
import { staleRule } from './stale.ts';
import { amend, amendSession, localSource, type Turn } from './turn.ts';

export function configure(turn: Turn, next: SpeakerConfig | undefined): void {
  const { life } = turn.speaker;
  const before = life.config;
  if (sameData(before, next)) return;
  life.config = next;
  if (next !== undefined && !sameData(before && guardParts(before), guardParts(next)))
    life.guard = compileGuard(next);
  decideBy(turn, next?.decision);
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
    else {
      const changed = partsChanged(config, peer);
      if (changed !== '')
        endPeer(turn, key, ceaseReasons.otherConfigurationChange, `its configuration changed: ${changed}`);
    }
  }
}

/**
 * What cannot change under a living session, by the name of what a person sets: it is in the OPEN, or in the connection
 * itself. How many paths are sent of a prefix is no part of the OPEN.
 */
const sessionParts: Readonly<Record<string, (peer: PeerConfig) => unknown>> = {
  peerIP: ({ address, port }) => [address, port],
  'the pod': ({ workload }) => workload,
  asNumber: ({ peerAsn, peerAsns }) => [peerAsn, peerAsns],
  localASNumber: ({ localAsn }) => localAsn,
  'the source address': ({ localAddress }) => localAddress,
  password: ({ password }) => password,
  'whether it may start': ({ blocked }) => blocked,
  ttlSecurity: ({ ttlSecurity }) => ttlSecurity,
  families: ({ families }) => families,
  role: ({ role }) => role,
  addPath: ({ addPath }) => [addPath?.receive, addPath?.send !== undefined],
  longLivedStaleTime: ({ longLivedMs }) => longLivedMs,
  'the capabilities': ({ notificationRestart, extendedNextHop }) => [notificationRestart, extendedNextHop],
};

/** In words; empty: nothing that a living session cannot follow. */
const partsChanged = (before: PeerConfig, next: PeerConfig): string =>
  Object.entries(sessionParts)
    .filter(([, of]) => !sameData(of(before), of(next)))
    .map(([name]) => name)
    .join(', ');

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
  const { locals } = turn.speaker;
  const [had, wanted] = [new Set(before?.origins), new Set(next?.origins)];
  for (const prefix of had) if (!wanted.has(prefix)) locals.withdraw(prefix, 0);
  const fresh = [...wanted].filter((prefix) => !isPathSame || !had.has(prefix));
  for (const version of [4, 6] as const) {
    const path = localPath(turn, version);
    const prefixes = fresh.filter((prefix) => versionOf(prefix) === version);
    if (path === undefined) for (const prefix of prefixes) locals.withdraw(prefix, 0);
    else locals.announce(families[version], prefixes, undefined, path, acceptAll, Number.POSITIVE_INFINITY);
  }
}

const families = { 4: 'ipv4-unicast', 6: 'ipv6-unicast' } as const;
const acceptAll: ImportRule = (_prefix, path) => ok(path);

function localPath(turn: Turn, version: IpVersion): Path | undefined {
  const { life } = turn.speaker;
  const { ipv4, ipv6 } = life.config?.ownAddress ?? {};
  const nextHop = version === 4 ? (ipv4 ?? ipv6) : ipv6;
  return nextHop === undefined ? undefined : pathOf(localSource, { origin: 'igp', asPath: [], nextHop });
}

const guardParts = ({ importPolicy, connected }: SpeakerConfig) => ({ importPolicy, connected });

const importParts = ({ importPolicy, ownAddress, connected, clusterId, requirePolicy }: SpeakerConfig) => [
  importPolicy,
  ownAddress,
  connected,
  clusterId,
  requirePolicy,
];

/** What of a neighbour's own configuration import policy is made of; of export policy group.ts knows. */
const importPeerParts = (peer: PeerConfig) => {
  const { filters, allowedOwnAs, enforceFirstAs, gracefulShutdown, isClient } = peer;
  return [filters?.importV4, filters?.importV6, allowedOwnAs, enforceFirstAs, gracefulShutdown, isClient];
};
/** For the sessions that stay: the rules they were born with give way to those of today. */
function renewPolicies(turn: Turn, before: SpeakerConfig | undefined, next: SpeakerConfig): void {
  if (before === undefined) return;
  const isAllImportOther = !sameData(importParts(before), importParts(next));
  const isAllExportOther = !sameData(exportParts(before), exportParts(next));
  const wanted = new Map(expectedPeers(turn, next).map((peer) => [peer.key, peer]));
  for (const [key, neighbour] of turn.speaker.neighbours) {
    const { config: was } = neighbour;
    const config = wanted.get(key) ?? was;
    if (isAllImportOther || !sameData(importPeerParts(was), importPeerParts(config)))
      renewImport(turn, neighbour, next, config);
    if (isAllExportOther || !sameData(exportPeerParts(was), exportPeerParts(config)))
      renewExport(turn, neighbour, next, config);
  }
}

function renewImport(
  turn: Turn,
  { adjRibIn, session, stale }: Neighbour,
  next: SpeakerConfig,
  config: PeerConfig,
): void {
  if (session === undefined && stale === undefined) return;
  const { life, jobs, reach } = turn.speaker;
  const accept = compileImport(next, config, life.guard, reach?.links);
  if (session !== undefined) amendSession(turn, config.key, { accept });
  if (session !== undefined && session.source.isClient !== config.isClient) {
    const source = sourceOf(config, session.negotiated);
    amendSession(turn, config.key, { source });
    adjRibIn.retell(source);
  }
  if (stale !== undefined) amend(turn, config.key, { stale: { ...stale, accept } });
  adjRibIn.reimport(accept, stale && staleRule({ ...stale, accept }));
  jobs.add(adjRibIn);
  turn.shown.add(config.key);
}

function renewExport(turn: Turn, { session }: Neighbour, next: SpeakerConfig, config: PeerConfig): void {
  if (session === undefined) return;
  const rule = compileExport(next, config, session.negotiated, turn.speaker.reach?.links);
  amendSession(turn, config.key, { export: rule });
  reexport(turn, { ...session, export: rule }, config);
}
