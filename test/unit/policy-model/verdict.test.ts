/** Rows of Calico's evaluation, and of its stages of host endpoints, one by one. */
import { describe, expect, test } from 'vitest';
import type { Cluster } from '../../../src/policy/cluster.ts';
import type { Connection, End } from '../../../src/policy/connection.ts';
import type { Verdict } from '../../../src/policy/verdict.ts';
import { pendingVerdict, verdict } from '../../../src/policy/verdict.ts';
import { address } from '../../support/clusters.ts';
import {
  at,
  atHost,
  calico,
  clusterOf,
  cnp,
  gnp,
  knp,
  np,
  shop,
  tcp,
  tier,
} from '../../support/policy-yaml.ts';

const reasonsOf = ({ judgements }: Verdict): readonly string[] =>
  judgements.map(({ because }) => because.kind);

/** front of shop to db of shop. */
const inShop = (cluster: Cluster, port = 80): Verdict =>
  verdict(cluster, tcp(at(cluster, 'shop/front'), at(cluster, 'shop/db'), port));

const outside: End = { address: address('192.0.2.7') };
const allowAll = '[{ action: Allow }]';
const denyAll = '[{ action: Deny }]';

describe('tiers and policies', () => {
  test('a pod that no policy selects is open: the profile of its namespace allows', () => {
    const { allowed, judgements } = inShop(clusterOf(shop));
    expect(allowed).toBe(true);
    expect(judgements.map(({ because }) => because)).toEqual([
      { kind: 'profile', profile: 'kns.shop' },
      { kind: 'profile', profile: 'kns.shop' },
    ]);
  });

  test('a policy that selects it and has no rule for the packet closes it, and is named', () => {
    const { judgements } = inShop(clusterOf(shop, np('none', "{ selector: app == 'db', types: [Ingress] }")));
    expect(judgements[1]).toMatchObject({
      allowed: false,
      because: { kind: 'unmatched', tier: 'default', policies: [{ id: 'NetworkPolicy shop/none' }] },
    });
  });

  test('a policy of types [Ingress] does not hold egress', () => {
    const cluster = clusterOf(shop, np('none', '{ selector: all(), types: [Ingress] }'));
    expect(inShop(cluster)).toMatchObject({ egress: true, ingress: false });
  });

  test.each([
    ['by order: the lower is asked first', 1, 2, false],
    ['by order: the other way round', 2, 1, true],
    ['by name, where the order is the same', 5, 5, false],
  ])('policies of a tier are asked %s', (_, deny, allow, allowed) => {
    const cluster = clusterOf(
      shop,
      gnp('a-deny', `{ order: ${deny}, selector: app == 'db', ingress: ${denyAll} }`),
      gnp('b-allow', `{ order: ${allow}, selector: app == 'db', ingress: ${allowAll} }`),
    );
    expect(inShop(cluster).allowed).toBe(allowed);
  });

  test('a policy without order is asked after one with any', () => {
    const cluster = clusterOf(
      shop,
      gnp('a-deny', `{ selector: app == 'db', ingress: ${denyAll} }`),
      gnp('b-allow', `{ order: 100000, selector: app == 'db', ingress: ${allowAll} }`),
    );
    expect(inShop(cluster).allowed).toBe(true);
  });

  test("Kubernetes' policies are asked at order 1000 of tier default", () => {
    const allow = knp('allow', '{ podSelector: { matchLabels: { app: db } }, ingress: [{}] }');
    const deny = (order: number) =>
      gnp('deny', `{ order: ${order}, selector: app == 'db', ingress: ${denyAll} }`);
    expect(inShop(clusterOf(shop, allow, deny(999))).allowed).toBe(false);
    expect(inShop(clusterOf(shop, allow, deny(1001))).allowed).toBe(true);
  });

  test('the end of a tier denies, so an allow in a later one is never asked', () => {
    const cluster = clusterOf(
      shop,
      tier('first', '{ order: 1 }'),
      gnp('first.none', "{ tier: first, selector: app == 'db', types: [Ingress] }"),
      gnp('allow', `{ selector: app == 'db', ingress: ${allowAll} }`),
    );
    expect(inShop(cluster).judgements[1]?.because).toMatchObject({ kind: 'unmatched', tier: 'first' });
  });

  test('the end of a tier with defaultAction Pass leaves it to the next', () => {
    const cluster = clusterOf(
      shop,
      tier('first', '{ order: 1, defaultAction: Pass }'),
      gnp('first.none', "{ tier: first, selector: app == 'db', types: [Ingress] }"),
    );
    expect(inShop(cluster)).toMatchObject({ allowed: true });
  });

  test('a tier in which no policy selects the endpoint is skipped', () => {
    const cluster = clusterOf(
      shop,
      tier('first', '{ order: 1 }'),
      gnp('first.none', "{ tier: first, selector: app == 'else', types: [Ingress] }"),
    );
    expect(inShop(cluster).judgements[1]).toMatchObject({ allowed: true, tiers: [] });
  });

  test('Pass leaves the tier; after the last one a pod is allowed', () => {
    const pass = gnp('pass', "{ order: 1, selector: app == 'db', ingress: [{ action: Pass }] }");
    const deny = gnp('zdeny', `{ order: 2, selector: app == 'db', ingress: ${denyAll} }`);
    const { allowed, judgements } = inShop(clusterOf(shop, pass, deny));
    expect(allowed).toBe(true);
    expect(judgements[1]?.tiers).toMatchObject([{ outcome: 'next' }]);
  });

  test('Log goes on with the next rule', () => {
    const cluster = clusterOf(
      shop,
      gnp('log', "{ selector: app == 'db', ingress: [{ action: Log }, { action: Deny }] }"),
    );
    expect(inShop(cluster).judgements[1]?.because).toMatchObject({ rule: { number: 2 } });
  });

  test('a tier that nobody wrote is asked last, and closes', () => {
    const lost = np('lost', `{ tier: lost, selector: app == 'db', ingress: ${denyAll} }`);
    const known = np('known', `{ selector: app == 'db', ingress: ${allowAll} }`);
    expect(inShop(clusterOf(shop, lost, known)).allowed).toBe(true);
    expect(inShop(clusterOf(shop, lost)).judgements[1]?.tiers[0]?.tier).toMatchObject({ defined: false });
  });

  test('kube-admin is asked before default and kube-baseline after; both pass what they do not decide', () => {
    const admin = cnp(
      'admin',
      '{ tier: Admin, priority: 1, subject: { namespaces: {} }, ingress: [{ action: Deny, from: [{ namespaces: { matchLabels: { kubernetes.io/metadata.name: ops } } }] }] }',
    );
    const base = cnp(
      'base',
      '{ tier: Baseline, priority: 1, subject: { namespaces: {} }, ingress: [{ action: Deny, from: [{ namespaces: {} }] }] }',
    );
    const open = knp('open', '{ podSelector: {}, ingress: [{}] }');
    const cluster = clusterOf(shop, admin, base, open);
    expect(inShop(cluster).judgements[1]?.because).toMatchObject({ tier: 'default' });
    expect(
      verdict(cluster, tcp(at(cluster, 'ops/probe'), at(cluster, 'shop/db'))).judgements[1]?.because,
    ).toMatchObject({ tier: 'kube-admin' });
    expect(inShop(clusterOf(shop, admin, base)).judgements[1]?.because).toMatchObject({
      tier: 'kube-baseline',
    });
  });

  test('both ends are judged: egress of the source and ingress of the destination', () => {
    const cluster = clusterOf(
      shop,
      np('out', `{ selector: app == 'front', types: [Egress], egress: ${denyAll} }`),
    );
    expect(inShop(cluster)).toMatchObject({ allowed: false, egress: false, ingress: true });
  });
});

