/** `tortiectl policy why SRC DST[:PORT][/PROTO]`. */
import { formatAddress } from '../lib/net.ts';
import { type Cluster, snapshotOf } from '../policy/cluster.ts';
import type { Judgement } from '../policy/judgement.ts';
import { type Answer, answerLines, reasonWords, type ServiceAnswer, why } from '../policy/why.ts';
import { ruleWords } from '../policy/words.ts';
import type { Global } from './command.ts';
import type { PolicyWhyOptions } from './options.ts';
import { complain, print } from './output.ts';
import { readWorld, tell } from './policy-world.ts';
import { type Paint, paintFor } from './style.ts';

export async function policyWhy(
  from: string,
  to: string,
  options: PolicyWhyOptions & Global,
): Promise<number> {
  const world = await readWorld(options);
  if (!world.ok) return complain({ code: 2, sentence: world.error });
  tell(world.value.notes);
  const { cluster } = snapshotOf(world.value.resources);
  const answers = why(cluster, from, to, options.namespace);
  if (!answers.ok) return complain({ code: 2, sentence: answers.error });
  if (options.live === true) return showLive(cluster, answers.value, options);
  const paint = paintFor(process.stdout, process.env['NO_COLOR']);
  await print(answers.value.map(asJson), options.output, () =>
    answers.value
      .map((answer) => painted(answerLines(answer, options.output === 'wide'), paint))
      .join('\n\n'),
  );
  return answers.value.every(({ verdict }) => verdict.allowed) ? 0 : 1;
}

/** Asked for only then: it loads what reaches nodes. */
async function showLive(
  cluster: Cluster,
  answers: readonly Answer[],
  options: PolicyWhyOptions & Global,
): Promise<number> {
  const { runLive } = await import('./policy-live.ts');
  return runLive(cluster, answers, options, asJson);
}

const painted = ([first = '', ...rest]: readonly string[], paint: Paint): string =>
  [paint(first, first.endsWith('ALLOWED') ? 'good' : 'bad'), ...rest].join('\n');

const asJson = ({ verdict, pending, source, destination, service, ...rest }: Answer) => ({
  ...rest,
  source: formatAddress(source),
  ...(service?.nobody === undefined ? { destination: formatAddress(destination) } : {}),
  ...(service === undefined ? {} : { service: serviceJson(service) }),
  allowed: verdict.allowed,
  ends: verdict.judgements.map(judgementJson),
  ...(pending === undefined
    ? {}
    : { staged: { allowed: pending.allowed, ends: pending.judgements.map(judgementJson) } }),
});

const serviceJson = ({ address, backends, ...rest }: ServiceAnswer) => ({
  ...rest,
  ...(address === undefined ? {} : { address: formatAddress(address) }),
  backends: backends.map((each) => ({ ...each, address: formatAddress(each.address) })),
});

function judgementJson(judgement: Judgement) {
  const { end, who, direction, moment, allowed, because, tiers } = judgement;
  const decided =
    because.kind === 'rule'
      ? { tier: because.tier, policy: because.policy.id, rule: because.rule.number }
      : because.kind === 'unmatched'
        ? { tier: because.tier, isolatedBy: because.policies.map(({ id }) => id) }
        : {};
  return {
    end,
    who,
    direction,
    stage: moment,
    allowed,
    reason: because.kind,
    because: reasonWords(because, judgement),
    ...decided,
    tiers: tiers.map(({ tier, outcome, policies }) => ({
      name: tier.name,
      outcome,
      policies: policies.map(({ policy, rules }) => ({
        policy: policy.id,
        rules: rules.map(({ rule, held }) => ({
          number: rule.number,
          held,
          rule: ruleWords(rule, direction),
        })),
      })),
    })),
  };
}
