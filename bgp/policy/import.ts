/**
 * Import policy: may this route enter the Loc-RIB? Answers with the reason if not; reasons.ts knows them all.
 *
 * First what no filter can change: RFC 4271 §9.1.2 and RFC 4456 §8 (loops), RFC 4271 §6.3 (NEXT_HOP), RFC 9774 (AS_SET),
 * RFC 9234 §5 (leaks); then the neighbour's filters, which a person wrote; then RFC 8212 and RFC 7999; then the house's own
 * guard: only what lies in the cluster's pools, never a default route, our own pod CIDRs, addresses of Services or the API
 * server. Sessions are always multihop, as Calico's are, so an eBGP next hop need not share a subnet with us.
 */
import {
  type Address,
  type Asn,
  contains,
  formatAddress,
  formatPrefix,
  isIpv4,
  isPrefix4,
  lengthOf,
  type Prefix,
  scopeOf,
  widthOf,
} from '../../src/lib/net.ts';
import { err, ok, type Result } from '../../src/lib/result.ts';
import { Trie } from '../../src/lib/trie.ts';
import type { FilterRule } from '../../src/model/bgp-filter.ts';
import type { NamedRule, PeerConfig, Role, SpeakerConfig } from '../config.ts';
import { blackhole, gracefulShutdown, noExport } from '../rib/communities.ts';
import { type Path, pathOf, trait } from '../rib/path.ts';
import { plainOf } from '../rib/view.ts';
import type { PathAttributes } from '../wire/message.ts';
import { firstMatchOf, type LinksOf } from './by-link.ts';
import { explain, marked, noFilters, operate, sessionTypeOf, speaksOf } from './filter.ts';
import { Memo, rememberLast } from './memo.ts';
import { nearby } from './near.ts';
import { nextHopFlaw, unusableRanges } from './next-hop.ts';
import { timesOn } from './outgoing.ts';

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
export function compileGuard(parts: GuardParts): PrefixGuard {
  const { importPolicy, connected = [] } = parts;
  const { within, never, blocks = [], services = [], protected: servers = [] } = importPolicy;
  const spaces = [...within, ...never, ...blocks, ...services, ...servers, ...connected];
  const isNear = nearby([...spaces, ...unusableRanges.map(([range]) => range)]);
  const guard = closeGuard(parts);
  return (prefix, rule) => {
    if (isNear(prefix)) return guard(prefix, rule);
    return rule === undefined ? nowhere : undefined;
  };
}

/** Of what may lie in one of its spaces. */
function closeGuard({ importPolicy, connected = [] }: GuardParts): PrefixGuard {
  const within = trieOf(importPolicy.within);
  const never = trieOf(importPolicy.never);
  const blocks = trieOf(importPolicy.blocks ?? []);
  const services = trieOf(importPolicy.services ?? []);
  const links = trieOf(connected);
  const servers = trieOf(importPolicy.protected ?? []);

  /** In order; `place` is the pool that the prefix lies in. */
  const dangers: readonly ((prefix: Prefix, place: Prefix | undefined) => Danger | undefined)[] = [
    (prefix) =>
      lengthOf(prefix) === 0 ? { space: prefix, reject: 'a default route is never accepted' } : undefined,
    (prefix) =>
      inside(servers, prefix, (server) => `takes away the API server's address ${formatPrefix(server)}`),
    (prefix) => inside(never, prefix, (own) => `lies inside our own pod CIDR ${formatPrefix(own)}`),
    (prefix, place) => {
      const service = inside(
        services,
        prefix,
        (range) =>
          `lies inside ${formatPrefix(range)}, addresses of Services, which every node answers for itself`,
      );
      const isWider =
        service !== undefined && place !== undefined && lengthOf(service.space) < lengthOf(place);
      return isWider ? undefined : service;
    },
    (prefix, place) => {
      const link = place && inside(links, prefix, insideLink);
      return link && lengthOf(link.space) > lengthOf(place) ? link : undefined;
    },
    (prefix) => {
      const block = inside(
        blocks,
        prefix,
        (own) =>
          `lies inside our own block ${formatPrefix(own)}, of which only single addresses can be another node's`,
      );
      const isBorrowed = block !== undefined && isHost(prefix) && !isHost(block.space);
      return isBorrowed ? undefined : block;
    },
  ];
  const dangerOf = (prefix: Prefix, place: Prefix | undefined): Danger | undefined => {
    for (const danger of dangers) {
      const met = danger(prefix, place);
      if (met !== undefined) return met;
    }
    return undefined;
  };
  /** Asked of what lies in no pool, and so only where a filter accepts it. */
  const strayOf = (prefix: Prefix): Danger | undefined => {
    const link = links.longestMatch(prefix)?.[0];
    if (link !== undefined) return { space: link, reject: insideLink(link) };
    const range = unusableRanges.find(([one]) => contains(one, prefix));
    return range && { space: range[0], reject: `${formatPrefix(prefix)} ${range[1]}` };
  };
  return (prefix, rule) => {
    const place = within.longestMatch(prefix)?.[0];
    const danger = dangerOf(prefix, place);
    if (rule === undefined) return danger?.reject ?? (place === undefined ? nowhere : undefined);
    const met = danger ?? (place === undefined ? strayOf(prefix) : undefined);
    return met === undefined || speaksOf(rule, met.space)
      ? undefined
      : `${met.reject}; ${explain(met.space)}`;
  };
}

