/**
 * What every table of a network of speakers must hold once it is quiet, worked out the obvious way: in rounds, from
 * nothing, everyone tells all it would tell until a round changes nothing. RFC 4271 §9, RFC 4456, RFC 7911.
 *
 * It shares no code with the speaker but the values, and knows neither time nor history.
 */
import type { PeerConfig, SpeakerConfig } from '../../bgp/config.ts';
import {
  type Address,
  type Asn,
  compareAddresses,
  contains,
  type Ipv4,
  type Prefix,
  versionOf,
} from '../../src/lib/net.ts';
import type { Community, FilterRule } from '../../src/model/bgp-filter.ts';

/** One way to a prefix, as a speaker has it after import. */
export interface Way {
  /** Undefined: its own. */
  readonly from: Neighbourship | undefined;
  readonly nextHop: Address;
  readonly asPath: readonly Asn[];
  readonly localPref: number;
  readonly communities: readonly number[];
  readonly originator: Ipv4 | undefined;
  readonly clusters: readonly Ipv4[];
}

/** A session that is up, as one of its ends sees it. */
export interface Neighbourship {
  readonly self: SpeakerConfig;
  readonly other: SpeakerConfig;
  /** How `self` is configured for the other, and the other for it. */
  readonly here: PeerConfig;
  readonly there: PeerConfig;
}

/** What `from` says to `self`, attributes as on the wire. */
type Told = Omit<Way, 'from'>;

/** By prefix, the best first; all that may be used. */
export type Table = ReadonlyMap<Prefix, readonly Way[]>;

/** Undefined: it cannot be reached. */
export type Cost = (nextHop: Address) => number | undefined;

const most = 64;

/**
 * @param speakers  those that run
 * @param sessions  those that are up, each once for either end
 * @param cost  of reaching a next hop, the same for everyone
 * @returns the Loc-RIB of each. Fails: throws if the network never comes to rest, which is a network without an answer
 */
export function answer(
  speakers: readonly SpeakerConfig[],
  sessions: readonly Neighbourship[],
  cost: Cost,
): ReadonlyMap<SpeakerConfig, Table> {
  let tables = new Map<SpeakerConfig, Table>(speakers.map((self) => [self, new Map()]));
  for (let round = 0; round < most; round += 1) {
    const next = new Map(speakers.map((self) => [self, tableOf(self, sessions, tables, cost)]));
    if (speakers.every((self) => sameTable(tables.get(self), next.get(self)))) return next;
    tables = next;
  }
  throw new Error('the network has no answer');
}

/** What `session.self` hears of `prefix`, before it accepts anything. */
export function heard(
  session: Neighbourship,
  table: Table | undefined,
  prefix: Prefix,
  cost: Cost,
): readonly Told[] {
  const back: Neighbourship = {
    self: session.other,
    other: session.self,
    here: session.there,
    there: session.here,
  };
  const ways = (table?.get(prefix) ?? []).filter((way) => isUsable(way, cost));
  return sent(back) === 1
    ? ways.slice(0, 1).flatMap((way) => tell(back, prefix, way))
    : ways.flatMap((way) => tell(back, prefix, way)).slice(0, sent(back));
}

function sent({ here, there }: Neighbourship): number {
  if (here.addPath?.send === undefined || there.addPath?.receive !== true) return 1;
  return here.addPath.send === 'all' ? Number.POSITIVE_INFINITY : here.addPath.send;
}

function tableOf(
  self: SpeakerConfig,
  sessions: readonly Neighbourship[],
  tables: ReadonlyMap<SpeakerConfig, Table>,
  cost: Cost,
): Table {
  const learned = sessions
    .filter((one) => one.self === self)
    .flatMap((session) => learnedFrom(session, tables.get(session.other) ?? new Map(), cost));
  const ways = Map.groupBy([...own(self), ...learned], ({ prefix }) => prefix);
  return new Map(
    [...ways].map(([prefix, all]) => [prefix, distinct(all).sort((a, b) => compareWays(a, b, cost))]),
  );
}

/** Of two that a neighbour tells alike, by two path identifiers, one is enough. */
const distinct = (all: readonly Found[]): Way[] => [
  ...new Map(all.map(({ way }) => [wayKey(way), way])).values(),
];

interface Found {
  readonly prefix: Prefix;
  readonly way: Way;
}

