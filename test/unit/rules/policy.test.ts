import { describe, expect, test } from 'vitest';
import { compilePolicy } from '../../../felix/rules/policy.ts';
import { defaultRulesSettings, type RulesSettings } from '../../../felix/rules/settings.ts';
import { renderRule } from '../../../felix/rules/text.ts';
import { parsePrefix } from '../../../src/lib/net.ts';
import { parseSelector, type Selector } from '../../../src/model/selector.ts';
import type { Policy, Rule } from '../../../src/policy/policy.ts';

const net = (text: string) => parsePrefix(text) ?? expect.unreachable(text);
const nets = (...texts: readonly string[]) => texts.map(net);
const select = (text: string): Selector => {
  const parsed = parseSelector(text);
  return parsed.ok ? parsed.value : expect.unreachable(text);
};
const port = (first: number, last = first) => ({ first, last });
const named = (name: string) => ({ name });

const policyOf = (rule: Partial<Rule>, more: Partial<Policy> = {}): Policy => ({
  id: 'NetworkPolicy shop/p',
  kind: 'NetworkPolicy',
  namespace: 'shop',
  name: 'p',
  tier: 'default',
  order: 1,
  selector: { kind: 'all' },
  types: ['Ingress', 'Egress'],
  ingress: [{ action: 'Allow', source: {}, destination: {}, number: 1, ...rule }],
  egress: [],
  stage: 'normal',
  onForward: false,
  onEveryNode: false,
  ...more,
});

/** Each rule as nft reads it; hashes of set names, the count and what is said to people are left out. */
function lines(
  rule: Partial<Rule>,
  more: Partial<Policy> = {},
  settings: Partial<RulesSettings> = {},
  networks = false,
): readonly string[] {
  const { chain } = compilePolicy(policyOf(rule, more), 'Ingress', () => networks, {
    ...defaultRulesSettings,
    ...settings,
  });
  return chain.rules.map((each) =>
    renderRule(each)
      .replace(/ comment ".*"$/, '')
      .replaceAll(/-[0-9a-f]{16}\b/g, '')
      .replace('counter ', ''),
  );
}

describe('addresses', () => {
  test('no peer at all is one rule for both families', () => {
    expect(lines({})).toEqual(['accept']);
  });

  test('one net is one match', () => {
    expect(lines({ source: { nets: nets('10.0.0.0/8') } })).toEqual(['ip saddr 10.0.0.0/8 accept']);
    expect(lines({ destination: { nets: nets('fd00::/8') } })).toEqual(['ip6 daddr fd00::/8 accept']);
  });

  test('many nets are one set, of ranges that neither overlap nor touch; those that come to one net are that net', () => {
    const { sets } = compilePolicy(
      policyOf({ source: { nets: nets('10.0.0.0/9', '10.128.0.0/9', '10.1.0.0/16', '192.0.2.0/24') } }),
      'Ingress',
      () => false,
    );
    expect(sets.map(({ content }) => content)).toMatchObject([
      { kind: 'fixed', elements: [{ first: 0x0a000000, last: 0x0affffff }, { first: 0xc0000200 }] },
    ]);
    expect(lines({ source: { nets: nets('10.0.0.0/9', '10.128.0.0/9') } })).toEqual([
      'ip saddr 10.0.0.0/8 accept',
    ]);
  });

  test('every address of a family is the family', () => {
    expect(lines({ source: { nets: nets('0.0.0.0/0') } })).toEqual(['meta nfproto ipv4 accept']);
    expect(lines({ source: { nets: nets('0.0.0.0/1', '128.0.0.0/1') } })).toEqual([
      'meta nfproto ipv4 accept',
    ]);
  });

  test('a negated list says nothing of the other family', () => {
    expect(lines({ source: { notNets: nets('10.0.0.0/8') } })).toEqual([
      'ip saddr != 10.0.0.0/8 accept',
      'meta nfproto ipv6 accept',
    ]);
    expect(lines({ source: { notNets: nets('10.0.0.0/8', '192.0.2.0/24') } })).toEqual([
      'ip saddr != @nets4 accept',
      'meta nfproto ipv6 accept',
    ]);
  });

  test('nets less notNets are one lookup', () => {
    const source = { nets: nets('10.0.0.0/8', 'fd00::/8'), notNets: nets('10.128.0.0/9') };
    expect(lines({ source })).toEqual(['ip saddr 10.0.0.0/9 accept', 'ip6 saddr fd00::/8 accept']);
  });

  test('nets of one family on one side and of the other on the other match nothing, and neither does an empty list', () => {
    expect(lines({ source: { nets: nets('10.0.0.0/8') }, destination: { nets: nets('fd00::/8') } })).toEqual(
      [],
    );
    expect(lines({ source: { nets: [] } })).toEqual([]);
    expect(lines({ source: { nets: nets('10.0.0.0/8'), notNets: nets('10.0.0.0/8') } })).toEqual([]);
    expect(lines({ version: 6, source: { nets: nets('10.0.0.0/8') } })).toEqual([]);
  });

  test('ipVersion asks for the family alone', () => {
    expect(lines({ version: 6 })).toEqual(['meta nfproto ipv6 accept']);
  });
});

