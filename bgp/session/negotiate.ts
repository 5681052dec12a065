/**
 * OPEN × OPEN: what two speakers agree on, or the NOTIFICATION the newcomer earns.
 *
 * RFC 4271 §6.2 (checks and their subcodes), §4.2 (hold time), RFC 5492 (capabilities), RFC 6793 (four-octet AS),
 * RFC 4760 §8 (families), RFC 6286 §2.2 (identifiers).
 */
import { Writer } from '../../src/lib/bytes.ts';
import { type Asn, asn, formatIpv4, type Ipv4 } from '../../src/lib/net.ts';
import { ok, type Result } from '../../src/lib/result.ts';
import type { PeerConfig } from '../config.ts';
import { AS_TRANS, BGP_VERSION, openErrors } from '../wire/iana.ts';
import type { Capability, Family, OpenMessage, WireError } from '../wire/message.ts';
import { openError } from '../wire/wire-error.ts';
import type { Negotiated } from './event.ts';

/** Who we are: `asn` is the node's, which `PeerConfig.localAsn` overrides towards one neighbour. */
export interface Local {
  readonly asn: Asn;
  readonly routerId: Ipv4;
  /** RFC 4724; absent: we keep routes of neighbours that restart, and ask for nothing ourselves. */
  readonly restart?: { readonly isRestarting: boolean; readonly isForwarding: boolean };
}

/** The OPEN we send this neighbour. */
export const ownOpen = (config: PeerConfig, local: Local): OpenMessage => ({
  kind: 'open',
  version: BGP_VERSION,
  asField: config.localAsn > 0xffff ? AS_TRANS : config.localAsn,
  holdTime: Math.floor(config.holdTimeMs / 1000),
  bgpId: local.routerId,
  capabilities: [
    ...config.families.map((family): Capability => ({ kind: 'multiprotocol', family })),
    { kind: 'routeRefresh' },
    { kind: 'fourOctetAs', asn: config.localAsn },
    ...gracefulRestart(config, local),
  ],
});

/** Without families it says: I keep your routes while you restart, but do not wait for me. */
function gracefulRestart(config: PeerConfig, { restart }: Local): readonly Capability[] {
  if (config.restartTimeMs === undefined) return [];
  const families = restart === undefined ? [] : config.families;
  return [
    {
      kind: 'gracefulRestart',
      isRestarting: restart?.isRestarting ?? false,
      isNotification: false,
      restartTime: Math.min(Math.floor(config.restartTimeMs / 1000), longestRestartTime),
      families: families.map((family) => ({ family, isForwarding: restart?.isForwarding ?? false })),
    },
  ];
}

/** What the 12 bits of the Restart Time field can say. */
const longestRestartTime = 4095;

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
  if (claimed === config.peerAsn) return undefined;
  const expected = `${expecter[config.origin]} expects ${config.peerAsn}`;
  const says =
    claimed === undefined ? 'sends AS_TRANS without its four-octet AS number' : `says it is AS ${claimed}`;
  return openError(openErrors.badPeerAs, `the neighbour ${says} but ${expected}`);
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
  if (config.peerAsn !== config.localAsn || received.bgpId !== sent.bgpId) return undefined;
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

const checkFamilies: Check = (config, _sent, received) =>
  commonFamilies(config, received).length > 0
    ? undefined
    : openError(
        openErrors.unsupportedCapability,
        `no address family in common: we offer ${config.families.join(' and ') || 'none'}, the neighbour ${
          offeredFamilies(received).join(' and ') || 'none we know'
        }`,
        multiprotocolBytes(config.families),
      );

/** Without any multiprotocol capability a neighbour speaks IPv4 unicast, as every BGP-4 speaker did (RFC 4760 §8). */
function offeredFamilies(open: OpenMessage): readonly Family[] {
  const offered = open.capabilities.flatMap((one) => (one.kind === 'multiprotocol' ? [one.family] : []));
  return offered.length > 0 || hasForeignFamily(open) ? offered : ['ipv4-unicast'];
}

/** A multiprotocol capability (code 1) for a family we do not know still is one. */
const hasForeignFamily = (open: OpenMessage): boolean =>
  open.capabilities.some((one) => one.kind === 'unknown' && one.code === 1);

function commonFamilies(config: PeerConfig, received: OpenMessage): readonly Family[] {
  const offered = new Set(offeredFamilies(received));
  return config.families.filter((family) => offered.has(family));
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

/** In the order of RFC 4271 §6.2: the first that fails decides. */
const checks: readonly Check[] = [checkVersion, checkAs, checkId, checkHoldTime, checkFamilies];

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
  const holdTimeMs = Math.min(sent.holdTime, received.holdTime) * 1000;
  const fourOctetAs = fourOctetAsOf(received) !== undefined;
  const families = commonFamilies(config, received);
  const restart = sent.capabilities.some(({ kind }) => kind === 'gracefulRestart')
    ? received.capabilities.find((one) => one.kind === 'gracefulRestart')
    : undefined;
  return ok({
    peerAsn: config.peerAsn,
    peerId: received.bgpId,
    holdTimeMs,
    keepaliveTimeMs: Math.min(config.keepaliveTimeMs ?? Number.POSITIVE_INFINITY, holdTimeMs / 3),
    families,
    fourOctetAs,
    routeRefresh: received.capabilities.some((one) => one.kind === 'routeRefresh'),
    codec: {
      fourOctetAs,
      peerType: config.peerAsn === config.localAsn ? 'ibgp' : 'ebgp',
      families: new Set(families),
    },
    sent,
    received,
    peerCapabilities: received.capabilities,
    ...(restart === undefined ? {} : { gracefulRestart: restart }),
  });
}
