/**
 * The next hop a neighbour is told: RFC 4271 §5.1.3, RFC 2545 §3 (link-local ones) and RFC 8950 (IPv6 ones of IPv4 prefixes).
 */
import { type Address, containsAddress, isIpv4, scopeOf, versionOf } from '../../src/lib/net.ts';
import type { PeerConfig, SpeakerConfig } from '../config.ts';
import type { Negotiated } from '../session/event.ts';
import type { Family, PathAttributes } from '../wire/message.ts';

interface Towards {
  readonly config: SpeakerConfig;
  readonly peer: PeerConfig;
  readonly settled: { readonly codec?: Pick<Negotiated['codec'], 'extendedNextHop'> };
}

export type Told = Pick<PathAttributes, 'nextHop' | 'linkLocal'>;

/**
 * Kept inside the AS (§5.1.3 1), towards another as `isShared` says, unless the peer asks otherwise; else ourselves.
 * Undefined: it would have to be ourselves, and we have no address that this neighbour could use.
 * @param nextHop  undefined: one that only we reach
 */
export function nextHopTold(
  nextHop: Address | undefined,
  family: Family,
  type: 'ibgp' | 'ebgp',
  towards: Towards,
): Told | undefined {
  const { nextHopMode } = towards.peer;
  const own = ownTowards(family, towards);
  if (nextHop === undefined) return own;
  const isKept =
    nextHopMode !== 'self' &&
    canTell(nextHop, family, towards) &&
    (nextHopMode === 'keep' || type === 'ibgp' || isShared(nextHop, own?.nextHop, towards));
  return isKept ? { nextHop } : own;
}

const allows6 = (family: Family, { settled }: Towards): boolean =>
  settled.codec?.extendedNextHop?.has(family) === true;

/** Not its own address back to it (§5.1.3), nothing it could not read, and no link-local address: that is another's link. */
const canTell = (nextHop: Address, family: Family, towards: Towards): boolean =>
  nextHop !== towards.peer.address &&
  scopeOf(nextHop) === undefined &&
  ((family === 'ipv4-unicast') === isIpv4(nextHop) || (!isIpv4(nextHop) && allows6(family, towards)));

function ownAddresses(
  { ownAddress }: SpeakerConfig,
  { sharedAddress }: PeerConfig,
): SpeakerConfig['ownAddress'] {
  if (sharedAddress === undefined) return ownAddress;
  return { ...ownAddress, ...(isIpv4(sharedAddress) ? { ipv4: sharedAddress } : { ipv6: sharedAddress }) };
}

/**
 * Our own address for this family: on the network we share with the neighbour if the session is from there, else the node's. Over one link without addresses (unnumbered) it is our link-local one there, beside the
 * global one if we have it and the prefix is IPv6 (RFC 2545 §3); an IPv4 prefix has an IPv6 one there, and wherever we have
 * no IPv4 address, if that was agreed (RFC 8950 §4).
 */
function ownTowards(family: Family, towards: Towards): Told | undefined {
  const { config, peer } = towards;
  const { localAddress } = peer;
  const { ipv4, ipv6 } = ownAddresses(config, peer);
  const onLink = localAddress !== undefined && !isIpv4(localAddress) && scopeOf(localAddress) !== undefined;
  const linkLocal = onLink ? localAddress : undefined;
  if (family === 'ipv6-unicast') {
    if (linkLocal === undefined) return ipv6 === undefined ? undefined : { nextHop: ipv6 };
    return { nextHop: ipv6 ?? linkLocal, linkLocal };
  }
  const isUnnumbered = peer.interface !== undefined || ipv4 === undefined;
  const over6 = allows6(family, towards) && isUnnumbered ? (linkLocal ?? ipv6) : undefined;
  const nextHop = over6 ?? ipv4;
  return nextHop === undefined ? undefined : { nextHop };
}

/**
 * §5.1.3 2: a next hop the neighbour reaches on its own link is kept, so that a ToR sends a pod's packets straight to the
 * pod's node. What we originate has our own address already.
 *
 * Across families (IPv6 routes over an IPv4 session) the neighbour's other address is unknown; that it shares a subnet
 * with our node address of its own family, and the next hop one with ours of the other, is taken for the same link.
 */
function isShared(nextHop: Address, own: Address | undefined, { config, peer }: Towards): boolean {
  const share = (a: Address | undefined, b: Address): boolean =>
    a !== undefined &&
    (config.connected ?? []).some((subnet) => containsAddress(subnet, a) && containsAddress(subnet, b));
  if (versionOf(peer.address) === versionOf(nextHop)) return share(nextHop, peer.address);
  const ownTowardsNeighbour = isIpv4(peer.address) ? config.ownAddress.ipv4 : config.ownAddress.ipv6;
  return share(ownTowardsNeighbour, peer.address) && share(own, nextHop);
}
