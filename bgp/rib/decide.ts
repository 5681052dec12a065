/**
 * The decision process of RFC 4271 §9.1.2 as a list: each step compares, the worse leave, and the first step that
 * leaves one path has decided.
 *
 * It is an elimination over the whole set, not a sort: MED counts only between paths of one neighbouring AS
 * (§9.1.2.2 c), so "better" is not transitive and comparing in pairs would let the order of arrival decide. Nothing
 * depends on age: the same paths give the same choice whatever came first.
 */
import { type Address, type Asn, compareAddresses } from '../../src/lib/net.ts';
import type { DecisionOptions } from '../config.ts';
import { attributesKey } from './key.ts';
import { localPrefOf, originRankOf, type Path } from './path.ts';

/** The interior cost of a next hop (§9.1.2.2 e): metric of the route that leads to it; undefined: it is unreachable. */
export type Metric = (nextHop: Address) => number | undefined;

/** What a choice depends on beside the paths. */
export interface Criteria {
  readonly options: DecisionOptions;
  readonly metric: Metric;
  /** In order. */
  readonly steps: readonly Step[];
  /** Those of `steps` between what `Path.rank` says and the tie-breaks. */
  readonly middle: readonly Step[];
}

export interface Step {
  /** What the winner has, in words that go before "3 others". */
  readonly better: string;
  /** What the loser lacks, as a whole clause. */
  readonly worse: string;
  /** Negative: `a` is better; 0: this step cannot tell. */
  readonly compare: (a: Path, b: Path) => number;
  /** Compares only paths that agree in this; absent: all. */
  readonly among?: (path: Path) => Asn | undefined;
  /** From here on paths are equally good, and only one has to be picked: what reaches such a step is multipath. */
  readonly tieBreak?: true;
}

/** Who left at which step; a step at which nobody left is not listed. */
interface Round {
  readonly step: Step;
  readonly lost: readonly Path[];
}

export interface Decision {
  /** Undefined: no path is eligible. */
  readonly best: Path | undefined;
  /** The best and those that only a tie-break parted from it. */
  readonly equal: readonly Path[];
  readonly rounds: readonly Round[];
  /** Their next hop is unreachable, so they took no part (§9.1.2.1). */
  readonly unresolved: readonly Path[];
}

/** The best path first, then those used beside it: equally good and by other next hops. Empty: nothing is eligible. */
export type Choice = readonly Path[];

const worstMed = 0xffff_ffff;
/** A multipath route of the kernel is one netlink message per change; beyond this many next hops nothing is won. */
const maxPaths = 64;

const isLocal = (path: Path): boolean => path.source.type === 'local';
/** RFC 4456 §9: a reflected route is judged by who originated it. */
const bgpId = (path: Path): number => path.originatorId ?? path.source.bgpId;

const by =
  (rank: (path: Path) => number) =>
  (a: Path, b: Path): number =>
    rank(a) - rank(b);

/**
 * The steps under these options, and the cost of next hops.
 * @param metric  may answer differently from one call to the next; who changes an answer has the choices reconsidered
 */
export function criteriaOf(options: DecisionOptions, metric: Metric): Criteria {
  const missingMed = options.missingMedWorst ? worstMed : 0;
  const med: Step = {
    better: 'not the higher MED of its neighbouring AS, unlike',
    worse: 'higher MED than another path by the same neighbouring AS',
    compare: by((path) => path.med ?? missingMed),
    among: (path) => path.neighbourAs,
  };
  const medOfAll: Step = {
    better: 'lower MED than',
    worse: 'higher MED than the best',
    compare: med.compare,
  };
  const cost = (path: Path): number => (isLocal(path) ? 0 : (metric(path.nextHop) ?? 0));
  const interior: Step = {
    better: 'nearer next hop than',
    worse: 'its next hop costs more than that of the best',
    compare: by(cost),
  };
  const middle = [options.alwaysCompareMed ? medOfAll : med, external, interior];
  return { options, metric, steps: [...preference, ...middle, ...tieBreaks], middle };
}

