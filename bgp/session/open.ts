/**
 * The OPEN we send a neighbour: what we are, and every capability its configuration asks for.
 *
 * RFC 5492 (capabilities), RFC 4760 §8, RFC 2918, RFC 6793, RFC 4724 and RFC 8538 (restart), RFC 9494 (long-lived), RFC 7911
 * (add-path), RFC 8950 (IPv6 next hops), RFC 8654 (long messages), RFC 7313 (enhanced refresh), RFC 9234 (roles). How the
 * parameters are written when they are many (RFC 9072) is the codec's matter.
 */
import { type Asn, type Ipv4, isIpv4 } from '../../src/lib/net.ts';
import type { PeerConfig } from '../config.ts';
import { AS_TRANS, BGP_VERSION } from '../wire/iana.ts';
import type { Capability, Family, OpenMessage } from '../wire/message.ts';
import { noneWithheld, type Withheld, withhold } from './withhold.ts';

/** Who we are: `asn` is the node's, which `PeerConfig.localAsn` overrides towards one neighbour. */
export interface Local {
  readonly asn: Asn;
  readonly routerId: Ipv4;
  /** RFC 4724; absent: we keep routes of neighbours that restart, and ask for nothing ourselves. */
  readonly restart?: { readonly isRestarting: boolean; readonly isForwarding: boolean };
}

/** Each gives what of one RFC is offered; nothing if the configuration does not ask for it. */
type Offer = (config: PeerConfig, local: Local) => readonly Capability[];

const isExternal = ({ peerAsn, localAsn }: PeerConfig): boolean => peerAsn !== localAsn;

const multiprotocol: Offer = ({ families }) =>
  families.map((family): Capability => ({ kind: 'multiprotocol', family }));

/** IPv4 prefixes with IPv6 next hops need saying where there may be no IPv4 at all: over a session that is IPv6. */
const extendedNextHop: Offer = ({ address, families, extendedNextHop: isAsked }) =>
  families.includes('ipv4-unicast') && (isAsked === true || !isIpv4(address))
    ? [{ kind: 'extendedNextHop', families: [{ family: 'ipv4-unicast', nextHop: 6 }] }]
    : [];

/** Roles are between ASes (RFC 9234 §4). */
const role: Offer = (config) =>
  config.role === undefined || !isExternal(config) ? [] : [{ kind: 'role', role: config.role.own }];

/** What the 12 bits of the Restart Time field can say, and the 24 of the Long-Lived Stale Time, in s. */
const longestRestartTime = 4095;
const longestStaleTime = 2 ** 24 - 1;

const seconds = (ms: number, most: number): number => Math.min(Math.floor(ms / 1000), most);

/** Without families it says: I keep your routes while you restart, but do not wait for me. */
const gracefulRestart: Offer = (
  { families, restartTimeMs, notificationRestart, longLivedMs },
  { restart },
) =>
  restartTimeMs === undefined
    ? []
    : [
        {
          kind: 'gracefulRestart',
          isRestarting: restart?.isRestarting ?? false,
          isNotification: notificationRestart === true || longLivedMs !== undefined,
          restartTime: seconds(restartTimeMs, longestRestartTime),
          families:
            restart === undefined
              ? []
              : families.map((family) => ({ family, isForwarding: restart.isForwarding })),
        },
      ];

/** Only beside graceful restart (RFC 9494 §4.2). */
const longLived: Offer = ({ families, restartTimeMs, longLivedMs }, { restart }) =>
  restartTimeMs === undefined || longLivedMs === undefined
    ? []
    : [
        {
          kind: 'longLivedGracefulRestart',
          families: families.map((family) => ({
            family,
            isForwarding: restart?.isForwarding ?? false,
            staleTime: seconds(longLivedMs, longestStaleTime),
          })),
        },
      ];

const addPath: Offer = ({ families, addPath: asked }) => {
  const [receive, send] = [asked?.receive === true, asked?.send !== undefined];
  return receive || send
    ? [{ kind: 'addPath', families: families.map((family) => ({ family, receive, send })) }]
    : [];
};

const offers: readonly Offer[] = [
  multiprotocol,
  () => [{ kind: 'routeRefresh' }],
  extendedNextHop,
  () => [{ kind: 'extendedMessage' }],
  role,
  gracefulRestart,
  ({ localAsn }) => [{ kind: 'fourOctetAs', asn: localAsn }],
  addPath,
  () => [{ kind: 'enhancedRouteRefresh' }],
  longLived,
];

/** @param withheld  what the neighbour has refused an earlier OPEN of ours for */
export const ownOpen = (
  config: PeerConfig,
  local: Local,
  withheld: Withheld = noneWithheld,
): OpenMessage => ({
  kind: 'open',
  version: BGP_VERSION,
  asField: config.localAsn > 0xffff ? AS_TRANS : config.localAsn,
  holdTime: Math.floor(config.holdTimeMs / 1000),
  bgpId: local.routerId,
  capabilities: withhold(
    offers.flatMap((offer) => offer(config, local)),
    withheld,
  ),
});

/** Without any multiprotocol capability a speaker speaks IPv4 unicast, as every BGP-4 speaker did (RFC 4760 §8). */
export function offeredFamilies({ capabilities }: OpenMessage): readonly Family[] {
  const offered = capabilities.flatMap((one) => (one.kind === 'multiprotocol' ? [one.family] : []));
  return offered.length > 0 || hasForeignFamily(capabilities) ? offered : ['ipv4-unicast'];
}

/** A multiprotocol capability (code 1) for a family we do not know still is one. */
const hasForeignFamily = (capabilities: readonly Capability[]): boolean =>
  capabilities.some((one) => one.kind === 'unknown' && one.code === 1);
