/** The cluster's checks over a cluster that is well but for one planted fault each; those of a node are in test/netns/doctor.test.ts. */
import { describe, expect, test } from 'vitest';
import type { Source } from '../../../src/ctl/cluster/source.ts';
import { diagnose } from '../../../src/ctl/doctor/check.ts';
import { gatherCluster } from '../../../src/ctl/doctor/cluster/facts.ts';
import { explain } from '../../../src/ctl/doctor/cluster/sessions.ts';
import { clusterChecks } from '../../../src/ctl/doctor/cluster/table.ts';
import { diagnosisText } from '../../../src/ctl/doctor/command.ts';
import { err, ok } from '../../../src/lib/result.ts';
import type { BgpReport } from '../../../src/model/node-report.ts';
import type { Manifest } from '../../../src/store/objects.ts';
import {
  bgpReport,
  felixReport,
  type Parts,
  reportManifest,
  torDown,
  torSession,
} from '../../support/reports.ts';

const fresh = new Date().toISOString();
/** Each node has its own router id, unless a test says another. */
const { routerId: _, ...noId } = bgpReport;
const bgp: BgpReport = { ...noId, at: fresh };
const felix = { ...felixReport, at: fresh };
const v3 = 'projectcalico.org/v3';

const object = (
  apiVersion: string,
  kind: string,
  name: string,
  spec: Manifest,
  metadata: Manifest = {},
): Manifest => ({
  apiVersion,
  kind,
  metadata: { name, ...metadata },
  spec,
});
const node = (
  number: number,
  over: { readonly cidr?: string; readonly ip?: string; readonly taints?: readonly Manifest[] } = {},
): Manifest => ({
  ...object(
    'v1',
    'Node',
    `node${number}`,
    { podCIDRs: [over.cidr ?? `10.244.${number}.0/24`], ...(over.taints && { taints: over.taints }) },
    { labels: { rack: '1' } },
  ),
  status: { addresses: [{ type: 'InternalIP', address: over.ip ?? `172.30.0.${10 + number}` }] },
});
const report = (number: number, over: Parts = {}): Manifest =>
  reportManifest(`node${number}`, {
    bgp: { ...bgp, routerId: `172.30.0.${10 + number}`, ...over.bgp },
    felix: { ...felix, ...over.felix },
  }) as unknown as Manifest;
const pod = (name: string, ip: string): Manifest => ({
  ...object(
    'v1',
    'Pod',
    name,
    { nodeName: 'node1', containers: [] },
    { namespace: 'shop', labels: { app: name } },
  ),
  status: { phase: 'Running', podIPs: [{ ip }] },
});
const namespace = object(
  'v1',
  'Namespace',
  'shop',
  {},
  { labels: { 'kubernetes.io/metadata.name': 'shop' } },
);
const peer = (spec: Manifest): Manifest =>
  object(v3, 'BGPPeer', 'tor', { peerIP: '172.30.0.1', asNumber: 65000, ...spec });
const pool = (name: string, cidr: string): Manifest => object(v3, 'IPPool', name, { cidr });
const policy = (spec: Manifest): Manifest =>
  object('networking.k8s.io/v1', 'NetworkPolicy', 'web', spec, { namespace: 'shop' });
const block = (handle: string, pod: string): Manifest =>
  object(v3, 'IPAMBlock', '10-65-0-0-30', {
    cidr: '10.65.0.0/30',
    affinity: 'host:node1',
    allocations: [0, null, null, null],
    unallocated: [1, 2, 3],
    attributes: [
      { handle_id: handle, secondary: { pod, namespace: 'shop', node: pod === 'lost' ? 'node9' : 'node1' } },
    ],
    sequenceNumber: 2,
    sequenceNumberForAllocation: { '0': 1 },
    deleted: false,
  });

const healthy: readonly Manifest[] = [
  node(1),
  node(2),
  report(1),
  report(2),
  namespace,
  pod('web', '10.65.0.0'),
  pod('db', '10.244.1.5'),
  peer({ nodeSelector: 'rack == "1"' }),
  pool('a', '10.65.0.0/16'),
  policy({
    podSelector: { matchLabels: { app: 'web' } },
    ingress: [{ from: [{ podSelector: { matchLabels: { app: 'db' } } }] }],
  }),
  block('k8s-pod-network.1', 'web'),
];

interface World {
  readonly skewMs?: number;
  /** Kinds that may not be read. */
  readonly forbidden?: readonly string[];
}

