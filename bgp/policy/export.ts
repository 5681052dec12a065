/**
 * Export policy: what one neighbour is told of a best path, or why it is told nothing; reasons.ts knows them all.
 *
 *   from \ to            iBGP                          iBGP client of ours   eBGP
 *   originated           yes                           yes                   yes
 *   iBGP                 no (reflector: no)            reflected             yes: a ToR may learn every node's blocks from
 *   iBGP client of ours  reflected                     reflected             any node, as with Calico
 *   eBGP                 yes, next hop kept            yes, next hop kept    yes, unless its path holds that AS already
 *   eBGP, a local pod    yes, next hop is us           yes, next hop is us   yes, next hop is us
 *
 * Of what may go by that table: well-known communities (RFC 1997), roles (RFC 9234 §5), staleness (RFC 9494 §4.3); then the
 * neighbour's filters, or RFC 8212 where there are none; then the pools whose export is disabled.
 *
 * RFC 4271 §9.2 (dissemination), RFC 4456 §8 (reflection); outgoing.ts has the attributes and told.ts the next hop.
 */
import {
  type Address,
  type Asn,
  contains,
  formatPrefix,
  type Ipv4,
  isPrefix4,
  type Prefix,
} from '../../src/lib/net.ts';
import { err, ok, type Result } from '../../src/lib/result.ts';
import { Trie } from '../../src/lib/trie.ts';
import type { Community, FilterRule } from '../../src/model/bgp-filter.ts';
import type { NamedRule, PeerConfig, PrefixCommunities, Role, SpeakerConfig } from '../config.ts';
import { gracefulShutdown, noAdvertise, noExport, noExportSubconfed } from '../rib/communities.ts';
import { familyOf, type Path, trait } from '../rib/path.ts';
import type { Member } from '../rib/update-group.ts';
import { plainOf } from '../rib/view.ts';
import type { Family, PathAttributes } from '../wire/message.ts';
import { firstMatchOf, type LinksOf } from './by-link.ts';
import { addCommunity, marked, noFilters, operate, rejectsAll, sessionTypeOf } from './filter.ts';
import { memberOf, type Settled } from './group.ts';
import { noLinks, trieOf } from './import.ts';
import { Memo, rememberLast } from './memo.ts';
import { reflected, timesOn, towardsExternal, towardsInternal, withoutPrivate } from './outgoing.ts';
import { type Reflection, retoldInside, retoldOutside } from './retell.ts';
import { nextHopTold, type Told } from './told.ts';

/** Attributes to send, or one clause why the neighbour is told nothing. */
type Export = Result<PathAttributes>;
export interface ExportRule {
  (prefix: Prefix, best: Path): Export;
  /** Families of which it lets nothing through, whatever it is asked; absent: that cannot be told beforehand. */
  readonly mute?: ReadonlySet<Family>;
  /** Who else is told the same; absent: that cannot be told beforehand. */
  readonly member?: Member | undefined;
}

/** What can differ between prefixes of one path: the rule that accepts them, or the communities of where they lie. */
type Change = FilterRule | readonly Community[] | undefined;

/** What a path becomes by one change, and then by others: of most there is but one, and of many paths a Map each is dear. */
interface Known {
  readonly change: Change;
  readonly told: Export;
  readonly next: Known | undefined;
}

