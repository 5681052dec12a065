/** What the speaker tells of itself, in the shapes of `status.ts`. Reads only; every reason is worked out when asked. */
import {
  comparePrefixes,
  formatAddress,
  formatIpv4,
  formatPrefix,
  type Millis,
  type Prefix,
} from '../../src/lib/net.ts';
import type { PeerStatus, RouteStatus } from '../../src/model/status.ts';
import type { PeerConfig } from '../config.ts';
import type { Told } from '../rib/adj-rib-out.ts';
import { explain } from '../rib/explain.ts';
import type { Path } from '../rib/path.ts';
import { bgpStateOf } from '../session/peer.ts';
import { formatCommunity, formatExtendedCommunity } from '../wire/communities.ts';
import type { AsPath, PathAttributes } from '../wire/message.ts';
import type { Neighbour } from './neighbour.ts';
import type { Speaker } from './turn.ts';

/** As PeerStatus, with `since` on the monotonic clock that was handed to `step`. */
export type PeerReport = Omit<PeerStatus, 'since'> & { readonly since: Millis };

/** In the order of the configuration; those that came by themselves last. */
export const neighboursOf = (speaker: Speaker): readonly Neighbour[] =>
  [
    ...(speaker.life.config?.peers ?? []).map((peer) => speaker.neighbours.get(peer.key)),
    ...[...speaker.neighbours.values()].filter(({ config }) => config.dynamic !== undefined),
  ].filter((neighbour) => neighbour !== undefined);

export const peerStatuses = (speaker: Speaker): readonly PeerReport[] =>
  neighboursOf(speaker).map(peerReport);

export function peerReport(neighbour: Neighbour): PeerReport {
  const { config, peer, since, lastError, session, stale, adjRibIn } = neighbour;
  return {
    name: config.name,
    address: whereOf(config),
    port: config.port,
    type: config.origin,
    ...(config.resource === undefined ? {} : { resource: config.resource }),
    ...(config.workload === undefined ? {} : { workload: config.workload }),
    ...(config.dynamic === undefined ? {} : { dynamic: config.dynamic }),
    state: bgpStateOf(peer),
    since,
    localAsn: config.localAsn,
    peerAsn: config.peerAsn,
    families: session?.negotiated.families ?? config.families,
    prefixesReceived:
      session === undefined ? 0 : adjRibIn.size + (stale === undefined ? adjRibIn.staleSize : 0),
    prefixesAccepted: session === undefined ? 0 : adjRibIn.acceptedSize,
    prefixesAdvertised: session?.adjRibOut.size ?? 0,
    ...(session === undefined
      ? {}
      : {
          peerId: formatIpv4(session.negotiated.peerId),
          holdTimeSeconds: session.negotiated.holdTimeMs / 1000,
        }),
    ...(stale === undefined ? {} : { keptRoutes: adjRibIn.staleSize }),
    ...(lastError === undefined ? {} : { lastError }),
  };
}

/** Its address, as text; the name of its link while nobody has been seen there. */
export function whereOf({ address, interface: link }: PeerConfig): string {
  const text = formatAddress(address);
  return text === '::' ? (link ?? text) : text;
}

/** The Loc-RIB: every acceptable path, by prefix, the best first. */
export const routes = (speaker: Speaker): readonly RouteStatus[] =>
  [...speaker.locRib.prefixes()].sort(comparePrefixes).flatMap((prefix) => {
    const paths = speaker.locRib.paths(prefix);
    const [best] = speaker.locRib.choice(prefix);
    const others = paths.filter((path) => path !== best);
    return [...(best === undefined ? [] : [best]), ...others].map((path) => standing(speaker, prefix, path));
  });

/** Adj-RIB-In of one neighbour: as received, with why each was or was not taken. Empty if there is no session. */
export const receivedRoutes = (speaker: Speaker, { session }: Neighbour): readonly RouteStatus[] =>
  session === undefined
    ? []
    : inOrder(session.adjRibIn.entries()).map(([prefix, path]) => {
        const accepted = session.accept(prefix, path);
        return accepted.ok
          ? standing(speaker, prefix, accepted.value, path.attributes)
          : describe(speaker, prefix, path, path.attributes, `not accepted: ${accepted.error}`);
      });

/** Adj-RIB-Out of one neighbour: what it was told, as it was told. */
export const advertisedRoutes = (speaker: Speaker, { session }: Neighbour): readonly RouteStatus[] =>
  session === undefined ? [] : inOrder(session.adjRibOut.told()).map((row) => told(speaker, ...row));

