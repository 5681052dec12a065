/** Profiles: what becomes of a host endpoint's packet that no policy decided about. A workload's is always: allowed. */
import type { Profile } from '../model/policy.ts';
import { convertRules } from './convert/rule.ts';
import type { Rule } from './policy.ts';

/** What a profile says to endpoints that list it and that no policy decided about. */
export interface ProfileRules {
  readonly name: string;
  readonly ingress: readonly Rule[];
  readonly egress: readonly Rule[];
}

export const convertProfile = ({ meta, ingress, egress }: Profile): ProfileRules => ({
  name: meta.name,
  ingress: convertRules(ingress, undefined),
  egress: convertRules(egress, undefined),
});

const allowAll: Rule = { action: 'Allow', source: {}, destination: {}, number: 1 };

/** There whether or not somebody wrote them. */
export const builtInProfiles: readonly ProfileRules[] = [
  { name: 'projectcalico-default-allow', ingress: [allowAll], egress: [allowAll] },
];
