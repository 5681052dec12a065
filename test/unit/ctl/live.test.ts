/** Which way leads to a node's agent, and what is asked of it: by sockets, and by exec in its pod. */
import { expect, test } from 'vitest';
import type { Container, RunInContainer } from '../../../src/ctl/cluster/exec.ts';
import { askFelixBy, type Question, socketsOf } from '../../../src/ctl/cluster/felix.ts';
import type { Scope, Source } from '../../../src/ctl/cluster/source.ts';
import type { LiveOptions } from '../../../src/ctl/live/attempt.ts';
import { triesOf, tryIt } from '../../../src/ctl/live/tries.ts';
import { err, ok } from '../../../src/lib/result.ts';
import type { ProbeRequest, TraceRequest } from '../../../src/model/live.ts';
import type { Resource } from '../../../src/model/resource.ts';
import { snapshotOf } from '../../../src/policy/cluster.ts';
import { why } from '../../../src/policy/why.ts';
import { readManifest } from '../../../src/store/schema/manifest.ts';
import { namespaceObject, nodeObject, podObject } from '../../support/felix.ts';

test('a socket is of the node it is given for, or of the node whose agent answers there', () => {
  expect([...socketsOf([])]).toEqual([['', '/run/tortie/felix.sock']]);
  expect([...socketsOf(['/a.sock', 'node2=/b.sock', '/with=sign/c'])]).toEqual([
    ['', '/with=sign/c'],
    ['node2', '/b.sock'],
  ]);
});

test('in a directory a node without a socket cannot be asked, and what to give is said', async () => {
  const ask = askFelixBy({ sockets: socketsOf(['/nowhere.sock']) });
  expect(await ask('node2', { method: 'GET', path: '/status' })).toEqual(
    err(
      'The datastore is a directory, so node node2 can only be asked by its socket: give --felix-socket node2=PATH.',
    ),
  );
});

const pod = (name: string, phase: string): object => ({
  metadata: { namespace: 'kube-system', name },
  status: { phase },
});

function cluster(pods: readonly object[], run: RunInContainer) {
  const scopes: (Scope | undefined)[] = [];
  const source: Pick<Source, 'list'> = {
    list: (_, scope) => {
      scopes.push(scope);
      return Promise.resolve(ok(pods as never));
    },
  };
  const ask = askFelixBy({ sockets: socketsOf(['/nowhere.sock']), cluster: { source, run } });
  return { ask, scopes };
}

test('another node is asked in its own pod, found by label and node, once', async () => {
  const ran: { where: Container; command: readonly string[] }[] = [];
  const { ask, scopes } = cluster(
    [pod('old', 'Failed'), pod('tortie-node-x', 'Running')],
    (where, command) => {
      ran.push({ where, command });
      return Promise.resolve(ok({ code: 1, stdout: '{"status":409,"body":{"error":"busy"}}\n', stderr: '' }));
    },
  );
  const question: Question = { method: 'POST', path: '/trace', body: { version: 4 } };
  expect(await ask('node2', question)).toEqual(ok({ status: 409, body: { error: 'busy' } }));
  await ask('node2', { method: 'GET', path: '/trace?id=1' });
  const where = { namespace: 'kube-system', pod: 'tortie-node-x', container: 'felix' };
  expect(ran).toEqual([
    { where, command: ['tortiectl', 'node', 'ask', 'POST', '/trace', '{"version":4}'] },
    { where, command: ['tortiectl', 'node', 'ask', 'GET', '/trace?id=1'] },
  ]);
  expect(scopes).toEqual([
    {
      labels: 'app.kubernetes.io/name=tortie,app.kubernetes.io/component=node',
      fields: 'spec.nodeName=node2',
    },
  ]);
});

test.each([
  ['no pod', [], ok({ code: 0, stdout: '', stderr: '' }), 'No pod of Tortie runs on node node2'],
  [
    'no right',
    [pod('p', 'Running')],
    err('403'),
    'It takes the right to create pods/exec in namespace kube-system.',
  ],
  [
    'an old tortiectl',
    [pod('p', 'Running')],
    ok({ code: 2, stdout: '', stderr: "unknown command 'ask'" }),
    "unknown command 'ask'",
  ],
  [
    'nonsense',
    [pod('p', 'Running')],
    ok({ code: 0, stdout: '[]', stderr: '' }),
    'Pod kube-system/p: no answer',
  ],
] as const)('%s is a sentence', async (_, pods, ended, words) => {
  const { ask } = cluster(pods, () => Promise.resolve(ended));
  const answer = await ask('node2', { method: 'GET', path: '/status' });
  expect(answer.ok ? answer : answer.error).toContain(words);
});

