/** Checks that need the policy alone. */
import { covers } from '../covers.ts';
import type { Rule } from '../policy.ts';
import { type Check, directions, everyRule, fieldOf, isKubernetes, ruleAt, rulesOf } from './check.ts';

const everything: Rule = { action: 'Allow', source: {}, destination: {}, number: 0 };
const holdsOfAll = (rule: Rule): boolean => covers(rule, everything);

const saysDeny = (name: string): boolean =>
  /(^|[-.])(deny|denied|block|drop|isolate|forbid|lockdown)([-.]|$)/.test(name);
const saysAllow = (name: string): boolean => /(^|[-.])(allow|allowed|permit|accept)([-.]|$)/.test(name);

const actionWords = { Allow: 'allows', Deny: 'denies', Pass: 'passes on', Log: 'logs' } as const;

const notConverted: Check = ({ unconverted }) =>
  unconverted.map(({ at, what, instead }) => ({
    at,
    what: `${what} So it ${instead}.`,
    fix: 'Write it with what is supported.',
  }));

const unreachable: Check = ({ policy }) =>
  everyRule(policy).flatMap(({ direction, rule, earlier }) => {
    const before = earlier.find(
      (one) => one.action !== 'Log' && one.number !== rule.number && covers(one, rule),
    );
    if (before === undefined) return [];
    const does = `rule ${before.number} ${actionWords[before.action]}`;
    return [
      before.action === rule.action
        ? {
            at: ruleAt(direction, rule),
            what: `says nothing new: ${does} all of it already.`,
            fix: 'Remove it, or narrow the earlier rule.',
          }
        : {
            at: ruleAt(direction, rule),
            what: `is never reached: ${does} all of it before.`,
            fix: 'Move it before that rule, or remove it.',
          },
    ];
  });

const notAsked: Check = ({ policy }) =>
  directions
    .filter((direction) => rulesOf(policy, direction).length > 0 && !policy.types.includes(direction))
    .map((direction) => ({
      at: fieldOf(direction),
      what: `has rules, but the types of the policy leave ${direction} out, so they are never asked.`,
      fix: `Add ${direction} to ${isKubernetes(policy) ? 'policyTypes' : 'types'}, or remove the rules.`,
    }));

const typesMissing: Check = ({ policy, saysTypes }) =>
  saysTypes || !isKubernetes(policy) || policy.egress.length === 0 || policy.ingress.length > 0
    ? []
    : [
        {
          at: ['spec', 'policyTypes'],
          what: 'is missing. There are egress rules only, yet the API adds Ingress, so nobody can reach the pods.',
          fix: 'Write policyTypes: [Egress], or say what may come in.',
        },
      ];

const deniesNothing: Check = ({ policy }) =>
  saysDeny(policy.name)
    ? everyRule(policy)
        .filter(
          ({ direction, rule }) =>
            policy.types.includes(direction) && rule.action === 'Allow' && holdsOfAll(rule),
        )
        .map(({ direction, rule }) => ({
          at: ruleAt(direction, rule),
          what: `allows everything, though the policy is called ${policy.name}: an empty rule holds of every packet.`,
          fix: `Write ${fieldOf(direction)[1]}: [] to deny all, which is no rule at all.`,
        }))
    : [];

const readsAsDeny: Check = ({ policy }) =>
  saysDeny(policy.name)
    ? directions
        .filter((direction) => {
          const rules = rulesOf(policy, direction);
          return (
            policy.types.includes(direction) &&
            rules.length > 0 &&
            rules.every((rule) => rule.action === 'Allow' && !holdsOfAll(rule))
          );
        })
        .map((direction) => ({
          at: fieldOf(direction),
          what: `only allows: what it lists is let through and everything else denied, though the policy is called ${policy.name}.`,
          fix: isKubernetes(policy)
            ? 'A NetworkPolicy of Kubernetes cannot deny: allow everything but that (ipBlock with except), or use action Deny of projectcalico.org/v3.'
            : 'Write action: Deny for what is meant, and allow the rest.',
        }))
    : [];

const allowsNothing: Check = ({ policy }) =>
  saysAllow(policy.name)
    ? directions
        .filter((direction) => policy.types.includes(direction) && rulesOf(policy, direction).length === 0)
        .map((direction) => ({
          at: fieldOf(direction),
          what: `has no rule, so everything is denied in this direction, though the policy is called ${policy.name}.`,
          fix: `Take ${direction} out of the types, or write the rules.`,
        }))
    : [];

export const shapeChecks: Readonly<Record<string, Check>> = {
  'not-converted': notConverted,
  'rule-unreachable': unreachable,
  'rules-not-asked': notAsked,
  'types-missing': typesMissing,
  'named-deny-allows-all': deniesNothing,
  'allow-reads-as-deny': readsAsDeny,
  'named-allow-denies-all': allowsNothing,
};
