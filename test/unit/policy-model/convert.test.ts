/** What each API's objects come to, and what selectors over effective labels say. */
import { describe, expect, test } from 'vitest';
import type { PolicyResource } from '../../../src/model/policy.ts';
import { formatSelector, matchesSelector, parseSelector } from '../../../src/model/selector.ts';
import { convert, isPolicy } from '../../../src/policy/convert.ts';
import { hostEndpointLabels, networkSetLabels, podLabels } from '../../../src/policy/labels.ts';
import type { Converted, Policy } from '../../../src/policy/policy.ts';
import { namespaced, ofLabels, ofNamespaces, withoutPrefix } from '../../../src/policy/selectors.ts';
import { builtInTiers, tierFacts, tierNamed } from '../../../src/policy/tiers.ts';
import { ruleWords } from '../../../src/policy/words.ts';
import { calico, cnp, gnp, knp, np, resources, tier } from '../../support/policy-yaml.ts';

function converted(text: string): Converted {
  const [resource] = resources(text);
  return resource !== undefined && isPolicy(resource) ? convert(resource) : expect.unreachable();
}

const policyOf = (text: string): Policy => converted(text).policy ?? expect.unreachable();

const wordsOf = (policy: Policy): readonly string[] => [
  ...policy.ingress.map((rule) => ruleWords(rule, 'Ingress')),
  ...policy.egress.map((rule) => ruleWords(rule, 'Egress')),
];

describe('a NetworkPolicy of Kubernetes', () => {
  test('is in tier default at order 1000 and takes pods of its namespace', () => {
    const policy = policyOf(
      knp(
        'web',
        '{ podSelector: { matchLabels: { b: "2", a: "1" }, matchExpressions: [{ key: c, operator: DoesNotExist }] } }',
      ),
    );
    expect(policy).toMatchObject({
      id: 'KubernetesNetworkPolicy shop/web',
      tier: 'default',
      order: 1000,
      types: ['Ingress'],
    });
    expect(formatSelector(policy.selector)).toBe(
      '(projectcalico.org/namespace == "shop" && projectcalico.org/orchestrator == "k8s" && a == "1" && b == "2" && !has(c))',
    );
  });

  test('has a rule for each peer and protocol, with the ports of a protocol merged', () => {
    const policy = policyOf(
      knp(
        'web',
        '{ podSelector: {}, ingress: [{ from: [{ podSelector: { matchLabels: { a: b } } }, { ipBlock: { cidr: 10.0.0.0/8, except: [10.1.0.0/16] } }], ports: [{ port: 80 }, { port: 81, endPort: 90 }, { port: 53, protocol: UDP }, { port: http }] }] }',
      ),
    );
    expect(wordsOf(policy)).toEqual([
      'allow TCP 80-90, http from pods in namespace shop with a == "b"',
      'allow UDP 53 from pods in namespace shop with a == "b"',
      'allow TCP 80-90, http from 10.0.0.0/8 except 10.1.0.0/16',
      'allow UDP 53 from 10.0.0.0/8 except 10.1.0.0/16',
    ]);
    expect(new Set(policy.ingress.map(({ number }) => number))).toEqual(new Set([1]));
  });

  test('every port of a protocol beats single ones', () => {
    const policy = policyOf(
      knp('web', '{ podSelector: {}, ingress: [{ ports: [{ port: 80 }, { protocol: TCP }] }] }'),
    );
    expect(wordsOf(policy)).toEqual(['allow TCP from anyone']);
  });

  test.each([
    ['{ podSelector: {}, ingress: [{}] }', ['allow everything from anyone']],
    ['{ podSelector: {}, ingress: [{ from: [] }] }', ['allow everything from anyone']],
    [
      '{ podSelector: {}, ingress: [{ from: [{ namespaceSelector: {} }] }] }',
      ['allow everything from pods in any namespace'],
    ],
    [
      '{ podSelector: {}, policyTypes: [Egress], egress: [{ to: [{ namespaceSelector: { matchLabels: { t: a } } }] }] }',
      ['allow everything to pods in namespaces with t == "a"'],
    ],
  ])('%s says %j', (spec, words) => {
    expect(wordsOf(policyOf(knp('p', spec)))).toEqual(words);
  });

  test('a range that starts at a name allows nothing, and says so', () => {
    const [resource] = resources(knp('web', '{ podSelector: {}, ingress: [{ ports: [{ port: 80 }] }] }'));
    if (resource?.kind !== 'NetworkPolicy') return expect.unreachable();
    const ports = [{ protocol: 'TCP' as const, port: 'http', endPort: 90 }];
    const { policy, unconverted } = convert({ ...resource, ingress: [{ ports }] });
    expect(policy?.ingress).toEqual([]);
    expect(unconverted).toMatchObject([
      { at: ['spec', 'ingress', '0', 'ports', '0'], instead: 'allows nothing' },
    ]);
  });
});