describe('selectors', () => {
  const source = { selector: select('role == "a"') };

  test('who is meant is a set of each family', () => {
    expect(lines({ source })).toEqual(['ip saddr @endpoints4 accept', 'ip6 saddr @endpoints6 accept']);
  });

  test('networks are looked up only where there are any', () => {
    expect(lines({ source }, {}, {}, true)).toEqual([
      'ip saddr @endpoints4 accept',
      'ip saddr @networks4 accept',
      'ip6 saddr @endpoints6 accept',
      'ip6 saddr @networks6 accept',
    ]);
    const asked = compilePolicy(policyOf({ source }), 'Ingress', () => false).selectors;
    expect(asked).toEqual([select('role == "a"')]);
  });

  test('not selected is in none of the sets, which addresses of nobody are not either', () => {
    expect(lines({ source: { notSelector: select('role == "a"') } }, {}, {}, true)).toEqual([
      'ip saddr != @endpoints4 ip saddr != @networks4 accept',
      'ip6 saddr != @endpoints6 ip6 saddr != @networks6 accept',
    ]);
  });

  test('a log is never written twice: what is in the first set is not asked for in the second', () => {
    expect(lines({ action: 'Log', version: 4, source }, {}, {}, true)).toEqual([
      'ip saddr @endpoints4 log prefix "calico-packet: "',
      'ip saddr @networks4 ip saddr != @endpoints4 log prefix "calico-packet: "',
    ]);
  });

  test('rules that mean the same share a set, however they are written', () => {
    const sets = (text: string) =>
      compilePolicy(policyOf({ source: { selector: select(text) } }), 'Ingress', () => false).sets.map(
        ({ decl }) => decl.name,
      );
    expect(sets("role in {'b', 'a'}")).toEqual(sets('role in { "a","b","a" }'));
    expect(sets('role == "a"')).not.toEqual(sets('role != "a"'));
  });
});

