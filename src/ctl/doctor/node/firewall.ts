/**
 * Rules of others that drop what pods send or get. Every table at the forward hook has its say, and one drop is enough:
 * what `table inet tortie` accepts is not safe from the next table.
 *
 * Said only of rules whose whole condition can be understood; what depends on more is not accused.
 */
import { overlaps, parsePrefix } from '../../../lib/net.ts';
import { at, listAt, textAt } from '../../cluster/json.ts';
import type { Finding } from '../check.ts';
import type { NodeFacts } from './facts.ts';
import { uplinks } from './path.ts';

interface Rule {
  readonly chain: string;
  readonly expressions: readonly unknown[];
}

const ourTable = 'tortie';

export function foreignRules(facts: NodeFacts): readonly Finding[] {
  return [...nftFindings(facts), ...legacyFindings(facts.legacy)];
}

const chainKey = (json: unknown, name: string): string =>
  [textAt(json, 'family'), textAt(json, 'table'), name].join(' ');

function nftFindings(facts: NodeFacts): readonly Finding[] {
  const chains = facts.ruleset.flatMap((one) => at(one, 'chain') ?? []);
  const rules = Map.groupBy(
    facts.ruleset.flatMap((one) => at(one, 'rule') ?? []),
    (rule) => chainKey(rule, textAt(rule, 'chain')),
  );
  const rulesOf = (key: string): readonly Rule[] =>
    (rules.get(key) ?? []).map((rule) => ({ chain: key, expressions: listAt(rule, 'expr') }));
  const hooked = chains.filter(
    (chain) =>
      textAt(chain, 'hook') === 'forward' &&
      textAt(chain, 'table') !== ourTable &&
      ['ip', 'ip6', 'inet'].includes(textAt(chain, 'family')),
  );
  return hooked.flatMap((chain) => {
    const key = chainKey(chain, textAt(chain, 'name'));
    const reached = reachable(key, rulesOf, new Set());
    const dropping = reached.filter((rule) => isDrop(rule) && meetsPods(rule, facts));
    const accepts = reached.some((rule) => isAccept(rule) && meetsPods(rule, facts));
    return [
      ...dropping.map((rule) => dropFinding(rule.chain, describeRule(rule))),
      ...(textAt(chain, 'policy') === 'drop' && !accepts && dropping.length === 0
        ? [policyFinding(key)]
        : []),
    ];
  });
}

/** Of the chain and those it jumps to, whatever the condition of the jump is that we understand. */
function reachable(
  key: string,
  rulesOf: (key: string) => readonly Rule[],
  seen: Set<string>,
): readonly Rule[] {
  if (seen.has(key)) return [];
  seen.add(key);
  const [family = '', table = ''] = key.split(' ');
  return rulesOf(key).flatMap((rule) => {
    const targets = rule.expressions.flatMap((one) => {
      const target = textAt(one, 'jump', 'target') || textAt(one, 'goto', 'target');
      return target === '' ? [] : [target];
    });
    const conditions = rule.expressions.filter(
      (one) => at(one, 'match') !== undefined || at(one, 'xt') !== undefined,
    );
    return [
      rule,
      // The conditions of the jump are those of what it leads to.
      ...targets.flatMap((target) =>
        reachable([family, table, target].join(' '), rulesOf, seen).map((inner) => ({
          ...inner,
          expressions: [...conditions, ...inner.expressions],
        })),
      ),
    ];
  });
}

const has = (rule: Rule, verdict: string): boolean =>
  rule.expressions.some((one) => typeof one === 'object' && one !== null && Object.hasOwn(one, verdict));
const isDrop = (rule: Rule): boolean => has(rule, 'drop') || has(rule, 'reject');
const isAccept = (rule: Rule): boolean => has(rule, 'accept');

/** Statements that say nothing about which packets. */
const neutral = ['counter', 'log', 'limit', 'comment', 'drop', 'reject', 'accept', 'jump', 'goto', 'return'];