describe('a NetworkPolicy of Calico', () => {
  const sourceOf = (source: string): string | undefined => {
    const { selector } =
      policyOf(np('p', `{ ingress: [{ action: Allow, source: ${source} }] }`)).ingress[0]?.source ?? {};
    return selector === undefined ? undefined : formatSelector(selector);
  };

  test.each([
    ["{ selector: a == 'b' }", '(projectcalico.org/namespace == "shop" && a == "b")'],
    ["{ notSelector: a == 'b' }", 'projectcalico.org/namespace == "shop"'],
    [
      "{ namespaceSelector: t == 'x', selector: a == 'b' }",
      '(has(pcns.projectcalico.org/name) && pcns.t == "x" && a == "b")',
    ],
    ['{ namespaceSelector: all() }', 'has(projectcalico.org/namespace)'],
    ['{ namespaceSelector: global() }', '!has(projectcalico.org/namespace)'],
    [
      "{ serviceAccounts: { names: [b, a], selector: r == 's' } }",
      '(projectcalico.org/namespace == "shop" && projectcalico.org/serviceaccount in {"a", "b"} && pcsa.r == "s")',
    ],
    ['{ nets: [10.0.0.0/8] }', undefined],
  ])('source %s is %s', (source, selector) => {
    expect(sourceOf(source)).toBe(selector);
  });

  test('without a namespace nothing is added', () => {
    const policy = policyOf(
      gnp('p', "{ selector: a == 'b', ingress: [{ action: Allow, source: { selector: c == 'd' } }] }"),
    );
    expect(
      [policy.selector, policy.ingress[0]?.source.selector].map((each) => each && formatSelector(each)),
    ).toEqual(['a == "b"', 'c == "d"']);
  });

  test('namespaceSelector and serviceAccountSelector of the policy narrow what it takes', () => {
    const policy = policyOf(
      gnp('p', "{ selector: a == 'b', namespaceSelector: t == 'x', serviceAccountSelector: r == 's' }"),
    );
    expect(formatSelector(policy.selector)).toBe(
      '(has(pcns.projectcalico.org/name) && pcns.t == "x" && pcsa.r == "s" && a == "b")',
    );
  });

  test.each([
    ['doNotTrack: true, applyOnForward: true', 'untracked', true],
    ['preDNAT: true, applyOnForward: true', 'preDnat', true],
    ['applyOnForward: true', 'normal', true],
    ['types: [Ingress]', 'normal', false],
  ])('of %s is asked at stage %s', (flags, stage, onForward) => {
    expect(policyOf(gnp('p', `{ ${flags} }`))).toMatchObject({
      stage,
      onForward,
      order: Number.POSITIVE_INFINITY,
    });
  });

  test('staged kinds say so', () => {
    expect(policyOf(calico('StagedGlobalNetworkPolicy', 'p', '{ stagedAction: Delete }'))).toMatchObject({
      staged: 'Delete',
    });
    expect(
      policyOf(calico('StagedKubernetesNetworkPolicy', 'p', '{ podSelector: {} }', 'shop')),
    ).toMatchObject({ staged: 'Set', tier: 'default' });
  });
});