describe('what is staged', () => {
  const staged = (action: string, spec: string) =>
    calico('StagedNetworkPolicy', 'db', `{ stagedAction: ${action}, ${spec} }`, 'shop');

  test('a tier whose policies are all staged closes nothing, and the pending verdict says it would', () => {
    const cluster = clusterOf(shop, staged('Set', "selector: app == 'db', types: [Ingress]"));
    const asked = tcp(at(cluster, 'shop/front'), at(cluster, 'shop/db'));
    expect(verdict(cluster, asked).allowed).toBe(true);
    expect(pendingVerdict(cluster, asked).allowed).toBe(false);
  });

  test.each([
    ['Set takes the place of its namesake', 'Set', true],
    ['Delete takes its namesake away', 'Delete', true],
    ['Ignore does nothing', 'Ignore', false],
  ])('%s', (_, action, allowed) => {
    const cluster = clusterOf(
      shop,
      np('db', `{ selector: app == 'db', ingress: ${denyAll} }`),
      staged(action, `selector: app == 'db', ingress: ${allowAll}`),
    );
    const asked = tcp(at(cluster, 'shop/front'), at(cluster, 'shop/db'));
    expect(verdict(cluster, asked).allowed).toBe(false);
    expect(pendingVerdict(cluster, asked).allowed).toBe(allowed);
  });
});