const nowhere = "not inside any IP pool or node's pod CIDR";

/** The closest of these spaces that holds the prefix. */
function inside(spaces: Trie<true>, prefix: Prefix, why: (space: Prefix) => string): Danger | undefined {
  const space = spaces.longestMatch(prefix)?.[0];
  return space === undefined ? undefined : { space, reject: why(space) };
}

const insideLink = (link: Prefix): string =>
  `lies inside ${formatPrefix(link)}, a network of this node itself`;

type GuardParts = Pick<SpeakerConfig, 'importPolicy' | 'connected'>;

const isHost = (prefix: Prefix): boolean => lengthOf(prefix) === widthOf(prefix);

/**
 * The whole policy towards one neighbour. What depends on the attributes alone is worked out once for each set.
 */
export function compileImport(
  config: SpeakerConfig,
  peer: PeerConfig,
  guard: PrefixGuard,
  linksOf: LinksOf = noLinks,
): ImportRule {
  const session = sessionTypeOf(peer);
  const { importV4, importV6 } = peer.filters ?? noFilters;
  const firstMatch = firstMatchOf([importV4, importV6], linksOf);
  const judge = judgeOf(config, peer, session);
  const known = new Memo<Path, Result<Path>>();
  const changed = new Memo<Path, Map<FilterRule, Path>>();
  const sound = (path: Path): Result<Path> => {
    const cached = known.get(path);
    if (cached !== undefined) return cached;
    const fresh = judge(path);
    known.set(path, fresh);
    return fresh;
  };
  const acceptedBy = (rule: FilterRule, path: Path): Path => {
    const isDropped = path.isBlackhole;
    if (rule.operations.length === 0 && !isDropped) return path;
    let byRule = changed.get(path);
    if (byRule === undefined) {
      byRule = new Map();
      changed.set(path, byRule);
    }
    const cached = byRule.get(rule);
    if (cached !== undefined) return cached;
    const operated = operate(plainOf(path.attributes), rule.operations);
    const attributes = isDropped ? marked(operated, noExport) : operated;
    const fresh = pathOf(path.source, attributes);
    byRule.set(rule, fresh);
    return fresh;
  };
  const isStrict = config.requirePolicy === true && session === 'ebgp';
  return (prefix, path) => {
    const base = sound(path);
    if (!base.ok) return base;
    if (isOtherFamily(prefix, base.value)) return err('next hop is of the other address family');
    const rules = isPrefix4(prefix) ? importV4 : importV6;
    if (isStrict && rules.length === 0)
      return err('no filter says what may come from this eBGP neighbour (RFC 8212)');
    const rule = firstMatch(rules, prefix, base.value, session);
    const reject = refused(rule, base.value) ?? guard(prefix, rule);
    if (reject !== undefined) return err(reject);
    if (rule === undefined) return base;
    return accepting(base, acceptedBy(rule, base.value));
  };
}