const resources = [
  {
    ...nodeObject('node1', '10.1.0.0/24'),
    status: { addresses: [{ type: 'InternalIP', address: '172.16.0.1' }] },
  },
  nodeObject('node2', '10.2.0.0/24'),
  namespaceObject('x'),
  podObject('x/a', 'node1', { ips: ['10.1.0.1'] }),
  podObject('x/b', 'node2', { ips: ['10.2.0.1'] }),
  podObject('x/c', 'node1', { ips: ['10.1.0.2'], labels: { app: 'c' } }),
  {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace: 'x', name: 'closed' },
    spec: { podSelector: { matchLabels: { app: 'c' } }, policyTypes: ['Ingress'] },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: 'x', name: 'web' },
    spec: { clusterIP: '10.96.0.7', clusterIPs: ['10.96.0.7'], ports: [{ port: 80 }] },
  },
  {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { namespace: 'x', name: 'web', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    ports: [{ name: '', port: 80, protocol: 'TCP' }],
    endpoints: ['10.1.0.2', '10.2.0.1'].map((each) => ({ addresses: [each], conditions: { ready: true } })),
  },
].map((object): Resource => {
  const read = readManifest(object);
  if (!read.ok) throw new Error(JSON.stringify(read.error));
  return read.value;
});
const world = snapshotOf(resources).cluster;

async function tryOut(
  from: string,
  to: string,
  refuse: (asked: Question) => number | undefined = () => undefined,
) {
  const [answer] = (() => {
    const answers = why(world, from, to, 'x');
    return answers.ok ? answers.value : [];
  })();
  if (answer === undefined) throw new Error(`${from} ${to}`);
  const asked: { node: string; question: Question }[] = [];
  const ask: LiveOptions['ask'] = (node, question) => {
    asked.push({ node, question });
    const status = refuse(question);
    if (status !== undefined) return Promise.resolve(ok({ status, body: { error: `no: ${status}` } }));
    const body =
      question.path === '/trace'
        ? { id: '1' }
        : question.path === '/probe'
          ? { kind: 'connected', afterMs: 1 }
          : { node, steps: [], packets: { there: 1, back: 1 }, cut: false };
    return Promise.resolve(ok({ status: 200, body }));
  };
  let next = 0;
  const random = (): number => (next++ % 10) / 10;
  const [tried] = await tryIt(world, [answer], { ask, random, withinMs: 1000 });
  if (tried === undefined) throw new Error('nothing came of it');
  const { live } = tried;
  const bodies = (path: string) => asked.filter(({ question }) => question.path === path);
  return { live, traces: bodies('/trace'), probes: bodies('/probe'), asked };
}

test('both nodes follow the flow that the source claims', async () => {
  const { live, traces, probes } = await tryOut('a', 'b:80');
  const flow = { version: 4, protocol: 6, destination: '10.2.0.1', sourcePort: 61_000, destinationPort: 80 };
  expect(traces.map(({ node, question }) => [node, question.body as TraceRequest])).toMatchObject([
    ['node1', { ...flow, source: '10.1.0.1' }],
    // There the source may be another: what leaves the pod network is translated.
    ['node2', flow],
  ]);
  expect(traces[1]?.question.body).not.toHaveProperty('source');
  expect(probes).toMatchObject([
    {
      node: 'node1',
      question: {
        body: {
          ...{ from: { namespace: 'x', pod: 'a' }, source: '10.1.0.1', to: '10.2.0.1' },
          ...{ protocol: 6, port: 80, sourcePort: 61_000, withinMs: 1000 },
        } satisfies ProbeRequest,
      },
    },
  ]);
  expect(live).toMatchObject({
    outcome: { kind: 'connected' },
    halves: [{ end: 'source' }, { end: 'destination' }],
  });
});