const sourceOf = (objects: readonly Manifest[], { skewMs = 0, forbidden = [] }: World = {}): Source => ({
  where: 'https://here',
  list: async ({ kind, apiVersion }) =>
    forbidden.includes(kind)
      ? err({ kind: 'forbidden', sentence: `You may not read ${kind}.` })
      : ok(objects.filter((one) => one['kind'] === kind && one['apiVersion'] === apiVersion)),
  get: async () => ok(undefined),
  follow: () => () => undefined,
  clockSkewMs: async () => skewMs,
});

async function look(objects: readonly Manifest[], world?: World) {
  const { facts, unread } = await gatherCluster(sourceOf(objects, world), '0.1.0');
  return diagnose(clusterChecks, facts, unread);
}

/** Those of the same kind and name make way. */
const nameOf = (one: Manifest): string =>
  JSON.stringify([one['kind'], (one['metadata'] as Manifest)['name']]);
const with_ = (...planted: readonly Manifest[]): readonly Manifest[] => [
  ...healthy.filter((one) => !planted.some((other) => nameOf(other) === nameOf(one))),
  ...planted,
];
const without = (kind: string, name: string): readonly Manifest[] =>
  healthy.filter((one) => nameOf(one) !== JSON.stringify([kind, name]));

test('of a cluster that is well nothing is said', async () => {
  const { findings, skipped, looked } = await look(healthy);
  expect(findings).toEqual([]);
  expect(skipped).toEqual([]);
  expect(looked).toEqual(clusterChecks.map(({ name }) => name));
});

const many = Array.from({ length: 101 }, (_, index) => index + 1);

describe('is found', () => {
  test.each<[string, string, string, readonly Manifest[]]>([
    ['a node that never reported', 'reports', 'node2', without('CalicoNodeStatus', 'node2')],
    [
      'a report that is old',
      'reports',
      'node2',
      with_(report(2, { felix: { ...felix, at: '2026-01-01T00:00:00Z' } })),
    ],
    [
      'a session that is down',
      'peers',
      'node1 → tor (172.30.0.1, AS 65000)',
      with_(report(1, { bgp: { ...bgp, peers: [torDown] } })),
    ],
    [
      'a router id of two nodes',
      'router-ids',
      'node1, node2',
      with_(report(2, { bgp: { ...bgp, routerId: '172.30.0.11' } })),
    ],
    ['an address of two nodes', 'addresses', 'node1, node2', with_(node(2, { ip: '172.30.0.11' }))],
    ['pools that overlap', 'overlaps', 'IPPool/a and IPPool/b', with_(pool('b', '10.65.1.0/24'))],
    [
      'pod CIDRs that overlap',
      'overlaps',
      'Node/node1 and Node/node2',
      with_(node(2, { cidr: '10.244.0.0/16' })),
    ],
    [
      'a pool around the nodes',
      'overlaps',
      'Node/node1 and IPPool/b',
      with_(object(v3, 'IPPool', 'b', { cidr: '172.30.0.11/32', blockSize: 32 })),
    ],
    [
      'a pool among the Services',
      'overlaps',
      'IPPool/a and ServiceCIDR/kubernetes',
      with_(object('networking.k8s.io/v1', 'ServiceCIDR', 'kubernetes', { cidrs: ['10.65.128.0/20'] })),
    ],
    [
      'an address of a node that is gone',
      'leaks',
      'k8s-pod-network.1',
      with_(block('k8s-pod-network.1', 'lost')),
    ],
    [
      'an address of a pod that is gone',
      'leaks',
      'k8s-pod-network.1',
      with_(block('k8s-pod-network.1', 'ended')),
    ],
    [
      'a BGPPeer whose selector fits no node',
      'peer-selectors',
      'BGPPeer/tor',
      with_(peer({ nodeSelector: 'rack == "9"' })),
    ],
    [
      'a BGPPeer of a node that is not there',
      'peer-selectors',
      'BGPPeer/tor',
      with_(peer({ node: 'node9' })),
    ],
    [
      'a NetworkPolicy of no pod',
      'policy-selectors',
      'NetworkPolicy/shop/web',
      with_(policy({ podSelector: { matchLabels: { app: 'wep' } } })),
    ],
    [
      'a rule for no pod',
      'policy-selectors',
      'NetworkPolicy/shop/web',
      with_(
        policy({
          podSelector: {},
          egress: [{ to: [{ namespaceSelector: { matchLabels: { team: 'x' } } }] }],
        }),
      ),
    ],
    [
      'nodes of two versions',
      'versions',
      'versions',
      with_(report(2, { bgp: { ...bgp, version: '0.0.9' } })),
    ],
    [
      'a mesh of more than a hundred nodes',
      'mesh',
      'node-to-node mesh',
      [
        ...many.map((one) => node(one, { cidr: `10.${one}.0.0/24`, ip: `172.30.1.${one}` })),
        ...many.map((one) => report(one, { bgp: { ...bgp, routerId: `1.1.1.${one}` } })),
      ],
    ],
    [
      'a startup taint that stays',
      'taints',
      'node1',
      with_(node(1, { taints: [{ key: 'node.tortie.io/agent-not-ready', effect: 'NoSchedule' }] })),
    ],
    [
      'a report from the future',
      'clock',
      'node1',
      with_(report(1, { bgp: { ...bgp, at: new Date(Date.now() + 600_000).toISOString() } })),
    ],
    ['an object that cannot be read', 'objects', 'IPPool/bad', with_(pool('bad', 'nonsense'))],
  ])('%s', async (_, check, subject, objects) => {
    const { findings } = await look(objects);
    expect(findings.map((one) => [one.check, one.subject])).toEqual([[check, subject]]);
    // Each with evidence, and in sentences.
    for (const { evidence, why, fix } of findings)
      for (const text of [evidence, why, fix]) expect(text).toMatch(/^\S.*[.]$/s);
  });

  test("a clock that differs from the API server's", async () => {
    const { findings } = await look(healthy, { skewMs: -12_000 });
    expect(findings.map(({ check, evidence }) => [check, evidence])).toEqual([
      ['clock', "The Date of the API server's answer is 12 s behind the clock here."],
    ]);
  });
});

