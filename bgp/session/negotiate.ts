/**
 * OPEN × OPEN: what two speakers agree on, or the NOTIFICATION the newcomer earns.
 *
 * RFC 4271 §6.2 (checks and their subcodes), §4.2 (hold time), RFC 5492 (capabilities), RFC 6793 (four-octet AS),
 * RFC 4760 §8 (families), RFC 6286 §2.2 (identifiers), RFC 9234 §4.2 (roles). A capability counts if both sent it; what we
 * sent is in our OPEN, not in the configuration, since some may have been withheld (withhold.ts).
 */
import { Writer } from '../../src/lib/bytes.ts';
import { type Asn, asn, formatIpv4 } from '../../src/lib/net.ts';
import { ok, type Result } from '../../src/lib/result.ts';
import type { PeerConfig } from '../config.ts';
import { AS_TRANS, BGP_VERSION, openErrors } from '../wire/iana.ts';
import type {
  Capability,
  CapabilityOf,
  CodecContext,
  Family,
  OpenMessage,
  WireError,
} from '../wire/message.ts';
import { openError } from '../wire/wire-error.ts';
import type { LongLived, Negotiated } from './event.ts';
import { offeredFamilies } from './open.ts';
import { roleMismatch, rolesIn } from './roles.ts';

/** Undefined if all is well. */
type Check = (
  config: PeerConfig,
  sent: OpenMessage,
  received: OpenMessage,
) => Result<never, WireError> | undefined;

const checkVersion: Check = (_config, _sent, received) =>
  received.version === BGP_VERSION
    ? undefined
    : openError(
        openErrors.unsupportedVersion,
        `the neighbour speaks BGP version ${received.version}, we only ${BGP_VERSION}`,
        Uint8Array.of(0, BGP_VERSION),
      );

const expecter = {
  'node-to-node mesh': 'the node-to-node mesh',
  global: 'BGPPeer',
  'node specific': 'BGPPeer',
} as const;

const checkAs: Check = (config, _sent, received) => {
  const claimed = claimedAs(received);
  if (claimed !== undefined && isExpected(config, claimed)) return undefined;
  const expected = `${expecter[config.origin]} expects ${expectation(config)}`;
  const says =
    claimed === undefined ? 'sends AS_TRANS without its four-octet AS number' : `says it is AS ${claimed}`;
  return openError(openErrors.badPeerAs, `the neighbour ${says} but ${expected}`);
};

const isExpected = ({ peerAsn, peerAsns, localAsn }: PeerConfig, claimed: Asn): boolean => {
  if (peerAsns === undefined) return claimed === peerAsn && claimed !== 0;
  return claimed !== 0 && (peerAsns.length === 0 ? claimed !== localAsn : peerAsns.includes(claimed));
};

const expectation = ({ peerAsn, peerAsns }: PeerConfig): string => {
  if (peerAsns === undefined) return String(peerAsn);
  return peerAsns.length === 0 ? 'another AS than ours' : peerAsns.join(' or ');
};

/** Undefined if it hides behind AS_TRANS; 0 is never a neighbour's (RFC 7607), so it fails the comparison above. */
function claimedAs(open: OpenMessage): Asn | undefined {
  const capability = fourOctetAsOf(open);
  if (capability !== undefined) return capability;
  return open.asField === AS_TRANS ? undefined : asn(open.asField);
}

function fourOctetAsOf(open: OpenMessage): Asn | undefined {
  for (const capability of open.capabilities) if (capability.kind === 'fourOctetAs') return capability.asn;
  return undefined;
}

const checkId: Check = (config, sent, received) => {
  if (received.bgpId === 0)
    return openError(openErrors.badBgpIdentifier, 'the neighbour sends BGP Identifier 0.0.0.0');
  if (claimedAs(received) !== config.localAsn || received.bgpId !== sent.bgpId) return undefined;
  const id = formatIpv4(received.bgpId);
  return openError(
    openErrors.badBgpIdentifier,
    `the neighbour has our own BGP Identifier ${id}; within an AS each router needs its own`,
  );
};

const checkHoldTime: Check = (_config, _sent, received) =>
  received.holdTime === 1 || received.holdTime === 2
    ? openError(
        openErrors.unacceptableHoldTime,
        `the neighbour proposes a hold time of ${received.holdTime} s; it must be 0, or 3 and more`,
      )
    : undefined;

const checkFamilies: Check = (config, sent, received) =>
  commonFamilies(sent, received).length > 0
    ? undefined
    : openError(
        openErrors.unsupportedCapability,
        `no address family in common: we offer ${config.families.join(' and ') || 'none'}, the neighbour ${
          offeredFamilies(received).join(' and ') || 'none we know'
        }`,
        multiprotocolBytes(config.families),
      );

/** In the order we offered them. */
function commonFamilies(sent: OpenMessage, received: OpenMessage): readonly Family[] {
  const offered = new Set(offeredFamilies(received));
  return offeredFamilies(sent).filter((family) => offered.has(family));
}

/** RFC 5492 §5: the data of 2/7 lists the capabilities we miss, as they would stand in an OPEN. */
function multiprotocolBytes(families: readonly Family[]): Uint8Array<ArrayBuffer> {
  const writer = new Writer();
  for (const family of families) {
    writer
      .u8(1)
      .u8(4)
      .u16(family === 'ipv4-unicast' ? 1 : 2)
      .u8(0)
      .u8(1);
  }
  return writer.done();
}

/** Between ASes only (RFC 9234 §4). */
const checkRole: Check = (config, _sent, received) => {
  const why = claimedAs(received) === config.localAsn ? undefined : roleMismatch(config.role, received);
  return why === undefined ? undefined : openError(openErrors.roleMismatch, why);
};

