/**
 * The chain that judges one interface in one direction, the tier chains it asks, and the map element that leads to it.
 *
 * A tier is a chain: its policies in order, then what becomes of a packet that none of them decides. Pass is `return`,
 * which leaves the tier and nothing else; so a policy that passes is copied into the tier's chain, and any other is jumped to.
 * Endpoints that have the same policies in a tier share its chain, which is named after those. Neighbours among many policies
 * that are met by few ports each are asked by the packet's port: see doors.ts.
 */
import type { Policy } from '../../src/policy/policy.ts';
import { denial } from './action.ts';
import { type Door, type Stretch, stretchesOf } from './doors.ts';
import { ended } from './dropped.ts';
import { failsafeChainName } from './failsafe.ts';
import type { Chain, Element, PortJump, Rule, SetDecl } from './model.ts';
import { commentOf, objectName } from './name.ts';
import type { CompiledPolicy } from './policy.ts';
import { defaultRulesSettings, type RulesSettings } from './settings.ts';
import { type EndpointPlace, endpointChainName, endpointMap } from './stage.ts';
import { type Origins, type TagMeaning, tagOf } from './tag.ts';

/** One tier of one endpoint in one direction: only tiers with a policy, staged or not, that selects the endpoint. */
export interface TierPlan {
  readonly name: string;
  readonly defaultAction: 'Deny' | 'Pass';
  /** Every policy of the tier that selects the endpoint is staged: the tier decides nothing. */
  readonly allStaged: boolean;
  /** In order, without the staged ones. */
  readonly policies: readonly { readonly policy: Policy; readonly compiled: CompiledPolicy }[];
}

/** A profile of a host endpoint; `compiled` absent: there is no such Profile, so nothing passes from there on. */
export interface ProfilePlan {
  readonly name: string;
  readonly compiled?: CompiledPolicy;
}

export interface EndpointPlan extends EndpointPlace {
  /** For people: "shop/web", "HostEndpoint eth0". */
  readonly label: string;
  /** False: what selects it is not known yet, so nothing passes. */
  readonly known: boolean;
  /** In order. */
  readonly tiers: readonly TierPlan[];
  /** Of host endpoints, in order. A workload's namespace allows everything, so it has none here. */
  readonly profiles: readonly ProfilePlan[];
}

export interface CompiledEndpoint {
  readonly chain: Chain;
  /** What it asks beside policies' own chains; other endpoints may ask them too: as long as policies are what they are, equal names are equal chains. */
  readonly tierChains: readonly Chain[];
  readonly tags: readonly TagMeaning[];
  /** Of rules in these chains that are not a policy's own chain's too. */
  readonly origins: Origins;
}

/** The map that leads to the endpoint's chain, and the element that does. None for the host endpoint of all interfaces. */
export function dispatchOf(
  place: EndpointPlace,
): { readonly map: SetDecl; readonly element: Element } | undefined {
  if (place.kind === 'host' && place.interface === '*') return undefined;
  const chain = endpointChainName(place);
  return { map: endpointMap(place), element: { kind: 'dispatch', interface: place.interface, chain } };
}

export function compileEndpoint(
  plan: EndpointPlan,
  settings: RulesSettings = defaultRulesSettings,
): CompiledEndpoint {
  const name = endpointChainName(plan);
  const comment = (tail: string): string => commentOf(plan.label, ` ${tail}`);
  if (!plan.known) {
    const which = plan.direction === 'Egress' ? 'unknownPodFrom' : 'unknownPodTo';
    const rules = ended(which, settings.denied, { comment: comment('is not known yet') });
    return { chain: { name, rules }, tierChains: [], tags: [], origins: new Map() };
  }
  const last = plan.tiers.findIndex((tier) => isClosed(tier, plan));
  const tiers = (last < 0 ? plan.tiers : plan.tiers.slice(0, last + 1))
    .map((tier) => compileTier(tier, plan, settings))
    .filter((tier) => tier !== undefined);
  const end: Ending = last < 0 ? endOf(plan, settings, comment) : { rules: [], tags: [] };
  return {
    chain: {
      name,
      rules: [...always(plan, comment), ...tiers.map(({ chain }) => jump(chain.name)), ...end.rules],
    },
    tierChains: [...tiers.flatMap(({ chain, own }) => [...own, chain]), ...(end.own ?? [])],
    tags: [...tiers.flatMap(({ tags }) => tags), ...end.tags],
    origins: new Map([
      ...tiers.flatMap(({ origins }) => origins),
      ...endOrigins(end),
      ...(end.origins ?? []),
    ]),
  };
}

const jump = (chain: string): Rule => ({ matches: [], verdict: { kind: 'jump', chain } });