/** Nobody says how next hops are reached. */
export const noLinks: LinksOf = () => undefined;

/** Most rules change nothing, and then the answer is one for all prefixes. */
const accepting = (base: Result<Path>, accepted: Path): Result<Path> =>
  base.ok && base.value === accepted ? base : ok(accepted);

function refused(rule: NamedRule | undefined, path: Path): Reject {
  if (rule?.action === 'Reject') return `rejected by ${rule.name}`;
  return path.isBlackhole && !namesBlackhole(rule)
    ? 'carries the community BLACKHOLE, and no rule that accepts it names that community'
    : undefined;
}

/**
 * RFC 7999 §3.3: only by agreement, which is a rule that names the community; "accept everything" is none. What is accepted
 * so is a blackhole route in the kernel, and stays in the AS (§3.2).
 */
const namesBlackhole = (rule: FilterRule | undefined): boolean =>
  rule?.community?.kind === 'standard' && rule.community.value === blackhole;

/**
 * What depends on the attributes alone: the path as it counts here, or why it cannot be used.
 *
 * What it asks for of the configuration is read here, once: objects of a configuration have as many forms as there are optional
 * fields, and what V8 compiles for one form it compiles again for the next.
 */
function judgeOf(
  config: SpeakerConfig,
  peer: PeerConfig,
  session: 'ebgp' | 'ibgp',
): (path: Path) => Result<Path> {
  const role = session === 'ebgp' ? peer.role?.own : undefined;
  const { peerAsn } = peer;
  const loopIn = loopOf(config, peer);
  const flawOf = rememberLast((nextHop: Address) => badNextHop(nextHop, config, peer));
  const isFirstEnforced = session === 'ebgp' && peer.enforceFirstAs === true;
  const isLeaving = peer.gracefulShutdown === true;
  return (path) => {
    const reject =
      loopIn(path) ??
      (isFirstEnforced ? strangerFirst(path, peerAsn) : undefined) ??
      aggregated(path) ??
      flawOf(hopOf(path)) ??
      (role && leak(path, role, peerAsn));
    if (reject !== undefined) return err(reject);
    if (path.traits === 0 && role === undefined && !isLeaving) return ok(path);
    const attributes = plainOf(path.attributes);
    const kept = counted(viaLink(attributes), session, role, peer);
    return ok(kept === attributes ? path : pathOf(path.source, kept));
  };
}

const hopOf = (path: Path): Address =>
  has(path, trait.linkLocal) ? viaLink(plainOf(path.attributes)).nextHop : path.nextHop;

const has = ({ traits }: Path, one: number): boolean => (traits & one) !== 0;

/** The attributes as they count here. */
function counted(
  attributes: PathAttributes,
  session: 'ebgp' | 'ibgp',
  role: Role | undefined,
  peer: PeerConfig,
): PathAttributes {
  const isLeaving = session === 'ebgp' && attributes.communities?.includes(gracefulShutdown) === true;
  const kept = role === undefined ? attributes : onlyToCustomers(attributes, role, peer.peerAsn);
  if (peer.gracefulShutdown === true) return leastPreferred(marked(kept, gracefulShutdown));
  return isLeaving ? leastPreferred(kept) : kept;
}

/** RFC 8326 §4: the least preferred there is. */
const leastPreferred = (attributes: PathAttributes): PathAttributes => ({ ...attributes, localPref: 0 });

/** RFC 4271 §9.1.2: the full AS_PATH, whatever the kind of segment or session; RFC 4456 §8 for what was reflected. */
function loopOf(
  { asn, routerId, clusterId }: SpeakerConfig,
  { localAsn, allowedOwnAs: allowed = 0 }: PeerConfig,
): (path: Path) => Reject {
  return (path) => {
    const circle =
      circled(path, localAsn, allowed) ?? (localAsn === asn ? undefined : circled(path, asn, allowed));
    if (circle !== undefined) return circle;
    if (path.originatorId === routerId) return 'loop: ORIGINATOR_ID is our own identifier';
    if (clusterId === undefined || path.clusters === 0) return undefined;
    return path.attributes.clusterList?.includes(clusterId) === true
      ? 'loop: our own cluster is in its CLUSTER_LIST'
      : undefined;
  };
}

