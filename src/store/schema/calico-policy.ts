/** projectcalico.org/v3 NetworkPolicy and GlobalNetworkPolicy, and what is staged of them. Strict, with Calico's limits and defaults. */
import type { z } from 'zod';
import { err, ok, type Result } from '../../lib/result.ts';
import type { Meta } from '../../model/meta.ts';
import type {
  CalicoNetworkPolicy,
  CalicoPolicySpec,
  Direction,
  GlobalNetworkPolicy,
  GlobalPolicySpec,
  StagedGlobalNetworkPolicy,
  StagedNetworkPolicy,
} from '../../model/policy.ts';
import { type Rule, withDefault, withRules } from './cel.ts';
import { flag, maybe, number, oneOf, upTo } from './fields.ts';
import { describe, type Flaw, type Wrong } from './flaw.ts';
import { type Drafts, everyone, policySelector, rulesFor, rulesIn, spaceSelector } from './policy-rule.ts';
import { check, manifest, read, strict } from './read.ts';
import { tierOrAbsent } from './tier.ts';

const typed = oneOf('Ingress', 'Egress');

const shared = (namespaced: boolean) => ({
  tier: maybe(withDefault(tierOrAbsent.describe('The tier it is in; default if absent.'), 'default')),
  order: maybe(number.describe('Policies of a tier are asked by this, the lowest first; last if absent.')),
  selector: maybe(policySelector.describe('The endpoints it applies to, by their labels; all if absent.')),
  serviceAccountSelector: maybe(policySelector.describe('Only pods whose service account has these labels.')),
  types: maybe(
    upTo(2, typed, { least: 1, isSet: true }).describe(
      'The directions it decides. If absent: Egress if it has egress rules, Ingress if it has ingress rules or none at all.',
    ),
  ),
  ingress: maybe(rulesFor(namespaced).describe('To the endpoint: the first rule that matches decides.')),
  egress: maybe(rulesFor(namespaced).describe('From the endpoint: the first rule that matches decides.')),
  performanceHints: maybe(
    upTo(1, oneOf('AssumeNeededOnEveryNode')).describe(
      'AssumeNeededOnEveryNode: in the kernel of each node before it selects anybody there.',
    ),
  ),
});

const globalOnly = {
  namespaceSelector: maybe(
    spaceSelector.describe('Only pods whose namespace has these labels; global() is: in no namespace.'),
  ),
  doNotTrack: maybe(
    flag.describe(
      'Host endpoints only: asked before connection tracking, in both directions; false if absent.',
    ),
  ),
  preDNAT: maybe(
    flag.describe('Host endpoints only: asked before destinations are translated; false if absent.'),
  ),
  applyOnForward: maybe(
    flag.describe('Host endpoints only: also for what is forwarded through them; false if absent.'),
  ),
};

export const stagedAction = {
  stagedAction: maybe(
    withDefault(
      oneOf('Set', 'Delete', 'Learn', 'Ignore').describe(
        'What would be done with the policy of this name; Set if absent.',
      ),
      'Set',
    ),
  ),
};

const isOn = (name: string): string => `(has(self.${name}) && self.${name})`;

const globalRules: readonly Rule[] = [
  {
    rule: `!(${isOn('doNotTrack')} && ${isOn('preDNAT')})`,
    message: 'doNotTrack and preDNAT cannot both be true: make two policies',
  },
  {
    rule: `!(${isOn('doNotTrack')} || ${isOn('preDNAT')}) || ${isOn('applyOnForward')}`,
    message: 'doNotTrack and preDNAT need applyOnForward: true',
  },
  {
    rule: `!${isOn('preDNAT')} || !((has(self.egress) && size(self.egress) > 0) || (has(self.types) && 'Egress' in self.types))`,
    message: 'preDNAT is for ingress: remove the egress rules and the type Egress',
  },
];

type Stages = {
  readonly doNotTrack?: boolean | undefined;
  readonly preDNAT?: boolean | undefined;
  readonly applyOnForward?: boolean | undefined;
  readonly egress?: Drafts | undefined;
  readonly types?: readonly Direction[] | undefined;
};

function stageFlaw({
  doNotTrack,
  preDNAT,
  applyOnForward,
  egress = [],
  types = [],
}: Stages): { readonly at: readonly string[]; readonly wrong: Wrong } | undefined {
  if (doNotTrack === true && preDNAT === true)
    return {
      at: ['preDNAT'],
      wrong: { what: 'cannot be true beside doNotTrack.', fix: 'Make two policies of it.' },
    };
  const early = doNotTrack === true ? 'doNotTrack' : preDNAT === true ? 'preDNAT' : undefined;
  if (early !== undefined && applyOnForward !== true)
    return {
      at: [early],
      wrong: {
        what: 'is asked before it is known whether a packet is forwarded.',
        fix: 'Write applyOnForward: true too.',
      },
    };
  if (preDNAT === true && (egress.length > 0 || types.includes('Egress')))
    return {
      at: [egress.length > 0 ? 'egress' : 'types'],
      wrong: {
        what: 'cannot stand beside preDNAT, which is for ingress.',
        fix: 'Make a policy of its own for egress.',
      },
    };
  return undefined;
}

const isName = (pattern: string): Rule => ({
  rule: `self.metadata.name.matches('${pattern}')`,
  message: 'the name must be one word, or two with a dot between: letters, digits and "-"',
});
const oneOrTwoWords = `[-a-z0-9]{1,253}([.][-a-z0-9]{1,253})?`;
/** A second form is that of policies that other programs have made of Kubernetes' and OpenStack's. */
const namePatterns = {
  namespaced: `^(${oneOrTwoWords}|(knp|ossg)[.]default[.].*)$`,
  global: `^${oneOrTwoWords}$`,
} as const;

