/** Label names, label values and metav1.LabelSelector, with the API server's own rules. */
import { z } from 'zod';
import type { Result } from '../../lib/result.ts';
import type { LabelRequirement, LabelSelector } from '../../model/labels.ts';
import { isSubdomain } from '../names.ts';
import { list, maybe, oneOf, parseText } from './fields.ts';
import { describe, type Wrong, wrong } from './flaw.ts';
import { check, field, strict } from './read.ts';

const word = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;

function isLabelKey(key: string): boolean {
  const slash = key.indexOf('/');
  return slash < 0 ? word.test(key) : isSubdomain(key.slice(0, slash)) && word.test(key.slice(slash + 1));
}

const isLabelValue = (value: string): boolean => value === '' || word.test(value);

const wordRule = 'at most 63 letters, digits, "-", "_" and ".", with a letter or digit at both ends';
const keyFix = `Use ${wordRule}, optionally after a DNS name and "/".`;
const valueFix = `Use ${wordRule}.`;

const form = { type: 'string' };

const labelKey = field((json) => {
  const key = parseText(json);
  return !key.ok || isLabelKey(key.value) ? key : wrong(`cannot be a label name: ${describe(json)}.`, keyFix);
}, form);

const labelValue = field((json): Result<string, Wrong> => {
  const value = parseText(json);
  return !value.ok || isLabelValue(value.value)
    ? value
    : wrong(`cannot be a label value: ${describe(json)}.`, valueFix);
}, form);

/** Both sides of each pair are checked; the flaw shows at the label. */
export const labels: z.ZodType<Record<string, string>> = z.record(z.string(), labelValue).superRefine(
  check((pairs) => {
    const bad = Object.keys(pairs).find((key) => !isLabelKey(key));
    return bad === undefined
      ? undefined
      : { at: [bad], wrong: { what: `cannot be a label name: ${describe(bad)}.`, fix: keyFix } };
  }),
);

const requirement = strict({
  key: labelKey,
  operator: oneOf('In', 'NotIn', 'Exists', 'DoesNotExist'),
  values: maybe(list(labelValue)),
})
  .superRefine(
    check(({ operator, values }) => {
      const wantsValues = operator === 'In' || operator === 'NotIn';
      if (wantsValues === (values !== undefined && values.length > 0)) return undefined;
      return wantsValues
        ? { at: ['values'], wrong: { what: `is needed with ${operator}.`, fix: 'List one value or more.' } }
        : {
            at: ['values'],
            wrong: { what: `makes no sense with ${operator}.`, fix: 'Remove it, or use In or NotIn.' },
          };
    }),
  )
  .transform(
    ({ key, operator, values }): LabelRequirement =>
      operator === 'In' || operator === 'NotIn' ? { key, operator, values: values ?? [] } : { key, operator },
  );

export const labelSelector: z.ZodType<LabelSelector> = strict({
  matchLabels: maybe(labels),
  matchExpressions: maybe(list(requirement)),
}).transform(({ matchLabels, matchExpressions }) => ({
  matchLabels: matchLabels ?? {},
  matchExpressions: matchExpressions ?? [],
}));
