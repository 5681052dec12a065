/**
 * The decision process of RFC 4271 §9.1.2 as a list: each step compares, the worse leave, and the first step that
 * leaves one path has decided.
 *
 * It is an elimination over the whole set, not a sort: MED counts only between paths of one neighbouring AS
 * (§9.1.2.2 c), so "better" is not transitive and comparing in pairs would let the order of arrival decide.
 */
import { type Asn, compareAddresses } from '../../src/lib/net.ts';
import type { Origin } from '../wire/message.ts';
import type { Path } from './path.ts';

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
  readonly best: Path;
  /** The best and those that only a tie-break parted from it. */
  readonly equal: readonly Path[];
  readonly rounds: readonly Round[];
}

const defaultLocalPref = 100;
const origins: Readonly<Record<Origin, number>> = { igp: 0, egp: 1, incomplete: 2 };

const localPref = (path: Path): number => path.attributes.localPref ?? defaultLocalPref;
const isLearned = (path: Path): number => (path.source.type === 'local' ? 0 : 1);
const isInternal = (path: Path): number => (path.source.type === 'ibgp' ? 1 : 0);
/** RFC 4456 §9: a reflected route is judged by who originated it. */
const bgpId = (path: Path): number => path.attributes.originatorId ?? path.source.bgpId;
const med = (path: Path): number => path.attributes.med ?? 0;
const clusters = (path: Path): number => path.attributes.clusterList?.length ?? 0;

const by =
  (rank: (path: Path) => number) =>
  (a: Path, b: Path): number =>
    rank(a) - rank(b);

/**
 * In order. There is no IGP here whose metric could be asked for (§9.1.2.2 e); all next hops cost the same.
 * The last step is ours: two sessions to one address differ in port, and the order must be total.
 */
export const decisionSteps: readonly Step[] = [
  {
    better: 'originated here, unlike',
    worse: 'learned, while we originate the prefix',
    compare: by(isLearned),
  },
  // §9.1.1; an eBGP route has none of its own and gets the default.
  {
    better: 'higher LOCAL_PREF than',
    worse: 'lower LOCAL_PREF than the best',
    compare: (a, b) => localPref(b) - localPref(a),
  },
  {
    better: 'shorter AS path than',
    worse: 'longer AS path than the best',
    compare: by((path) => path.asPathLength),
  },
  {
    better: 'lower ORIGIN than',
    worse: 'higher ORIGIN than the best',
    compare: by((path) => origins[path.attributes.origin]),
  },
  {
    better: 'not the higher MED of its neighbouring AS, unlike',
    worse: 'higher MED than another path by the same neighbouring AS',
    compare: by(med),
    among: (path) => path.neighbourAs,
  },
  {
    better: 'learned by eBGP, unlike',
    worse: 'learned by iBGP, while the best is by eBGP',
    compare: by(isInternal),
  },
  {
    better: 'lower BGP identifier than',
    worse: 'higher BGP identifier than the best',
    compare: by(bgpId),
    tieBreak: true,
  },
  {
    better: 'shorter cluster list than',
    worse: 'longer cluster list than the best',
    compare: by(clusters),
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
];

/**
 * Chooses among paths of one prefix, of which each source gave at most one.
 * Fails: throws only if there is no path, or two that no step can tell apart.
 */
export function decide(paths: readonly Path[], steps: readonly Step[] = decisionSteps): Decision {
  let left = paths;
  let equal: readonly Path[] | undefined;
  const rounds: Round[] = [];
  for (const step of steps) {
    if (left.length === 1) break;
    if (step.tieBreak) equal ??= left;
    const lost = losersOf(left, step);
    if (lost.length === 0) continue;
    left = left.filter((path) => !lost.includes(path));
    rounds.push({ step, lost });
  }
  const best = left[0];
  if (best === undefined || left.length > 1)
    throw new Error(`bug: ${left.length} of ${paths.length} paths are left`);
  return { best, equal: equal ?? left, rounds };
}

/** Those that some comparable path beats. */
function losersOf(paths: readonly Path[], step: Step): readonly Path[] {
  const { among, compare } = step;
  if (among === undefined) return worseThan(bestOf(paths, compare), paths, compare);
  return [...Map.groupBy(paths, among).values()].flatMap((group) =>
    worseThan(bestOf(group, compare), group, compare),
  );
}

function bestOf(paths: readonly Path[], compare: Step['compare']): Path | undefined {
  let best = paths[0];
  for (const path of paths) if (best !== undefined && compare(path, best) < 0) best = path;
  return best;
}

const worseThan = (
  best: Path | undefined,
  paths: readonly Path[],
  compare: Step['compare'],
): readonly Path[] => (best === undefined ? [] : paths.filter((path) => compare(path, best) > 0));

/** The tie-breaks alone, which do order any two paths that are equally good. */
export function compareEqual(a: Path, b: Path): number {
  for (const step of decisionSteps) {
    const difference = step.tieBreak ? step.compare(a, b) : 0;
    if (difference !== 0) return difference;
  }
  return 0;
}
