/**
 * The chains of this node's endpoints: which tiers, policies and profiles each asks in each direction and stage, compiled.
 *
 * A chain of a tier is shared by all endpoints that have the same policies there, and lives as long as one asks it.
 */

import { assert } from '../../src/lib/result.ts';
import type { Direction } from '../../src/model/policy.ts';
import { builtInProfiles, type ProfileRules } from '../../src/policy/profiles.ts';
import { sameDoors } from '../rules/doors.ts';
import {
  compileEndpoint,
  dispatchOf,
  type EndpointPlan,
  type ProfilePlan,
  type TierPlan,
} from '../rules/endpoint.ts';
import { stageDirections } from '../rules/host.ts';
import type { Chain } from '../rules/model.ts';
import type { RuleSource } from '../rules/policy.ts';
import type { RulesSettings } from '../rules/settings.ts';
import type { EndpointPlace, HostStage } from '../rules/stage.ts';
import type { TagMeaning } from '../rules/tag.ts';
import { type Member, memberOf, sameList } from './endpoints.ts';
import type { Output } from './output.ts';
import type { Policies, TierSelection } from './policies.ts';
import type { Register } from './register.ts';
import type { Use, Uses } from './uses.ts';

/** An endpoint of this node. */
export interface Local {
  readonly key: string;
  readonly kind: EndpointPlace['kind'];
  readonly interface: string;
  /** For people. */
  readonly label: string;
  /** False: its Pod is not known. */
  readonly known: boolean;
  /** Of host endpoints, names in order. */
  readonly profiles: readonly string[];
}

export const localKey = (kind: Local['kind'], interfaceName: string): string => `${kind} ${interfaceName}`;

interface Planned {
  readonly of: EndpointPlan;
  readonly settings: RulesSettings;
  readonly chain: string;
  readonly uses: ReadonlySet<Use>;
  readonly tierChains: readonly string[];
  readonly tags: readonly TagMeaning[];
  readonly dispatch?: { readonly map: string; readonly member: Member };
}

interface TierChain {
  chain: Chain;
  users: number;
}

interface PlansOptions {
  readonly output: Output;
  readonly register: Register;
  readonly policies: Policies;
  readonly uses: Uses;
}

export class Plans {
  readonly #options: PlansOptions;
  readonly #planned = new Map<string, readonly Planned[]>();
  /** Chain → the endpoint whose own it is. */
  readonly #ownerOf = new Map<string, string>();
  readonly #tierChains = new Map<string, TierChain>();
  readonly #idleTierChains = new Set<string>();
  readonly #profiles = new Map<string, ProfileRules>();
  /** Of this tick: endpoints with the same policies share one plan of a tier, so it is compiled once. */
  readonly #tierPlans = new Map<string, TierPlan>();

  constructor(options: PlansOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#planned.size + this.#tierChains.size + this.#profiles.size;
  }

  /** Undefined: no endpoint's own. */
  ownerOf(chain: string): string | undefined {
    return this.#ownerOf.get(chain);
  }

  /** @returns  endpoints to plan anew because this tier is not what it was */
  *inTier(name: string): Generator<string> {
    for (const [endpoint, planned] of this.#planned) {
      if (planned.some(({ of }) => of.tiers.some((tier) => tier.name === name))) yield endpoint;
    }
  }

  /** @returns  whether it came or went; what it says is renewed in its users */
  putProfile(name: string, rules: ProfileRules | undefined): boolean {
    const had = this.profile(name) !== undefined;
    if (rules === undefined) this.#profiles.delete(name);
    else this.#profiles.set(name, rules);
    return had !== (this.profile(name) !== undefined);
  }

  profile(name: string): RuleSource | undefined {
    const rules = this.#profiles.get(name) ?? builtInProfiles.find((each) => each.name === name);
    if (rules === undefined) return undefined;
    const { ingress, egress } = rules;
    const id = `Profile ${name}`;
    return { id, kind: 'Profile', name, tier: '', ingress, egress, stage: 'normal', onForward: false };
  }

