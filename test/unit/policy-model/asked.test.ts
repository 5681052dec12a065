/** What people ask: why, lint, preview, a table of cases. */
import { describe, expect, test } from 'vitest';
import type { Resource } from '../../../src/model/resource.ts';
import { readCases, runCases } from '../../../src/policy/cases.ts';
import { snapshotOf } from '../../../src/policy/cluster.ts';
import { convert, isPolicy } from '../../../src/policy/convert.ts';
import { lint } from '../../../src/policy/lint.ts';
import { applied } from '../../../src/policy/preview/apply.ts';
import { changedConnections, preview, previewLines } from '../../../src/policy/preview.ts';
import { hostStatus, podStatus } from '../../../src/policy/show.ts';
import { parseTarget } from '../../../src/policy/who.ts';
import { answerLines, why } from '../../../src/policy/why.ts';
import { address } from '../../support/clusters.ts';
import { calico, cnp, gnp, knp, np, podIn, resources, shop, tier } from '../../support/policy-yaml.ts';

const dbFromFront = knp(
  'db',
  '{ podSelector: { matchLabels: { app: db } }, ingress: [{ from: [{ podSelector: { matchLabels: { app: front } } }], ports: [{ port: 5432 }] }] }',
);

describe('a destination is read', () => {
  test.each([
    ['shop/db:5432', { who: 'shop/db', port: 5432 }],
    ['shop/db:5432/udp', { who: 'shop/db', port: 5432, protocol: 17 }],
    ['shop/db:postgres', { who: 'shop/db', port: 'postgres' }],
    ['shop/db/icmp', { who: 'shop/db', protocol: 1 }],
    ['web/tcp', { who: 'web/tcp' }],
    ['shop/app=db:80', { who: 'shop/app=db', port: 80 }],
    ['192.0.2.1', { who: '192.0.2.1' }],
    ['192.0.2.1:53/udp', { who: '192.0.2.1', port: 53, protocol: 17 }],
    ['192.0.2.1/icmp', { who: '192.0.2.1', protocol: 1 }],
    ['2001:db8::1', { who: '2001:db8::1' }],
    ['[2001:db8::1]:80/132', { who: '2001:db8::1', port: 80, protocol: 132 }],
    ['host:node1', { who: 'host:node1' }],
    ['host:node1:22', { who: 'host:node1', port: 22 }],
    ['host:node1/icmp', { who: 'host:node1', protocol: 1 }],
  ])('%s', (text, target) => {
    expect(parseTarget(text)).toEqual({ ok: true, value: target });
  });

  test('a port is at most 65535', () => {
    expect(parseTarget('shop/db:70000')).toMatchObject({ ok: false });
  });
});

describe('why', () => {
  const { cluster } = snapshotOf(resources(shop, dbFromFront));
  const lines = (from: string, to: string): readonly string[] => {
    const answers = why(cluster, from, to, 'shop');
    if (!answers.ok) return [answers.error];
    return answers.value.flatMap((answer) => answerLines(answer, false));
  };

  test('names the rule that allows, at the end it allows', () => {
    expect(lines('front', 'db:postgres').slice(0, 5)).toEqual([
      'pod shop/front (10.65.1.2) → pod shop/db (10.65.2.2) TCP 5432: ALLOWED',
      '  egress of pod shop/front: allowed',
      '    no policy selects it: profile kns.shop allows',
      '  ingress of pod shop/db: allowed',
      '    KubernetesNetworkPolicy shop/db ingress rule 1 in tier default: allow TCP 5432 from pods in namespace shop with app == "front"',
    ]);
  });

  test('names who isolates where no rule matched', () => {
    expect(lines('ops/probe', 'db:5432')).toContain(
      '    no rule matched; isolated in tier default by KubernetesNetworkPolicy shop/db',
    );
  });

  test('both families are answered where both ends have them', () => {
    expect(lines('front', 'db:1').filter((line) => line.endsWith('DENIED'))).toHaveLength(2);
  });

  test('without a port those the destination declares are asked, or one that no rule names', () => {
    expect(lines('front', 'db')[0]).toContain('TCP 5432: ALLOWED');
    expect(lines('front', 'ops/probe')[0]).toContain('a port no rule names (65535)');
  });

  test.each([
    ['nobody', 'db', 'There is no pod shop/nobody.'],
    ['front', 'db:http', 'has no port called "http"; it declares postgres (5432)'],
    ['front', 'host:none', 'There is no node "none". There are: node1, node2.'],
    ['shop/app=none', 'db', 'No pod of namespace shop has app=none and an address.'],
    ['ops/probe', '2001:db8::1', 'have no address of one family'],
  ])('of %s to %s says what is wrong', (from, to, sentence) => {
    expect(lines(from, to)[0]).toContain(sentence);
  });

  test('says what would be with the staged policies', () => {
    const staged = calico(
      'StagedNetworkPolicy',
      'x',
      "{ selector: app == 'front', types: [Egress] }",
      'shop',
    );
    const answers = why(snapshotOf(resources(shop, staged)).cluster, 'front', 'db:80', 'shop');
    if (!answers.ok) return expect.unreachable();
    const [answer] = answers.value;
    expect(answer && answerLines(answer, false)).toContain('  with the staged policies it would be DENIED:');
  });

  test('the whole way has every rule that was looked at', () => {
    const answers = why(cluster, 'front', 'db:80', 'shop');
    if (!answers.ok) return expect.unreachable();
    const [answer] = answers.value;
    expect(answer && answerLines(answer, true)).toContain(
      '        · 1. allow TCP 5432 from pods in namespace shop with app == "front"',
    );
  });
});

