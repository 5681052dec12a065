/** What felix makes its rules of beside policy: said again it is nothing new. */
import { expect, test } from 'vitest';
import { Configured } from '../../../felix/configured.ts';
import { Surroundings } from '../../../felix/surroundings.ts';
import type { Resource } from '../../../src/model/resource.ts';
import { readManifest } from '../../../src/store/schema/manifest.ts';
import type { Change } from '../../../src/store/store.ts';

const put = (json: object): Change => {
  const read = readManifest(json);
  if (!read.ok) throw new Error(JSON.stringify(read.error));
  return { kind: 'put', resource: read.value };
};
const gone = (kind: Resource['kind'], name: string): Change => ({ kind: 'delete', ref: { kind, name } });
/** As kubelet writes it every few minutes. */
const node = (name: string, address: string, more: object = {}): Change =>
  put({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { zone: 'a' }, ...more },
    status: {
      addresses: [{ type: 'InternalIP', address }],
      conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: new Date().toISOString() }],
    },
  });
const calico = (kind: string, name: string, spec: object, resourceVersion = '1'): Change =>
  put({ apiVersion: 'projectcalico.org/v3', kind, metadata: { name, resourceVersion }, spec });

test('the heartbeats of 5,000 nodes are of no consequence; another address is, and one that goes', () => {
  const surroundings = new Surroundings();
  const configured = new Configured('node-7');
  const news = (change: Change): boolean =>
    [configured.change(change), surroundings.change(change)].some(Boolean);
  const beat = (index: number): Change => node(`node-${index}`, `10.1.${index >> 8}.${index & 255}`);
  const all = Array.from({ length: 5000 }, (_, index) => index);
  expect(all.map(beat).filter(news)).toHaveLength(5000);
  expect(all.map(beat).filter(news)).toEqual([]);
  expect(news(node('node-9', '10.9.9.9'))).toBe(true);
  expect(news(gone('Node', 'node-9'))).toBe(true);
  expect(news(gone('Node', 'node-9'))).toBe(false);
});

test('of our own node only the labels count beside that, for they choose the configuration', () => {
  const configured = new Configured('node-7');
  expect(configured.change(node('node-7', '10.1.0.7'))).toBe(true);
  expect(configured.change(node('node-7', '10.1.0.8', { annotations: { a: 'b' } }))).toBe(false);
  expect(configured.change(node('node-7', '10.1.0.8', { labels: { zone: 'b' } }))).toBe(true);
  expect(configured.change(node('node-8', '10.1.0.9', { labels: { zone: 'c' } }))).toBe(false);
});

test('a pool, a configuration and ranges of Services are news once each, and again when they change', () => {
  const surroundings = new Surroundings();
  const configured = new Configured('node-7');
  const said = (change: Change): boolean =>
    [configured.change(change), surroundings.change(change)].some(Boolean);
  const rows: readonly (readonly [string, string, object, object])[] = [
    ['IPPool', 'pods', { cidr: '10.65.0.0/16' }, { cidr: '10.65.0.0/16', natOutgoing: true }],
    ['FelixConfiguration', 'default', {}, { floatingIPs: 'Enabled' }],
    ['BGPConfiguration', 'default', {}, { serviceClusterIPs: [{ cidr: '10.96.0.0/12' }] }],
  ];
  for (const [kind, name, one, other] of rows) {
    if (kind !== 'BGPConfiguration') expect(said(calico(kind, name, one))).toBe(true);
    expect(said(calico(kind, name, one, '1'))).toBe(false);
    expect(said(calico(kind, name, other))).toBe(true);
    expect(said(calico(kind, name, other))).toBe(false);
  }
});