/** The whole policy towards one neighbour. What depends on the path alone is worked out once for each. */
export function compileExport(
  config: SpeakerConfig,
  peer: PeerConfig,
  settled: Settled,
  linksOf: LinksOf = noLinks,
): ExportRule {
  const session = sessionTypeOf(peer);
  const { exportV4, exportV6 } = peer.filters ?? noFilters;
  const firstMatch = firstMatchOf([exportV4, exportV6], linksOf);
  const { families } = settled;
  const [is4Told, is6Told] = [families.includes('ipv4-unicast'), families.includes('ipv6-unicast')];
  const denied = trieOf(config.exportDeny);
  const ours = trieOf(config.importPolicy.within);
  const communitiesAt = communityTrie(config.communities ?? []);
  const leaves = new Memo<Path, Result<true>>();
  const rejections = new Map<FilterRule, Export>();
  const known: Readonly<Record<Family, Memo<Path, Known>>> = {
    'ipv4-unicast': new Memo(),
    'ipv6-unicast': new Memo(),
  };
  const towards: Towards = { config, peer, settled };
  const hopTold: Readonly<Record<Family, HopTold>> = {
    'ipv4-unicast': rememberLast((hop) => nextHopTold(hop, 'ipv4-unicast', session, towards)),
    'ipv6-unicast': rememberLast((hop) => nextHopTold(hop, 'ipv6-unicast', session, towards)),
  };
  const withheld = withholdingOf(towards);
  const leaveOf = (path: Path): Result<true> => {
    const cached = leaves.get(path);
    if (cached !== undefined) return cached;
    const why = withheld(path);
    const leave = why === undefined ? granted : err(why);
    leaves.set(path, leave);
    return leave;
  };
  const rejectedBy = (rule: NamedRule): Export => {
    const rejection = rejections.get(rule) ?? err(`rejected by ${rule.name}`);
    rejections.set(rule, rejection);
    return rejection;
  };
  /** By change, apart for each family: with RFC 8950 one path may lead to prefixes of either. */
  const exportPath = (path: Path, family: Family, change: Change): Export => {
    const cache = family === 'ipv4-unicast' ? known['ipv4-unicast'] : known['ipv6-unicast'];
    const first = cache.get(path);
    for (let one = first; one !== undefined; one = one.next) if (one.change === change) return one.told;
    const told =
      (plain.has(change) ? retold(path, hopTold[family]) : undefined) ??
      exported(path, change, towards, hopTold[family]);
    cache.set(path, { change, told, next: first });
    return told;
  };
  const retold = retellingOf(towards);
  /** Changes by which a path is told as it is, but for what every path is told otherwise. */
  const plain = new Set<Change>(
    changesNothing(config, peer) ? [undefined, ...[...exportV4, ...exportV6].filter(asksNothing)] : [],
  );
  const isStrict = config.requirePolicy === true && session === 'ebgp';
  const tell = (prefix: Prefix, best: Path, family: Family): Export => {
    const rules = isPrefix4(prefix) ? exportV4 : exportV6;
    if (isStrict && rules.length === 0)
      return err('no filter says what this eBGP neighbour may be told (RFC 8212)');
    const rule = firstMatch(rules, prefix, best, session);
    if (rule?.action === 'Reject') return rejectedBy(rule);
    if (rule !== undefined) return exportPath(best, family, rule);
    const pool = denied.longestMatch(prefix);
    if (pool !== undefined) return err(`inside ${formatPrefix(pool[0])}, whose export is disabled`);
    if (best.source.type !== 'local' && ours.longestMatch(prefix) === undefined) return notOurs;
    return exportPath(best, family, communitiesAt.longestMatch(prefix)?.[1]);
  };
  const rule = (prefix: Prefix, best: Path): Export => {
    const family = familyOf(prefix);
    if (!(family === 'ipv4-unicast' ? is4Told : is6Told)) return notNegotiated;
    const leave = leaveOf(best);
    return leave.ok ? tell(prefix, best, family) : leave;
  };
  return Object.assign(rule, { mute: muteOf(peer, families), member: memberOf(config, peer, settled) });
}

/** A neighbour that is told nothing has a first rule that rejects all, as "import only" is written. */
function muteOf({ filters }: PeerConfig, families: readonly Family[]): ReadonlySet<Family> {
  const first = { 'ipv4-unicast': filters?.exportV4[0], 'ipv6-unicast': filters?.exportV6[0] };
  return new Set(
    (['ipv4-unicast', 'ipv6-unicast'] as const).filter(
      (family) => !families.includes(family) || rejectsAll(first[family]),
    ),
  );
}

const granted: Result<true> = ok(true);
const notNegotiated: Export = err('its address family is not negotiated');
/** What a filter let in, a default route say, is for this node alone: nobody becomes a transit by it. */
const notOurs: Export = err("not inside any IP pool or node's pod CIDR, and no filter accepts it");

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

