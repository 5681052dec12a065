/** projectcalico.org/v3 Tier. Three of them are the cluster's own: their order and what ends them never change. */
import { err, ok, type Result } from '../../lib/result.ts';
import type { Meta } from '../../model/meta.ts';
import { standardTiers, type Tier } from '../../model/policy.ts';
import { type Rule, withRules } from './cel.ts';
import { maybe, number, oneOf, parseText } from './fields.ts';
import { describe, type Flaw, wrong } from './flaw.ts';
import { isDeleting } from './meta.ts';
import { field, manifest, read, strict } from './read.ts';

/** A DNS label. */
const label = '[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?';
const isLabel = new RegExp(`^${label}$`);
const nameFix = 'Use at most 63 lower-case letters, digits and "-", with a letter or digit at both ends.';

/** The name of one. */
export const tierOrAbsent = field(
  (json) => {
    const parsed = parseText(json);
    if (!parsed.ok) return parsed;
    if (parsed.value === '') return ok(undefined);
    return isLabel.test(parsed.value) ? parsed : wrong(`cannot be a tier: ${describe(json)}.`, nameFix);
  },
  { type: 'string', maxLength: 63, pattern: `^(${label})?$` },
);

const isNamed = (names: readonly string[]): string =>
  `self.metadata.name in [${names.map((name) => `'${name}'`).join(', ')}]`;
const has = (name: string): string => `has(self.spec) && has(self.spec.${name})`;

const rules: readonly Rule[] = [
  {
    rule: `self.metadata.name.matches('^${label}$')`,
    message: 'the name of a tier has at most 63 lower-case letters, digits and "-", and no dot',
  },
  ...Object.entries(standardTiers).flatMap(([name, { order, defaultAction }]): readonly Rule[] => [
    {
      rule: `!(${isNamed([name])} && ${has('order')}) || self.spec.order == ${order}.0`,
      message: `the tier ${name} has the order ${order}: leave order out`,
    },
    {
      rule: `!(${isNamed([name])} && ${has('defaultAction')}) || self.spec.defaultAction == '${defaultAction}'`,
      message: `the tier ${name} ends in ${defaultAction}: leave defaultAction out`,
    },
  ]),
];

export const tierSchema = withRules(
  manifest(
    maybe(
      strict({
        order: maybe(number.describe('Tiers are asked by this, the lowest first; last if absent.')),
        defaultAction: maybe(
          oneOf('Deny', 'Pass').describe(
            'What becomes of a packet of an endpoint that policies of the tier select and none of them decides; Deny if absent. Pass: the next tier is asked.',
          ),
        ),
      }),
    ),
  ),
  rules,
);

export function readTier(meta: Meta, json: unknown): Result<Tier, readonly Flaw[]> {
  const parsed = read(tierSchema, json);
  if (!parsed.ok) return parsed;
  const { order, defaultAction } = parsed.value.spec ?? {};
  const standard = Object.hasOwn(standardTiers, meta.name) ? standardTiers[meta.name] : undefined;
  const flaws: Flaw[] = [];
  if (!isLabel.test(meta.name))
    flaws.push({
      path: ['metadata', 'name'],
      what: `cannot be the name of a tier: ${describe(meta.name)}.`,
      fix: nameFix,
    });
  if (standard !== undefined && order !== undefined && order !== standard.order)
    flaws.push({
      path: ['spec', 'order'],
      what: `is ${standard.order} for the tier ${meta.name}, and nothing else.`,
      fix: 'Leave it out.',
    });
  if (standard !== undefined && defaultAction !== undefined && defaultAction !== standard.defaultAction)
    flaws.push({
      path: ['spec', 'defaultAction'],
      what: `is ${standard.defaultAction} for the tier ${meta.name}, and nothing else.`,
      fix: 'Leave it out.',
    });
  if (flaws.length > 0) return err(flaws);
  const last = standard?.order ?? order;
  return ok({
    kind: 'Tier',
    meta,
    ...(last === undefined ? {} : { order: last }),
    defaultAction: standard?.defaultAction ?? defaultAction ?? 'Deny',
    ...(isDeleting(json) ? { deleting: true } : {}),
  });
}