/** Before MED; `Path.rank` is these as a number. */
const preference: readonly Step[] = [
  {
    better: 'not stale, unlike',
    worse: 'long-lived stale: its neighbour is gone, and any other path is preferred (RFC 9494)',
    compare: by((path) => (path.isStale ? 1 : 0)),
  },
  {
    better: 'originated here, unlike',
    worse: 'learned, while we originate the prefix',
    compare: by((path) => (isLocal(path) ? 0 : 1)),
  },
  // §9.1.1; an eBGP route has none of its own and gets the default.
  {
    better: 'higher LOCAL_PREF than',
    worse: 'lower LOCAL_PREF than the best',
    compare: (a, b) => localPrefOf(b) - localPrefOf(a),
  },
  {
    better: 'shorter AS path than',
    worse: 'longer AS path than the best',
    compare: by((path) => path.asPathLength),
  },
  {
    better: 'lower ORIGIN than',
    worse: 'higher ORIGIN than the best',
    compare: by(originRankOf),
  },
];

const external: Step = {
  better: 'learned by eBGP, unlike',
  worse: 'learned by iBGP, while the best is by eBGP',
  compare: by((path) => (path.source.type === 'ibgp' ? 1 : 0)),
};

/** §9.1.2.2 f and g with RFC 4456 §9 between; the last three are ours, for one neighbour's several paths and sessions. */
const tieBreaks: readonly Step[] = [
  {
    better: 'lower BGP identifier than',
    worse: 'higher BGP identifier than the best',
    compare: by(bgpId),
    tieBreak: true,
  },
  {
    better: 'shorter cluster list than',
    worse: 'longer cluster list than the best',
    compare: by((path) => path.clusters),
    tieBreak: true,
  },
  {
    better: 'lower neighbour address than',
    worse: 'higher neighbour address than the best',
    compare: (a, b) => compareAddresses(a.source.address, b.source.address),
    tieBreak: true,
  },
  {
    better: 'lower neighbour port than',
    worse: 'higher neighbour port than the best',
    compare: by((path) => path.source.port),
    tieBreak: true,
  },
  {
    better: 'lower next hop than',
    worse: 'higher next hop than the best path of this neighbour',
    compare: (a, b) => compareAddresses(a.nextHop, b.nextHop),
    tieBreak: true,
  },
  {
    better: 'first by what else it says, before',
    worse: 'alike in all that counts; the other comes first by what else it says',
    compare: (a, b) => compareText(attributesKey(a.attributes), attributesKey(b.attributes)),
    tieBreak: true,
  },
];

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** No departures from the RFC, and every next hop reachable at no cost. */
export const plainCriteria: Criteria = criteriaOf({}, () => 0);

/** Chooses among paths of one prefix. Two that say the same of one source are one. */
export function decide(paths: readonly Path[], criteria: Criteria = plainCriteria): Decision {
  const eligible = eligibleOf(paths, criteria);
  const unresolved = eligible.length === paths.length ? none : paths.filter((one) => !eligible.includes(one));
  let left = eligible;
  let equal: readonly Path[] | undefined;
  const rounds: Round[] = [];
  for (const step of criteria.steps) {
    if (left.length < 2) break;
    if (step.tieBreak) equal ??= left;
    const kept = winnersOf(left, step);
    if (kept === left) continue;
    rounds.push({ step, lost: left.filter((path) => !kept.includes(path)) });
    left = kept;
  }
  return { best: left[0], equal: equal ?? left, rounds, unresolved };
}

/** The best path, and of those equal to it as many as may be used beside it. */
export function choose(paths: readonly Path[], criteria: Criteria = plainCriteria): Choice {
  const foremost = foremostOf(paths, criteria);
  if (foremost.length < 2) return foremost;
  const equal = narrow(foremost, criteria.middle);
  if (equal.length === 1) return equal;
  const best = equal.reduce((one, other) => (comparePicked(other, one) < 0 ? other : one));
  const { options } = criteria;
  const most = isLocal(best) ? 1 : mostOf(best, options);
  if (most === 1 || !equal.some((path) => path !== best && goesBeside(path, best, options))) return [best];
  const nextHops = new Set<Address>();
  const chosen: Path[] = [];
  for (const path of equal.toSorted(comparePicked)) {
    if (nextHops.has(path.nextHop) || !goesBeside(path, best, options)) continue;
    nextHops.add(path.nextHop);
    chosen.push(path);
    if (chosen.length === most) break;
  }
  return chosen;
}