/** In the order of RFC 4271 §6.2: the first that fails decides. */
const checks: readonly Check[] = [checkVersion, checkAs, checkId, checkHoldTime, checkFamilies, checkRole];

/**
 * Settles a session from both OPENs.
 *
 * @param sent  ours, as `ownOpen` made it
 * @returns  the parameters, or the NOTIFICATION to send with its reason in words
 */
export function negotiate(
  config: PeerConfig,
  sent: OpenMessage,
  received: OpenMessage,
): Result<Negotiated, WireError> {
  for (const check of checks) {
    const error = check(config, sent, received);
    if (error !== undefined) return error;
  }
  const peerAsn = claimedAs(received) ?? config.peerAsn;
  const holdTimeMs = Math.min(sent.holdTime, received.holdTime) * 1000;
  const families = commonFamilies(sent, received);
  const common = (kind: Capability['kind']): boolean =>
    hasCapability(sent, kind) && hasCapability(received, kind);
  const restart = common('gracefulRestart') ? capabilityOf(received, 'gracefulRestart') : undefined;
  const longLived = restart === undefined ? [] : longLivedOf(sent, received, families);
  const isNotificationRestart =
    restart?.isNotification === true && capabilityOf(sent, 'gracefulRestart')?.isNotification === true;
  return ok({
    peerAsn,
    peerId: received.bgpId,
    holdTimeMs,
    keepaliveTimeMs: keepaliveTime(config, holdTimeMs),
    families,
    fourOctetAs: common('fourOctetAs'),
    routeRefresh: common('routeRefresh'),
    codec: codecOf(config, peerAsn, sent, received, families),
    sent,
    received,
    peerCapabilities: received.capabilities,
    ...(restart === undefined ? {} : { gracefulRestart: restart }),
    ...(isNotificationRestart ? { isNotificationRestart } : {}),
    ...(longLived.length === 0 ? {} : { longLived }),
    ...(config.role === undefined || peerAsn === config.localAsn
      ? {}
      : { role: { own: config.role.own, peer: rolesIn(received)[0] } }),
  });
}

/** In ms; our own interval if it is shorter than a third of the hold time (RFC 4271 §4.4). */
export const keepaliveTime = ({ keepaliveTimeMs }: PeerConfig, holdTimeMs: number): number =>
  Math.min(keepaliveTimeMs ?? Number.POSITIVE_INFINITY, holdTimeMs / 3);

/** What the bytes depend on; what was not agreed has no field. */
function codecOf(
  config: PeerConfig,
  peerAsn: Asn,
  sent: OpenMessage,
  received: OpenMessage,
  families: readonly Family[],
): CodecContext {
  const both = (kind: Capability['kind']): boolean =>
    hasCapability(sent, kind) && hasCapability(received, kind);
  const [ours, theirs] = [addPathIn(sent), addPathIn(received)];
  const receiving = families.filter((one) => ours.get(one)?.receive && theirs.get(one)?.send);
  const sending = families.filter((one) => ours.get(one)?.send && theirs.get(one)?.receive);
  const nextHops = families.filter((one) => takesIpv6NextHop(sent, one) && takesIpv6NextHop(received, one));
  return {
    fourOctetAs: both('fourOctetAs'),
    peerType: peerAsn === config.localAsn ? 'ibgp' : 'ebgp',
    families: new Set(families),
    ...(receiving.length === 0 ? {} : { addPathReceive: new Set(receiving) }),
    ...(sending.length === 0 ? {} : { addPathSend: new Set(sending) }),
    ...(both('extendedMessage') ? { extendedMessages: true } : {}),
    ...(hasCapability(sent, 'extendedMessage') ? { extendedReceive: true } : {}),
    ...(nextHops.length === 0 ? {} : { extendedNextHop: new Set(nextHops) }),
    ...(both('enhancedRouteRefresh') ? { enhancedRefresh: true } : {}),
  };
}

const hasCapability = ({ capabilities }: OpenMessage, kind: Capability['kind']): boolean =>
  capabilities.some((one) => one.kind === kind);

function capabilityOf<K extends Capability['kind']>(
  { capabilities }: OpenMessage,
  kind: K,
): CapabilityOf[K] | undefined {
  const is = (one: Capability): one is Capability & CapabilityOf[K] => one.kind === kind;
  return capabilities.find(is);
}

/** By family; of a family named twice the last counts. */
const addPathIn = ({ capabilities }: OpenMessage) =>
  new Map(
    capabilities
      .flatMap((one) => (one.kind === 'addPath' ? one.families : []))
      .map((one) => [one.family, one]),
  );

const takesIpv6NextHop = ({ capabilities }: OpenMessage, family: Family): boolean =>
  capabilities.some(
    (one) =>
      one.kind === 'extendedNextHop' &&
      one.families.some((entry) => entry.family === family && entry.nextHop === 6),
  );

/** What the neighbour said of its own stale time, for families both have; without graceful restart it is ignored (RFC 9494 §4.2). */
function longLivedOf(
  sent: OpenMessage,
  received: OpenMessage,
  families: readonly Family[],
): readonly LongLived[] {
  if (!hasCapability(sent, 'longLivedGracefulRestart')) return [];
  return (capabilityOf(received, 'longLivedGracefulRestart')?.families ?? [])
    .filter(({ family }) => families.includes(family))
    .map(({ family, isForwarding, staleTime }) => ({ family, isForwarding, staleTimeMs: staleTime * 1000 }));
}
