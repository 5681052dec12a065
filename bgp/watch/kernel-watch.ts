/**
 * What the kernel refuses, or others have put in our place, for the journal: when it begins and when it is over; and what
 * others took away or changed. Pure.
 */
import { formatProblem, type Problem } from '../../src/model/problem.ts';
import type { Journal } from './journal.ts';

/** Problems looked at; thousands of routes can have the same. */
const most = 100;

export interface KernelWatch {
  /**
   * To be called every few seconds.
   * @param at  the wall clock, in ms
   * @param overturned  routes found changed or gone since the start
   */
  look(at: number, problems: readonly Problem[], overturned: number): void;
}

export function watchKernel(journal: Journal): KernelWatch {
  let known = new Map<string, string>();
  let seen = 0;
  return {
    look: (at, problems, overturned) => {
      if (overturned > seen) {
        const what = `${overturned - seen} of our routes were changed or gone, and are written again`;
        journal.add(at, { kind: 'kernel', who: 'kernel', what, why: 'by somebody else, or with their link' });
      }
      seen = overturned;
      const now = new Map(problems.slice(0, most).map((one) => [formatProblem(one), one.where]));
      for (const [why, where] of now)
        if (!known.has(why))
          journal.add(at, { kind: 'kernel', who: where, what: 'is not in the kernel as it should be', why });
      for (const [why, where] of known)
        if (!now.has(why))
          journal.add(at, { kind: 'kernel', who: where, what: 'is mended, or wanted no longer', why });
      known = now;
    },
  };
}