describe('ports', () => {
  test('all numbers of a rule are one match, touching ranges one range', () => {
    const ports = [port(80), port(443), port(8000, 8100), port(8101, 8200), port(8050)];
    expect(lines({ protocol: 6, destination: { ports } })).toEqual([
      'tcp dport { 80, 443, 8000-8200 } accept',
    ]);
    expect(lines({ protocol: 17, source: { ports: [port(53)] } })).toEqual(['udp sport 53 accept']);
  });

  test('every port of a protocol is the protocol', () => {
    expect(lines({ protocol: 132, destination: { ports: [port(0, 65535)] } })).toEqual([
      'meta l4proto sctp accept',
    ]);
  });

  test('negated ports still want the protocol', () => {
    expect(lines({ protocol: 6, destination: { notPorts: [port(80), port(443)] } })).toEqual([
      'tcp dport != { 80, 443 } accept',
    ]);
  });

  test('numbers or a name, and neither numbers nor a name', () => {
    const list = [port(80), named('web')];
    expect(lines({ version: 4, protocol: 6, destination: { ports: list } })).toEqual([
      'meta nfproto ipv4 tcp dport 80 accept',
      'ip daddr . meta l4proto . th dport @ports4-web accept',
    ]);
    expect(lines({ version: 4, protocol: 6, destination: { notPorts: list } })).toEqual([
      'tcp dport != 80 ip daddr . meta l4proto . th dport != @ports4-web accept',
    ]);
  });

  test('a named port of no protocol is of any', () => {
    const { sets } = compilePolicy(
      policyOf({ version: 4, destination: { ports: [named('web')] } }),
      'Ingress',
      () => false,
    );
    expect(sets.map(({ content }) => content)).toEqual([
      { kind: 'namedPort', selector: { kind: 'all' }, name: 'web', local: true },
    ]);
  });

  test('a named port is of those the selector takes; at the own side of this node, elsewhere of any', () => {
    const destination = { selector: select('role == "a"'), ports: [named('web')] };
    const content = (more: Partial<Policy>) =>
      compilePolicy(
        policyOf({ version: 4, protocol: 6, destination }, more),
        'Ingress',
        () => false,
      ).sets.map((each) => each.content);
    const port4 = { kind: 'namedPort', selector: select('role == "a"'), name: 'web', protocol: 6 };
    expect(content({})).toEqual([{ ...port4, local: true }]);
    expect(content({ onForward: true })).toEqual([port4]);
    expect(lines({ version: 4, protocol: 6, destination })).toEqual([
      'ip daddr . meta l4proto . th dport @ports4-web accept',
    ]);
  });

  test('a source may be called by name too', () => {
    expect(lines({ version: 4, protocol: 6, source: { ports: [named('web')] } })).toEqual([
      'ip saddr . meta l4proto . th sport @ports4-web accept',
    ]);
  });

  test('ports of a protocol that has none match nothing, and not having them always does', () => {
    expect(lines({ protocol: 1, destination: { ports: [port(80)] } })).toEqual([]);
    expect(lines({ protocol: 1, destination: { notPorts: [port(80)] } })).toEqual([
      'meta l4proto icmp accept',
    ]);
  });
});

describe('protocols', () => {
  test('by number, and negated', () => {
    expect(lines({ protocol: 47 })).toEqual(['meta l4proto 47 accept']);
    expect(lines({ notProtocol: 6 })).toEqual(['meta l4proto != tcp accept']);
    expect(lines({ protocol: 6, notProtocol: 6 })).toEqual([]);
    expect(lines({ protocol: 6, notProtocol: 17 })).toEqual(['meta l4proto tcp accept']);
  });

  test('ICMP is of the family of its protocol, with or without a code', () => {
    expect(lines({ protocol: 1, icmp: { type: 8 } })).toEqual(['icmp type 8 accept']);
    expect(lines({ protocol: 58, icmp: { type: 1, code: 4 } })).toEqual([
      'icmpv6 type . icmpv6 code { 1 . 4 } accept',
    ]);
    expect(lines({ protocol: 1, notIcmp: { type: 3, code: 1 } })).toEqual([
      'icmp type . icmp code != { 3 . 1 } accept',
    ]);
    expect(lines({ protocol: 6, icmp: { type: 8 } })).toEqual([]);
  });
});

describe('services and nodes', () => {
  const service = { namespace: 'shop', name: 'front' };

  test('as a destination a Service is address, protocol and port of its backends; as a source their addresses', () => {
    expect(lines({ version: 4, destination: { service } })).toEqual([
      'ip daddr . meta l4proto . th dport @service4-shop/front accept',
    ]);
    expect(lines({ version: 4, source: { service } })).toEqual(['ip saddr @backends4-shop/front accept']);
  });

  test('a protocol beside a Service is asked for', () => {
    expect(lines({ version: 4, protocol: 6, destination: { service } })).toEqual([
      'meta l4proto tcp ip daddr . meta l4proto . th dport @service4-shop/front accept',
    ]);
  });

  test('nodes are sets of their own addresses', () => {
    expect(lines({ version: 6, destination: { nodes: select('zone == "a"') } })).toEqual([
      'ip6 daddr @nodes6 accept',
    ]);
  });
});

