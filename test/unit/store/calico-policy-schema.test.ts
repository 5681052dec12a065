import { describe, expect, test } from 'vitest';
import { parsePrefix } from '../../../src/lib/net.ts';
import type { GlobalNetworkPolicy } from '../../../src/model/policy.ts';
import { readManifest } from '../../../src/store/schema/manifest.ts';
import { admissionCases } from '../../support/admission-cases.ts';
import { flaws, resource } from './schema.ts';

const object = (kind: string, spec: string, name = 'p'): string =>
  `{apiVersion: projectcalico.org/v3, kind: ${kind}, metadata: {name: ${name}}, spec: ${spec}}`;
const policy = (spec: string): string => object('NetworkPolicy', spec);
const global = (spec: string): string => object('GlobalNetworkPolicy', spec);
const rule = (fields: string): string => global(`{ingress: [{action: Allow, ${fields}}]}`);
const readRule = (fields: string) => (resource(rule(fields)) as GlobalNetworkPolicy).ingress[0];

describe('what an API server refuses by our definitions, this process refuses too', () => {
  test.each(admissionCases.filter(({ before }) => before === undefined))(
    '$kind: $message',
    ({ refused, accepted }) => {
      expect(readManifest(refused).ok).toBe(false);
      expect(readManifest(accepted)).toMatchObject({ ok: true });
    },
  );
});

describe('types of a policy that has none', () => {
  test.each([
    ['{}', ['Ingress']],
    ['{ingress: []}', ['Ingress']],
    ['{ingress: [{action: Allow}]}', ['Ingress']],
    ['{egress: [{action: Allow}]}', ['Egress']],
    ['{ingress: [{action: Allow}], egress: [{action: Allow}]}', ['Ingress', 'Egress']],
    ['{types: [Egress], ingress: [{action: Allow}]}', ['Egress']],
  ])('%s are %j', (spec, types) => {
    expect(resource(policy(spec))).toMatchObject({ types });
  });
});

test('what a policy does not say is filled in', () => {
  const bare =
    '{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, namespace: shop}}';
  expect(resource(bare)).toEqual({
    kind: 'CalicoNetworkPolicy',
    meta: { name: 'p', namespace: 'shop', labels: {}, annotations: {} },
    tier: 'default',
    selector: { kind: 'all' },
    types: ['Ingress'],
    ingress: [],
    egress: [],
    onEveryNode: false,
  });
  expect(resource(object('StagedGlobalNetworkPolicy', '{}'))).toMatchObject({ stagedAction: 'Set' });
});

test('two kinds are called NetworkPolicy, and their apiVersion tells them apart', () => {
  const of = (version: string) =>
    resource(`{apiVersion: ${version}, kind: NetworkPolicy, metadata: {name: p}}`).kind;
  expect(of('networking.k8s.io/v1')).toBe('NetworkPolicy');
  expect(of('projectcalico.org/v3')).toBe('CalicoNetworkPolicy');
  expect(
    flaws('{apiVersion: projectcalico.org/v3, kind: CalicoNetworkPolicy, metadata: {name: p}}'),
  ).toHaveLength(1);
});

test('a Service that a rule names is in the namespace of the policy, unless the rule says another', () => {
  const at = (services: string) =>
    resource(
      `{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, namespace: shop}, spec: {egress: [{action: Allow, destination: {services: ${services}}}]}}`,
    );
  expect(at('{name: web}')).toMatchObject({
    egress: [{ destination: { services: { namespace: 'shop', name: 'web' } } }],
  });
  expect(at('{name: web, namespace: x}')).toMatchObject({
    egress: [{ destination: { services: { namespace: 'x', name: 'web' } } }],
  });
});