/** What no policy closes: a pod reaches itself, and a host is reached by its failsafe ports. */
function always(plan: EndpointPlan, comment: (tail: string) => string): readonly Rule[] {
  if (plan.kind === 'host') {
    const chain = failsafeChainName(plan);
    return chain === undefined ? [] : [jump(chain)];
  }
  if (plan.tiers.length === 0) return [];
  return [
    {
      // What comes back by a Service's address, in and out of one interface: only what was translated can. That is asked first,
      // for it costs next to nothing, and the name of an interface does not.
      matches: [
        { kind: 'ctDnat' },
        { kind: 'interface', way: plan.direction === 'Egress' ? 'out' : 'in', name: plan.interface },
      ],
      verdict: { kind: 'accept' },
      comment: comment('to itself'),
    },
  ];
}

type Origin = readonly [Rule, TagMeaning];

interface Ending {
  readonly rules: readonly Rule[];
  readonly own?: readonly Chain[];
  readonly tags: readonly TagMeaning[];
  readonly origins?: readonly Origin[];
}

/** What ends is for the one reason its tag says. */
const endOrigins = ({ rules, tags: [tag] }: Ending): readonly Origin[] =>
  tag === undefined ? [] : rules.map((rule) => [rule, tag]);

/** Rules that stand at a place for those of a policy's chain, in the same order. */
const carried = (rules: readonly Rule[], { chain, origins }: CompiledPolicy): readonly Origin[] =>
  rules.flatMap((rule, index): readonly Origin[] => {
    const original = chain.rules[index];
    const origin = original === undefined ? undefined : origins.get(original);
    return origin === undefined ? [] : [[rule, origin]];
  });

/** After the last tier. */
function endOf(plan: EndpointPlan, settings: RulesSettings, comment: (tail: string) => string): Ending {
  const direction = plan.direction.toLowerCase();
  if (plan.kind === 'workload') {
    const why = plan.tiers.length === 0 ? `no ${direction} policy` : `no ${direction} tier decides`;
    return { rules: [{ matches: [], verdict: { kind: 'accept' }, comment: comment(why) }], tags: [] };
  }
  if (plan.stage !== 'normal') {
    // Ends the stage, so that the host endpoint of all interfaces is not asked too.
    return {
      rules: [{ matches: [], verdict: { kind: 'accept' }, comment: comment(`nothing more ${plan.stage}`) }],
      tags: [],
    };
  }
  const tag = tagOf({ direction: plan.direction, action: 'Deny' }, [plan.interface]);
  const deny = (what: string): readonly Rule[] => denial([], rejects(plan, settings), tag.tag, comment(what));
  const profiles = plan.profiles.map(({ name, compiled }) =>
    compiled === undefined
      ? { rules: deny(`has profile ${name}, which is not there`), own: [], origins: [] }
      : asRules(ask(compiled, plan)),
  );
  return {
    rules: [...profiles.flatMap(({ rules }) => rules), ...deny(`no ${direction} profile allows it`)],
    own: profiles.flatMap(({ own }) => own),
    tags: [tag],
    origins: profiles.flatMap(({ origins }) => origins),
  };
}

interface Asked extends Omit<Asking, 'rule'> {
  readonly rules: readonly Rule[];
  readonly doors?: readonly Door[];
}

const asRules = ({ rule, own, origins }: Asking): Asked => ({ rules: [rule], own, origins });

const atDoors = (asked: Asked, { doors }: CompiledPolicy): Asked =>
  doors === undefined ? asked : { ...asked, doors };

/**
 * The host's own packets are judged where those with a translated destination leave, too, and nothing can be rejected there.
 * Nor can it be before routing.
 */
const cannotReject = ({ kind, stage, direction }: EndpointPlace): boolean =>
  kind === 'host' &&
  (stage === 'untracked' || stage === 'preDnat' || (stage === 'normal' && direction === 'Egress'));

const rejects = (place: EndpointPlace, settings: RulesSettings): RulesSettings =>
  settings.deny === 'Reject' && cannotReject(place) ? { ...settings, deny: 'Drop' } : settings;

const softened = (rule: Rule): Rule =>
  rule.verdict?.kind === 'reject' ? { ...rule, verdict: { kind: 'drop' } } : rule;

/** The rules as they can be at that place. */
const fitting = (rules: readonly Rule[], place: EndpointPlace): readonly Rule[] =>
  cannotReject(place) ? rules.map(softened) : rules;

interface Asking {
  readonly rule: Rule;
  /** A chain for this place, if the shared one cannot be asked here. */
  readonly own: readonly Chain[];
  /** Of the rules in it. */
  readonly origins: readonly Origin[];
}

function ask(compiled: CompiledPolicy, place: EndpointPlace): Asking {
  const { chain } = compiled;
  const rejects = cannotReject(place) && chain.rules.some(({ verdict }) => verdict?.kind === 'reject');
  if (!rejects) return { rule: jump(chain.name), own: [], origins: [] };
  const own = contentChain('drops', chain.name, fitting(chain.rules, place));
  return { rule: jump(own.name), own: [own], origins: carried(own.rules, compiled) };
}

