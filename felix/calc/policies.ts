/**
 * The policies there are, and which endpoints of this node each selects.
 *
 * A policy that changes looks for the local endpoints it selects through the index of their labels, and a local endpoint that
 * changes for the policies that select it through the index of their selectors.
 */
import { same } from '../../src/lib/same.ts';
import type { Direction } from '../../src/model/policy.ts';
import { formatSelector } from '../../src/model/selector.ts';
import {
  comparePolicies,
  compareTiers,
  type Policy,
  type TierFacts,
  type Unconverted,
} from '../../src/policy/policy.ts';
import { tierNamed } from '../../src/policy/tiers.ts';
import { type HostStage, takesPart } from '../rules/stage.ts';
import { type Folded, fold, unfold } from './folding.ts';
import { KeyedSets } from './keyed-sets.ts';
import type { Wish } from './matching.ts';
import type { Population } from './population.ts';

/** Whole from the first time on that it selects a local endpoint. */
interface Known {
  policy: Policy | Folded;
  readonly wish: Wish;
}

const policyOf = ({ policy, wish }: Known): Policy =>
  typeof policy === 'string' ? unfold(policy, wish.selector) : policy;

/** A tier of one endpoint in one direction and stage. */
export interface TierSelection {
  readonly tier: TierFacts;
  /** In order, staged ones included. */
  readonly policies: readonly Policy[];
}

export class Policies {
  /** Local endpoints, by the key that is their item too. */
  readonly #locals: Population<string>;
  /** Key of the object → what it came to. */
  readonly #known = new Map<string, Known>();
  readonly #keysBy = new KeyedSets<Wish, string>();
  readonly #tiers = new Map<string, TierFacts>();
  /** Objects that could not be done as written. */
  readonly #flawed = new Map<string, readonly Unconverted[]>();

  constructor(locals: Population<string>) {
    this.#locals = locals;
  }

  get size(): number {
    return this.#known.size + this.#keysBy.size + this.#tiers.size + this.#flawed.size;
  }

  /** Key of the object → what of it could not be done as written. */
  get flawed(): ReadonlyMap<string, readonly Unconverted[]> {
    return this.#flawed;
  }

  /**
   * @returns  what it was before, and the endpoints whose plan it may change; undefined: nothing changed
   */
  put(
    key: string,
    policy: Policy | undefined,
    unconverted: readonly Unconverted[],
  ): { readonly before: Policy | undefined; readonly endpoints: readonly string[] } | undefined {
    if (unconverted.length === 0) this.#flawed.delete(key);
    else this.#flawed.set(key, unconverted);
    const before = this.#known.get(key);
    const policyBefore = before === undefined ? undefined : policyOf(before);
    if (same(policyBefore, policy)) return undefined;
    const wish = policy === undefined ? undefined : this.#locals.want(policy.selector);
    const moves = !isSameHead(policyBefore, policy);
    const endpoints: string[] = [];
    if (moves && before !== undefined) endpoints.push(...this.#locals.itemsOf(before.wish));
    if (moves && wish !== undefined && wish !== before?.wish) endpoints.push(...this.#locals.itemsOf(wish));
    if (before !== undefined) {
      this.#keysBy.delete(before.wish, key);
      this.#locals.drop(before.wish);
    }
    if (policy === undefined || wish === undefined) this.#known.delete(key);
    else {
      this.#known.set(key, { policy: this.#locals.isMet(wish) ? policy : fold(policy), wish });
      this.#keysBy.add(wish, key);
    }
    return { before: policyBefore, endpoints };
  }

  /** @returns  whether that is a change */
  putTier(name: string, facts: TierFacts | undefined): boolean {
    const before = this.tier(name);
    if (facts === undefined) this.#tiers.delete(name);
    else this.#tiers.set(name, facts);
    return !same(before, this.tier(name));
  }

  tier(name: string): TierFacts {
    return this.#tiers.get(name) ?? tierNamed(name);
  }

  /** Those that select the local endpoint, in no order. */
  of(endpoint: string): readonly Policy[] {
    const policies: Policy[] = [];
    for (const wish of this.#locals.wishesOf(endpoint)) {
      for (const key of this.#keysBy.get(wish)) {
        const known = this.#known.get(key);
        if (known === undefined) continue;
        const policy = policyOf(known);
        known.policy = policy;
        policies.push(policy);
      }
    }
    return policies;
  }

  /** The tiers that take part, in order. */
  tiersOf(policies: readonly Policy[], direction: Direction, stage: HostStage): readonly TierSelection[] {
    const byTier = new Map<string, Policy[]>();
    for (const policy of policies) {
      if (!policy.types.includes(direction) || !takesPart(policy, stage)) continue;
      const own = byTier.get(policy.tier);
      if (own === undefined) byTier.set(policy.tier, [policy]);
      else own.push(policy);
    }
    return [...byTier]
      .map(([name, own]) => ({ tier: this.tier(name), policies: own.sort(comparePolicies) }))
      .sort((a, b) => compareTiers(a.tier, b.tier));
  }
}

/** All but the rules: who is selected, when and where it is asked. */
function isSameHead(a: Policy | undefined, b: Policy | undefined): boolean {
  return (
    a !== undefined &&
    b !== undefined &&
    a.id === b.id &&
    a.tier === b.tier &&
    a.order === b.order &&
    a.stage === b.stage &&
    a.onForward === b.onForward &&
    a.staged === b.staged &&
    a.onEveryNode === b.onEveryNode &&
    same(a.types, b.types) &&
    formatSelector(a.selector) === formatSelector(b.selector)
  );
}