/** One path as a neighbour was told it. */
export function told(
  speaker: Speaker,
  prefix: Prefix,
  attributes: PathAttributes,
  { path, pathId }: Told,
): RouteStatus {
  const isBest = path !== undefined && speaker.locRib.choice(prefix)[0] === path;
  const reason =
    path === undefined ? 'about to be withdrawn' : isBest ? 'our best path' : 'told beside our best path';
  const status = describe(speaker, prefix, path, attributes, reason);
  return pathId === 0 ? status : { ...status, pathId };
}

/** What of the Loc-RIB a neighbour is not told, and why. */
export const withheldRoutes = (speaker: Speaker, { session }: Neighbour): readonly RouteStatus[] =>
  session === undefined
    ? []
    : [...speaker.locRib.prefixes()].sort(comparePrefixes).flatMap((prefix) => {
        const [best] = speaker.locRib.choice(prefix);
        const exported = best && session.export(prefix, best);
        if (best === undefined || exported === undefined || exported.ok) return [];
        return [describe(speaker, prefix, best, best.attributes, `not advertised: ${exported.error}`)];
      });

const inOrder = <Row extends readonly [Prefix, ...unknown[]]>(entries: Iterable<Row>): readonly Row[] =>
  [...entries].sort(([a], [b]) => comparePrefixes(a, b));

/** @param shown  as received, where a filter changed it on its way in */
export function standing(
  speaker: Speaker,
  prefix: Prefix,
  asked: Path,
  shown: PathAttributes = asked.attributes,
): RouteStatus {
  const { locRib } = speaker;
  const path = locRib.routes.paths.known(asked);
  const reasons = explain(locRib.paths(prefix), locRib.choice(prefix), locRib.criteria);
  return describe(speaker, prefix, path, shown, reasons.get(path) ?? 'not yet decided');
}

export function describe(
  speaker: Speaker,
  prefix: Prefix,
  path: Path | undefined,
  attributes: PathAttributes,
  reason: string,
): RouteStatus {
  const choice = speaker.locRib.choice(prefix);
  const source = path?.source.key ?? '';
  return {
    prefix: formatPrefix(prefix),
    nextHop: formatAddress(attributes.nextHop),
    from: speaker.neighbours.get(source)?.config.name ?? source,
    best: path !== undefined && choice[0] === path,
    multipath: path !== undefined && choice.indexOf(path) > 0,
    origin: attributes.origin,
    asPath: formatAsPath(attributes.asPath),
    ...(attributes.localPref === undefined ? {} : { localPref: attributes.localPref }),
    ...(attributes.med === undefined ? {} : { med: attributes.med }),
    communities: formatCommunities(attributes),
    reason,
    ...rareParts(attributes),
  };
}

/** What few routes have. */
function rareParts(attributes: PathAttributes): Partial<RouteStatus> {
  const { extendedCommunities, originatorId, clusterList, otc, aggregator, atomicAggregate, unknown } =
    attributes;
  return {
    ...(extendedCommunities === undefined
      ? {}
      : { extendedCommunities: extendedCommunities.map(formatExtendedCommunity) }),
    ...(originatorId === undefined ? {} : { originatorId: formatIpv4(originatorId) }),
    ...(clusterList === undefined ? {} : { clusterList: clusterList.map(formatIpv4) }),
    ...(otc === undefined ? {} : { otc }),
    ...(aggregator === undefined
      ? {}
      : { aggregator: `${aggregator.asn} ${formatIpv4(aggregator.address)}` }),
    ...(atomicAggregate === undefined ? {} : { atomicAggregate }),
    ...(unknown === undefined || unknown.length === 0
      ? {}
      : { unknownAttributes: unknown.map(({ code }) => code) }),
  };
}

/** "64512 64513 {64514 64515}"; confederation members in parentheses. */
function formatAsPath(asPath: AsPath): string {
  const brackets = { sequence: ['', ''], set: ['{', '}'], confedSequence: ['(', ')'], confedSet: ['[', ']'] };
  return asPath.map(({ kind, asns }) => brackets[kind].join(asns.join(' '))).join(' ');
}

const formatCommunities = ({ communities, largeCommunities }: PathAttributes): readonly string[] => [
  ...(communities ?? []).map(formatCommunity),
  ...(largeCommunities ?? []).map((parts) => parts.join(':')),
];