/** Named after what is in it. */
const contentChain = (prefix: string, readable: string, rules: readonly Rule[]): Chain => ({
  name: objectName(prefix, readable, JSON.stringify(rules, plain)),
  rules,
});

/** Addresses of IPv6 are bigints, which JSON does not have. */
const plain = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}n` : value);

interface CompiledTier {
  readonly chain: Chain;
  readonly own: readonly Chain[];
  readonly tags: readonly TagMeaning[];
  readonly origins: readonly Origin[];
}

function copied(compiled: CompiledPolicy, place: EndpointPlace): Asked {
  const rules = fitting(compiled.chain.rules, place);
  return { rules, own: [], origins: carried(rules, compiled) };
}

/** Endpoints share the plan of a tier, and settings last: what both come to at a kind of place is made once. */
const made = new WeakMap<TierPlan, WeakMap<RulesSettings, Map<string, CompiledTier | undefined>>>();

function compileTier(tier: TierPlan, plan: EndpointPlan, settings: RulesSettings): CompiledTier | undefined {
  const bySettings = made.get(tier) ?? new WeakMap<RulesSettings, Map<string, CompiledTier | undefined>>();
  const byPlace = bySettings.get(settings) ?? new Map<string, CompiledTier | undefined>();
  made.set(tier, bySettings);
  bySettings.set(settings, byPlace);
  const place = `${plan.kind} ${plan.stage} ${plan.direction}`;
  if (!byPlace.has(place)) byPlace.set(place, makeTier(tier, plan, settings));
  return byPlace.get(place);
}

/** After all that its rules are made of, where a policy of one name says one thing. */
const tierChainName = (
  { name, defaultAction, allStaged, policies }: TierPlan,
  { kind, stage, direction }: EndpointPlace,
): string =>
  objectName(
    `tier-${direction.toLowerCase()}`,
    name,
    JSON.stringify([kind, stage, defaultAction, allStaged, policies.map(({ policy }) => policy.id)]),
  );

/** Of policies that are asked, in the chain of their tier; `own` is where several are met at one door. */
function rulesOf(
  stretch: Stretch<Asked>,
  { name }: TierPlan,
  { direction }: EndpointPlace,
): Pick<Asked, 'rules' | 'own'> {
  if ('one' in stretch) return { rules: stretch.one.rules, own: [] };
  const own = new Map<string, Chain>();
  const ports = stretch.doors.map(({ door, asked }): PortJump => {
    const [rule, ...others] = asked.flatMap(({ rules }) => rules);
    if (rule?.verdict?.kind === 'jump' && others.length === 0) return { ...door, chain: rule.verdict.chain };
    const all = rule === undefined ? others : [rule, ...others];
    const chain = contentChain(`door-${direction.toLowerCase()}`, name, all);
    own.set(chain.name, chain);
    return { ...door, chain: chain.name };
  });
  return { rules: [{ matches: [], verdict: { kind: 'portJump', ports } }], own: [...own.values()] };
}

/** Undefined: it would decide nothing. */
function makeTier(tier: TierPlan, plan: EndpointPlan, settings: RulesSettings): CompiledTier | undefined {
  const policies = tier.policies.map(({ compiled }) =>
    compiled.passes ? copied(compiled, plan) : atDoors(asRules(ask(compiled, plan)), compiled),
  );
  const end = endOfTier(tier, plan, settings);
  const stretches = stretchesOf(policies).map((each) => rulesOf(each, tier, plan));
  const rules = [...stretches.flatMap((each) => each.rules), ...end.rules];
  if (rules.length === 0) return undefined;
  return {
    chain: { name: tierChainName(tier, plan), rules },
    own: [...policies, ...stretches].flatMap(({ own }) => own),
    tags: end.tags,
    origins: [...policies.flatMap(({ origins }) => origins), ...endOrigins(end)],
  };
}

/** Untracked and preDNAT policies only ever say what is special: the rest is judged later. */
const endsOpen = ({ defaultAction, allStaged }: TierPlan, { stage }: EndpointPlace): boolean =>
  defaultAction === 'Pass' || allStaged || stage === 'untracked' || stage === 'preDnat';

/** No packet leaves it undecided, so nothing that comes after it is ever asked. */
const isClosed = (tier: TierPlan, place: EndpointPlace): boolean =>
  !endsOpen(tier, place) && !tier.policies.some(({ compiled }) => compiled.passes);

function endOfTier(tier: TierPlan, plan: EndpointPlan, settings: RulesSettings): Ending {
  const { direction } = plan;
  if (endsOpen(tier, plan)) return { rules: [], tags: [] };
  const asked = tier.policies.map(({ policy }) => policy.id);
  const tag = tagOf({ direction, action: 'Deny', tier: tier.name, asked }, asked);
  return {
    rules: denial([], rejects(plan, settings), tag.tag, commentOf(`tier ${tier.name}`, ': no rule matched')),
    tags: [tag],
  };
}