describe('what needs no policy', () => {
  const closed = gnp('closed', '{ types: [Ingress, Egress] }');
  const cluster = clusterOf(shop, closed);

  test.each<[string, Connection, boolean, string]>([
    ['a pod reaches itself', tcp(at(cluster, 'shop/db'), at(cluster, 'shop/db')), true, 'itself'],
    [
      'an established connection goes on',
      { ...tcp(at(cluster, 'shop/front'), at(cluster, 'shop/db')), established: true },
      true,
      'established',
    ],
    [
      'a host reaches its own pods',
      tcp(atHost(cluster, 'node2', '172.30.0.12'), at(cluster, 'shop/db')),
      true,
      'ownHost',
    ],
    [
      'another host does not',
      tcp(atHost(cluster, 'node1', '172.30.0.11'), at(cluster, 'shop/db')),
      false,
      'unmatched',
    ],
    [
      'a pod whose Pod is not known is closed',
      tcp(outside, { address: address('10.65.2.77'), spot: { kind: 'workload', node: 'node2' } }),
      false,
      'unknownPod',
    ],
    [
      'IPv6 neighbour discovery with the own host passes',
      {
        from: at(cluster, 'shop/front', { address: address('fd00::2') }),
        to: atHost(cluster, 'node1', 'fe80::1'),
        protocol: 58,
        icmp: { type: 135, code: 0 },
      },
      true,
      'neighbours',
    ],
  ])('%s', (_, connection, allowed, reason) => {
    const said = verdict(cluster, connection);
    expect(said.allowed).toBe(allowed);
    expect(reasonsOf(said)).toContain(reason);
  });

  test.each([
    ['Accept', true],
    ['Return', true],
    ['Drop', false],
  ])('from a pod to its own host defaultEndpointToHostAction %s has the last word', (action, allowed) => {
    const world = clusterOf(
      shop,
      calico('FelixConfiguration', 'default', `{ defaultEndpointToHostAction: ${action} }`),
    );
    const asked = tcp(at(world, 'shop/front'), atHost(world, 'node1', '172.30.0.11'));
    expect(verdict(world, asked).allowed).toBe(allowed);
  });

  test('to its own host the egress policy of the pod comes first', () => {
    const asked = tcp(at(cluster, 'shop/front'), atHost(cluster, 'node1', '172.30.0.11'));
    expect(reasonsOf(verdict(cluster, asked))).toEqual(['unmatched']);
  });
});