/** @param nextHop  undefined: it leads nowhere but from here */
type HopTold = (nextHop: Address | undefined) => Told | undefined;

interface Towards {
  readonly config: SpeakerConfig;
  readonly peer: PeerConfig;
  readonly settled: Settled;
}

function exported(path: Path, change: Change, { config, peer }: Towards, hopTold: HopTold): Export {
  const attributes = changed(plainOf(path.attributes), change);
  const type = sessionTypeOf(peer);
  const told = hopTold(hopsOf(peer)(path));
  if (told === undefined) return err('we have no address of its family to name as next hop');
  return ok(
    type === 'ibgp'
      ? parting(withNextHop(inside(path, attributes, config), told), path, config, peer)
      : parting(withNextHop(outside(attributes, change, peer), told), path, config, peer),
  );
}

/** No operation changes it. Undefined: it leads nowhere but from here. */
function hopsOf({ nextHopMode }: PeerConfig): (path: Path) => Address | undefined {
  const isKept = nextHopMode === 'keep';
  return (path) => (path.source.isWorkload === true && !isKept ? undefined : path.nextHop);
}

/** Whether what this neighbour is told is what outgoing.ts makes of a path, and nothing else. */
const changesNothing = (
  { drain }: SpeakerConfig,
  { privateAs, gracefulShutdown, role }: PeerConfig,
): boolean =>
  drain === undefined && privateAs === undefined && gracefulShutdown !== true && role === undefined;

const asksNothing = ({ operations }: FilterRule): boolean => operations.length === 0;

/**
 * As `exported` where nothing is asked, from words to words; undefined: that has to be asked. What it takes of the configuration is
 * read once, as in import.ts and for the same reason.
 */
function retellingOf({
  config: { clusterId },
  peer,
}: Towards): (path: Path, hopTold: HopTold) => Export | undefined {
  const session = sessionTypeOf(peer);
  const { localAsn } = peer;
  const hopOf = hopsOf(peer);
  return (path, hopTold) => {
    if (path.words === undefined) return undefined;
    const told = hopTold(hopOf(path));
    if (told === undefined || told.linkLocal !== undefined) return undefined;
    const view =
      session === 'ebgp'
        ? retoldOutside(path.words, path.at, localAsn, told.nextHop)
        : retoldInside(path.words, path.at, told.nextHop, reflectionOf(path, clusterId));
    return view && ok(view);
  };
}

const reflectionOf = ({ source }: Path, clusterId: Ipv4 | undefined): Reflection | undefined =>
  source.type === 'ibgp' && clusterId !== undefined ? { from: source.bgpId, clusterId } : undefined;

/** RFC 4456 §8: what is passed on between neighbours inside the AS says who brought it in and which clusters it passed. */
function inside({ source }: Path, attributes: PathAttributes, { clusterId }: SpeakerConfig): PathAttributes {
  const told = towardsInternal(attributes);
  return source.type === 'ibgp' && clusterId !== undefined ? reflected(told, source.bgpId, clusterId) : told;
}

/** RFC 4271 §5.1.4: a MED we were given goes no further than us; one that a rule for this neighbour sets is ours. */
function outside(attributes: PathAttributes, change: Change, peer: PeerConfig): PathAttributes {
  const isOwnMed =
    change !== undefined && 'action' in change && change.operations.some(({ kind }) => kind === 'setMed');
  const { role, localAsn, privateAs } = peer;
  const plain =
    privateAs === undefined
      ? attributes
      : withoutPrivate(attributes, privateAs === 'replace' ? localAsn : undefined);
  const told = towardsExternal(plain, localAsn);
  const { med, otc } = attributes;
  const judged = isOwnMed && med !== undefined ? { ...told, med } : told;
  // RFC 9234 §5, egress 1: whoever is told sideways or downwards passes it on downwards only.
  const marksOtc = role?.own === 'provider' || role?.own === 'peer' || role?.own === 'rs';
  return marksOtc && otc === undefined ? { ...judged, otc: localAsn } : judged;
}