  /** @param local  absent: it is gone */
  plan(
    endpoint: string,
    local: Local | undefined,
    stages: readonly HostStage[],
    settings: RulesSettings,
  ): void {
    const before = this.#planned.get(endpoint) ?? [];
    const after = local === undefined ? [] : this.#planAll(local, stages, before, settings);
    for (const each of after) {
      if (before.includes(each)) continue;
      const tags = before.find(({ chain }) => chain === each.chain)?.tags ?? [];
      this.#enter(endpoint, each, tags);
    }
    for (const each of before) {
      if (after.includes(each)) continue;
      const now = after.find(({ chain }) => chain === each.chain);
      this.#leave(each, now);
    }
    if (after.length === 0) this.#planned.delete(endpoint);
    else this.#planned.set(endpoint, after);
  }

  #enter(endpoint: string, planned: Planned, tagsBefore: readonly TagMeaning[]): void {
    const { output, register, uses } = this.#options;
    const { chain, tags, uses: asked, tierChains, dispatch } = planned;
    this.#ownerOf.set(chain, endpoint);
    for (const use of asked) uses.hold(use, chain);
    for (const name of tierChains) this.#holdTierChain(name, 1);
    if (dispatch !== undefined) output.hold(dispatch.map, [dispatch.member]);
    register.replace(chain, tagsBefore, tags);
  }

  /** @param now  what the same chain is from now on; absent: it is gone */
  #leave({ chain, tags, uses: asked, tierChains, dispatch }: Planned, now: Planned | undefined): void {
    const { output, register, uses } = this.#options;
    for (const use of asked) if (now?.uses.has(use) !== true) uses.release(use, chain);
    for (const name of tierChains) this.#holdTierChain(name, -1);
    if (dispatch !== undefined) output.release(dispatch.map, [dispatch.member]);
    if (now !== undefined) return;
    register.replace(chain, tags, []);
    output.removeChain(chain);
    this.#ownerOf.delete(chain);
  }

  /** Removes the tiers' chains that nobody asks any more. */
  sweep(): void {
    for (const name of this.#idleTierChains) {
      if (this.#tierChains.get(name)?.users !== 0) continue;
      this.#tierChains.delete(name);
      this.#options.output.removeChain(name);
    }
    this.#idleTierChains.clear();
    this.#tierPlans.clear();
  }

  #planAll(
    local: Local,
    stages: readonly HostStage[],
    before: readonly Planned[],
    settings: RulesSettings,
  ): readonly Planned[] {
    const { policies } = this.#options;
    const selecting = local.known ? policies.of(local.key) : [];
    return placesOf(local, stages).map((place) => {
      const same = before.find(({ of }) => of.direction === place.direction && of.stage === place.stage);
      const selected = policies.tiersOf(selecting, place.direction, place.stage);
      return this.#planOne(local, place, selected, same, settings);
    });
  }

  /** @param before  what is there for that place; it is returned if nothing of it is to change */
  #planOne(
    local: Local,
    place: EndpointPlace,
    selected: readonly TierSelection[],
    before: Planned | undefined,
    settings: RulesSettings,
  ): Planned {
    const { output, register } = this.#options;
    const asked = new Set<Use>();
    const tiers = selected.map((tier) => this.#tierPlan(tier, place.direction, asked, before?.of.tiers));
    const profiles =
      place.kind === 'host' && place.stage === 'normal'
        ? local.profiles.map((name) => this.#profilePlan(name, place.direction, asked))
        : [];
    const { label, known } = local;
    const plan: EndpointPlan = { ...place, label, known, tiers, profiles };
    if (before?.settings === settings && isSamePlan(before.of, plan)) return before;
    const compiled = compileEndpoint(plan, settings);
    output.putChain(compiled.chain);
    register.noteOrigins(compiled.origins);
    for (const chain of compiled.tierChains) this.#enterTierChain(chain);
    const dispatch = dispatchOf(place);
    return {
      of: plan,
      settings,
      chain: compiled.chain.name,
      uses: asked,
      tierChains: compiled.tierChains.map(({ name }) => name),
      tags: compiled.tags,
      ...(dispatch === undefined
        ? {}
        : { dispatch: { map: dispatch.map.name, member: memberOf(dispatch.element) } }),
    };
  }

  /** @param before  the endpoint's tiers so far: one that is the same is kept, and what is kept is not compiled anew */
  #tierPlan(
    { tier, policies }: TierSelection,
    direction: Direction,
    asked: Set<Use>,
    before: readonly TierPlan[] = [],
  ): TierPlan {
    const { uses } = this.#options;
    const enforced = policies.filter(({ staged }) => staged === undefined);
    const used = enforced.map((policy) => ({ policy, use: uses.use(policy, direction) }));
    for (const { use } of used) asked.add(use);
    const { name, defaultAction } = tier;
    const key = JSON.stringify([name, defaultAction, direction, enforced.map(({ id }) => id)]);
    const known = this.#tierPlans.get(key);
    if (known !== undefined) return known;
    const made: TierPlan = {
      name,
      defaultAction,
      allStaged: enforced.length === 0,
      policies: used.map(({ policy, use }) => ({ policy, compiled: use.compiled })),
    };
    const kept = before.find((each) => each.name === name);
    const plan = kept !== undefined && isSameTier(kept, made, uses.settings) ? kept : made;
    this.#tierPlans.set(key, plan);
    return plan;
  }

  #profilePlan(name: string, direction: Direction, asked: Set<Use>): ProfilePlan {
    const source = this.profile(name);
    if (source === undefined) return { name };
    const use = this.#options.uses.use(source, direction);
    asked.add(use);
    return { name, compiled: use.compiled };
  }

  #enterTierChain(chain: Chain): void {
    const known = this.#tierChains.get(chain.name);
    if (known !== undefined) {
      if (known.chain === chain) return;
      known.chain = chain;
      this.#options.output.putChain(chain);
      return;
    }
    this.#tierChains.set(chain.name, { chain, users: 0 });
    this.#idleTierChains.add(chain.name);
    this.#options.output.putChain(chain);
  }

  #holdTierChain(name: string, by: 1 | -1): void {
    const held = this.#tierChains.get(name);
    assert(held !== undefined, `tier chain ${name} is not there`);
    held.users += by;
    if (held.users === 0) this.#idleTierChains.add(name);
  }
}

