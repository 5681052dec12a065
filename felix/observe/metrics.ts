/**
 * What policy does to packets, as metrics. The kernel is read when somebody scrapes, and at most every few seconds.
 *
 * Only rules that ever counted a packet have a series, and no more than `mostRules` of them: what the others count is one series
 * together, so that a policy for each of ten thousand services does not end in fifty thousand series a node.
 */
import { Counter, type Registry } from 'prom-client';
import type { RuleSum } from './counted.ts';
import type { Observation } from './observation.ts';

const mostRules = 2000;

const ruleLabels = ['tier', 'policy', 'namespace', 'direction', 'action', 'rule'] as const;
type RuleLabels = Readonly<Record<(typeof ruleLabels)[number], string>>;

/** "KubernetesNetworkPolicy shop/allow-web": namespace shop; the kind stays, for two kinds may have one name. */
export function labelsOf({ tier = '', policy, direction, action, rule, what }: RuleSum): RuleLabels {
  const [, kind = '', namespace = '', name = ''] = /^(\S+) (?:([^/]+)\/)?(.*)$/.exec(policy ?? '') ?? [];
  return {
    tier,
    policy: policy === undefined ? (what ?? '') : `${kind} ${name}`,
    namespace,
    direction: direction?.toLowerCase() ?? '',
    action: action.toLowerCase(),
    rule: policy === undefined ? 'no rule matched' : String(rule ?? ''),
  };
}

const others: RuleLabels = {
  tier: '',
  policy: '(others)',
  namespace: '',
  direction: '',
  action: '',
  rule: '',
};

/** Rules keep their series as long as they count: those that came first are first. */
export function rulesShown(
  sums: readonly RuleSum[],
  most = mostRules,
): readonly { readonly labels: RuleLabels; readonly packets: number; readonly bytes: number }[] {
  const rules = sums.filter(({ tier, policy }) => tier !== undefined || policy !== undefined);
  const rest = rules.slice(most);
  const shown = rules.slice(0, most).map((sum) => ({ ...sum, labels: labelsOf(sum) }));
  if (rest.length === 0) return shown;
  const total = (of: 'packets' | 'bytes'): number => rest.reduce((sum, each) => sum + each[of], 0);
  return [...shown, { labels: others, packets: total('packets'), bytes: total('bytes') }];
}

/** Why a packet was denied, in few words: a series each. */
function reasonOf({ tier, policy, what = '' }: RuleSum): string {
  if (policy !== undefined) return 'rule';
  if (tier !== undefined) return 'no rule matched';
  // Of an endpoint that is closed the comment has its name in it.
  return what.endsWith('is not known yet') ? 'endpoint is not known yet' : what;
}

export function registerObservation(
  registry: Registry,
  observation: () => Pick<Observation, 'counted' | 'flows' | 'ended'>,
): void {
  const registers = [registry];
  for (const what of ['packets', 'bytes'] as const) {
    const counter: Counter<(typeof ruleLabels)[number]> = new Counter({
      name: `felix_policy_rule_${what}_total`,
      help: `${what === 'packets' ? 'Packets' : 'Octets'} of new connections that a rule of a policy, or the end of a tier, decided.`,
      labelNames: [...ruleLabels],
      registers,
      collect: async () => {
        const rules = rulesShown(await observation().counted());
        counter.reset();
        for (const { labels, ...counts } of rules) counter.inc(labels, counts[what]);
      },
    });
  }
  const denied: Counter<'tier' | 'direction' | 'reason'> = new Counter({
    name: 'felix_denied_packets_total',
    help: 'Packets that were denied, by whatever of our rules.',
    labelNames: ['tier', 'direction', 'reason'],
    registers,
    collect: async () => {
      const sums = await observation().counted();
      denied.reset();
      for (const sum of sums) {
        if (sum.action !== 'Deny') continue;
        const { tier = '', direction = '' } = sum;
        denied.inc({ tier, direction: direction.toLowerCase(), reason: reasonOf(sum) }, sum.packets);
      }
    },
  });
  const plain = (name: string, help: string, read: () => number): void => {
    const made: Counter = new Counter({
      name,
      help,
      registers,
      collect: () => {
        made.reset();
        made.inc(read());
      },
    });
  };
  plain(
    'felix_flow_records_total',
    'Reported packets of which a record was made.',
    () => observation().flows.recorded,
  );
  plain(
    'felix_connections_ended_total',
    'Connections that a change of policy ended (connectionPolicy: Reevaluate).',
    () => observation().ended,
  );
  plain(
    'felix_flow_records_lost_total',
    'Reported packets that the kernel could not hand over, or that came faster than they could be kept.',
    () => observation().flows.lost,
  );
}
