/** What every session of this node has in common, whoever asked for it. */
import { type Address, type Asn, formatAddress, isIpv4, scopeOf } from '../../src/lib/net.ts';
import type { SessionOptions } from '../../src/model/bgp-peer.ts';
import { type Router, sourceFor } from '../../src/model/router.ts';
import type { DynamicPeers, PeerConfig } from '../config.ts';
import type { Family } from '../wire/message.ts';
import { familiesOf } from './router.ts';

/**
 * Proposed when nobody says otherwise; the keepalive is a third. RFC 4271 §10 suggests 90 s, and a router outside may be
 * slow. Between the nodes it is 30 s: a node that is cut off should lose its routes before Kubernetes, after 40 s, moves
 * its pods elsewhere, and a shorter time would let a node that is merely busy take its pods off the network.
 */
const HOLD_TIME_MS: Readonly<Record<PeerConfig['origin'], number>> = {
  'node-to-node mesh': 30_000,
  global: 90_000,
  'node specific': 90_000,
};
/** What the 16 bits of the Hold Time field can say (RFC 4271 §4.2). */
const LONGEST_HOLD_TIME_MS = 65_535_000;
/**
 * RFC 4271 §10 suggests 120 s. Calico's template has 5 s, and a cluster needs it: nodes restart often, and until the
 * session is back their pods are cut off.
 */
const CONNECT_RETRY_MS = 5_000;

/** Calico's default: how long neighbours keep our routes while we restart (RFC 4724), and we theirs. */
const RESTART_TIME_MS = 120_000;

/** "10.0.0.1" as part of a name: "10_0_0_1". */
export const nameOf = (kind: 'Mesh' | 'Global' | 'Node' | 'Local_Workload', address: Address): string =>
  `${kind}_${formatAddress(address).replace(/[.:%]/g, '_')}`;

export interface SessionRequest {
  readonly origin: PeerConfig['origin'];
  /** metadata.name of what asks for it. */
  readonly resource: string;
  readonly address: Address;
  readonly port: number;
  readonly peerAsn: Asn;
  readonly localAsn: Asn;
  readonly name: string;
  readonly interface?: string;
  readonly workload?: string;
  readonly isClient?: true;
  readonly options?: SessionOptions;
}

export function sessionOf(router: Router, { options, ...request }: SessionRequest): PeerConfig {
  const { origin, address, port, localAsn, peerAsn } = request;
  return {
    key: `${formatAddress(address)} ${port}`,
    ...request,
    ...templateOf(router, { origin, localAsn, peerAsn, options, remote: address }),
  };
}

interface TemplateRequest {
  readonly origin: PeerConfig['origin'];
  readonly localAsn: Asn;
  /** Absent: any but ours. */
  readonly peerAsn?: Asn;
  readonly options: SessionOptions | undefined;
  /** An address of the other end, for the version of ours. */
  readonly remote: Address;
}

type Template = Omit<DynamicPeers['template'], 'origin' | 'resource' | 'isClient'>;

/** What of a session does not depend on who it is with. */
export function templateOf(router: Router, request: TemplateRequest): Template {
  const { origin, localAsn, options, remote } = request;
  const isLink = !isIpv4(remote) && scopeOf(remote) !== undefined;
  const localAddress = isLink || options?.sourceAddress === 'None' ? undefined : sourceFor(router, remote);
  return {
    localAsn,
    ...(localAddress === undefined ? {} : { localAddress }),
    ...timesOf(origin, options),
    families: options?.families?.map(familyOf) ?? (isLink ? bothFamilies : familiesOf(router)),
    ...(options === undefined ? {} : { ...routesOf(options, request), ...linkOf(options) }),
  };
}

const bothFamilies: readonly Family[] = ['ipv4-unicast', 'ipv6-unicast'];
const familyOf = (version: 4 | 6): Family => (version === 4 ? 'ipv4-unicast' : 'ipv6-unicast');

type Times = Pick<
  PeerConfig,
  | 'holdTimeMs'
  | 'keepaliveTimeMs'
  | 'connectRetryMs'
  | 'restartTimeMs'
  | 'longLivedMs'
  | 'notificationRestart'
>;

function timesOf(origin: PeerConfig['origin'], options: Partial<SessionOptions> = {}): Times {
  const { keepaliveTimeMs, holdTimeMs, longLivedMs, notificationRestart } = options;
  const usual =
    keepaliveTimeMs === undefined
      ? HOLD_TIME_MS[origin]
      : Math.min(3 * keepaliveTimeMs, LONGEST_HOLD_TIME_MS);
  return {
    ...(keepaliveTimeMs === undefined ? {} : { keepaliveTimeMs }),
    holdTimeMs: holdTimeMs ?? usual,
    connectRetryMs: options.connectRetryMs ?? CONNECT_RETRY_MS,
    restartTimeMs: options.maxRestartTimeMs ?? RESTART_TIME_MS,
    ...(longLivedMs === undefined ? {} : { longLivedMs }),
    ...(notificationRestart === undefined ? {} : { notificationRestart }),
  };
}

/** How the connection is made and watched. */
function linkOf(options: SessionOptions): Partial<Template> {
  const { password, ttlSecurity, connectMode, role, reachableBy } = options;
  return {
    ...(password === undefined ? {} : { password }),
    ...(ttlSecurity === undefined ? {} : { ttlSecurity }),
    ...(connectMode === undefined ? {} : { connect: connectMode === 'Passive' ? 'passive' : 'active' }),
    ...(role === undefined ? {} : { role }),
    ...(reachableBy === undefined ? {} : { reachableBy }),
  };
}

/** What passes over it. */
function routesOf(options: SessionOptions, { localAsn, peerAsn }: TemplateRequest): Partial<Template> {
  const { numAllowedLocalAsNumbers, addPath, maxPrefix, prefixLimit, gracefulShutdown, privateAs } = options;
  const nextHopMode = nextHopModeOf(options, peerAsn !== localAsn);
  return {
    ...(numAllowedLocalAsNumbers === undefined ? {} : { allowedOwnAs: numAllowedLocalAsNumbers }),
    ...(nextHopMode === undefined ? {} : { nextHopMode }),
    ...(addPath === undefined ? {} : { addPath }),
    ...(maxPrefix === undefined ? {} : { maxPrefix: byFamily(maxPrefix) }),
    ...(prefixLimit === undefined ? {} : { prefixLimit: byFamily(prefixLimit) }),
    ...(options.enforceFirstAs === undefined ? {} : { enforceFirstAs: true }),
    ...(gracefulShutdown === undefined ? {} : { gracefulShutdown }),
    ...(privateAs === undefined ? {} : { privateAs }),
  };
}

const byFamily = <T>({
  ipv4,
  ipv6,
}: {
  readonly ipv4?: T;
  readonly ipv6?: T;
}): Readonly<Partial<Record<Family, T>>> => ({
  ...(ipv4 === undefined ? {} : { 'ipv4-unicast': ipv4 }),
  ...(ipv6 === undefined ? {} : { 'ipv6-unicast': ipv6 }),
});

function nextHopModeOf(
  { nextHopMode, keepOriginalNextHop }: SessionOptions,
  isExternal: boolean,
): PeerConfig['nextHopMode'] {
  if (nextHopMode !== undefined) return nextHopMode === 'Self' ? 'self' : 'keep';
  return keepOriginalNextHop === true && isExternal ? 'keep' : undefined;
}
