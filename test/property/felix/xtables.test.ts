import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Chain, Element, Rule, Ruleset, SetDecl } from '../../../felix/rules/model.ts';
import { staticRuleset } from '../../../felix/rules/static.ts';
import { type Packet, trace } from '../../../felix/rules/trace.ts';
import { renderXtables } from '../../../felix/rules/xtables/render.ts';
import { treeOf } from '../../../felix/rules/xtables/tree.ts';
import { type Prefix, parsePrefix, versionOf } from '../../../src/lib/net.ts';
import {
  anyPolicy,
  asked,
  earlyPolicy,
  type endsOf,
  meetings,
  type World,
  world,
} from '../../support/arbitrary-policy.ts';
import { address } from '../../support/clusters.ts';
import { rulesetOf, xtablesOf, xtOptions } from '../../support/world-ruleset.ts';
import { XtWalk } from '../../support/xt-walk.ts';

const uplink = 'eth0';
const nodeHere = ['172.16.0.1', 'fd01::1'].map(address);

/** Between all ends by the node, from the host and to it; with every state and with translation. */
function* packetsOf(all: World, questions: Parameters<typeof meetings>[1]): Generator<Packet> {
  const interfaceOf = ({ placed }: ReturnType<typeof endsOf>[number]): string =>
    placed?.endpoint?.interface ?? uplink;
  for (const [from, to, what] of meetings(all, questions)) {
    const { protocol, sourcePort, port, icmp } = what;
    const host = nodeHere.find((each) => versionOf(each) === versionOf(from.address)) ?? from.address;
    const plain: Packet = {
      source: from.address,
      destination: to.address,
      protocol,
      ...(sourcePort === undefined ? {} : { sourcePort }),
      ...(port === undefined ? {} : { destinationPort: port }),
      ...(icmp === undefined ? {} : { icmp }),
      state: 'new',
      in: interfaceOf(from),
      out: interfaceOf(to),
      local: nodeHere,
    };
    yield plain;
    yield { ...plain, destination: host, out: '' };
    yield { ...plain, source: host, in: '' };
    yield {
      ...plain,
      destination: address(versionOf(host) === 4 ? '10.96.0.1' : 'fd96::1'),
      translated: { destination: to.address },
    };
    if (protocol === 6) yield { ...plain, state: 'established' };
    if (protocol === 17) yield { ...plain, state: 'invalid' };
  }
}

/** Clusters to try; each is asked some hundred packets. More of them: POLICY_SEEDS=20000. */
const seeds = Number(process.env['POLICY_SEEDS'] ?? 100);

test(
  'iptables gives every packet the verdict that the typed ruleset gives it',
  () => {
    const seen = { accept: 0, drop: 0 };
    const policy = fc.oneof({ weight: 3, arbitrary: anyPolicy }, { weight: 1, arbitrary: earlyPolicy });
    fc.assert(
      fc.property(
        world({ hosts: true, policy }),
        fc.array(asked, { minLength: 2, maxLength: 4 }),
        fc.constantFrom('Drop' as const, 'Reject' as const),
        (all, questions, deny) => {
          const ruleset = rulesetOf(all, { deny });
          const walk = new XtWalk(xtablesOf(ruleset));
          for (const packet of packetsOf(all, questions)) {
            const wanted = trace(ruleset, packet).verdict === 'accept' ? 'accept' : 'drop';
            const found = walk.verdict(packet);
            seen[found] += 1;
            if (found !== wanted)
              expect.fail(`${wanted} by the model, ${found} by iptables: ${show(packet)}`);
          }
        },
      ),
      { numRuns: seeds },
    );
    expect(seen.accept).toBeGreaterThan(seeds);
    expect(seen.drop).toBeGreaterThan(seeds);
  },
  60_000 + seeds * 50,
);

const show = (packet: Packet): string =>
  JSON.stringify(packet, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value));

test('what pods may send and get passes a FORWARD whose policy is DROP', () => {
  fc.assert(
    fc.property(world(), fc.array(asked, { minLength: 2, maxLength: 4 }), (all, questions) => {
      const ruleset = rulesetOf(all, { deny: 'Drop' });
      const walk = new XtWalk(xtablesOf(ruleset), 'drop');
      for (const packet of packetsOf(all, questions)) {
        const isPods = [packet.in, packet.out].some((name) => name.startsWith('cali'));
        if (packet.in === '' || packet.out === '' || !isPods) continue;
        const wanted = trace(ruleset, packet).verdict === 'accept' ? 'accept' : 'drop';
        expect(walk.verdict(packet), show(packet)).toBe(wanted);
      }
    }),
    { numRuns: 30 },
  );
}, 60_000);

const prefix = (text: string): Prefix => parsePrefix(text) ?? expect.unreachable();

function withChain(
  rules: readonly Rule[],
  sets: readonly (readonly [SetDecl, readonly Element[]])[] = [],
): Ruleset {
  const plain = staticRuleset();
  const own: Chain = { name: 'own', base: { hook: 'forward', priority: 1 }, rules };
  return {
    chains: new Map([own].map((chain) => [chain.name, chain])),
    sets: new Map([
      ...plain.sets.map((decl) => [decl.name, { decl, elements: new Map<string, Element>() }] as const),
      ...sets.map(
        ([decl, elements]) =>
          [
            decl.name,
            { decl, elements: new Map(elements.map((each, index) => [`${index}`, each])) },
          ] as const,
      ),
    ]),
  };
}

