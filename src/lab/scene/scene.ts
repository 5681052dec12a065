/** What every scene has: the ground it stands on, and how it tells what it saw. */
import type { Report } from '../report.ts';
import type { Ground } from './ground.ts';

export type Facts = Readonly<Record<string, unknown>>;

export interface Stage {
  readonly ground: Ground;
  readonly report: Report;
  /** So often what is measured is measured. */
  readonly rounds: number;
  /** Says `done`, or that something is not so: each of `wrong` is a sentence without a full stop. */
  check(done: string, ...wrong: readonly (string | false)[]): void;
}

export interface Scene {
  /** One line. */
  readonly about: string;
  /** Programs, and the Debian packages they are in. */
  readonly needs: readonly { readonly program: string; readonly package: string }[];
  /** @returns what was seen, for --json. Throws a failure where it cannot go on. */
  readonly play: (stage: Stage) => Promise<Facts>;
}

export const birdNeeds = [{ program: 'bird', package: 'bird2' }];
export const frrNeeds = [
  { program: '/usr/lib/frr/zebra', package: 'frr' },
  { program: '/usr/lib/frr/bgpd', package: 'frr' },
  { program: '/usr/lib/frr/bfdd', package: 'frr' },
  { program: 'vtysh', package: 'frr' },
];

/** The middle one; of an even number the later. Undefined of none. */
export const median = (values: readonly number[]): number | undefined =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
