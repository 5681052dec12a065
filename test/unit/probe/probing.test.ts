/** What is answered on the socket: whose network namespace is entered, and what is refused. */
import { expect, test } from 'vitest';
import { createGraph } from '../../../felix/calc/graph.ts';
import { Probing, type ProbingOptions } from '../../../felix/probe/probing.ts';
import type { AttachmentRecord } from '../../../src/cni/records.ts';
import { kernelError } from '../../../src/kernel/kernel-error.ts';
import type { ProbeOutcome } from '../../../src/model/live.ts';
import { virtualClock } from '../../support/clock.ts';

const record = (pod: string, netns: string): AttachmentRecord => ({
  ...{ containerId: 'c', ifname: 'eth0', netns, namespace: 'shop', pod, interface: `cali${pod}` },
  ...{ addresses: [], mac: '', mtu: 1500, network: 'pods', isForeign: false },
});

function setUp(more: Partial<ProbingOptions> = {}) {
  const entered: (string | undefined)[] = [];
  const probing = new Probing({
    ...{ node: 'node1', graph: createGraph(), kernel: { links: () => Promise.resolve([]) } },
    ...{ clock: virtualClock(), random: () => 0, isLegacy: () => false },
    attachments: { all: () => [record('front', '/run/netns/front'), record('lost', '')] },
    knock: (netns): Promise<ProbeOutcome> => {
      entered.push(netns);
      return Promise.resolve({ kind: 'connected', afterMs: 1 });
    },
    ...more,
  });
  const post = async (path: 'POST /probe' | 'POST /trace', body: unknown) => {
    const answer = probing.endpoints[path]?.({
      ...{ query: new URLSearchParams(), headers: {}, body: JSON.stringify(body) },
    });
    return answer;
  };
  return { entered, post };
}

const asked = {
  ...{ source: '10.0.0.1', to: '10.0.0.2', protocol: 6, port: 80, sourcePort: 61_000, withinMs: 100 },
};
const from = (pod: string): object => ({ ...asked, from: { namespace: 'shop', pod } });

test('a probe goes from the network namespace of the pod, or from the node’s own', async () => {
  const { post, entered } = setUp();
  expect(await post('POST /probe', from('front'))).toEqual({
    status: 200,
    body: { kind: 'connected', afterMs: 1 },
  });
  await post('POST /probe', { ...asked, from: 'host' });
  expect(entered).toEqual(['/run/netns/front', undefined]);
});

test.each([
  ['nobody', 404, 'Pod shop/nobody has no interface on node node1'],
  ['lost', 404, 'recreate the pod'],
])('from the pod %s nothing is sent', async (pod, status, words) => {
  const { post, entered } = setUp();
  expect(await post('POST /probe', from(pod))).toMatchObject({
    status,
    body: { error: expect.stringContaining(words) },
  });
  expect(entered).toEqual([]);
});

test.each([
  ['EADDRINUSE', 409],
  ['ENOENT', 500],
])('what the kernel refuses with %s is %i', async (code, status) => {
  const { post } = setUp({ knock: () => Promise.reject(kernelError('bind', code)) });
  expect(await post('POST /probe', from('front'))).toMatchObject({
    status,
    body: { error: expect.stringContaining(code) },
  });
});

test('there are so many probes at a time, and no more', async () => {
  const held = Promise.withResolvers<ProbeOutcome>();
  const { post } = setUp({ knock: () => held.promise });
  const waiting = Array.from({ length: 16 }, () => post('POST /probe', from('front')));
  expect(await post('POST /probe', from('front'))).toMatchObject({ status: 409 });
  held.resolve({ kind: 'silent', afterMs: 1 });
  await Promise.all(waiting);
  expect(await post('POST /probe', from('front'))).toMatchObject({ status: 200 });
});

test('what is asked wrongly is 400, and an agent without a kernel says so', async () => {
  expect(await setUp().post('POST /probe', {})).toMatchObject({ status: 400 });
  const { post } = setUp();
  expect(await post('POST /trace', { version: 4, protocol: 6, sourcePort: 1, forMs: 1 })).toMatchObject({
    status: 501,
  });
  const open = () => Promise.reject(kernelError('run an nft transaction', 'EPERM'));
  expect(await setUp({ openTrace: open }).post('POST /trace', { version: 5 })).toMatchObject({ status: 400 });
});