describe('a ClusterNetworkPolicy', () => {
  const subject = 'subject: { namespaces: {} }';

  test.each([
    ['Admin', 'kube-admin'],
    ['Baseline', 'kube-baseline'],
  ])('of tier %s is in %s, at its priority', (name, own) => {
    expect(policyOf(cnp('p', `{ tier: ${name}, priority: 7, ${subject} }`))).toMatchObject({
      tier: own,
      order: 7,
      types: [],
    });
  });

  test('has types for the directions it has rules of, and names of its rules', () => {
    const policy = policyOf(
      cnp(
        'p',
        `{ tier: Admin, priority: 7, ${subject}, egress: [{ name: out, action: Pass, to: [{ networks: [192.0.2.0/24] }] }] }`,
      ),
    );
    expect(policy).toMatchObject({ types: ['Egress'], egress: [{ action: 'Pass', name: 'out', number: 1 }] });
  });

  const [written] = resources(
    cnp(
      'p',
      `{ tier: Admin, priority: 7, ${subject}, egress: [{ action: Deny, to: [{ networks: [192.0.2.0/24] }] }] }`,
    ),
  );

  test.each([
    ['Deny', 'denies everything', ['deny everything to anyone']],
    ['Pass', 'denies everything', ['deny everything to anyone']],
    ['Accept', 'allows nothing', []],
  ] as const)('a %s rule with a peer that is not supported %s', (action, instead, words) => {
    if (written?.kind !== 'ClusterNetworkPolicy') return expect.unreachable();
    const peers = [{ kind: 'unsupported' as const, what: 'domainNames are not supported.' }];
    const { policy, unconverted } = convert({ ...written, egress: [{ action, peers }] });
    expect(policy === undefined ? [] : wordsOf(policy)).toEqual(words);
    expect(unconverted).toEqual([
      { at: ['spec', 'egress', '0'], what: 'domainNames are not supported.', instead },
    ]);
  });
});

describe('effective labels', () => {
  const [pod, namespace, account, set, host, profile] = resources(
    '{ apiVersion: v1, kind: Pod, metadata: { name: p, namespace: shop, labels: { a: b, pcns.t: own } }, spec: { serviceAccountName: web, containers: [] } }',
    '{ apiVersion: v1, kind: Namespace, metadata: { name: shop, labels: { t: red } } }',
    '{ apiVersion: v1, kind: ServiceAccount, metadata: { name: web, namespace: shop, labels: { r: s } } }',
    '{ apiVersion: projectcalico.org/v3, kind: NetworkSet, metadata: { name: s, namespace: shop, labels: { a: b } }, spec: { nets: [192.0.2.0/24] } }',
    '{ apiVersion: projectcalico.org/v3, kind: HostEndpoint, metadata: { name: h, labels: { a: own } }, spec: { node: n, interfaceName: eth0, profiles: [one] } }',
    '{ apiVersion: projectcalico.org/v3, kind: Profile, metadata: { name: one }, spec: { labelsToApply: { a: theirs, c: d } } }',
  );
  if (pod?.kind !== 'Pod' || namespace?.kind !== 'Namespace' || account?.kind !== 'ServiceAccount')
    throw new Error('the fixture is of other kinds');

  test('of a pod: its own win over those of its namespace', () => {
    expect(podLabels(pod, namespace, account)).toEqual({
      a: 'b',
      'pcns.t': 'own',
      'pcns.kubernetes.io/metadata.name': 'shop',
      'pcns.projectcalico.org/name': 'shop',
      'pcsa.r': 's',
      'pcsa.projectcalico.org/name': 'web',
      'projectcalico.org/namespace': 'shop',
      'projectcalico.org/orchestrator': 'k8s',
      'projectcalico.org/serviceaccount': 'web',
    });
  });

  test('a service account with a name that is no label value is left out', () => {
    const long = { ...pod, serviceAccount: 'a'.repeat(63) };
    expect(podLabels(long, namespace, undefined)).not.toHaveProperty('projectcalico.org/serviceaccount');
  });

  test('of a network set in a namespace: those of the namespace too', () => {
    if (set?.kind !== 'NetworkSet') return expect.unreachable();
    expect(networkSetLabels(set, namespace)).toMatchObject({
      a: 'b',
      'pcns.t': 'red',
      'projectcalico.org/namespace': 'shop',
    });
  });

  test('of a host endpoint: its own win over those of its profiles', () => {
    if (host?.kind !== 'HostEndpoint' || profile?.kind !== 'Profile') return expect.unreachable();
    expect(hostEndpointLabels(host, [profile])).toEqual({ a: 'own', c: 'd' });
  });
});

