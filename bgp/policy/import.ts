/**
 * Import policy: may this route enter the Loc-RIB? Answers with the reason if not.
 *
 * RFC 4271 §9.1.2 (loops) and §6.3 (NEXT_HOP), RFC 4456 §8 (ORIGINATOR_ID); then the neighbour's filters, which a person
 * wrote; then the house's own guard: only what lies in the cluster's pools, never a default route, our own pod CIDRs or
 * addresses of Services. Sessions are always multihop, as Calico's
 * are, so an eBGP next hop need not share a subnet with us.
 */
import {
  type Address,
  contains,
  formatAddress,
  formatPrefix,
  isPrefix4,
  lengthOf,
  type Prefix,
  versionOf,
  widthOf,
} from '../../src/lib/net.ts';
import { err, ok, type Result } from '../../src/lib/result.ts';
import { Trie } from '../../src/lib/trie.ts';
import type { FilterRule } from '../../src/model/bgp-filter.ts';
import type { PeerConfig, SpeakerConfig } from '../config.ts';
import { type Path, pathOf } from '../rib/path.ts';
import type { AttributeTable } from '../rib/paths.ts';
import type { PathAttributes } from '../wire/message.ts';
import { explain, firstMatch, operate, sessionTypeOf, speaksOf } from './filter.ts';
import { nextHopFlaw, unusableRanges } from './next-hop.ts';

/** Undefined: accepted. Else one clause that says why not. */
type Reject = string | undefined;
/**
 * The part of the policy that looks at the prefix alone.
 * @param rule  of a filter that accepts it: what is merely not expected then passes, and what is dangerous only if the
 *              rule speaks of that itself
 */
export type PrefixGuard = (prefix: Prefix, rule?: FilterRule) => Reject;
/** The path to be offered to the Loc-RIB, as the filters leave it, or one clause why it is not. */
export type ImportRule = (prefix: Prefix, path: Path) => Result<Path>;

/** A space whose routes could take this node, or a part of it, off the network. */
interface Danger {
  readonly space: Prefix;
  readonly reject: string;
}

/** One for all neighbours. */
export function compileGuard({ importPolicy, connected = [] }: GuardParts): PrefixGuard {
  const within = trieOf(importPolicy.within);
  const never = trieOf(importPolicy.never);
  const blocks = trieOf(importPolicy.blocks ?? []);
  const services = trieOf(importPolicy.services ?? []);
  const links = trieOf(connected);

  const dangerOf = (prefix: Prefix, place: Prefix | undefined): Danger | undefined => {
    if (lengthOf(prefix) === 0) return { space: prefix, reject: 'a default route is never accepted' };
    const own = never.longestMatch(prefix)?.[0];
    if (own !== undefined) return { space: own, reject: `lies inside our own pod CIDR ${formatPrefix(own)}` };
    const service = services.longestMatch(prefix)?.[0];
    if (service !== undefined && (place === undefined || lengthOf(service) >= lengthOf(place)))
      return {
        space: service,
        reject: `lies inside ${formatPrefix(service)}, addresses of Services, which every node answers for itself`,
      };
    const block = blocks.longestMatch(prefix)?.[0];
    return block === undefined || (isHost(prefix) && !isHost(block))
      ? undefined
      : {
          space: block,
          reject: `lies inside our own block ${formatPrefix(block)}, of which only single addresses can be another node's`,
        };
  };
  /** Asked of what lies in no pool, and so only where a filter accepts it. */
  const strayOf = (prefix: Prefix): Danger | undefined => {
    const link = links.longestMatch(prefix)?.[0];
    if (link !== undefined)
      return { space: link, reject: `lies inside ${formatPrefix(link)}, a network of this node itself` };
    const range = unusableRanges.find(([one]) => contains(one, prefix));
    return range && { space: range[0], reject: `${formatPrefix(prefix)} ${range[1]}` };
  };
  return (prefix, rule) => {
    const place = within.longestMatch(prefix)?.[0];
    const danger = dangerOf(prefix, place);
    if (rule === undefined)
      return (
        danger?.reject ?? (place === undefined ? "not inside any IP pool or node's pod CIDR" : undefined)
      );
    const met = danger ?? (place === undefined ? strayOf(prefix) : undefined);
    return met === undefined || speaksOf(rule, met.space)
      ? undefined
      : `${met.reject}; ${explain(met.space)}`;
  };
}

