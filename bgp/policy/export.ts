/**
 * Export policy: what one neighbour is told of a best path, or why it is told nothing.
 *
 *   from \ to     iBGP                       eBGP
 *   originated    yes                        yes
 *   iBGP          no: nothing is reflected   yes: a ToR may learn every node's blocks from any node, as with Calico
 *   eBGP          yes, next hop kept         yes, unless its path holds that AS already
 *
 * Of what may go by that table the neighbour's filters are asked, then the pools whose export is disabled.
 *
 * RFC 4271 §9.2 (dissemination), §5.1.3 (NEXT_HOP), RFC 1997 (well-known communities); outgoing.ts has the attributes.
 */
import {
  type Address,
  contains,
  containsAddress,
  formatPrefix,
  isPrefix4,
  type Prefix,
  versionOf,
} from '../../src/lib/net.ts';
import { err, ok, type Result } from '../../src/lib/result.ts';
import { Trie } from '../../src/lib/trie.ts';
import type { Community, FilterRule } from '../../src/model/bgp-filter.ts';
import type { PeerConfig, PrefixCommunities, SpeakerConfig } from '../config.ts';
import { familyOf, type Path } from '../rib/path.ts';
import type { AttributeTable } from '../rib/paths.ts';
import type { Family, PathAttributes } from '../wire/message.ts';
import { addCommunity, firstMatch, operate, sessionTypeOf } from './filter.ts';
import { trieOf } from './import.ts';
import { towardsExternal, towardsInternal } from './outgoing.ts';

/** Interned attributes to send, or one clause why the neighbour is told nothing. */
type Export = Result<PathAttributes>;
export type ExportRule = (prefix: Prefix, best: Path) => Export;

const noExport = 0xffff_ff01;
const noAdvertise = 0xffff_ff02;
const noExportSubconfed = 0xffff_ff03;

/** What can differ between prefixes of one path: the rule that accepts them, or the communities of where they lie. */
type Change = FilterRule | readonly Community[] | undefined;

/** @param families  negotiated with this neighbour */
export function compileExport(
  config: SpeakerConfig,
  peer: PeerConfig,
  families: readonly Family[],
  table: AttributeTable,
): ExportRule {
  const session = sessionTypeOf(peer);
  const denied = trieOf(config.exportDeny);
  const communitiesAt = communityTrie(config.communities ?? []);
  const withheld = new WeakMap<Path, { readonly why: string | undefined }>();
  const known = new WeakMap<Path, Map<Change, Export>>();
  const whyWithheld = (path: Path): string | undefined => {
    const cached = withheld.get(path);
    if (cached !== undefined) return cached.why;
    const why = withholding(path, peer, session);
    withheld.set(path, { why });
    return why;
  };
  const exportPath = (path: Path, change: Change): Export => {
    const byChange = known.get(path) ?? new Map<Change, Export>();
    known.set(path, byChange);
    const cached = byChange.get(change);
    if (cached !== undefined) return cached;
    const fresh = exported(changed(path.attributes, change), config, peer, table);
    byChange.set(change, fresh);
    return fresh;
  };
  return (prefix, best) => {
    if (!families.includes(familyOf(prefix))) return err('its address family is not negotiated');
    const why = whyWithheld(best);
    if (why !== undefined) return err(why);
    const rules = peer.filters?.[isPrefix4(prefix) ? 'exportV4' : 'exportV6'] ?? [];
    const rule = firstMatch(rules, prefix, best, session);
    if (rule?.action === 'Reject') return err(`rejected by ${rule.name}`);
    if (rule !== undefined) return exportPath(best, rule);
    const pool = denied.longestMatch(prefix);
    if (pool !== undefined) return err(`inside ${formatPrefix(pool[0])}, whose export is disabled`);
    return exportPath(best, communitiesAt.longestMatch(prefix)?.[1]);
  };
}

/** At each prefix what it and all that hold it ask for, so that the longest match says everything. */
function communityTrie(asked: readonly PrefixCommunities[]): Trie<readonly Community[]> {
  const merged = new Trie<readonly Community[]>();
  for (const { cidr } of asked)
    merged.set(
      cidr,
      asked.filter((one) => contains(one.cidr, cidr)).flatMap(({ communities }) => communities),
    );
  return merged;
}

function changed(attributes: PathAttributes, change: Change): PathAttributes {
  if (change === undefined) return attributes;
  return 'action' in change
    ? operate(attributes, change.operations)
    : change.reduce(addCommunity, attributes);
}

function exported(
  attributes: PathAttributes,
  config: SpeakerConfig,
  peer: PeerConfig,
  table: AttributeTable,
): Export {
  const type = sessionTypeOf(peer);
  const nextHop = nextHopTold(attributes.nextHop, type, config, peer);
  if (nextHop === undefined) return err('we have no address of its family to name as next hop');
  return ok(
    table.intern(
      type === 'ibgp'
        ? towardsInternal(attributes, nextHop)
        : towardsExternal(attributes, nextHop, peer.localAsn),
    ),
  );
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

/** RFC 4271 §5.1.3: kept inside the AS (1), towards another as `externalNextHop` says, unless the peer asks otherwise. */
function nextHopTold(
  nextHop: Address,
  type: 'ibgp' | 'ebgp',
  config: SpeakerConfig,
  peer: PeerConfig,
): Address | undefined {
  const { nextHopMode } = peer;
  if (nextHopMode === 'self') return ownTowards(nextHop, config);
  return nextHopMode === 'keep' || type === 'ibgp' ? nextHop : externalNextHop(nextHop, config, peer);
}

const ownTowards = (nextHop: Address, { ownAddress }: SpeakerConfig): Address | undefined =>
  versionOf(nextHop) === 4 ? ownAddress.ipv4 : ownAddress.ipv6;

/**
 * RFC 4271 §5.1.3 2: a next hop the neighbour reaches on its own link is kept, so that a ToR sends a pod's packets
 * straight to the pod's node; any other becomes our own address. What we originate has our own address already.
 */
function externalNextHop(nextHop: Address, config: SpeakerConfig, peer: PeerConfig): Address | undefined {
  const own = ownTowards(nextHop, config);
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