function circled(path: Path, own: Asn, allowed: number): Reject {
  const times = timesOn(path, own);
  if (times <= allowed) return undefined;
  return allowed === 0
    ? `loop: our own AS ${own} is in its AS path`
    : `loop: our own AS ${own} is in its AS path ${times} times, and ${allowed} are allowed`;
}

/**
 * RFC 4271 §6.3, which leaves it to us: the leftmost AS of the path is the neighbour's. RFC 7606 §7.2 has the route withdrawn,
 * not the session ended.
 */
function strangerFirst(path: Path, peerAsn: Asn): Reject {
  const first = has(path, trait.set) ? firstOf(path.attributes) : path.neighbourAs;
  if (first === peerAsn) return undefined;
  return `its AS path begins with ${first === undefined ? 'no AS' : `AS ${first}`}, not with the neighbour's own AS ${peerAsn}`;
}

const firstOf = ({ asPath }: PathAttributes): Asn | undefined =>
  asPath[0]?.kind === 'sequence' ? asPath[0].asns[0] : undefined;

/** RFC 9774: nobody may tell such a path any more, and who hears it treats it as withdrawn. */
const aggregated = (path: Path): Reject =>
  has(path, trait.set) && path.attributes.asPath.some(({ kind }) => kind === 'set' || kind === 'confedSet')
    ? 'its AS path holds an AS_SET, which RFC 9774 forbids'
    : undefined;

/** RFC 9234 §5, ingress 1 and 2: by our own role. */
function leak(path: Path, role: Role, peerAsn: Asn): Reject {
  const otc = has(path, trait.otc) ? path.attributes.otc : undefined;
  if (otc === undefined) return undefined;
  if (role === 'provider') return `leak: a customer tells what AS ${otc} told for customers only`;
  if (role === 'rs')
    return `leak: a client of this route server tells what AS ${otc} told for customers only`;
  return role === 'peer' && otc !== peerAsn
    ? `leak: a peer tells what AS ${otc} told for customers only`
    : undefined;
}

/** RFC 9234 §5, ingress 3: what comes from above or beside goes on downwards only. */
const onlyToCustomers = (attributes: PathAttributes, role: Role, peerAsn: Asn): PathAttributes =>
  attributes.otc === undefined && (role === 'customer' || role === 'peer' || role === 'rs-client')
    ? { ...attributes, otc: peerAsn }
    : attributes;

/** On a session over one link the neighbour's link-local address is the way, whatever global one it names too (RFC 2545 §3). */
const viaLink = (attributes: PathAttributes): PathAttributes => {
  const { linkLocal } = attributes;
  return linkLocal === undefined || scopeOf(linkLocal) === undefined || linkLocal === attributes.nextHop
    ? attributes
    : { ...attributes, nextHop: linkLocal };
};

/** A link-local one is a way only with its link, or as the very neighbour that tells it. */
function badNextHop(nextHop: Address, { ownAddress }: SpeakerConfig, { address }: PeerConfig): Reject {
  const isOnLink = scopeOf(nextHop) !== undefined || nextHop === address;
  const flaw = isOnLink ? undefined : nextHopFlaw(nextHop);
  if (flaw !== undefined) return `next hop ${flaw}`;
  return nextHop === ownAddress.ipv4 || nextHop === ownAddress.ipv6
    ? `next hop ${formatAddress(nextHop)} is our own address`
    : undefined;
}

/** An IPv4 prefix may have an IPv6 next hop where that was agreed (RFC 8950), or the codec had not let it through. */
const isOtherFamily = (prefix: Prefix, path: Path): boolean => !isPrefix4(prefix) && isIpv4(path.nextHop);

export function trieOf(prefixes: readonly Prefix[]): Trie<true> {
  const trie = new Trie<true>();
  for (const prefix of prefixes) trie.set(prefix, true);
  return trie;
}
