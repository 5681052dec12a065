/** Why a path was chosen or not, as one clause for people. */
import { type Decision, decide } from './decide.ts';
import type { Choice } from './loc-rib.ts';
import type { Path } from './path.ts';

/**
 * The standing of each path of one prefix, told by the step that parted it from the best.
 * @param choice  what the Loc-RIB made of `paths`
 */
export function explain(paths: readonly Path[], choice: Choice): ReadonlyMap<Path, string> {
  if (paths.length === 0) return new Map();
  const decision = decide(paths);
  const reasons = new Map<Path, string>([[decision.best, merits(decision)]]);
  for (const { step, lost } of decision.rounds) {
    for (const path of lost) {
      const isUsed = choice.includes(path);
      reasons.set(path, isUsed ? `as good as the best and used beside it; ${step.worse}` : step.worse);
    }
  }
  return reasons;
}

function merits({ rounds }: Decision): string {
  if (rounds.length === 0) return 'the only path';
  return rounds
    .map(({ step, lost }) => `${step.better} ${lost.length} ${lost.length === 1 ? 'other' : 'others'}`)
    .join('; ');
}
