/**
 * Something a person should mend, in one sentence: what, where, why, and what to do.
 * Problems are values: they travel to the log, the status socket and the CLI unchanged.
 */
import type { ResourceRef } from './resource.ts';

export interface Problem {
  /** Where: "file.yaml:12 (document 2) spec.asNumber", "Node/node2", "neighbour 10.0.0.1". */
  readonly where: string;
  /** What is wrong and why. */
  readonly what: string;
  /** What to do about it. */
  readonly fix: string;
  /** The object that is wrong, where one is: its conditions and Events say so too. */
  readonly ref?: ResourceRef;
}

export const formatProblem = (problem: Problem): string => `${problem.where}: ${problem.what} ${problem.fix}`;