/** It comes to the same chains, whatever else of its policies changed. */
const isSameTier = (a: TierPlan, b: TierPlan, { deny }: RulesSettings): boolean =>
  a.defaultAction === b.defaultAction &&
  a.allStaged === b.allStaged &&
  a.policies.length === b.policies.length &&
  a.policies.every(({ policy, compiled }, index) => {
    const other = b.policies[index];
    if (policy.id !== other?.policy.id) return false;
    const isAsked = !compiled.passes && !other.compiled.passes && deny === 'Drop';
    if (!isAsked) return compiled === other.compiled;
    return compiled.chain.name === other.compiled.chain.name && sameDoors(compiled, other.compiled);
  });

/** Of one place. */
const isSamePlan = (a: EndpointPlan, b: EndpointPlan): boolean =>
  a.interface === b.interface &&
  a.label === b.label &&
  a.known === b.known &&
  sameList(a.tiers, b.tiers) &&
  a.profiles.length === b.profiles.length &&
  a.profiles.every(
    ({ name, compiled }, index) =>
      name === b.profiles[index]?.name && compiled === b.profiles[index].compiled,
  );

const workloadDirections: readonly Direction[] = ['Egress', 'Ingress'];

function placesOf({ kind, interface: name }: Local, stages: readonly HostStage[]): readonly EndpointPlace[] {
  if (kind === 'workload') {
    return workloadDirections.map((direction) => ({ kind, interface: name, direction, stage: 'normal' }));
  }
  return stages.flatMap((stage) =>
    stageDirections(stage).map((direction) => ({ kind, interface: name, direction, stage })),
  );
}