describe('lint finds', () => {
  const found = (text: string, around = ''): readonly string[] => {
    const all = resources(shop, around, text);
    const linted = resources(text).flatMap((resource) => {
      if (!isPolicy(resource)) return [];
      const { policy, unconverted } = convert(resource);
      return policy === undefined ? [] : [{ policy, unconverted, saysTypes: text.includes('ypes') }];
    });
    return lint(linted, snapshotOf(all).cluster, true).map(({ check, at }) => `${check} ${at.join('.')}`);
  };

  test.each([
    ['nothing in a sound one', dbFromFront, []],
    [
      'a deny-all that allows all',
      knp('default-deny', '{ podSelector: {}, ingress: [{}] }'),
      ['named-deny-allows-all spec.ingress.0'],
    ],
    [
      'nothing in a deny-all that denies',
      knp('default-deny', '{ podSelector: {}, policyTypes: [Ingress, Egress] }'),
      [],
    ],
    [
      'a deny that only allows',
      knp(
        'deny-metadata',
        '{ podSelector: {}, policyTypes: [Egress], egress: [{ to: [{ ipBlock: { cidr: 169.254.169.254/32 } }] }] }',
      ),
      ['allow-reads-as-deny spec.egress'],
    ],
    [
      'an allow that denies',
      np('allow-web', "{ selector: app == 'front', types: [Ingress, Egress], ingress: [{ action: Allow }] }"),
      ['named-allow-denies-all spec.egress'],
    ],
    [
      'a rule that is never reached',
      np(
        'p',
        "{ selector: app == 'db', ingress: [{ action: Allow, source: { nets: [10.0.0.0/8] } }, { action: Deny, protocol: TCP, source: { nets: [10.1.0.0/16] } }] }",
      ),
      ['rule-unreachable spec.ingress.1'],
    ],
    [
      'rules that are never asked',
      np(
        'p',
        "{ selector: app == 'db', types: [Ingress], ingress: [{ action: Allow }], egress: [{ action: Allow }] }",
      ),
      ['rules-not-asked spec.egress'],
    ],
    [
      'egress rules that close ingress too',
      knp('p', '{ podSelector: { matchLabels: { app: db } }, egress: [{}] }'),
      ['types-missing spec.policyTypes'],
    ],
    [
      'an egress without DNS',
      np(
        'p',
        "{ selector: app == 'front', types: [Egress], egress: [{ action: Allow, protocol: TCP, destination: { ports: [443] } }] }",
      ),
      ['dns-missing spec.egress'],
    ],
    [
      'a selector that takes nothing',
      np('p', "{ selector: app == 'frnt' }"),
      ['selects-nothing spec.selector'],
    ],
    [
      'a peer that is nobody',
      np('p', "{ selector: app == 'db', ingress: [{ action: Allow, source: { selector: app == 'frnt' } }] }"),
      ['peer-selects-nothing spec.ingress.0'],
    ],
    [
      'a port that nobody names',
      np(
        'p',
        "{ selector: app == 'db', ingress: [{ action: Allow, protocol: TCP, destination: { ports: [postgress] } }] }",
      ),
      ['port-name-unknown spec.ingress.0'],
    ],
    [
      'a tier that is not there',
      np('p', "{ tier: none, selector: app == 'db' }"),
      ['tier-unknown spec.tier'],
    ],
    [
      'a Pass with nothing after it',
      np('p', "{ selector: app == 'db', ingress: [{ action: Pass }] }"),
      ['pass-in-last-tier spec.ingress.0'],
    ],
    [
      'policy of host endpoints where there is none',
      gnp('p', '{ preDNAT: true, applyOnForward: true, ingress: [{ action: Deny }] }'),
      ['no-host-endpoint spec.preDNAT'],
    ],
  ])('%s', (_, text, expected) => {
    expect(found(text)).toEqual(expected);
  });

  test('nothing of DNS where another policy of the same pods allows it', () => {
    const own = np(
      'p',
      "{ selector: app == 'front', types: [Egress], egress: [{ action: Allow, protocol: TCP, destination: { ports: [443] } }] }",
    );
    const dns = gnp(
      'dns',
      '{ types: [Egress], egress: [{ action: Allow, protocol: UDP, destination: { ports: [53] } }] }',
    );
    expect(found(own, dns)).toEqual([]);
  });

  test('nothing of Pass where a later tier has a policy', () => {
    const later = cnp(
      'base',
      '{ tier: Baseline, priority: 1, subject: { namespaces: {} }, ingress: [{ action: Deny, from: [{ namespaces: {} }] }] }',
    );
    expect(found(np('p', "{ selector: app == 'db', ingress: [{ action: Pass }] }"), later)).toEqual([]);
  });
});

