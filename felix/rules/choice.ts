/** Which packets a rule is for, as alternatives: a packet is meant if all matches of one of them hold. */
import type { Match } from './model.ts';
import type { SetSpec } from './spec.ts';

/** Matches that belong together, and the sets they look into. */
export interface Piece {
  readonly matches: readonly Match[];
  readonly sets: readonly SetSpec[];
}

/** Any of the pieces; none of them: no packet at all. */
export type Choice = readonly Piece[];

export const piece = (matches: readonly Match[], sets: readonly SetSpec[] = []): Piece => ({ matches, sets });

/** Every packet. */
export const everything: Choice = [piece([])];

/** A packet that all of the choices mean. */
export const allOf = (choices: readonly Choice[]): Choice =>
  choices.reduce(
    (left, right) =>
      left.flatMap((a) => right.map((b) => piece([...a.matches, ...b.matches], [...a.sets, ...b.sets]))),
    everything,
  );

export type Lookup = Extract<Match, { readonly not?: boolean }>;

/** A choice of single matches. */
export interface Option {
  readonly match: Lookup;
  readonly sets: readonly SetSpec[];
}

/** Any of the options; the same packets, but each meant only once if `once`: what a log must not say twice. */
export const anyOf = (options: readonly Option[], once: boolean): Choice =>
  options.map(({ match, sets }, index) => {
    const before = once ? options.slice(0, index) : [];
    return piece(
      [match, ...before.map((each): Match => ({ ...each.match, not: true }))],
      [...sets, ...before.flatMap((each) => each.sets)],
    );
  });

/** None of the options. */
export const noneOf = (options: readonly Option[]): Choice => [
  piece(
    options.map(({ match }): Match => ({ ...match, not: true })),
    options.flatMap(({ sets }) => sets),
  ),
];
