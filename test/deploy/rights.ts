/** What was asked of an API server against what a role grants, both as "verb resource" and sorted. */
import type { AuditEntry } from '../support/audit.ts';
import type { ChartObject, Rule } from './tools.ts';

export const grantedBy = (roles: readonly Pick<ChartObject, 'rules'>[]): readonly string[] => {
  const rules: readonly Rule[] = roles.flatMap((role) => role.rules ?? []);
  const words = rules.flatMap(({ resources, verbs }) =>
    resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource}`)),
  );
  return [...new Set(words)].sort();
};

/** Requests for resources only: what anybody may ask, like /version, needs no role. */
export const askedBy = (audit: readonly AuditEntry[], user: string): readonly AuditEntry[] =>
  audit.filter((entry) => entry.user === user && entry.resource !== '');

export const wordsOf = (entries: readonly AuditEntry[]): readonly string[] =>
  [...new Set(entries.map(({ verb, resource }) => `${verb} ${resource}`))].sort();
