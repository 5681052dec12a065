/**
 * Import policy: may this route enter the Loc-RIB? Answers with the reason if not.
 *
 * RFC 4271 §9.1.2 (loops) and §6.3 (NEXT_HOP), RFC 4456 §8 (ORIGINATOR_ID), and the house's own guard: only what lies
 * in the cluster's pools, never a default route, our own pod CIDRs or addresses of Services. Sessions are always multihop, as Calico's
 * are, so an eBGP next hop need not share a subnet with us.
 */
import {
  type Address,
  formatAddress,
  formatPrefix,
  lengthOf,
  type Prefix,
  versionOf,
  widthOf,
} from '../../src/lib/net.ts';
import { Trie } from '../../src/lib/trie.ts';
import type { PeerConfig, SpeakerConfig } from '../config.ts';
import type { Path } from '../rib/path.ts';
import type { PathAttributes } from '../wire/message.ts';
import { nextHopFlaw } from './next-hop.ts';

/** Undefined: accepted. Else one clause that says why not. */
type Reject = string | undefined;
/** The part of the policy that looks at the prefix alone. */
export type PrefixGuard = (prefix: Prefix) => Reject;
export type ImportRule = (prefix: Prefix, path: Path) => Reject;

/** One for all neighbours. */
export function compileGuard({ importPolicy }: SpeakerConfig): PrefixGuard {
  const within = trieOf(importPolicy.within);
  const never = trieOf(importPolicy.never);
  const blocks = trieOf(importPolicy.blocks ?? []);
  const services = trieOf(importPolicy.services ?? []);
  return (prefix) => {
    if (lengthOf(prefix) === 0) return 'a default route is never accepted';
    const own = never.longestMatch(prefix);
    if (own !== undefined) return `lies inside our own pod CIDR ${formatPrefix(own[0])}`;
    const place = within.longestMatch(prefix);
    const service = services.longestMatch(prefix);
    if (service !== undefined && (place === undefined || lengthOf(service[0]) >= lengthOf(place[0])))
      return `lies inside ${formatPrefix(service[0])}, addresses of Services, which every node answers for itself`;
    if (place === undefined) return "not inside any IP pool or node's pod CIDR";
    const block = blocks.longestMatch(prefix);
    return block === undefined || (isHost(prefix) && !isHost(block[0]))
      ? undefined
      : `lies inside our own block ${formatPrefix(block[0])}, of which only single addresses can be another node's`;
  };
}

const isHost = (prefix: Prefix): boolean => lengthOf(prefix) === widthOf(prefix);

/** The whole policy towards one neighbour. What depends on the attributes alone is worked out once for each set. */
export function compileImport(config: SpeakerConfig, peer: PeerConfig, guard: PrefixGuard): ImportRule {
  const known = new WeakMap<Path, { readonly reject: Reject }>();
  const attributesReject = (path: Path): Reject => {
    const cached = known.get(path);
    if (cached !== undefined) return cached.reject;
    const reject = loop(path.attributes, config, peer) ?? badNextHop(path.attributes, config);
    known.set(path, { reject });
    return reject;
  };
  return (prefix, path) =>
    attributesReject(path) ?? otherFamily(prefix, path.attributes.nextHop) ?? guard(prefix);
}

/** RFC 4271 §9.1.2: the full AS_PATH, whatever the kind of segment or session; RFC 4456 §8 for what was reflected. */
function loop(attributes: PathAttributes, config: SpeakerConfig, peer: PeerConfig): Reject {
  for (const own of new Set([peer.localAsn, config.asn])) {
    if (attributes.asPath.some((segment) => segment.asns.includes(own)))
      return `loop: our own AS ${own} is in its AS path`;
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