test('what may not be read is said, and the other checks are made', async () => {
  const { skipped, looked } = await look(healthy, { forbidden: ['IPAMBlock', 'Pod'] });
  expect(skipped).toEqual([
    { check: 'leaks', why: 'You may not read IPAMBlock.' },
    { check: 'policy-selectors', why: 'You may not read Pod.' },
  ]);
  expect(looked).toHaveLength(clusterChecks.length - 2);
});

describe('the last error of a session is explained:', () => {
  test.each([
    [
      '172.30.0.1 port 179 refuses connections: no BGP speaker listens there (ECONNREFUSED)',
      /nothing listens on that port/,
      /Start BGP on 172\.30\.0\.1/,
    ],
    [
      '172.30.0.1 port 179 does not answer (ETIMEDOUT)',
      /a firewall drops port 179/,
      /nc -zv 172\.30\.0\.1 179/,
    ],
    [
      '172.30.0.1 port 179 cannot be reached: no route (EHOSTUNREACH)',
      /no route to the neighbour/,
      /ip route get 172\.30\.0\.1/,
    ],
    [
      'the neighbour says it is AS 65002 but BGPPeer expects 65000; we closed with OPEN message error, bad peer AS (2/2)',
      /do not agree which AS/,
      /BGPPeer tor \(65000\)/,
    ],
    [
      'the neighbour closed the session with OPEN message error, bad BGP Identifier (2/3): it does not take our BGP Identifier; another router may have the same',
      /router id/,
      /id of its own/,
    ],
    [
      'nothing came from the neighbour for 30 s; we closed with hold timer expired (4/0)',
      /whole hold time/,
      /ping -M do/,
    ],
    [
      'the neighbour closed the session with Cease, connection rejected (6/5): it does not know us as a neighbour, or refuses us for now',
      /does not know this node/,
      /neighbour on 172/,
    ],
    ['the Secret tortie-bgp is not there', /password/, /Secret which BGPPeer tor names/],
    ['the MD5 signature is wrong', /same password/, /same password, or none/],
    ['something never seen', /Routes are not exchanged/, /tortiectl node status/],
    [undefined, /has not failed yet/, /Wait half a minute/],
  ])('%s', (lastError, why, fix) => {
    const { lastError: _, ...silent } = torDown;
    const meaning = explain(lastError === undefined ? silent : { ...silent, lastError });
    expect(meaning.why).toMatch(why);
    expect(meaning.fix).toMatch(fix);
  });
});

test('it is told with evidence, why and fix, the worst first, and a last line that counts', () => {
  const finding = { subject: 's', evidence: 'E.', why: 'W.', fix: 'F.' };
  const text = diagnosisText({
    findings: [
      { check: 'a', severity: 'note', ...finding },
      { check: 'b', severity: 'error', ...finding },
    ],
    looked: ['a', 'b'],
    skipped: [
      { check: 'c', why: 'You may not.' },
      { check: 'd', why: 'You may not.' },
    ],
  });
  expect(text).toBe(`✗ b: s
    evidence  E.
    why       W.
    fix       F.

· a: s
    evidence  E.
    why       W.
    fix       F.

Not checked: c, d. You may not.
2 checks made: 1 error, 0 warnings, 1 note.`);
});

test('sessions that are up are nothing to tell', async () => {
  expect((await look(with_(report(1, { bgp: { ...bgp, peers: [torSession] } })))).findings).toEqual([]);
});