test('a ping is known by its identifier, and of one node there is one half', async () => {
  const { live, traces, probes } = await tryOut('host:node1', 'x/a/icmp');
  expect(traces).toMatchObject([{ node: 'node1', question: { body: { protocol: 1, icmpId: 61_000 } } }]);
  expect(probes).toMatchObject([
    { question: { body: { from: 'host', source: '172.16.0.1', icmpId: 61_000 } } },
  ]);
  expect(live.halves).toMatchObject([{ end: 'both' }]);
});

test('a port that is taken is given up for another, and traces are ended each time', async () => {
  let taken = 2;
  const { live, probes, asked } = await tryOut('a', 'b:80', ({ path }) =>
    path === '/probe' && taken-- > 0 ? 409 : undefined,
  );
  const ports = probes.map(({ question }) => (question.body as ProbeRequest).sourcePort);
  expect(new Set(ports).size).toBe(3);
  expect(live.outcome?.kind).toBe('connected');
  expect(asked.filter(({ question }) => question.path === '/trace?id=1').length).toBe(6);
  const never = await tryOut('a', 'b:80', ({ path }) => (path === '/probe' ? 409 : undefined));
  expect(never.probes.length).toBe(5);
  expect(never.live.untried).toContain('no: 409');
});

test('a node that cannot follow is missing, and the probe is sent all the same', async () => {
  const { live } = await tryOut('a', 'b:80', ({ path }) => (path === '/trace' ? 501 : undefined));
  expect(live).toMatchObject({
    outcome: { kind: 'connected' },
    halves: [{ missing: 'no: 501' }, { missing: 'no: 501' }],
  });
});

test('what cannot be tried is a sentence, and nobody is asked', async () => {
  for (const [from, to, words] of [
    ['192.0.2.1', 'b:80', '192.0.2.1 is no pod or node of this cluster'],
    ['a', 'x/b:80/sctp', 'SCTP cannot be sent from here'],
  ] as const) {
    const { live, asked } = await tryOut(from, to);
    expect(live.untried).toContain(words);
    expect(asked).toEqual([]);
  }
});

test('of a Service one probe is for all that its address leads to, and who it did not lead to is passed over', async () => {
  const answers = why(world, 'a', 'svc:x/web', 'x');
  if (!answers.ok) throw new Error(answers.error);
  expect(answers.value.length).toBe(2);
  const [one = [], ...more] = triesOf(answers.value);
  expect(more).toEqual([]);
  const asked: { node: string; question: Question }[] = [];
  const head = {
    source: '10.1.0.1',
    destination: '10.2.0.1',
    protocol: 6,
    sourcePort: 1,
    destinationPort: 80,
  };
  const step = { way: 'there', verdict: 'accept', head };
  const ask: LiveOptions['ask'] = (node, question) => {
    asked.push({ node, question });
    const steps = node === 'node2' ? [step] : [];
    const body =
      question.path === '/probe'
        ? { kind: 'connected', afterMs: 1 }
        : { id: '1', node, steps, packets: { there: steps.length, back: 0 }, cut: false };
    return Promise.resolve(ok({ status: 200, body }));
  };
  const came = await tryIt(world, one, { ask, random: () => 0, withinMs: 1000 });
  const traces = asked.filter(({ question }) => question.path === '/trace');
  expect(traces.map(({ node, question }) => [node, question.body])).toMatchObject([
    ['node1', { destination: '10.96.0.7', destinationPort: 80, source: '10.1.0.1' }],
    ['node2', { sourcePort: 61_000 }],
  ]);
  // What it is translated to is not known before.
  expect(traces[1]?.question.body).not.toHaveProperty('destination');
  expect(asked.find(({ question }) => question.path === '/probe')?.question.body).toMatchObject({
    to: '10.96.0.7',
    port: 80,
  });
  expect(came.map(({ answer, live }) => [answer.to, live.isPassedOver === true])).toEqual([
    ['pod x/c', true],
    ['pod x/b', false],
  ]);
  expect(came[1]?.live).toMatchObject({
    service: "the Service's address was dialled, and led to 10.2.0.1",
    halves: [
      { node: 'node1', end: 'source' },
      { node: 'node2', end: 'destination' },
    ],
  });
});