describe('a rule', () => {
  test('says protocols by name or number', () => {
    const numbers = ['TCP', 'UDP', 'ICMP', 'ICMPv6', 'SCTP', 'UDPLite', '89'].map(
      (name) => readRule(`protocol: ${name}`)?.protocol,
    );
    expect(numbers).toEqual([6, 17, 1, 58, 132, 136, 89]);
  });

  test('says ports by number, range and name', () => {
    expect(
      readRule("protocol: TCP, destination: {ports: [80, '81', '90:99', web, 9p]}")?.destination.ports,
    ).toEqual([
      { first: 80, last: 80 },
      { first: 81, last: 81 },
      { first: 90, last: 99 },
      { name: 'web' },
      { name: '9p' },
    ]);
  });

  test('says single addresses as prefixes, each once; an empty list asks for nothing', () => {
    const source = readRule('source: {nets: [10.0.0.1, 10.0.0.1/32], notNets: []}')?.source;
    expect(source).toEqual({ nets: [parsePrefix('10.0.0.1/32')] });
  });

  test.each([
    ['protocol: tcp', 'spec.ingress[0].protocol: must be a protocol, but is the text "tcp".'],
    ['protocol: 0', 'spec.ingress[0].protocol: must be a protocol, but is 0.'],
    ['protocol: ICMP', undefined],
    ['protocol: ICMP, icmp: {type: 255}', 'icmp.type: must be an ICMP type from 0 to 254'],
    ['protocol: ICMP, icmp: {code: 1}', 'icmp.code: stands without a type.'],
    ['icmp: {type: 8}', 'spec.ingress[0].icmp: stands without its protocol.'],
    ['protocol: ICMPv6, ipVersion: 4', 'ipVersion: is 4, but the protocol is of IPv6.'],
    ['ipVersion: 5', 'spec.ingress[0].ipVersion: must be 4 or 6.'],
    ['protocol: TCP, destination: {ports: [0]}', 'ports[0]: must be a port, but is 0.'],
    ["protocol: TCP, destination: {ports: ['99:90']}", 'ports[0]: is a range from 99 down to 90.'],
    ['destination: {ports: [80]}', 'destination.ports: stands without a protocol that has ports.'],
    ["destination: {ports: ['80']}", 'destination.ports: stands without a protocol that has ports.'],
    ['destination: {ports: [web, dns]}', undefined],
    ['protocol: ICMP, source: {ports: [web]}', 'source.ports: stands without a protocol that has ports.'],
    ['source: {nets: [10.0.0.0/8, fd00::/8]}', 'source.nets[1]: is not of IPv4'],
    ['ipVersion: 6, source: {nets: [10.0.0.0/8]}', 'source.nets[0]: is not of IPv6'],
    ['source: {notNets: [0.0.0.0/0]}', 'source.notNets[0]: excludes every address'],
    ['source: {selector: global()}', 'source.selector: cannot use global()'],
    ['source: {notSelector: "!global()"}', 'source.notSelector: cannot use global()'],
    ['source: {namespaceSelector: global()}', undefined],
    ['source: {namespaceSelector: "!global()"}', 'namespaceSelector: has global() beside something else.'],
    ['source: {selector: "a = 1"}', 'source.selector: is not a selector: at character 3'],
    [
      'source: {services: {name: web, namespace: shop}, selector: all()}',
      'source.services: cannot stand beside selector.',
    ],
    [
      'protocol: TCP, destination: {services: {name: web, namespace: shop}, ports: [80]}',
      'destination.ports: cannot stand beside services',
    ],
    ['source: {services: {name: web}}', 'source.services: does not say in which namespace'],
    [
      'http: {methods: [GET]}',
      'spec.ingress[0].http: is not supported in this version: what is inside of a connection can be judged by a proxy only',
    ],
    [
      'destnation: {}',
      'spec.ingress[0].destnation: is not a field of this object. Did you mean destination?',
    ],
  ])('%s', (fields, expected) => {
    expect(flaws(rule(fields))).toEqual(expected === undefined ? [] : [expect.stringContaining(expected)]);
  });

  test.each([
    ['ingress', `[${Array.from({ length: 1025 }, () => '{action: Deny}').join()}]`],
    [
      'ingress',
      `[{action: Deny, source: {nets: [${Array.from({ length: 257 }, (_, n) => `10.0.${n >> 8}.${n & 255}`).join()}]}}]`,
    ],
    [
      'ingress',
      `[{action: Deny, protocol: TCP, source: {ports: [${Array.from({ length: 51 }, (_, n) => n + 1).join()}]}}]`,
    ],
    ['types', '[]'],
  ])('has a limit to what is in %s', (field, value) => {
    expect(flaws(global(`{${field}: ${value}}`))).toEqual([expect.stringMatching(/ has \d+ elements\. /)]);
  });
});

describe('a policy that asks for what cannot be', () => {
  test.each([
    ['{doNotTrack: true}', 'spec.doNotTrack: is asked before it is known whether a packet is forwarded.'],
    ['{doNotTrack: true, preDNAT: true, applyOnForward: true}', 'spec.preDNAT: cannot be true beside'],
    ['{preDNAT: true, applyOnForward: true, egress: [{action: Deny}]}', 'spec.egress: cannot stand beside'],
    ['{preDNAT: true, applyOnForward: true, types: [Ingress, Egress]}', 'spec.types: cannot stand beside'],
    ['{order: first}', 'spec.order: must be a number'],
    ['{tier: a.b}', 'spec.tier: cannot be a tier: the text "a.b".'],
    ['{selector: "has(a"}', 'spec.selector: is not a selector'],
    [`{selector: "a == '${'x'.repeat(1024)}'"}`, 'spec.selector: has 1031 characters'],
  ])('%s', (spec, expected) => {
    expect(flaws(global(spec))).toEqual([expect.stringContaining(expected)]);
  });
});

