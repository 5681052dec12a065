/** projectcalico.org/v3 Profile: rules for host endpoints that no policy decided on, and labels for them. */
import { ok, type Result } from '../../lib/result.ts';
import type { Meta } from '../../model/meta.ts';
import type { Profile } from '../../model/policy.ts';
import { maybe, record, text } from './fields.ts';
import type { Flaw } from './flaw.ts';
import { rulesFor, rulesIn } from './policy-rule.ts';
import { manifest, read, strict } from './read.ts';

export const profileSchema = manifest(
  maybe(
    strict({
      ingress: maybe(rulesFor(false).describe('To the endpoint: the first rule that matches decides.')),
      egress: maybe(rulesFor(false).describe('From the endpoint: the first rule that matches decides.')),
      labelsToApply: maybe(
        record(text).describe('Labels of its endpoints, where their own do not say otherwise.'),
      ),
    }),
  ),
);

export function readProfile(meta: Meta, json: unknown): Result<Profile, readonly Flaw[]> {
  const parsed = read(profileSchema, json);
  if (!parsed.ok) return parsed;
  const { ingress, egress, labelsToApply = {} } = parsed.value.spec ?? {};
  return ok({
    kind: 'Profile',
    meta,
    ingress: rulesIn(ingress, undefined),
    egress: rulesIn(egress, undefined),
    labelsToApply,
  });
}