const textsOf = (ruleset: Ruleset, version: 4 | 6 = 4): readonly string[] =>
  (xtablesOf(ruleset).families[version].get('filter')?.chains.get('tortie-own') ?? []).map(({ text }) =>
    text.replaceAll(/-m comment --comment "[^"]*" ?/g, ''),
  );

describe('a rule', () => {
  test('with many ports asks a set of them, with few a multiport', () => {
    const ports = (count: number) =>
      Array.from({ length: count }, (_, index) => ({ first: index * 10 + 1, last: index * 10 + 1 }));
    const rule = (count: number): Rule => ({
      matches: [{ kind: 'ports', side: 'destination', protocol: 6, ranges: ports(count) }],
      verdict: { kind: 'drop' },
    });
    expect(textsOf(withChain([rule(15)]))[0]).toMatch(/^-p 6 -m multiport --dports 1,11,/);
    expect(textsOf(withChain([rule(16)]))[0]).toMatch(
      /^-p 6 -m set --match-set tortie-ports-\S+ dst -j DROP$/,
    );
  });

  test('with two prefixes of one side is one rule', () => {
    const rule: Rule = {
      matches: [
        { kind: 'prefix', side: 'source', prefix: prefix('10.0.0.0/8') },
        { kind: 'prefix', side: 'source', prefix: prefix('10.1.0.0/16'), not: true },
      ],
      verdict: { kind: 'drop' },
    };
    expect(textsOf(withChain([rule]))).toEqual([
      '-s 10.0.0.0/8 -m iprange ! --src-range 10.1.0.0-10.1.255.255 -j DROP',
    ]);
    expect(textsOf(withChain([rule]), 6)).toEqual([]);
  });

  test('that excludes interfaces of a set lets them go on with the rest of the chain', () => {
    const foreign = staticRuleset().sets.find(({ kind }) => kind === 'interface') ?? expect.unreachable();
    const rules: readonly Rule[] = [
      {
        matches: [{ kind: 'interfaceSet', way: 'in', set: foreign.name, not: true }],
        verdict: { kind: 'accept' },
      },
      { matches: [], verdict: { kind: 'drop' } },
    ];
    const element: Element = { kind: 'interface', interface: 'vethA' };
    const texts = textsOf(withChain(rules, [[foreign, [element]]]));
    expect(texts.map((text) => text.replace(/tortie-own_\S+/, 'REST'))).toEqual([
      '-i vethA -g REST',
      '-j RETURN',
      '-g REST',
    ]);
    expect(textsOf(withChain(rules))).toEqual(['-j RETURN', '-j DROP']);
  });

  test('of two families of ICMP is a rule of the one it names', () => {
    const rule: Rule = {
      matches: [{ kind: 'icmp', version: 6, types: [1, 2], code: 0, not: true }],
      verdict: { kind: 'drop' },
    };
    expect(textsOf(withChain([rule]))).toEqual([]);
    expect(textsOf(withChain([rule]), 6)).toEqual([
      '-p 58 -m icmp6 ! --icmpv6-type 1/0 -m icmp6 ! --icmpv6-type 2/0 -j DROP',
    ]);
  });
});

test('what a policy is called never decides: one whose name ends like an option accepts as any other', () => {
  const base = { hook: 'forward', priority: 1 } as const;
  const jump: Rule = { matches: [], verdict: { kind: 'jump', chain: 'policy' }, comment: 'odd-j DROP' };
  const accepting: Rule = {
    matches: [{ kind: 'protocol', protocol: 6 }],
    verdict: { kind: 'accept' },
    comment: 'GlobalNetworkPolicy some-j egress rule 1',
  };
  const chains: readonly Chain[] = [
    { name: 'one', base, rules: [jump] },
    { name: 'other', base, rules: [jump] },
    { name: 'policy', rules: [accepting] },
  ];
  const ruleset = { chains: new Map(chains.map((chain) => [chain.name, chain])), sets: new Map() };
  const error = 'the chains one and other both accept in filter FORWARD of iptables';
  expect(renderXtables(ruleset, xtOptions)).toEqual({ ok: false, error });
});

test('a base chain where iptables has no place is refused by name', () => {
  const chain: Chain = { name: 'odd', base: { hook: 'forward', priority: 77 }, rules: [] };
  const answer = renderXtables({ chains: new Map([['odd', chain]]), sets: new Map() }, xtOptions);
  expect(answer).toEqual({ ok: false, error: 'iptables has no place for the chain odd at forward 77' });
});

test('a tree finds every interface, and no other, in a few steps', () => {
  const name = fc.stringMatching(/^cali[0-9a-f]{1,4}$/);
  fc.assert(
    fc.property(fc.uniqueArray(name, { maxLength: 200 }), name, (names, other) => {
      const tree = treeOf(new Map(names.map((each) => [each, `to-${each}`])));
      const find = (wanted: string): string | undefined => {
        let branch = '';
        for (let steps = 0; steps < 8; steps++) {
          const turn = (tree.get(branch) ?? []).find(({ interface: pattern }) =>
            pattern.endsWith('+') ? wanted.startsWith(pattern.slice(0, -1)) : pattern === wanted,
          );
          if (turn === undefined) return undefined;
          if ('chain' in turn.to) return turn.to.chain;
          ({ branch } = turn.to);
        }
        return expect.unreachable('too many steps');
      };
      for (const each of names) expect(find(each)).toBe(`to-${each}`);
      if (!names.includes(other)) expect(find(other)).toBeUndefined();
    }),
  );
});
