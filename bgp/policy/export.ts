/**
 * Export policy: what one neighbour is told of a best path, or why it is told nothing.
 *
 *   from \ to     iBGP                       eBGP
 *   originated    yes                        yes
 *   iBGP          no: nothing is reflected   yes: a ToR may learn every node's blocks from any node, as with Calico
 *   eBGP          yes, next hop kept         yes, unless its path holds that AS already
 *
 * RFC 4271 §9.2 (dissemination), §5.1.3 (NEXT_HOP), RFC 1997 (well-known communities); outgoing.ts has the attributes.
 */
import { type Address, containsAddress, formatPrefix, type Prefix, versionOf } from '../../src/lib/net.ts';
import { err, ok, type Result } from '../../src/lib/result.ts';
import type { PeerConfig, SpeakerConfig } from '../config.ts';
import { familyOf, type Path } from '../rib/path.ts';
import type { AttributeTable } from '../rib/paths.ts';
import type { Family, PathAttributes } from '../wire/message.ts';
import { trieOf } from './import.ts';
import { towardsExternal, towardsInternal } from './outgoing.ts';

/** Interned attributes to send, or one clause why the neighbour is told nothing. */
type Export = Result<PathAttributes>;
export type ExportRule = (prefix: Prefix, best: Path) => Export;

const noExport = 0xffff_ff01;
const noAdvertise = 0xffff_ff02;
const noExportSubconfed = 0xffff_ff03;

/** @param families  negotiated with this neighbour */
export function compileExport(
  config: SpeakerConfig,
  peer: PeerConfig,
  families: readonly Family[],
  table: AttributeTable,
): ExportRule {
  const denied = trieOf(config.exportDeny);
  const known = new WeakMap<Path, Export>();
  const exportPath = (path: Path): Export => {
    const cached = known.get(path);
    if (cached !== undefined) return cached;
    const fresh = exported(path, config, peer, table);
    known.set(path, fresh);
    return fresh;
  };
  return (prefix, best) => {
    if (!families.includes(familyOf(prefix))) return err('its address family is not negotiated');
    const pool = denied.longestMatch(prefix);
    if (pool !== undefined) return err(`inside ${formatPrefix(pool[0])}, whose export is disabled`);
    return exportPath(best);
  };
}

function exported(path: Path, config: SpeakerConfig, peer: PeerConfig, table: AttributeTable): Export {
  const type = peer.peerAsn === peer.localAsn ? 'ibgp' : 'ebgp';
  const withheld = withholding(path, peer, type);
  if (withheld !== undefined) return err(withheld);
  if (type === 'ibgp') return ok(table.intern(towardsInternal(path.attributes, path.attributes.nextHop)));
  const nextHop = externalNextHop(path.attributes.nextHop, config, peer);
  return nextHop === undefined
    ? err('we have no address of its family to name as next hop')
    : ok(table.intern(towardsExternal(path.attributes, nextHop, peer.localAsn)));
}

function withholding(path: Path, peer: PeerConfig, type: 'ibgp' | 'ebgp'): string | undefined {
  const { source, attributes } = path;
  if (source.key === peer.key) return 'learned from this neighbour';
  if (source.type === 'ibgp' && type === 'ibgp') return 'learned by iBGP, and nothing is reflected';
  const has = (community: number): boolean => attributes.communities?.includes(community) ?? false;
  if (has(noAdvertise)) return 'carries the community NO_ADVERTISE';
  // It would drop the route as a loop (RFC 4271 §9.1.2); telling it only fills its log.
  if (type === 'ebgp' && attributes.asPath.some(({ asns }) => asns.includes(peer.peerAsn)))
    return "its path holds the neighbour's AS already";
  if (type === 'ebgp' && has(noExport)) return 'carries the community NO_EXPORT';
  if (type === 'ebgp' && has(noExportSubconfed)) return 'carries the community NO_EXPORT_SUBCONFED';
  return undefined;
}

/**
 * RFC 4271 §5.1.3 2: a next hop the neighbour reaches on its own link is kept, so that a ToR sends a pod's packets
 * straight to the pod's node; any other becomes our own address. What we originate has our own address already.
 */
function externalNextHop(nextHop: Address, config: SpeakerConfig, peer: PeerConfig): Address | undefined {
  const own = versionOf(nextHop) === 4 ? config.ownAddress.ipv4 : config.ownAddress.ipv6;
  return isOnNeighboursLink(nextHop, own, config, peer.address) ? nextHop : own;
}

/**
 * Across families (IPv6 routes over an IPv4 session) the neighbour's other address is unknown; that it shares a subnet
 * with our node address of its own family, and the next hop one with ours of the other, is taken for the same link.
 */
function isOnNeighboursLink(
  nextHop: Address,
  own: Address | undefined,
  config: SpeakerConfig,
  neighbour: Address,
): boolean {
  const share = (a: Address | undefined, b: Address): boolean =>
    a !== undefined &&
    (config.connected ?? []).some((subnet) => containsAddress(subnet, a) && containsAddress(subnet, b));
  if (versionOf(neighbour) === versionOf(nextHop)) return share(nextHop, neighbour);
  const ownTowardsNeighbour = versionOf(neighbour) === 4 ? config.ownAddress.ipv4 : config.ownAddress.ipv6;
  return share(ownTowardsNeighbour, neighbour) && share(own, nextHop);
}