/** Those of the least rank among the eligible: what the steps before MED leave. Of the others no next hop is asked for. */
function foremostOf(paths: readonly Path[], { metric }: Criteria): readonly Path[] {
  let least = Number.POSITIVE_INFINITY;
  for (const path of paths) if (path.rank < least && isEligible(path, metric)) least = path.rank;
  const kept: Path[] = [];
  for (const path of paths) if (path.rank === least && isEligible(path, metric)) kept.push(path);
  return kept;
}

/** Paths that are equally good may share the load only if they lead through the same ASes, unless that is relaxed. */
export const goesBeside = (path: Path, best: Path, { relaxAsPath }: DecisionOptions): boolean =>
  relaxAsPath === true || path === best || sameAsPath(path, best);

/** Most paths that are used at once, where this one is the best. */
export const mostOf = ({ source }: Path, { ebgpPaths, ibgpPaths }: DecisionOptions): number =>
  Math.min(maxPaths, (source.type === 'ebgp' ? ebgpPaths : ibgpPaths) ?? maxPaths);

/** All eligible paths, the best first: each is what would be chosen if those before it were not there. */
export function ranked(
  paths: readonly Path[],
  criteria: Criteria = plainCriteria,
  most: number = paths.length,
): readonly Path[] {
  let left = eligibleOf(paths, criteria);
  const order: Path[] = [];
  while (left.length > 0 && order.length < most) {
    const best = narrow(left, criteria.steps)[0];
    if (best === undefined) break;
    order.push(best);
    left = left.filter((path) => path !== best);
  }
  return order;
}

const none: readonly Path[] = [];

/** §9.1.2.1: what we originate needs no next hop. */
export const isEligible = (path: Path, metric: Metric): boolean =>
  isLocal(path) || metric(path.nextHop) !== undefined;

/** The list itself if that is all of them. */
function eligibleOf(paths: readonly Path[], { metric }: Criteria): readonly Path[] {
  const eligible = paths.filter((path) => isEligible(path, metric));
  return eligible.length === paths.length ? paths : eligible;
}

function narrow(paths: readonly Path[], steps: readonly Step[]): readonly Path[] {
  let left = paths;
  for (const step of steps) {
    if (left.length < 2) return left;
    left = winnersOf(left, step);
  }
  return left;
}

/** Those that no comparable path beats; the list itself if nobody is beaten. */
function winnersOf(paths: readonly Path[], { among, compare }: Step): readonly Path[] {
  if (among === undefined) return bestOf(paths, compare);
  const [first] = paths;
  if (first === undefined || paths.every((path) => compare(path, first) === 0)) return paths;
  if (paths.length <= fewPaths) return unbeaten(paths, among, compare);
  const winners = [...Map.groupBy(paths, among).values()].flatMap((group) => bestOf(group, compare));
  return winners.length === paths.length ? paths : paths.filter((path) => winners.includes(path));
}

/** So many are compared each with each, which needs no groups to be made. */
const fewPaths = 12;

function unbeaten(
  paths: readonly Path[],
  among: Step['among'] & {},
  compare: Step['compare'],
): readonly Path[] {
  const winners = paths.filter((path) => {
    for (const other of paths) if (compare(other, path) < 0 && among(other) === among(path)) return false;
    return true;
  });
  return winners.length === paths.length ? paths : winners;
}

function bestOf(paths: readonly Path[], compare: Step['compare']): readonly Path[] {
  let best: Path | undefined;
  let isSplit = false;
  for (const path of paths) {
    const difference = best === undefined ? 0 : compare(path, best);
    isSplit ||= difference !== 0;
    if (best === undefined || difference < 0) best = path;
  }
  const winner = best;
  return winner === undefined || !isSplit ? paths : paths.filter((path) => compare(path, winner) === 0);
}

/** The tie-breaks alone, which do order any two paths that are equally good. */
function comparePicked(a: Path, b: Path): number {
  for (const { compare } of tieBreaks) {
    const difference = compare(a, b);
    if (difference !== 0) return difference;
  }
  return 0;
}

const sameAsPath = (a: Path, b: Path): boolean => {
  if (a.asPathLength !== b.asPathLength || a.neighbourAs !== b.neighbourAs) return false;
  const [left, right] = [a.attributes.asPath, b.attributes.asPath];
  return (
    left === right ||
    (left.length === right.length &&
      left.every(({ kind, asns }, at) => {
        const other = right[at];
        return (
          other?.kind === kind &&
          asns.length === other.asns.length &&
          asns.every((asn, index) => asn === other.asns[index])
        );
      }))
  );
};
