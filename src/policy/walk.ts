/** The way of one packet through the tiers of one endpoint, in one direction. */
import type { Labels } from '../model/meta.ts';
import type { Direction } from '../model/policy.ts';
import { matchesSelector } from '../model/selector.ts';
import type { Cluster } from './cluster.ts';
import type { PolicyLook, Reason, RuleLook, TierLook } from './judgement.ts';
import { type Packet, ruleHolds } from './matches.ts';
import { comparePolicies, compareTiers, type Policy, type Rule, type TierFacts } from './policy.ts';
import { tierFacts, tierNamed } from './tiers.ts';

export interface Walked {
  readonly tiers: readonly TierLook[];
  readonly outcome: TierLook['outcome'];
  /** Absent: no tier decided. */
  readonly because?: Reason;
}

/** @param closes  false: the end of a tier decides nothing, as before connection tracking and translation */
export function walk(
  cluster: Cluster,
  policies: readonly Policy[],
  direction: Direction,
  labels: Labels,
  packet: Packet,
  closes: boolean,
): Walked {
  const selecting = policies.filter(
    ({ types, selector }) => types.includes(direction) && matchesSelector(selector, labels),
  );
  const tiers: TierLook[] = [];
  for (const tier of tiersOf(cluster, selecting)) {
    const own = selecting.filter((policy) => policy.tier === tier.name).sort(comparePolicies);
    const { look, because } = askTier(cluster, tier, own, direction, packet, closes);
    tiers.push(look);
    if (because !== undefined) return { tiers, outcome: look.outcome, because };
  }
  return { tiers, outcome: 'next' };
}

/** Those that have one of these policies, in order. */
export function tiersOf(cluster: Cluster, policies: readonly Policy[]): readonly TierFacts[] {
  const names = new Set(policies.map(({ tier }) => tier));
  return [...names]
    .map((name) => {
      const written = cluster.tiers.find(({ meta }) => meta.name === name);
      return written === undefined ? tierNamed(name) : tierFacts(written);
    })
    .sort(compareTiers);
}

function askTier(
  cluster: Cluster,
  tier: TierFacts,
  policies: readonly Policy[],
  direction: Direction,
  packet: Packet,
  closes: boolean,
): { readonly look: TierLook; readonly because?: Reason } {
  const looks: PolicyLook[] = [];
  for (const policy of policies) {
    const rules = lookAt(cluster, direction === 'Ingress' ? policy.ingress : policy.egress, packet);
    looks.push({ policy, rules });
    const rule = rules.find(decides)?.rule;
    if (rule?.action === 'Pass') return { look: { tier, policies: looks, outcome: 'next' } };
    if (rule === undefined) continue;
    const outcome = rule.action === 'Allow' ? 'allow' : 'deny';
    return {
      look: { tier, policies: looks, outcome },
      because: { kind: 'rule', tier: tier.name, policy, rule },
    };
  }
  if (!closes || tier.defaultAction === 'Pass') return { look: { tier, policies: looks, outcome: 'next' } };
  return {
    look: { tier, policies: looks, outcome: 'deny' },
    because: { kind: 'unmatched', tier: tier.name, policies },
  };
}

/** The first rule that holds decides; Log goes on with the next. */
const decides = ({ rule, held }: RuleLook): boolean => held && rule.action !== 'Log';

/** Each rule up to the one that decides. */
function lookAt(cluster: Cluster, rules: readonly Rule[], packet: Packet): readonly RuleLook[] {
  const looks = rules.map((rule) => ({ rule, held: ruleHolds(cluster, rule, packet) }));
  const last = looks.findIndex(decides);
  return last < 0 ? looks : looks.slice(0, last + 1);
}