type GuardParts = Pick<SpeakerConfig, 'importPolicy' | 'connected'>;

const isHost = (prefix: Prefix): boolean => lengthOf(prefix) === widthOf(prefix);

/**
 * The whole policy towards one neighbour. What depends on the attributes alone is worked out once for each set.
 * @param table  of the attributes of all paths
 */
export function compileImport(
  config: SpeakerConfig,
  peer: PeerConfig,
  guard: PrefixGuard,
  table: AttributeTable,
): ImportRule {
  const session = sessionTypeOf(peer);
  const known = new WeakMap<Path, Result<Path>>();
  const changed = new WeakMap<Path, Map<FilterRule, Path>>();
  const changedBy = (path: Path, change: (attributes: PathAttributes) => PathAttributes): Path =>
    pathOf(path.source, table.intern(change(path.attributes)));
  const sound = (path: Path): Result<Path> => {
    const cached = known.get(path);
    if (cached !== undefined) return cached;
    const reject = loop(path.attributes, config, peer) ?? badNextHop(path.attributes, config);
    const isLeaving = session === 'ebgp' && path.attributes.communities?.includes(gracefulShutdown) === true;
    const fresh = reject === undefined ? ok(isLeaving ? changedBy(path, leastPreferred) : path) : err(reject);
    known.set(path, fresh);
    return fresh;
  };
  const acceptedBy = (rule: FilterRule, path: Path): Path => {
    if (rule.operations.length === 0) return path;
    const byRule = changed.get(path) ?? new Map<FilterRule, Path>();
    changed.set(path, byRule);
    const cached = byRule.get(rule);
    if (cached !== undefined) return cached;
    const fresh = changedBy(path, (attributes) => operate(attributes, rule.operations));
    byRule.set(rule, fresh);
    return fresh;
  };
  return (prefix, path) => {
    const base = sound(path);
    if (!base.ok) return base;
    const other = otherFamily(prefix, path.attributes.nextHop);
    if (other !== undefined) return err(other);
    const rules = peer.filters?.[isPrefix4(prefix) ? 'importV4' : 'importV6'] ?? [];
    const rule = firstMatch(rules, prefix, base.value, session);
    if (rule?.action === 'Reject') return err(`rejected by ${rule.name}`);
    const reject = guard(prefix, rule);
    if (reject !== undefined) return err(reject);
    return rule === undefined ? base : ok(acceptedBy(rule, base.value));
  };
}

/** RFC 8326 §4.1, on receipt from another AS: the router that told it is about to go. */
const gracefulShutdown = 0xffff_0000;
const leastPreferred = (attributes: PathAttributes): PathAttributes => ({ ...attributes, localPref: 0 });

/** RFC 4271 §9.1.2: the full AS_PATH, whatever the kind of segment or session; RFC 4456 §8 for what was reflected. */
function loop(attributes: PathAttributes, config: SpeakerConfig, peer: PeerConfig): Reject {
  const { allowedOwnAs: allowed = 0 } = peer;
  for (const own of new Set([peer.localAsn, config.asn])) {
    const times = attributes.asPath.flatMap(({ asns }) => asns.filter((asn) => asn === own)).length;
    if (times > allowed)
      return allowed === 0
        ? `loop: our own AS ${own} is in its AS path`
        : `loop: our own AS ${own} is in its AS path ${times} times, and ${allowed} are allowed`;
  }
  return attributes.originatorId === config.routerId
    ? 'loop: ORIGINATOR_ID is our own identifier'
    : undefined;
}

function badNextHop({ nextHop }: PathAttributes, { ownAddress }: SpeakerConfig): Reject {
  const flaw = nextHopFlaw(nextHop);
  if (flaw !== undefined) return `next hop ${flaw}`;
  return nextHop === ownAddress.ipv4 || nextHop === ownAddress.ipv6
    ? `next hop ${formatAddress(nextHop)} is our own address`
    : undefined;
}

/** RFC 8950, IPv4 over an IPv6 next hop, is not negotiated. */
const otherFamily = (prefix: Prefix, nextHop: Address): Reject =>
  versionOf(prefix) === versionOf(nextHop) ? undefined : 'next hop is of the other address family';

export function trieOf(prefixes: readonly Prefix[]): Trie<true> {
  const trie = new Trie<true>();
  for (const prefix of prefixes) trie.set(prefix, true);
  return trie;
}