describe('host endpoints', () => {
  const hep = (spec = ''): string =>
    calico('HostEndpoint', 'h1', `{ node: node1, interfaceName: eth0, expectedIPs: [172.30.0.11]${spec} }`);
  const open = 'labels: { role: host }';
  const labelled = (spec = ''): string => hep(spec).replace('{ name: h1 }', `{ name: h1, ${open} }`);
  const of = (name: string, spec: string): string => gnp(name, `{ selector: role == 'host', ${spec} }`);
  const toHost = (cluster: Cluster, port = 80): Connection =>
    tcp(outside, atHost(cluster, 'node1', '172.30.0.11'), port);
  const through = (cluster: Cluster): Connection =>
    tcp(outside, at(cluster, 'shop/front', { via: cluster.hostEndpoints[0] ?? expect.unreachable() }));

  test('one with no policy and no profile is closed', () => {
    expect(reasonsOf(verdict(clusterOf(shop, hep()), toHost(clusterOf(shop, hep()))))).toContain('noProfile');
  });

  test('but for failsafe ports', () => {
    const cluster = clusterOf(shop, hep());
    expect(verdict(cluster, toHost(cluster, 22)).allowed).toBe(true);
    expect(new Set(reasonsOf(verdict(cluster, toHost(cluster, 22))))).toEqual(new Set(['failsafe']));
  });

  test('its profiles decide what no tier does, in order; one that is not there closes', () => {
    const opened = clusterOf(shop, hep(', profiles: [projectcalico-default-allow]'));
    expect(verdict(opened, toHost(opened)).allowed).toBe(true);
    const missing = clusterOf(shop, hep(', profiles: [gone, projectcalico-default-allow]'));
    expect(reasonsOf(verdict(missing, toHost(missing))).at(-1)).toBe('missingProfile');
  });

  test('normal policy closes at the end of its tier', () => {
    const cluster = clusterOf(
      shop,
      labelled(', profiles: [projectcalico-default-allow]'),
      of('none', 'types: [Ingress]'),
    );
    expect(reasonsOf(verdict(cluster, toHost(cluster))).at(-1)).toBe('unmatched');
  });

  test('what is forwarded is not judged by policy without applyOnForward', () => {
    const cluster = clusterOf(shop, labelled(), of('deny', `ingress: ${denyAll}`));
    expect(verdict(cluster, through(cluster)).allowed).toBe(true);
  });

  test('with applyOnForward it is, and the end of the tier denies', () => {
    const cluster = clusterOf(shop, labelled(), of('none', 'applyOnForward: true, types: [Ingress]'));
    const said = verdict(cluster, through(cluster));
    expect(said.allowed).toBe(false);
    expect(said.judgements.find(({ moment }) => moment === 'forward')?.because.kind).toBe('unmatched');
  });

  test('policy before tracking or translation that does not match falls through', () => {
    const cluster = clusterOf(
      shop,
      labelled(', profiles: [projectcalico-default-allow]'),
      of(
        'raw',
        'doNotTrack: true, applyOnForward: true, ingress: [{ action: Deny, source: { nets: [198.51.100.0/24] } }]',
      ),
      of(
        'pre',
        'preDNAT: true, applyOnForward: true, ingress: [{ action: Deny, source: { nets: [198.51.100.0/24] } }]',
      ),
    );
    const said = verdict(cluster, toHost(cluster));
    expect(said.allowed).toBe(true);
    expect(said.judgements.map(({ moment }) => moment)).toEqual(['untracked', 'preDnat', 'normal']);
  });

  test.each([
    ['doNotTrack', 'untracked'],
    ['preDNAT', 'preDnat'],
  ])('an allow of %s policy is the last word of the host endpoint', (flag, moment) => {
    const cluster = clusterOf(
      shop,
      labelled(),
      of('early', `${flag}: true, applyOnForward: true, ingress: ${allowAll}`),
      of('deny', `ingress: ${denyAll}`),
    );
    const said = verdict(cluster, toHost(cluster));
    expect(said.allowed).toBe(true);
    expect(said.judgements.at(-1)?.moment).toBe(moment);
  });

  test('preDNAT policy sees what was dialled, normal policy what it became', () => {
    const cluster = clusterOf(
      shop,
      labelled(),
      of(
        'pre',
        'preDNAT: true, applyOnForward: true, ingress: [{ action: Deny, protocol: TCP, destination: { ports: [30080] } }]',
      ),
    );
    const asked = { ...through(cluster), dialled: { address: address('172.30.0.11'), port: 30080 } };
    expect(verdict(cluster, asked).allowed).toBe(false);
    expect(verdict(cluster, through(cluster)).allowed).toBe(true);
  });

  test('doNotTrack policy judges established packets too', () => {
    const cluster = clusterOf(
      shop,
      labelled(),
      of('raw', `doNotTrack: true, applyOnForward: true, ingress: ${denyAll}`),
    );
    expect(verdict(cluster, { ...toHost(cluster), established: true }).allowed).toBe(false);
  });

  test('policies of host endpoints do not hold pods, nor normal ones the host what its own pods send', () => {
    const cluster = clusterOf(shop, labelled(), of('deny', `ingress: ${denyAll}`));
    const asked = tcp(at(cluster, 'shop/front'), atHost(cluster, 'node1', '172.30.0.11'));
    expect(verdict(cluster, asked).allowed).toBe(true);
  });
});

