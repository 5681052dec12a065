/** What each action is in rules of the model, once it is known which packets it is for. */
import type { Policy } from '../../src/policy/policy.ts';
import type { Match, Rule, Statement } from './model.ts';
import type { Rate, RulesSettings } from './settings.ts';
import type { HostStage } from './stage.ts';

export const limited = ({ perSecond, burst }: Rate): Match => ({ kind: 'limit', perSecond, burst });

/** Reported, no more often than anybody can read, and ended: two rules, for a limit must not limit the end. */
export function denial(
  matches: readonly Match[],
  settings: RulesSettings,
  tag: string,
  comment: string,
): readonly Rule[] {
  const { denied, deny } = settings;
  const report: readonly Rule[] =
    denied === undefined
      ? []
      : [
          {
            matches: [...matches, limited(denied.rate)],
            statements: [{ kind: 'nflog', group: denied.group, prefix: tag }],
          },
        ];
  return [
    ...report,
    { matches, verdict: { kind: deny === 'Reject' ? 'reject' : 'drop' }, counted: true, comment },
  ];
}

/**
 * Untracked: connection tracking never hears of it, and later stages do not ask again. preDNAT: they do not ask again.
 */
export function allowance(
  matches: readonly Match[],
  stage: HostStage,
  settings: RulesSettings,
  comment: string,
): Rule {
  const accepted: Statement = { kind: 'mark', mask: settings.acceptedMark, value: settings.acceptedMark };
  const statements: readonly Statement[] =
    stage === 'untracked' ? [accepted, { kind: 'notrack' }] : stage === 'preDnat' ? [accepted] : [];
  return {
    matches,
    ...(statements.length === 0 ? {} : { statements }),
    verdict: { kind: 'accept' },
    counted: true,
    comment,
  };
}

/** Goes on with the next rule. */
export function logging(
  matches: readonly Match[],
  prefix: string,
  settings: RulesSettings,
  comment: string,
): Rule {
  const { rate } = settings.log;
  return {
    matches: rate === undefined ? matches : [...matches, limited(rate)],
    statements: [{ kind: 'log', prefix }],
    counted: true,
    comment,
  };
}

/** nft takes 127 bytes of prefix, the last a NUL. */
const prefixLength = 126;

/** The configured prefix with what it says of the policy, and a colon to end it. */
export function logPrefix(
  policy: Pick<Policy, 'tier' | 'name' | 'namespace'> & { readonly kind: string },
  settings: RulesSettings,
): string {
  const { tier, kind, name, namespace } = policy;
  const words: Readonly<Record<string, string>> = {
    '%t': tier,
    '%k': kind,
    '%n': name,
    '%p': namespace === undefined ? name : `${namespace}/${name}`,
  };
  const text = settings.log.prefix.replaceAll(/%[tknp]/g, (word) => words[word] ?? word);
  return `${text.replaceAll(/[^ -~]|["\\]/g, '?').slice(0, prefixLength - 2)}: `;
}
