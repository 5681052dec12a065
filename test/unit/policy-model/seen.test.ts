/** Which connections of now a preview forbids: those that may begin now and could not any more. */
import { expect, test } from 'vitest';
import type { SeenConnections } from '../../../src/model/flow.ts';
import { snapshotOf } from '../../../src/policy/cluster.ts';
import { forbiddenBy, forbiddenLines } from '../../../src/policy/preview/seen.ts';
import { shopPod, shopPolicy } from '../../support/shop.ts';

const pods = [
  shopPod('db', { app: 'db' }, ['10.244.1.3', 'fd00:1::3']),
  shopPod('front', { app: 'front' }, ['10.244.2.7']),
  shopPod('batch', { app: 'batch' }, ['10.244.2.8', 'fd00:2::8']),
];
const cluster = (...policies: readonly ReturnType<typeof shopPolicy>[]) =>
  snapshotOf([...pods, ...policies]).cluster;
const isolated = (name: string, app: string) =>
  shopPolicy(name, { podSelector: { matchLabels: { app } }, policyTypes: ['Ingress'] });
const onlyFront = shopPolicy('only-front', {
  podSelector: { matchLabels: { app: 'db' } },
  policyTypes: ['Ingress'],
  ingress: [{ from: [{ podSelector: { matchLabels: { app: 'front' } } }] }],
});

const seen: readonly SeenConnections[] = [
  { source: '10.244.2.7', destination: '10.244.1.3', protocol: 6, port: 5432, count: 2 },
  { source: '10.244.2.8', destination: '10.244.1.3', protocol: 6, port: 5432, count: 3 },
  { source: 'fd00:2::8', destination: 'fd00:1::3', protocol: 58, count: 1 },
  { source: '10.244.1.3', destination: '192.0.2.9', protocol: 17, port: 53, count: 1 },
];

test('of the connections there are, exactly those are named that the change would forbid', () => {
  const forbidden = forbiddenBy(cluster(), cluster(onlyFront), seen);
  expect(forbidden.map(({ from, to, count }) => [from, to, count])).toEqual([
    ['pod shop/batch', 'pod shop/db', 3],
    ['pod shop/batch', 'pod shop/db', 1],
  ]);
  const lines = forbiddenLines('node1', seen, forbidden);
  expect(lines.slice(0, 2)).toEqual([
    'Of 7 connections of pods of node1 now, 4 would be forbidden:',
    expect.stringMatching(/^- pod shop\/batch → pod shop\/db:5432\/TCP \(3 now\): .*only-front/),
  ]);
  expect(lines[2]).toContain('/ICMPv6 (1 now)');
});

test('what is forbidden already, and goes on because it was allowed once, is not the change’s doing', () => {
  const before = cluster(isolated('closed', 'db'));
  expect(forbiddenBy(before, cluster(isolated('closed', 'db'), onlyFront), seen)).toEqual([]);
  expect(forbiddenLines('node1', seen, [])).toEqual([
    'Of 7 connections of pods of node1 now, 0 would be forbidden.',
  ]);
});