describe('a preview', () => {
  const before = resources(shop);
  const of = (text: string, around: readonly Resource[] = before) => {
    const result = preview(around, applied(around, resources(text), false));
    return result.ok ? result.value : expect.unreachable();
  };

  test('says between whom and for what the verdict changes, and what decides then', () => {
    const { changes, policies } = of(dbFromFront);
    expect(policies).toEqual(['KubernetesNetworkPolicy shop/db']);
    expect(changes).toContainEqual({
      from: ['shop/front'],
      to: ['shop/db'],
      traffic: 'everything but TCP 5432',
      allowed: false,
      because: 'ingress: no rule matched; isolated in tier default by KubernetesNetworkPolicy shop/db',
    });
    expect(changes.filter(({ from }) => from.includes('ops/probe'))).toMatchObject([
      { to: ['shop/db'], traffic: 'everything' },
    ]);
  });

  test('taking it out again says the same, the other way round', () => {
    const with_ = resources(shop, dbFromFront);
    const result = preview(with_, applied(with_, resources(dbFromFront), true));
    if (!result.ok) return expect.unreachable();
    expect(result.value.changes.every(({ allowed }) => allowed)).toBe(true);
    expect(result.value.changes.length).toBe(of(dbFromFront).changes.length);
  });

  test('what changes no verdict says so', () => {
    const { changes } = of(np('open', "{ selector: app == 'db', ingress: [{ action: Allow }] }"));
    expect(changes).toEqual([]);
    expect(previewLines(of(knp('none', '{ podSelector: { matchLabels: { no: one } } }')), false)).toContain(
      'No verdict changes.',
    );
  });

  test('a network of a rule is a class of its own', () => {
    const { changes } = of(
      gnp(
        'p',
        "{ selector: app == 'front', types: [Egress], egress: [{ action: Deny, destination: { nets: [192.0.2.0/24] } }, { action: Allow }] }",
      ),
    );
    expect(changes).toMatchObject([
      { from: ['shop/front'], to: ['outside, in 192.0.2.0/24'], traffic: 'everything', allowed: false },
    ]);
  });

  test('a tier that changes is previewed though no policy does', () => {
    const around = resources(
      shop,
      tier('first', '{ order: 1 }'),
      gnp('first.p', "{ tier: first, selector: app == 'db', types: [Ingress] }"),
    );
    const { policies, changes } = of(tier('first', '{ order: 1, defaultAction: Pass }'), around);
    expect(policies).toEqual([]);
    expect(changes.every(({ to, allowed }) => allowed && to.join() === 'shop/db')).toBe(true);
    expect(changes.length).toBeGreaterThan(0);
  });

  test('pods that no rule tells apart are one question, however many there are', () => {
    const many = Array.from(
      { length: 300 },
      (_, index) =>
        `{ apiVersion: v1, kind: Pod, metadata: { name: p${index}, namespace: shop, labels: { app: front, n: n${index} } }, spec: { nodeName: node1, containers: [] }, status: { podIP: 10.66.${index >> 8}.${index & 255} } }\n---\n`,
    ).join('');
    const few = of(dbFromFront);
    const all = of(dbFromFront, resources(shop, many));
    expect(all.asked).toBeLessThan(few.asked * 3);
    expect(all.changes.flatMap(({ from }) => from).filter((name) => name === 'shop/p299')).toHaveLength(1);
  });

  const staged = (action: string): string =>
    calico(
      'StagedNetworkPolicy',
      'db',
      `{ stagedAction: ${action}, selector: app == 'db', types: [Ingress], ingress: [{ action: Allow, protocol: TCP, destination: { ports: [5432] } }] }`,
      'shop',
    );

  test('a staged policy changes nothing, and with what is staged done what it then does', () => {
    const around = resources(shop, staged('Set'));
    expect(of(staged('Set')).changes).toEqual([]);
    const done = preview(around, around, true);
    if (!done.ok) return expect.unreachable();
    expect(done.value.policies).toEqual(['StagedNetworkPolicy shop/db']);
    expect(done.value.changes).toContainEqual({
      from: expect.arrayContaining(['ops/probe', 'shop/front']),
      to: ['shop/db'],
      traffic: 'everything but TCP 5432',
      allowed: false,
      because: 'ingress: no rule matched; isolated in tier default by StagedNetworkPolicy shop/db',
    });
  });

  test('a staged deletion opens what its namesake closes', () => {
    const around = resources(shop, np('db', "{ selector: app == 'db', types: [Ingress] }"), staged('Delete'));
    const done = preview(around, around, true);
    if (!done.ok) return expect.unreachable();
    expect(done.value.changes.length).toBeGreaterThan(0);
    expect(done.value.changes.every(({ allowed }) => allowed)).toBe(true);
  });

  test('a change of every kind of pod to every other is answered, for each end is asked for itself', () => {
    const kinds = 150;
    const many = Array.from(
      { length: kinds },
      (_, index) =>
        `{ apiVersion: v1, kind: Pod, metadata: { name: p${index}, namespace: shop, labels: { n: n${index} } }, spec: { nodeName: node1, containers: [] }, status: { podIP: 10.66.${index >> 8}.${index & 255} } }\n---\n${knp(`n${index}`, `{ podSelector: { matchLabels: { n: n${index} } }, ingress: [{ from: [{ podSelector: { matchLabels: { n: n${(index + 1) % kinds} } } }], ports: [{ port: ${8000 + index} }] }] }`)}`,
    ).join('');
    const { asked, changes } = of(
      gnp('deny', '{ order: 2000, namespaceSelector: all(), types: [Ingress, Egress] }'),
      resources(shop, many),
    );
    expect(changes).toContainEqual(
      expect.objectContaining({ from: ['shop/p1'], to: ['shop/p0'], traffic: 'TCP 8000', allowed: false }),
    );
    expect(asked).toBeLessThan(kinds * kinds);
  });

  const hostEndpoints = (count: number): string =>
    Array.from({ length: count }, (_, index) => {
      const address = `172.31.${index >> 8}.${index & 255}`;
      return `{ apiVersion: v1, kind: Node, metadata: { name: n${index}, labels: { rack: r${index} } }, status: { addresses: [{ type: InternalIP, address: ${address} }] } }
---
${calico('HostEndpoint', `n${index}`, `{ node: n${index}, interfaceName: "*", expectedIPs: [${address}], profiles: [projectcalico-default-allow] }`)}
{ apiVersion: v1, kind: Pod, metadata: { name: p${index}, namespace: shop, labels: { app: front } }, spec: { nodeName: n${index}, containers: [] }, status: { podIP: 10.66.${index >> 8}.${index & 255} } }
---
`;
    }).join('');
  const noSsh = gnp(
    'hosts',
    '{ selector: "!has(projectcalico.org/orchestrator)", order: 1, types: [Ingress], ingress: [{ action: Deny, protocol: TCP, destination: { ports: [22, 9100] } }, { action: Allow }] }',
  );

  test('host endpoints that no rule tells apart are one question, however many there are', () => {
    const few = of(noSsh, resources(shop, hostEndpoints(3)));
    const many = of(noSsh, resources(shop, hostEndpoints(400)));
    expect(many.asked).toBe(few.asked);
    expect(many.changes.map(({ from, to }) => [from.length > 400, to.length])).toContainEqual([true, 400]);
    expect(new Set(many.changes.map(({ traffic }) => traffic))).toEqual(new Set(['TCP 9100']));
  });

  test('a failsafe port is traffic of its own, and stays as it is', () => {
    const { changes } = of(noSsh, resources(shop, hostEndpoints(2)));
    expect(changes.length).toBeGreaterThan(0);
    for (const { traffic, allowed } of changes) expect([traffic, allowed]).toEqual(['TCP 9100', false]);
  });

  test('what is true of two on one node only, or on different nodes only, is said so', () => {
    const closed = knp('web', '{ podSelector: { matchLabels: { app: front } }, ingress: [] }');
    const { changes } = of(closed, resources(shop, hostEndpoints(3)));
    const fromHosts = changes.filter(({ from, to }) => from.includes('host n0') && to.includes('shop/p1'));
    expect(fromHosts).toMatchObject([{ nodes: 'different', allowed: false }]);
    const lines = previewLines({ policies: [], changes: fromHosts, bothEnds: true, asked: 0 }, true);
    expect(lines[1]).toMatch(/ on different nodes: everything$/);
  });

  test('policy of hosts that applies on forward is previewed for the pods behind them', () => {
    const { changes } = of(
      gnp(
        'forward',
        '{ selector: "!has(projectcalico.org/orchestrator)", applyOnForward: true, types: [Ingress], ingress: [{ action: Deny, protocol: UDP }, { action: Allow }] }',
      ),
      resources(shop, hostEndpoints(2)),
    );
    expect(changes).toContainEqual(
      expect.objectContaining({
        to: expect.arrayContaining(['shop/p0', 'shop/p1']),
        traffic: 'UDP on any port',
        nodes: 'different',
        allowed: false,
      }),
    );
  });

  test('connections that go on are told if they could not begin again', () => {
    const seen = { source: address('10.65.2.9'), destination: address('10.65.2.2'), protocol: 6, port: 5432 };
    const kept = { ...seen, source: address('10.65.1.2') };
    expect(changedConnections(before, applied(before, resources(dbFromFront), false), [seen, kept])).toEqual([
      { ...seen, allowed: false },
    ]);
  });
});