describe('actions', () => {
  const report = 'limit rate 10/second burst 5 packets log prefix "tortie-ID" group 81';

  test('Deny reports what it can and drops everything, or says so to the sender', () => {
    expect(lines({ action: 'Deny' })).toEqual([report, 'drop']);
    expect(lines({ action: 'Deny' }, {}, { deny: 'Reject' })).toEqual([
      report,
      'reject with icmpx admin-prohibited',
    ]);
    const { denied: _, ...silent } = defaultRulesSettings;
    const { chain } = compilePolicy(policyOf({ action: 'Deny' }), 'Ingress', () => false, silent);
    expect(chain.rules.map(({ verdict }) => verdict)).toEqual([{ kind: 'drop' }]);
  });

  test('before routing nobody can be told', () => {
    expect(lines({ action: 'Deny' }, { stage: 'untracked' }, { deny: 'Reject' })).toEqual([report, 'drop']);
    expect(lines({ action: 'Deny' }, { stage: 'preDnat' }, { deny: 'Reject' })).toEqual([report, 'drop']);
  });

  test('Pass is return, and says that the policy has to be copied', () => {
    expect(lines({ action: 'Pass' })).toEqual(['return']);
    const passes = (rule: Partial<Rule>) => compilePolicy(policyOf(rule), 'Ingress', () => false).passes;
    expect(passes({ action: 'Pass' })).toBe(true);
    expect(passes({ action: 'Pass', source: { nets: [] } })).toBe(false);
    expect(passes({ action: 'Deny' })).toBe(false);
  });

  test('Log goes on, with what the prefix says of the policy, and no more often than it may', () => {
    expect(
      lines({ action: 'Log' }, {}, { log: { prefix: '%t|%k|%n|%p', rate: { perSecond: 3, burst: 2 } } }),
    ).toEqual(['limit rate 3/second burst 2 packets log prefix "default|NetworkPolicy|p|shop/p: "']);
    const [long = ''] = lines({ action: 'Log' }, {}, { log: { prefix: 'x'.repeat(300) } });
    expect(long).toBe(`log prefix "${'x'.repeat(124)}: "`);
  });

  test('what an early stage allows carries the mark; what is untracked is not tracked', () => {
    expect(lines({}, { stage: 'untracked' })).toEqual([
      'meta mark set meta mark & 0xfffeffff | 0x00010000 notrack accept',
    ]);
    expect(lines({}, { stage: 'preDnat' })).toEqual([
      'meta mark set meta mark & 0xfffeffff | 0x00010000 accept',
    ]);
  });

  test('every rule is counted and says whose it is, a rule of several pieces in each of them', () => {
    const rule = {
      action: 'Deny' as const,
      number: 3,
      name: 'no "quotes"',
      source: { selector: select('a == "b"') },
    };
    const { chain, tags } = compilePolicy(policyOf(rule), 'Ingress', () => false);
    const ends = chain.rules.filter(({ verdict }) => verdict !== undefined);
    expect(ends.map(({ comment, counted }) => [comment, counted])).toEqual([
      ["NetworkPolicy shop/p ingress rule 3 (no 'quotes')", true],
      ["NetworkPolicy shop/p ingress rule 3 (no 'quotes')", true],
    ]);
    expect(tags).toMatchObject([
      { direction: 'Ingress', action: 'Deny', tier: 'default', policy: 'NetworkPolicy shop/p', rule: 3 },
    ]);
    expect(new Set(chain.rules.flatMap(({ statements = [] }) => statements)).size).toBe(2);
    expect(JSON.stringify(chain.rules)).toContain(tags[0]?.tag);
  });
});
