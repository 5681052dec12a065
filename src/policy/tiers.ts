/** What tiers are: those that are always there, those people write, and those that policies only name. */
import { standardTiers, type Tier } from '../model/policy.ts';
import type { TierFacts } from './policy.ts';

/** There whether or not somebody wrote them, and the same whatever an object of that name says. */
export const builtInTiers: readonly TierFacts[] = Object.entries(standardTiers).map(([name, facts]) => ({
  name,
  ...facts,
  defined: true,
}));

const builtIn = (name: string): TierFacts | undefined => builtInTiers.find((tier) => tier.name === name);

export const tierFacts = ({ meta, order = Number.POSITIVE_INFINITY, defaultAction }: Tier): TierFacts =>
  builtIn(meta.name) ?? { name: meta.name, order, defaultAction, defined: true };

/** A tier of this name that nobody wrote: after all others, closed at its end; a built-in one is what it always is. */
export const tierNamed = (name: string): TierFacts =>
  builtIn(name) ?? { name, order: Number.POSITIVE_INFINITY, defaultAction: 'Deny', defined: false };
