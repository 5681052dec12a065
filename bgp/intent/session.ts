/** What every session of this node has in common, whoever asked for it. */
import { type Address, type Asn, formatAddress } from '../../src/lib/net.ts';
import type { SecretKey } from '../../src/model/resource.ts';
import type { PeerConfig } from '../config.ts';
import { familiesOf, type Router, sourceFor } from './router.ts';

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

/** The IANA port of BGP. */
export const BGP_PORT = 179;

export interface SessionRequest {
  readonly origin: PeerConfig['origin'];
  /** metadata.name of what asks for it. */
  readonly resource: string;
  readonly address: Address;
  readonly port: number;
  readonly peerAsn: Asn;
  readonly name: string;
  readonly keepaliveTimeMs?: number;
  /** Absent: RESTART_TIME_MS. */
  readonly restartTimeMs?: number;
  readonly allowedOwnAs?: number;
  readonly nextHopMode?: 'self' | 'keep';
  readonly password?: SecretKey;
  readonly ttlSecurity?: number;
}

/** "10.0.0.1" as part of a name: "10_0_0_1". */
export const nameOf = (kind: 'Mesh' | 'Global' | 'Node', address: Address): string =>
  `${kind}_${formatAddress(address).replace(/[.:]/g, '_')}`;

export function sessionOf(router: Router, localAsn: Asn, request: SessionRequest): PeerConfig {
  const { keepaliveTimeMs } = request;
  const localAddress = sourceFor(router, request.address);
  return {
    key: `${formatAddress(request.address)} ${request.port}`,
    ...request,
    localAsn,
    ...(localAddress === undefined ? {} : { localAddress }),
    holdTimeMs:
      keepaliveTimeMs === undefined
        ? HOLD_TIME_MS[request.origin]
        : Math.min(3 * keepaliveTimeMs, LONGEST_HOLD_TIME_MS),
    connectRetryMs: CONNECT_RETRY_MS,
    restartTimeMs: request.restartTimeMs ?? RESTART_TIME_MS,
    families: familiesOf(router),
  };
}
