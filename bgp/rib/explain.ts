/** Why a path was chosen or not, as one clause for people. */
import { type Address, formatAddress } from '../../src/lib/net.ts';
import type { DecisionOptions } from '../config.ts';
import {
  type Choice,
  type Criteria,
  type Decision,
  decide,
  goesBeside,
  mostOf,
  plainCriteria,
} from './decide.ts';
import type { Path } from './path.ts';

/**
 * The standing of each path of one prefix, told by the step that parted it from the best.
 * @param choice  what the Loc-RIB made of `paths` under these criteria
 */
export function explain(
  paths: readonly Path[],
  choice: Choice,
  criteria: Criteria = plainCriteria,
): ReadonlyMap<Path, string> {
  const decision = decide(paths, criteria);
  const { best } = decision;
  const reasons = new Map<Path, string>();
  for (const path of decision.unresolved) reasons.set(path, unreachable(path.nextHop));
  if (best === undefined) return reasons;
  reasons.set(best, merits(decision));
  for (const { step, lost } of decision.rounds) {
    for (const path of lost) {
      const beside = step.tieBreak ? whyBeside(path, best, choice, criteria.options) : '';
      reasons.set(path, `${beside}${step.worse}`);
    }
  }
  return reasons;
}

/** RFC 4271 §9.1.2.1. */
const unreachable = (nextHop: Address): string =>
  `not eligible: no route of this node leads to its next hop ${formatAddress(nextHop)}`;

function merits({ rounds, unresolved }: Decision): string {
  if (rounds.length === 0)
    return unresolved.length === 0 ? 'the only path' : 'the only path whose next hop is reachable';
  return rounds
    .map(({ step, lost }) => `${step.better} ${lost.length} ${lost.length === 1 ? 'other' : 'others'}`)
    .join('; ');
}

/** Of a path that only a tie-break parted from the best. */
function whyBeside(path: Path, best: Path, choice: Choice, options: DecisionOptions): string {
  if (choice.includes(path)) return 'as good as the best and used beside it; ';
  if (best.source.type === 'local') return '';
  if (choice.some((used) => used.nextHop === path.nextHop))
    return 'as good as the best, and by a next hop that is used already; ';
  if (!goesBeside(path, best, options))
    return 'as good as the best, but not used beside it, as its AS path is another (multipath.relaxASPath); ';
  const most = mostOf(best, options);
  return most === 1
    ? ''
    : `as good as the best, but ${most} paths are the most that are used at once (multipath); `;
}