describe('selectors', () => {
  test.each([
    ['k == "v"', [true, false, false]],
    ['k != "v"', [false, true, true]],
    ['k in {"v"}', [true, false, false]],
    ['k not in {"v"}', [false, true, true]],
    ['k contains "v"', [true, false, false]],
    ['k starts with "v"', [true, false, false]],
    ['k ends with "v"', [true, false, false]],
    ['has(k)', [true, true, false]],
    ['!k == "v"', [false, true, true]],
    ['all()', [true, true, true]],
  ])(
    '%s of a namespace says %j where it is, differs, and is missing, and no where the namespace is not known',
    (text, said) => {
      const parsed = parseSelector(text);
      if (!parsed.ok) return expect.unreachable();
      const selector = namespaced(parsed.value);
      const known = { 'projectcalico.org/namespace': 'n', 'pcns.projectcalico.org/name': 'n' };
      const bags = [{ ...known, 'pcns.k': 'v' }, { ...known, 'pcns.k': 'x' }, known];
      expect(bags.map((labels) => matchesSelector(selector, labels))).toEqual(said);
      expect(matchesSelector(selector, { 'projectcalico.org/namespace': 'n' })).toBe(text === 'all()');
    },
  );

  test('an empty namespaceSelector of Kubernetes takes every namespace that is known', () => {
    expect(formatSelector(ofNamespaces({ matchLabels: {}, matchExpressions: [] }))).toBe(
      'has(pcns.projectcalico.org/name)',
    );
  });

  test.each([
    ['In', ['b', 'a'], 'k in {"a", "b"}'],
    ['NotIn', ['a'], 'k not in {"a"}'],
  ] as const)('%s of Kubernetes is %s', (operator, values, text) => {
    expect(
      formatSelector(ofLabels({ matchLabels: {}, matchExpressions: [{ key: 'k', operator, values }] })),
    ).toBe(text);
  });

  test('a prefix is taken off where all of it has it', () => {
    expect(withoutPrefix('x.', { kind: 'not', of: { kind: 'has', key: 'x.k' } })).toEqual({
      kind: 'not',
      of: { kind: 'has', key: 'k' },
    });
    expect(withoutPrefix('x.', { kind: 'has', key: 'k' })).toBeUndefined();
  });
});

describe('tiers', () => {
  const written = (text: string) => {
    const [resource] = resources(text);
    return resource?.kind === 'Tier' ? tierFacts(resource satisfies PolicyResource) : expect.unreachable();
  };

  test('three are always there, whatever an object says', () => {
    expect(builtInTiers.map(({ name, order, defaultAction }) => [name, order, defaultAction])).toEqual([
      ['kube-admin', 1000, 'Pass'],
      ['default', 1_000_000, 'Deny'],
      ['kube-baseline', 10_000_000, 'Pass'],
    ]);
    expect(tierNamed('default')).toBe(builtInTiers[1]);
  });

  test('one without an order is last, and one that nobody wrote after it', () => {
    expect(written(tier('mine', '{}'))).toEqual({
      name: 'mine',
      order: Number.POSITIVE_INFINITY,
      defaultAction: 'Deny',
      defined: true,
    });
    expect(tierNamed('mine').defined).toBe(false);
  });
});