const withNextHop = (attributes: PathAttributes, { nextHop, linkLocal }: Told): PathAttributes => {
  if (linkLocal !== undefined) return { ...attributes, nextHop, linkLocal };
  return nextHop === attributes.nextHop ? attributes : { ...attributes, nextHop };
};

/**
 * RFC 8326 §4: paths that are about to go carry the community, so that others are found first; inside the AS, where nobody acts on
 * the community, they are the least preferred too. What we only pass on there is not ours to judge.
 */
function parting(
  told: PathAttributes,
  { source }: Path,
  { drain }: SpeakerConfig,
  peer: PeerConfig,
): PathAttributes {
  const type = sessionTypeOf(peer);
  const isOurs = source.type === 'local' || type === 'ebgp';
  if (peer.gracefulShutdown !== true && !(drain !== undefined && isOurs)) return told;
  const leaving = marked(told, gracefulShutdown);
  return type === 'ibgp' ? { ...leaving, localPref: 0 } : leaving;
}

/** A well-known one. */
const carries = (path: Path, community: number): boolean =>
  (path.traits & trait.wellKnown) !== 0 && path.attributes.communities?.includes(community) === true;

/** Why a path is not told whatever the prefix; undefined: nothing speaks against it. */
function withholdingOf({ config, peer, settled }: Towards): (path: Path) => string | undefined {
  const { key, peerAsn } = peer;
  const { clusterId } = config;
  const type = sessionTypeOf(peer);
  const isClient = peer.isClient === true;
  const isWithdrawn = config.drain === 'withdrawn';
  const knowsStale = settled.longLived !== undefined;
  const isUpwards = upwards.has(peer.role?.own);
  return (path) => {
    const { source } = path;
    if (source.key === key) return 'learned from this neighbour';
    if (source.type === 'local' && isWithdrawn)
      return 'this node is drained, so what it originates is withdrawn';
    const unreflected =
      source.type === 'ibgp' && type === 'ibgp' ? unreflectedAs(path, clusterId, isClient) : undefined;
    const withheld = unreflected ?? keptHere(path, knowsStale);
    return withheld ?? (type === 'ebgp' ? keptInside(path, peerAsn, isUpwards) : undefined);
  };
}

function keptHere(path: Path, knowsStale: boolean): string | undefined {
  if (carries(path, noAdvertise)) return 'carries the community NO_ADVERTISE';
  return path.isStale && !knowsStale
    ? 'is long-lived stale, and this neighbour does not know of such routes (RFC 9494)'
    : undefined;
}

/** RFC 4456 §6: between two that are no clients nothing is reflected. */
function unreflectedAs(path: Path, clusterId: Ipv4 | undefined, isClient: boolean): string | undefined {
  const { source, clusters } = path;
  if (clusterId === undefined) return 'learned by iBGP, and nothing is reflected';
  if (source.isClient !== true && !isClient)
    return 'learned by iBGP, and neither side is a client of this route reflector';
  return clusters > 0 && path.attributes.clusterList?.includes(clusterId) === true
    ? 'our own cluster is in its CLUSTER_LIST already'
    : undefined;
}

/** RFC 9234 §5, egress 2: our roles of which the neighbour is above or beside us. */
const upwards: ReadonlySet<Role | undefined> = new Set(['customer', 'peer', 'rs-client']);

function keptInside(path: Path, peerAsn: Asn, isUpwards: boolean): string | undefined {
  // It would drop the route as a loop (RFC 4271 §9.1.2); telling it only fills its log.
  if (timesOn(path, peerAsn) > 0) return "its path holds the neighbour's AS already";
  if (carries(path, noExport)) return 'carries the community NO_EXPORT';
  if (carries(path, noExportSubconfed)) return 'carries the community NO_EXPORT_SUBCONFED';
  const otc = isUpwards && (path.traits & trait.otc) !== 0 ? path.attributes.otc : undefined;
  return otc !== undefined
    ? `is for customers only, as AS ${otc} said, and this neighbour is none (RFC 9234)`
    : undefined;
}