const whole = <Spec extends z.ZodType>(scope: keyof typeof namePatterns, spec: Spec) =>
  withRules(manifest(maybe(spec)), [isName(namePatterns[scope])]);

function nameFlaws(scope: keyof typeof namePatterns, { name }: Meta): readonly Flaw[] {
  if (new RegExp(namePatterns[scope]).test(name)) return [];
  return [
    {
      path: ['metadata', 'name'],
      what: `cannot be the name of a policy: ${describe(name)}.`,
      fix: 'Use one word, or two with a dot between.',
    },
  ];
}

const globalSpec = <Shape extends z.ZodRawShape>(more: Shape) =>
  withRules(
    strict({ ...shared(false), ...globalOnly, ...more }).superRefine(
      check((spec) => stageFlaw(spec as Stages)),
    ),
    globalRules,
  );

export const calicoNetworkPolicySchema = whole('namespaced', strict(shared(true)));
export const stagedNetworkPolicySchema = whole('namespaced', strict({ ...shared(true), ...stagedAction }));
export const globalNetworkPolicySchema = whole('global', globalSpec({}));
export const stagedGlobalNetworkPolicySchema = whole('global', globalSpec(stagedAction));

interface Given {
  readonly tier?: string | undefined;
  readonly order?: number | undefined;
  readonly selector?: CalicoPolicySpec['selector'] | undefined;
  readonly serviceAccountSelector?: CalicoPolicySpec['selector'] | undefined;
  readonly types?: readonly Direction[] | undefined;
  readonly ingress?: Drafts | undefined;
  readonly egress?: Drafts | undefined;
  readonly performanceHints?: readonly string[] | undefined;
}

function specOf(given: Given, namespace?: string): CalicoPolicySpec {
  const { ingress = [], egress = [], types = usualTypes(ingress, egress) } = given;
  return {
    tier: given.tier ?? 'default',
    ...(given.order === undefined ? {} : { order: given.order }),
    selector: given.selector ?? everyone,
    ...(given.serviceAccountSelector === undefined
      ? {}
      : { serviceAccountSelector: given.serviceAccountSelector }),
    types: [...new Set(types)],
    ingress: rulesIn(ingress, namespace),
    egress: rulesIn(egress, namespace),
    onEveryNode: given.performanceHints?.includes('AssumeNeededOnEveryNode') ?? false,
  };
}

function usualTypes(ingress: Drafts, egress: Drafts): readonly Direction[] {
  if (egress.length === 0) return ['Ingress'];
  return ingress.length === 0 ? ['Egress'] : ['Ingress', 'Egress'];
}

interface GivenGlobal extends Given {
  readonly namespaceSelector?: CalicoPolicySpec['selector'] | undefined;
  readonly doNotTrack?: boolean | undefined;
  readonly preDNAT?: boolean | undefined;
  readonly applyOnForward?: boolean | undefined;
}

const globalOf = (given: GivenGlobal): GlobalPolicySpec => ({
  ...specOf(given),
  ...(given.namespaceSelector === undefined ? {} : { namespaceSelector: given.namespaceSelector }),
  doNotTrack: given.doNotTrack ?? false,
  preDnat: given.preDNAT ?? false,
  applyOnForward: given.applyOnForward ?? false,
});

/** The flaws of name and body together, so that a person sees all. */
function readSpec<Spec, T>(
  schema: z.ZodType<{ readonly spec?: Spec }>,
  scope: keyof typeof namePatterns,
  meta: Meta,
  json: unknown,
  make: (spec: Spec | undefined) => T,
): Result<T, readonly Flaw[]> {
  const parsed = read(schema, json);
  const names = nameFlaws(scope, meta);
  if (!parsed.ok) return err([...names, ...parsed.error]);
  return names.length > 0 ? err(names) : ok(make(parsed.value.spec));
}

export const readCalicoNetworkPolicy = (
  meta: Meta,
  json: unknown,
): Result<CalicoNetworkPolicy, readonly Flaw[]> =>
  readSpec(calicoNetworkPolicySchema, 'namespaced', meta, json, (spec) => ({
    kind: 'CalicoNetworkPolicy',
    meta,
    ...specOf(spec ?? {}, meta.namespace),
  }));

export const readStagedNetworkPolicy = (
  meta: Meta,
  json: unknown,
): Result<StagedNetworkPolicy, readonly Flaw[]> =>
  readSpec(stagedNetworkPolicySchema, 'namespaced', meta, json, (spec) => ({
    kind: 'StagedNetworkPolicy',
    meta,
    ...specOf(spec ?? {}, meta.namespace),
    stagedAction: spec?.stagedAction ?? 'Set',
  }));

export const readGlobalNetworkPolicy = (
  meta: Meta,
  json: unknown,
): Result<GlobalNetworkPolicy, readonly Flaw[]> =>
  readSpec(globalNetworkPolicySchema, 'global', meta, json, (spec) => ({
    kind: 'GlobalNetworkPolicy',
    meta,
    ...globalOf(spec ?? {}),
  }));

export const readStagedGlobalNetworkPolicy = (
  meta: Meta,
  json: unknown,
): Result<StagedGlobalNetworkPolicy, readonly Flaw[]> =>
  readSpec(stagedGlobalNetworkPolicySchema, 'global', meta, json, (spec) => ({
    kind: 'StagedGlobalNetworkPolicy',
    meta,
    ...globalOf(spec ?? {}),
    stagedAction: spec?.stagedAction ?? 'Set',
  }));
