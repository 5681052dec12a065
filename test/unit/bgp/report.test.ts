/** What the speaker reports of its node: compact, trouble first, and which waiting nodes it sees. */
import { expect, test } from 'vitest';
import { observersOf } from '../../../bgp/intent/observers.ts';
import { createSpeaker } from '../../../bgp/speaker.ts';
import { bgpReport } from '../../../bgp/status/report.ts';
import type { Prefix } from '../../../src/lib/net.ts';
import { formatPrefix } from '../../../src/lib/net.ts';
import { startupTaint } from '../../../src/model/node-report.ts';
import type { Node } from '../../../src/model/resource.ts';
import type { BgpStatus, PeerStatus } from '../../../src/model/status.ts';
import { daemonBench } from '../../support/daemon-bench.ts';
import { memoryStore } from '../../support/memory-store.ts';
import { nodeManifest } from '../../support/rack.ts';
import { node } from '../../support/resources.ts';

const peer = (name: string, over: Partial<PeerStatus> = {}): PeerStatus => ({
  name,
  address: '172.30.0.12',
  port: 179,
  type: 'node-to-node mesh',
  state: 'Established',
  since: '2026-01-01T00:00:00.000Z',
  localAsn: 64512,
  peerAsn: 64512,
  families: ['ipv4-unicast'],
  prefixesReceived: 1,
  prefixesAccepted: 1,
  prefixesAdvertised: 1,
  ...over,
});

const status = (over: Partial<BgpStatus> = {}): BgpStatus => ({
  node: 'node1',
  version: '1.0.0',
  inSync: true,
  peers: [],
  kernel: { installed: 0, pending: 0 },
  problems: [],
  ...over,
});

const waiting = (name: string, podCidrs: string[], ips = ['172.30.0.12']): Node =>
  node(name, { ips, podCidrs, taints: [{ key: startupTaint, effect: 'NoSchedule' }] });

const reportOf = (of: BgpStatus, nodes: readonly Node[] = [], forwarded: readonly string[] = []) =>
  bgpReport({
    status: of,
    speaker: createSpeaker({ random: () => 0 }),
    nodes,
    ipam: 'pod-cidrs',
    forwards: (prefix: Prefix) => forwarded.includes(formatPrefix(prefix)),
  });

test('sessions of the mesh that are up are only counted, and those that are down come first', () => {
  const report = reportOf(
    status({
      peers: [
        peer('up'),
        peer('tor', { type: 'global' }),
        peer('down', { state: 'Active', address: 'fd00:30::13' }),
      ],
    }),
  );
  expect(report.sessions).toEqual({ established: 2, total: 3, v6: { established: 0, total: 1 } });
  expect(report.peers.map(({ name }) => name)).toEqual(['down', 'tor']);
});

test('lists are cut and counts are whole', () => {
  const peers = Array.from({ length: 300 }, (_, index) => peer(`peer${index}`, { state: 'Idle' }));
  const problems = peers.map(({ name }) => ({ where: name, what: 'It is wrong.', fix: 'Mend it.' }));
  const report = reportOf(status({ peers, problems }));
  expect([report.peers.length, report.problems.length, report.sessions.total]).toEqual([50, 10, 300]);
  expect(JSON.stringify(report).length).toBeLessThan(20_000);
});

test('a waiting node is seen when all its pod prefixes are in the kernel, in the families it has an address in', () => {
  const nodes = [node('node1'), waiting('node2', ['10.244.2.0/24', 'fd00:244:2::/64'])];
  expect(reportOf(status(), nodes).sees).toEqual([]);
  expect(reportOf(status(), nodes, ['10.244.2.0/24']).sees).toEqual(['node2']);
  const dual = [
    node('node1'),
    waiting('node2', ['10.244.2.0/24', 'fd00:244:2::/64'], ['172.30.0.12', 'fd00:30::12']),
  ];
  expect(reportOf(status(), dual, ['10.244.2.0/24']).sees).toEqual([]);
  expect(reportOf(status(), dual, ['10.244.2.0/24', 'fd00:244:2::/64']).sees).toEqual(['node2']);
});

test('a node is observed by three others, and neither one without the taint nor oneself is reported', () => {
  const nodes = Array.from({ length: 12 }, (_, index) => waiting(`node${index + 1}`, ['10.244.2.0/24']));
  const candidates = nodes.map(({ meta }) => ({ name: meta.name, ready: true }));
  const expected = nodes
    .map(({ meta }) => meta.name)
    .filter((name) => name !== 'node1' && observersOf(name, candidates).includes('node1'));
  expect(reportOf(status(), nodes, ['10.244.2.0/24']).sees).toEqual(expected.sort());
  const untainted = nodes.map((one) => ({ ...one, taints: [] }));
  expect(reportOf(status(), untainted, ['10.244.2.0/24']).sees).toEqual([]);
});

test('the daemon reports once its datastore is read, and no more once it stops', async () => {
  const said: unknown[] = [];
  let isStopped = false;
  const store = memoryStore(nodeManifest('node1', ['127.0.0.1'], ['10.244.1.0/24']));
  const { until, stop } = await daemonBench(store, {
    reporter: {
      say: (report) => said.push(report),
      stop: () => {
        isStopped = true;
      },
    },
  });
  await until(() =>
    expect(said.at(-1)).toMatchObject({ asn: 64512, inSync: true, originated: ['10.244.1.0/24'] }),
  );
  await stop('enough');
  expect(isStopped).toBe(true);
});
