/** What is to be said of policies and tiers that are right by themselves: as they stand beside others, and as they are converted. */
import type { HostEndpoint, Tier } from '../../model/policy.ts';
import { standardTiers } from '../../model/policy.ts';
import { type Convertible, convert } from '../../policy/convert.ts';
import type { Unconverted } from '../../policy/policy.ts';
import type { Verdict } from './condition.ts';

/** So many are told in full, the others counted. */
const most = 5;

/** A policy is a value that never changes, and converting ten thousand of them takes its time. */
const known = new WeakMap<Convertible, readonly Unconverted[]>();

function unconvertedOf(policy: Convertible): readonly Unconverted[] {
  const before = known.get(policy);
  if (before !== undefined) return before;
  const { unconverted } = convert(policy);
  known.set(policy, unconverted);
  return unconverted;
}

/** In words: what is not done as written, and what is done instead; undefined: all of it is done. */
export function unconvertedText(policy: Convertible): string | undefined {
  const all = unconvertedOf(policy);
  if (all.length === 0) return undefined;
  const told = all
    .slice(0, most)
    .map(({ at, what, instead }) => `${pathText(at)}: ${sentence(what)} It ${instead}.`);
  return [...told, ...moreThan(all.length, told.length)].join(' ');
}

/** "spec.egress[2]". */
const pathText = (at: readonly string[]): string =>
  at.map((step, index) => (/^\d+$/.test(step) ? `[${step}]` : `${index === 0 ? '' : '.'}${step}`)).join('');
const sentence = (text: string): string => (text.endsWith('.') ? text : `${text}.`);
const moreThan = (all: number, told: number): readonly string[] =>
  all > told ? [`And ${all - told} more.`] : [];

const refused = (reason: string, message: string): Verdict => ({
  type: 'Accepted',
  status: 'False',
  reason,
  message,
});

/** @param tiers  names of the tiers that somebody wrote */
export function policyVerdict(policy: Convertible, tiers: ReadonlySet<string>): Verdict | undefined {
  const text = unconvertedText(policy);
  if (text !== undefined) return refused('NotConverted', text);
  const tier = 'tier' in policy && policy.kind !== 'ClusterNetworkPolicy' ? policy.tier : 'default';
  if (tiers.has(tier) || Object.hasOwn(standardTiers, tier)) return undefined;
  return refused(
    'TierMissing',
    `spec.tier: there is no Tier ${tier}. Its policies are asked after all other tiers, and it denies what they do not decide. Make the Tier, or correct the name.`,
  );
}

export function endpointVerdict(
  { node, profiles }: HostEndpoint,
  has: { readonly node: (name: string) => boolean; readonly profile: (name: string) => boolean },
): Verdict | undefined {
  if (!has.node(node))
    return refused(
      'NodeMissing',
      `spec.node: there is no Node ${node}, so that nobody has this endpoint. Correct the name, or delete the object.`,
    );
  const missing = profiles.find((name) => !has.profile(name));
  return missing === undefined
    ? undefined
    : refused(
        'ProfileMissing',
        `spec.profiles: there is no Profile ${missing}, and one that is missing denies everything. Make it, or take it out.`,
      );
}

/**
 * Whether a tier takes part as it is written.
 * @param isValid  it can be read
 * @param policies  what is in it, as a person calls each
 */
export function tierVerdict(tier: Tier | undefined, isValid: boolean, policies: readonly string[]): Verdict {
  if (!isValid || tier === undefined)
    return { type: 'Ready', status: 'False', reason: 'Invalid', message: 'See the condition Accepted.' };
  if (tier.deleting === true && policies.length > 0) {
    const told = policies.slice(0, most);
    return {
      type: 'Ready',
      status: 'False',
      reason: 'Terminating',
      message: [
        `It is being deleted, which waits for its policies: ${told.join(', ')}.`,
        ...moreThan(policies.length, told.length),
        'Delete them, or move them to another tier.',
      ].join(' '),
    };
  }
  return {
    type: 'Ready',
    status: 'True',
    reason: 'Ready',
    message: 'Its policies are asked in their order.',
  };
}