/** Every condition is one that a pod's packet may meet, and none is beyond us. */
function meetsPods(rule: Rule, facts: NodeFacts): boolean {
  return rule.expressions.every((one) => {
    if (typeof one !== 'object' || one === null) return false;
    const [kind = ''] = Object.keys(one);
    if (neutral.includes(kind)) return true;
    return kind === 'match' && matchMeetsPods(at(one, 'match'), facts);
  });
}

function matchMeetsPods(match: unknown, facts: NodeFacts): boolean {
  const left = at(match, 'left');
  const isEqual = textAt(match, 'op') === '==';
  const meta = textAt(left, 'meta', 'key');
  const field = textAt(left, 'payload', 'field');
  const right = at(match, 'right');
  if (['iifname', 'oifname', 'iif', 'oif'].includes(meta)) return isEqual && namesPodsWay(right, facts);
  if (['saddr', 'daddr'].includes(field)) return isEqual && holdsPods(right, facts);
  return false;
}

function namesPodsWay(right: unknown, facts: NodeFacts): boolean {
  const names = ['cali', ...uplinks(facts).map(({ name }) => name)];
  const said = JSON.stringify(right) ?? '';
  return names.some((name) => said.includes(`"${name}`));
}

function holdsPods(right: unknown, { podPrefixes }: NodeFacts): boolean {
  const address = textAt(right, 'prefix', 'addr');
  const text =
    address === ''
      ? typeof right === 'string'
        ? right
        : ''
      : `${address}/${textAt(right, 'prefix', 'len')}`;
  const prefix = asPrefix(text);
  return (
    prefix !== undefined &&
    podPrefixes.some((pods) => {
      const other = asPrefix(pods);
      return other !== undefined && overlaps(prefix, other);
    })
  );
}

const asPrefix = (text: string) =>
  parsePrefix(text) ?? parsePrefix(`${text}/${text.includes(':') ? 128 : 32}`);

const describeRule = ({ expressions }: Rule): string => {
  const text = JSON.stringify(expressions);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
};

const dropFinding = (chain: string, rule: string): Finding => ({
  severity: 'error',
  subject: `chain ${chain}`,
  evidence: `nft list ruleset: a rule that is reached at the forward hook drops packets of pods: ${rule}`,
  why: "One table that drops a forwarded packet is enough, whatever Tortie's own table says.",
  fix: `Remove the rule, or let what is accepted for interfaces "cali*" come before it: nft -a list chain ${chain}.`,
});

const policyFinding = (chain: string): Finding => ({
  severity: 'error',
  subject: `chain ${chain}`,
  evidence:
    'nft list ruleset: its policy at the forward hook is drop, and no rule of it accepts packets of pods.',
  why: 'Forwarded packets of pods that no rule there names are dropped. Docker and some host firewalls set this up.',
  fix: `nft add rule ${chain} iifname "cali*" accept, and the same with oifname; or the firewall's own way to let pods pass (ufw: DEFAULT_FORWARD_POLICY, Docker: "ip-forward-no-drop").`,
});

/** The old iptables, where it is still in use: only the chain FORWARD itself. */
function legacyFindings(lines: readonly string[]): readonly Finding[] {
  const chain = 'filter FORWARD (legacy iptables)';
  const fix =
    'Move to iptables-nft, or: iptables-legacy -I FORWARD -i cali+ -j ACCEPT, and the same with -o.';
  const accepts = lines.some((line) => /^-A FORWARD (-[io] cali\S* )?-j ACCEPT/.test(line));
  const policy = lines.find((line) => line.startsWith(':FORWARD DROP'));
  const drop = lines.find((line) =>
    /^-A FORWARD (-m comment --comment ("[^"]*"|\S+) )?-j (DROP|REJECT)/.test(line),
  );
  const said = drop ?? (accepts ? undefined : policy);
  if (said === undefined) return [];
  return [
    {
      severity: 'error',
      subject: chain,
      evidence: `iptables-legacy-save: ${said}`,
      why: "Forwarded packets of pods are dropped there, whatever Tortie's own table says.",
      fix,
    },
  ];
}