describe('rules', () => {
  const ingress = (rule: string): Cluster =>
    clusterOf(shop, gnp('p', `{ selector: app == 'db', ingress: [{ action: Allow, ${rule} }] }`), service);
  const service = `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: s1, namespace: shop, labels: { kubernetes.io/service-name: s } }
addressType: IPv4
endpoints: [{ addresses: [10.65.1.2] }, { addresses: [10.65.2.2], conditions: { ready: false } }]
ports: [{ port: 5432, protocol: TCP }]
---
{ apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: { name: n1, namespace: shop, labels: { kubernetes.io/service-name: portless } }, addressType: IPv4, endpoints: [{ addresses: [10.65.1.2] }, { addresses: [10.65.2.2] }], ports: [{ protocol: TCP }] }
---
{ apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: { name: n2, namespace: shop, labels: { kubernetes.io/service-name: no-ports } }, addressType: IPv4, endpoints: [{ addresses: [10.65.1.2] }, { addresses: [10.65.2.2] }], ports: [] }
---
{ apiVersion: projectcalico.org/v3, kind: GlobalNetworkSet, metadata: { name: s, labels: { who: partner } }, spec: { nets: [192.0.2.0/28] } }
`;
  const from: Readonly<Record<string, (cluster: Cluster) => End>> = {
    front: (cluster) => at(cluster, 'shop/front'),
    probe: (cluster) => at(cluster, 'ops/probe'),
    partner: () => outside,
    stranger: () => ({ address: address('203.0.113.1') }),
  };

  test.each([
    ['source: { nets: [10.65.1.0/24] }', 80, ['front']],
    ['source: { notNets: [10.65.0.0/16] }', 80, ['partner', 'stranger']],
    ["source: { selector: app == 'front' }", 80, ['front']],
    ["source: { selector: who == 'partner' }", 80, ['partner']],
    ["source: { selector: '!has(app)' }", 80, ['partner']],
    ['source: { notSelector: has(app) }', 80, ['partner', 'stranger']],
    ["source: { namespaceSelector: team == 'red' }", 80, ['front']],
    ["source: { namespaceSelector: team != 'red' }", 80, ['probe']],
    ['source: { namespaceSelector: all() }', 80, ['front', 'probe']],
    ['source: { namespaceSelector: global() }', 80, ['partner']],
    ['source: { serviceAccounts: { names: [web] } }', 80, ['front']],
    ["source: { serviceAccounts: { selector: role == 'edge' } }", 80, ['front']],
    ['source: { services: { namespace: shop, name: s } }', 80, ['front']],
    ['destination: { services: { namespace: shop, name: s } }', 80, []],
    ['source: { services: { namespace: shop, name: portless } }', 80, ['front']],
    ['source: { services: { namespace: shop, name: no-ports } }', 80, ['front']],
    ['destination: { services: { namespace: shop, name: portless } }', 5432, []],
    ['destination: { services: { namespace: shop, name: no-ports } }', 5432, []],
    [
      'destination: { services: { namespace: shop, name: s } }',
      5432,
      ['front', 'probe', 'partner', 'stranger'],
    ],
    ['protocol: TCP, destination: { ports: [79:81] }', 80, ['front', 'probe', 'partner', 'stranger']],
    ['protocol: UDP, destination: { ports: [80] }', 80, []],
    ['protocol: TCP, destination: { ports: [postgres] }', 5432, ['front', 'probe', 'partner', 'stranger']],
    ['protocol: TCP, destination: { ports: [postgres] }', 80, []],
    ['destination: { ports: [postgres] }', 5432, ['front', 'probe', 'partner', 'stranger']],
    ['protocol: TCP, destination: { notPorts: [postgres] }', 5432, []],
    ['protocol: TCP, source: { ports: [40000] }', 80, ['front', 'probe', 'partner', 'stranger']],
    ['notProtocol: UDP', 80, ['front', 'probe', 'partner', 'stranger']],
    ['notProtocol: TCP', 80, []],
    ['ipVersion: 6', 80, []],
  ])('%s at port %i lets in %j', (rule, port, who) => {
    const cluster = ingress(rule);
    const let_in = Object.entries(from)
      .filter(([, end]) => verdict(cluster, tcp(end(cluster), at(cluster, 'shop/db'), port)).allowed)
      .map(([name]) => name);
    expect(let_in).toEqual(who);
  });

  test.each([
    ['protocol: ICMP, icmp: { type: 8 }', 8, 0, true],
    ['protocol: ICMP, icmp: { type: 8, code: 1 }', 8, 0, false],
    ['protocol: ICMP, notICMP: { type: 8 }', 8, 0, false],
    ['protocol: ICMP, notICMP: { type: 8 }', 3, 1, true],
  ])('%s of type %i code %i: %s', (rule, type, code, allowed) => {
    const cluster = ingress(rule);
    const asked = { from: outside, to: at(cluster, 'shop/db'), protocol: 1, icmp: { type, code } };
    expect(verdict(cluster, asked).allowed).toBe(allowed);
  });

  test('a pod whose Namespace is not known is taken by no namespaceSelector, not even a negated one', () => {
    const cluster = ingress("source: { namespaceSelector: team != 'red' }");
    const gap = { ...cluster, namespaces: cluster.namespaces.filter(({ meta }) => meta.name !== 'ops') };
    expect(verdict(gap, tcp(at(gap, 'ops/probe'), at(gap, 'shop/db'))).allowed).toBe(false);
  });

  test('nodes of a ClusterNetworkPolicy are their own addresses, by the labels of the nodes', () => {
    const cluster = clusterOf(
      shop,
      cnp(
        'to-nodes',
        '{ tier: Admin, priority: 1, subject: { namespaces: {} }, egress: [{ action: Deny, to: [{ nodes: { matchLabels: { rack: a } } }] }] }',
      ),
    );
    const to = (text: string) =>
      verdict(cluster, tcp(at(cluster, 'shop/db'), { address: address(text) })).allowed;
    expect([to('172.30.0.11'), to('172.30.0.12')]).toEqual([false, true]);
  });

  test('a rule with networks of one family holds of nothing in the other', () => {
    const cluster = ingress('source: { nets: [0.0.0.0/0] }');
    const six = {
      from: { address: address('2001:db8::1') },
      to: at(cluster, 'shop/db', { address: address('fd00::3') }),
      protocol: 6,
    };
    expect(verdict(cluster, six).allowed).toBe(false);
  });
});
