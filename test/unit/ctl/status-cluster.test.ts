import { expect, test } from 'vitest';
import { leaderTroubles, nodeTroubles, podTroubles } from '../../../src/ctl/status/cluster.ts';
import { exitCode, overview } from '../../../src/ctl/status/overview.ts';
import { overviewText } from '../../../src/ctl/status/text.ts';
import { bgpReport, felixReport, now, torSession } from '../../support/reports.ts';

const ago = (seconds: number): string => new Date(now.getTime() - seconds * 1000).toISOString();

const node = (status?: string) => ({
  metadata: { name: 'node1' },
  ...(status === undefined
    ? {}
    : {
        status: {
          conditions: [
            {
              ...{ type: 'Ready', status, reason: 'NodeStatusUnknown' },
              ...{ message: 'Kubelet stopped posting node status.', lastTransitionTime: ago(300) },
            },
          ],
        },
      }),
});

test.each([
  ['is ready', 'True'],
  ['does not say', undefined],
])('nothing is said of a node that %s', (_, status) => {
  expect(nodeTroubles(node(status), now)).toEqual([]);
});

test('a node whose kubelet is silent comes first, and its good report is shown as doubtful', () => {
  const reports = [
    {
      node: 'node1',
      report: {
        bgp: { ...bgpReport, sessions: { established: 1, total: 1 }, peers: [torSession] },
        felix: felixReport,
      },
    },
  ];
  const found = overview(['node1'], reports, now, nodeTroubles(node('Unknown'), now));
  const text = overviewText(found, { wide: false, now });
  expect(text).toContain(
    '✗ node1: Kubernetes has found the node silent for 5m: Kubelet stopped posting node status. What is shown of it may be old.',
  );
  expect(text).toContain('Established?');
  expect(exitCode(found)).toBe(2);
});

test('a node that Kubernetes calls not ready has a problem, and what it reports counts', () => {
  const [trouble] = nodeTroubles(node('False'), now);
  expect(trouble).toMatchObject({ node: 'node1', rank: 2, fix: 'kubectl describe node node1.' });
});

const pod = (status: object) => ({
  metadata: { name: 'tortie-node-x', namespace: 'kube-system' },
  spec: { nodeName: 'node2' },
  status: { phase: 'Running', ...status },
});
const container = (name: string, state: object, ready = true, restartCount = 0) => ({
  ...{ name, state, ready, restartCount },
});

test.each([
  [
    'crashes again and again',
    { containerStatuses: [container('felix', { waiting: { reason: 'CrashLoopBackOff' } }, false, 7)] },
    'Container felix of tortie-node-x does not run: CrashLoopBackOff, after 7 restarts.',
  ],
  [
    'has ended',
    { containerStatuses: [container('bgp', { terminated: { reason: 'Error', exitCode: 137 } }, false)] },
    'Container bgp of tortie-node-x has ended: Error, exit code 137.',
  ],
  [
    'has no image',
    { initContainerStatuses: [container('cni', { waiting: { reason: 'ImagePullBackOff' } }, false)] },
    'Container cni of tortie-node-x does not run: ImagePullBackOff.',
  ],
  [
    'is not ready',
    { containerStatuses: [container('bgp', { running: {} }, false)] },
    'Container bgp of tortie-node-x runs, and is not ready: its /readyz says why.',
  ],
])('of a container that %s the node has a problem', (_, status, what) => {
  expect(podTroubles(pod(status))).toMatchObject([{ node: 'node2', rank: 2, what }]);
});

test.each([
  ['runs and is ready', { containerStatuses: [container('bgp', { running: {} })] }],
  [
    'is being made',
    { containerStatuses: [container('bgp', { waiting: { reason: 'ContainerCreating' } }, false)] },
  ],
  [
    'has done its work at the start',
    { initContainerStatuses: [container('cni', { terminated: { exitCode: 0 } })] },
  ],
  [
    'is of a pod that is done',
    { phase: 'Succeeded', containerStatuses: [container('clean', { terminated: { exitCode: 0 } }, false)] },
  ],
])('nothing is said of a container that %s', (_, status) => {
  expect(podTroubles(pod(status))).toEqual([]);
});

const lease = (holderIdentity: string, seconds: number) => ({
  spec: { holderIdentity, renewTime: ago(seconds) },
});

test('a Lease that nobody renews is a problem of the controller and of no node', () => {
  expect(leaderTroubles([lease('a', 180)], now)).toMatchObject([{ node: 'controller', rank: 2 }]);
  expect(leaderTroubles([lease('', 180)], now)).toMatchObject([{ node: 'controller' }]);
  expect(leaderTroubles([lease('a', 5)], now)).toEqual([]);
  expect(leaderTroubles([lease('', 5)], now)).toEqual([]); // the next one is about to take it
});

test('without a Lease there may be no controller, which is nobody’s fault', () => {
  expect(leaderTroubles([], now)).toEqual([]);
});