describe('a tier', () => {
  test('has its order and ends in Deny, unless it says otherwise', () => {
    expect(resource(object('Tier', '{}'))).toMatchObject({ defaultAction: 'Deny' });
    expect(resource(object('Tier', '{}'))).not.toHaveProperty('order');
    expect(resource(object('Tier', '{order: 5.5, defaultAction: Pass}'))).toMatchObject({
      order: 5.5,
      defaultAction: 'Pass',
    });
  });

  test.each([
    ['default', 1_000_000, 'Deny'],
    ['kube-admin', 1000, 'Pass'],
    ['kube-baseline', 10_000_000, 'Pass'],
  ])('named %s is what it always is', (name, order, defaultAction) => {
    expect(resource(object('Tier', '{}', name))).toMatchObject({ order, defaultAction });
    const other = defaultAction === 'Deny' ? 'Pass' : 'Deny';
    expect(flaws(object('Tier', `{order: 7, defaultAction: ${other}}`, name))).toHaveLength(2);
  });

  test('says that it is being deleted', () => {
    const gone =
      '{apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: t, deletionTimestamp: "2026-01-01T00:00:00Z"}}';
    expect(resource(gone)).toMatchObject({ deleting: true });
    expect(resource(object('Tier', '{}'))).not.toHaveProperty('deleting');
  });
});

describe('a host endpoint', () => {
  test.each([
    ['{node: a}', 'spec: names neither an interface nor an address.'],
    ['{interfaceName: eth0}', 'spec.node: is missing.'],
    ['{node: "", interfaceName: eth0}', 'spec.node: must be the name of a node'],
    ['{node: a, interfaceName: "eth*"}', 'spec.interfaceName: cannot be an interface'],
    ['{node: a, interfaceName: abcdefghijklmnop}', 'spec.interfaceName: cannot be an interface'],
    ['{node: a, expectedIPs: [10.0.0.0/24]}', 'spec.expectedIPs[0]: must be an IP address'],
    [
      '{node: a, interfaceName: "*", ports: [{name: ssh, protocol: TCP, port: 0}]}',
      'spec.ports[0].port: must be',
    ],
  ])('%s is refused', (spec, expected) => {
    expect(flaws(object('HostEndpoint', spec))).toEqual([expect.stringContaining(expected)]);
  });
});

describe('a ClusterNetworkPolicy', () => {
  const cluster = (fields: string): string =>
    `{apiVersion: policy.networking.k8s.io/v1alpha2, kind: ClusterNetworkPolicy, metadata: {name: p}, spec: {tier: Admin, priority: 5, subject: {namespaces: {}}, ${fields}}}`;

  test.each([
    ['[{domainNames: [example.com]}]', 'domainNames'],
    ['[{}]', 'an empty one'],
    ['[{nodes: {}, networks: [10.0.0.0/8]}]', 'nodes and networks in one'],
  ])('keeps a peer that is not known here, %s, as one that is not', (to, what) => {
    expect(resource(cluster(`egress: [{action: Deny, to: ${to}}]`))).toMatchObject({
      egress: [{ action: 'Deny', peers: [{ kind: 'unsupported', what }] }],
    });
  });

  test('takes nodes and networks to the outside only', () => {
    const peers = '[{nodes: {}}, {networks: [10.0.0.0/8]}]';
    expect(resource(cluster(`egress: [{action: Deny, to: ${peers}}]`))).toMatchObject({
      egress: [{ peers: [{ kind: 'nodes' }, { kind: 'networks' }] }],
    });
    expect(resource(cluster(`ingress: [{action: Deny, from: ${peers}}]`))).toMatchObject({
      ingress: [{ peers: [{ kind: 'unsupported' }, { kind: 'unsupported' }] }],
    });
  });

  test('keeps a protocol that is not known here as one that is not', () => {
    const read = (protocol: string) =>
      resource(cluster(`egress: [{action: Deny, to: [{namespaces: {}}], protocols: [${protocol}]}]`));
    expect(read('{tcp: {destinationPort: {number: 80}}}')).toMatchObject({
      egress: [{ protocols: [{ kind: 'numbered', protocol: 6, ports: { first: 80, last: 80 } }] }],
    });
    expect(read('{udp: {destinationPort: {range: {start: 5, end: 9}}}}')).toMatchObject({
      egress: [{ protocols: [{ kind: 'numbered', protocol: 17, ports: { first: 5, last: 9 } }] }],
    });
    expect(read('{tcp: {sourcePort: 5}}')).toMatchObject({
      egress: [{ protocols: [{ kind: 'unsupported', what: 'tcp.sourcePort' }] }],
    });
    expect(read('{icmp: {}}')).toMatchObject({
      egress: [{ protocols: [{ kind: 'unsupported', what: 'icmp' }] }],
    });
  });

  test.each([
    [{ tier: 'Middle' }, 'spec.tier: must be one of Admin, Baseline'],
    [{ priority: 1001 }, 'spec.priority: must be a priority from 0 to 1000'],
    [{ subject: {} }, 'spec.subject: has to be exactly one of namespaces and pods.'],
    [{ egress: [{ action: 'Deny', to: [] }] }, 'spec.egress[0].to: is empty'],
  ])('with %j is refused', (fields, expected) => {
    const spec = { tier: 'Admin', priority: 5, subject: { namespaces: {} }, ...fields };
    const json = { apiVersion: 'policy.networking.k8s.io/v1alpha2', kind: 'ClusterNetworkPolicy', spec };
    expect(flaws(JSON.stringify({ ...json, metadata: { name: 'p' } }))).toEqual([
      expect.stringContaining(expected),
    ]);
  });
});