describe('a table of cases', () => {
  const { cluster } = snapshotOf(resources(shop, dbFromFront));

  test.each([
    [{ from: 'shop/front', to: 'shop/db:5432', expect: 'allow' }, true],
    [{ from: 'shop/front', to: 'shop/db:5432', expect: 'allow', by: 'shop/db' }, true],
    [{ from: 'shop/front', to: 'shop/db:5432', expect: 'allow', by: 'shop/other' }, false],
    [{ from: 'shop/front', to: 'shop/db:80', expect: 'deny', by: 'KubernetesNetworkPolicy shop/db' }, true],
    [{ from: 'ops/probe', to: 'shop/db:5432', expect: 'allow' }, false],
    [{ from: 'nobody', to: 'shop/db:5432', expect: 'deny' }, false],
  ])('%j holds: %s', (row, holds) => {
    const cases = readCases('cases.yaml', [row]);
    if (!cases.ok) return expect.unreachable();
    const [result] = runCases(cluster, cases.value);
    expect(result?.ok).toBe(holds);
    expect(result?.lines.length === 0).toBe(holds);
  });

  test.each([
    [{}, 'cases.yaml'],
    [[], 'cases.yaml'],
    [[{ from: 'a', to: 'b', expect: 'maybe' }], 'cases.yaml cases.0.expect'],
    [[{ from: 'a', expect: 'deny' }], 'cases.yaml cases.0.to'],
    [[{ from: 'a', to: 'b', expect: 'deny', port: 80 }], 'cases.yaml cases.0.port'],
    [{ cases: [{ from: 1, to: 'b', expect: 'deny' }] }, 'cases.yaml cases.0.from'],
  ])('%j is refused at %s', (json, where) => {
    expect(readCases('cases.yaml', json)).toMatchObject({ ok: false, error: [{ where }] });
  });
});

describe('show', () => {
  const host = calico(
    'HostEndpoint',
    'h',
    '{ node: node1, interfaceName: eth0, profiles: [projectcalico-default-allow] }',
  );
  const { cluster } = snapshotOf(
    resources(
      shop,
      dbFromFront,
      host,
      gnp(
        'host',
        '{ selector: "!has(projectcalico.org/orchestrator)", applyOnForward: true, types: [Ingress] }',
      ),
    ),
  );

  test('of a pod says the tiers that judge it, as its node would', () => {
    expect(podStatus(cluster, podIn(cluster, 'shop/db'))).toMatchObject({
      pod: 'db',
      ingress: { isolated: true, tiers: [{ name: 'default', end: 'deny', policies: [{ name: 'db' }] }] },
      egress: { isolated: false, tiers: [] },
    });
  });

  test('of a host endpoint says each stage', () => {
    const [endpoint] = cluster.hostEndpoints;
    const { stages } = hostStatus(cluster, endpoint ?? expect.unreachable());
    expect(
      stages.filter(({ tiers }) => tiers.length > 0).map(({ stage, direction }) => `${stage} ${direction}`),
    ).toEqual(['normal Ingress', 'forward Ingress']);
  });
});
