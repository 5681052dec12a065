/** `tortiectl policy why SRC DST[:PORT][/PROTO]`. */
import { formatAddress, parseAddress } from '../lib/net.ts';
import type { Resource } from '../model/resource.ts';
import type { Service } from '../model/service.ts';
import { type Cluster, snapshotOf } from '../policy/cluster.ts';
import type { Judgement } from '../policy/judgement.ts';
import { parseTarget } from '../policy/who.ts';
import { type Answer, answerLines, reasonWords, why } from '../policy/why.ts';
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
  const service = serviceAt(world.value.resources, to);
  if (service !== undefined) return complain({ code: 2, sentence: translated(cluster, service) });
  const answers = why(cluster, from, to, options.namespace);
  if (!answers.ok) return complain({ code: 2, sentence: answers.error });
  const paint = paintFor(process.stdout, process.env['NO_COLOR']);
  await print(answers.value.map(asJson), options.output, () =>
    answers.value
      .map((answer) => painted(answerLines(answer, options.output === 'wide'), paint))
      .join('\n\n'),
  );
  return answers.value.every(({ verdict }) => verdict.allowed) ? 0 : 1;
}

/** The Service whose address the destination is. */
function serviceAt(resources: readonly Resource[], to: string): Service | undefined {
  const target = parseTarget(to);
  const address = target.ok ? parseAddress(target.value.who) : undefined;
  if (address === undefined) return undefined;
  return resources.find(
    (each): each is Service =>
      each.kind === 'Service' &&
      [...each.clusterIps, ...each.externalIps, ...each.ingressIps].includes(address),
  );
}

function translated({ backends }: Cluster, { meta }: Service): string {
  const { name, namespace = '' } = meta;
  const behind = backends
    .filter(({ service }) => service.name === name && service.namespace === namespace)
    .map(({ address, port }) => `${formatAddress(address)}${port === undefined ? '' : ` port ${port}`}`);
  const [first] = behind;
  return `This is an address of Service ${namespace}/${name}, which is translated before policy of pods is asked. ${
    first === undefined
      ? 'It has no backend that is ready.'
      : `Ask for what is behind it, e.g. ${first}${behind.length === 1 ? '' : `, one of ${behind.length}`}.`
  }`;
}

const painted = ([first = '', ...rest]: readonly string[], paint: Paint): string =>
  [paint(first, first.endsWith('ALLOWED') ? 'good' : 'bad'), ...rest].join('\n');

const asJson = ({ verdict, pending, source, destination, ...rest }: Answer) => ({
  ...rest,
  source: formatAddress(source),
  destination: formatAddress(destination),
  allowed: verdict.allowed,
  ends: verdict.judgements.map(judgementJson),
  ...(pending === undefined
    ? {}
    : { staged: { allowed: pending.allowed, ends: pending.judgements.map(judgementJson) } }),
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