function own(self: SpeakerConfig): Found[] {
  return self.origins.flatMap((prefix) => {
    const nextHop = ownAddress(self, prefix);
    return nextHop === undefined ? [] : [{ prefix, way: { ...bare, from: undefined, nextHop } }];
  });
}

const learnedFrom = (session: Neighbourship, table: Table, cost: Cost): Found[] =>
  [...table.keys()].flatMap((prefix) =>
    heard(session, table, prefix, cost).flatMap((told) => {
      const way = accept(session, prefix, told);
      return way === undefined ? [] : [{ prefix, way }];
    }),
  );

const bare = {
  asPath: [],
  localPref: 100,
  communities: [],
  originator: undefined,
  clusters: [],
} satisfies Partial<Way>;

const ownAddress = (self: SpeakerConfig, prefix: Prefix): Address | undefined =>
  versionOf(prefix) === 4 ? self.ownAddress.ipv4 : self.ownAddress.ipv6;

const isInternal = ({ peerAsn, localAsn }: PeerConfig): boolean => peerAsn === localAsn;

const familyOf = (prefix: Prefix) => (versionOf(prefix) === 4 ? 'ipv4-unicast' : 'ipv6-unicast');

const noExport = 0xffff_ff01;
const noAdvertise = 0xffff_ff02;
const gracefulShutdown = 0xffff_0000;

/** Of one way, what `here` is told: nothing or one thing. */
function tell(session: Neighbourship, prefix: Prefix, way: Way): readonly Told[] {
  const { self, here, there } = session;
  const family = familyOf(prefix);
  if (!here.families.includes(family) || !there.families.includes(family)) return [];
  if (way.from?.here.key === here.key || way.communities.includes(noAdvertise)) return [];
  if (way.from === undefined && self.drain === 'withdrawn') return [];
  const rule = firstRule(here, 'export', prefix, way);
  if (rule?.action === 'Reject') return [];
  if (rule === undefined && way.from !== undefined && !isOurs(session, prefix)) return [];
  const said = parting(session, operate(way, rule));
  return isInternal(here) ? tellInside(session, prefix, way, said) : tellOutside(session, prefix, way, said);
}

/** What filters let in from elsewhere is told on by filters only. */
const isOurs = ({ self }: Neighbourship, prefix: Prefix): boolean =>
  self.importPolicy.within.some((pool) => contains(pool, prefix));

/** RFC 8326 §4: a drained router says so of what it originates, and of all that it tells other ASes. */
function parting({ self, here }: Neighbourship, way: Way): Way {
  if (self.drain === undefined || !(way.from === undefined || !isInternal(here))) return way;
  const communities = way.communities.includes(gracefulShutdown)
    ? way.communities
    : [...way.communities, gracefulShutdown];
  return { ...way, communities, localPref: isInternal(here) ? 0 : way.localPref };
}

/** RFC 4456 §8: from a client to all, to a client from all; else what iBGP said stays. */
function tellInside({ self, here }: Neighbourship, prefix: Prefix, way: Way, said: Way): readonly Told[] {
  if (way.from === undefined || !isInternal(way.from.here)) return [said];
  const { clusterId } = self;
  if (clusterId === undefined || !(way.from.here.isClient || here.isClient)) return [];
  // Nobody is told its own address as next hop (RFC 4271 §5.1.3).
  const nextHop = said.nextHop === here.address ? (ownAddress(self, prefix) ?? said.nextHop) : said.nextHop;
  return [
    { ...said, nextHop, originator: way.originator ?? originOf(way), clusters: [clusterId, ...way.clusters] },
  ];
}

function tellOutside({ self, here }: Neighbourship, prefix: Prefix, way: Way, said: Way): readonly Told[] {
  const nextHop = ownAddress(self, prefix);
  if (nextHop === undefined || way.communities.includes(noExport) || way.asPath.includes(here.peerAsn))
    return [];
  return [{ ...bare, communities: said.communities, nextHop, asPath: [here.localAsn, ...said.asPath] }];
}

const originOf = (way: Way): Ipv4 | undefined => way.from?.other.routerId;

/** As it enters the Loc-RIB; undefined: it does not. */
function accept(session: Neighbourship, prefix: Prefix, told: Told): Way | undefined {
  const { self, here } = session;
  if (told.asPath.filter((one) => one === here.localAsn).length > (here.allowedOwnAs ?? 0)) return undefined;
  if (told.originator === self.routerId) return undefined;
  if (self.clusterId !== undefined && told.clusters.includes(self.clusterId)) return undefined;
  const isLeaving = !isInternal(here) && told.communities.includes(gracefulShutdown);
  const way: Way = { ...told, from: session, localPref: isLeaving ? 0 : told.localPref };
  if (compareAddresses(way.nextHop, ownAddress(self, prefix) ?? way.nextHop) === 0) return undefined;
  const rule = firstRule(here, 'import', prefix, way);
  return rule?.action === 'Reject' ? undefined : operate(way, rule);
}

function firstRule(
  peer: PeerConfig,
  direction: 'import' | 'export',
  prefix: Prefix,
  way: Way,
): FilterRule | undefined {
  const rules = peer.filters?.[`${direction}${versionOf(prefix) === 4 ? 'V4' : 'V6'}`] ?? [];
  return rules.find(
    (rule) =>
      (rule.prefix === undefined || rule.prefix.cidr === prefix) &&
      (rule.source === undefined || way.from !== undefined),
  );
}

/** Only what the histories use. */
function operate<W extends Told>(way: W, rule: FilterRule | undefined): W {
  let changed = way;
  for (const operation of rule?.operations ?? []) {
    if (operation.kind === 'addCommunity')
      changed = { ...changed, communities: withCommunity(changed.communities, operation.community) };
    else if (operation.kind === 'prependAsPath')
      changed = { ...changed, asPath: [...operation.asns, ...changed.asPath] };
    else throw new Error(`the oracle does not know ${operation.kind}`);
  }
  return changed;
}

function withCommunity(communities: readonly number[], community: Community): readonly number[] {
  if (community.kind === 'large' || communities.includes(community.value)) return communities;
  return [...communities, community.value];
}

/** §9.1.2.1. */
export const isUsable = ({ from, nextHop }: Way, cost: Cost): boolean =>
  from === undefined || cost(nextHop) !== undefined;

const unusable = (way: Way, cost: Cost): number => Number(!isUsable(way, cost));
const costOf = ({ from, nextHop }: Way, cost: Cost): number =>
  from === undefined ? 0 : (cost(nextHop) ?? 0);

/** §9.1.2.2 with no MED, one ORIGIN and all next hops alike. */
function compareWays(a: Way, b: Way, cost: Cost): number {
  return (
    unusable(a, cost) - unusable(b, cost) ||
    Number(a.from !== undefined) - Number(b.from !== undefined) ||
    b.localPref - a.localPref ||
    a.asPath.length - b.asPath.length ||
    isIbgp(a) - isIbgp(b) ||
    costOf(a, cost) - costOf(b, cost) ||
    identifier(a) - identifier(b) ||
    a.clusters.length - b.clusters.length ||
    compareAddresses(neighbour(a), neighbour(b)) ||
    compareAddresses(a.nextHop, b.nextHop) ||
    compareText(lastResort(a), lastResort(b))
  );
}

/** Two of one neighbour that differ in communities alone: ours is the order of their text, those with any before those without. */
const lastResort = ({ communities }: Way): string =>
  communities.length === 0 ? '|' : `[${communities.join(' ')}]`;

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** As good as the best, so that both carry packets. */
export const isAsGood = (a: Way, best: Way, cost: Cost): boolean =>
  isUsable(a, cost) &&
  costOf(a, cost) === costOf(best, cost) &&
  a.from !== undefined &&
  best.from !== undefined &&
  a.localPref === best.localPref &&
  a.asPath.length === best.asPath.length &&
  isIbgp(a) === isIbgp(best);

const isIbgp = ({ from }: Way): number => Number(from !== undefined && isInternal(from.here));
const identifier = (way: Way): number => way.originator ?? way.from?.other.routerId ?? 0;
const neighbour = (way: Way): Address => way.from?.here.address ?? way.nextHop;

const sameTable = (a: Table | undefined, b: Table | undefined): boolean =>
  a !== undefined &&
  b !== undefined &&
  a.size === b.size &&
  [...a].every(([prefix, ways]) => ways.map(wayKey).join() === (b.get(prefix) ?? []).map(wayKey).join());

/** Everything that two ways can differ in. */
const wayKey = (way: Way): string =>
  [
    way.from?.here.key ?? 'local',
    way.nextHop,
    way.asPath.join(' '),
    way.localPref,
    way.communities.join(' '),
    way.originator,
    way.clusters.join(' '),
  ].join('|');
