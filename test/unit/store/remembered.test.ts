/** The store with a memory, over a store in memory that can be away, and a directory of the test's own. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Resource } from '../../../src/model/resource.ts';
import { clusterMark } from '../../../src/store/kubernetes/cluster.ts';
import { remembered } from '../../../src/store/remembered.ts';
import type { Batch, Watched } from '../../../src/store/store.ts';
import { virtualClock } from '../../support/clock.ts';
import { eventually } from '../../support/eventually.ts';
import { type MemoryStore, memoryStore } from '../../support/memory-store.ts';
import { ipPool, nodeManifest } from '../../support/rack.ts';

const node1 = nodeManifest('node1', ['172.30.0.11', 'fd00:30::11'], ['10.244.1.0/24', 'fd00:244:1::/64']);
const pool = ipPool('pods', '10.65.0.0/16');

function world() {
  const directory = mkdtempSync(join(tmpdir(), 'remembered-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const clock = virtualClock();

  /** One life of a process. */
  const live = (
    store: MemoryStore,
    identity = 'v1 boot1',
    kinds: readonly Watched[] = ['Node', 'IPPool'],
  ) => {
    const batches: Batch[] = [];
    const known = new Map<string, Resource>();
    const logged: string[] = [];
    const open = remembered(store, {
      file: (kind) => join(directory, `bgp-${kind}.json`),
      clock,
      log: { warn: (line) => logged.push(line) },
      identity,
    });
    const stop = open.watch(kinds, (batch) => {
      batches.push(batch);
      for (const change of batch.changes)
        if (change.kind === 'put') known.set(change.resource.meta.name, change.resource);
        else known.delete(change.ref.name);
    });
    const names = (): readonly string[] => [...known.keys()].sort();
    const inSync = (): boolean => batches.at(-1)?.inSync ?? false;
    const problems = (): string => JSON.stringify(batches.at(-1)?.problems ?? []);
    return { stop, batches, known, names, inSync, problems, logged };
  };

  const until = (check: () => void): Promise<void> => eventually(check, { within: 15_000, every: 1 });
  /** A life in which the datastore was read, long enough ago to be remembered. */
  const before = async (...manifests: readonly unknown[]): Promise<ReadonlyMap<string, Resource>> => {
    const life = live(memoryStore(...manifests));
    await until(() => expect(life.inSync()).toBe(true));
    clock.advance(5000);
    await until(() => expect(readdirSync(directory)).toEqual(['bgp-node.json']));
    life.stop();
    return life.known;
  };
  const away = (...manifests: readonly unknown[]): MemoryStore => {
    const store = memoryStore(...manifests);
    store.away(true);
    return store;
  };
  return { directory, clock, live, until, before, away };
}

test('a datastore that is away is stood in for after ten seconds, with the very same values, and that is said', async () => {
  const { clock, live, until, before, away } = world();
  const told = await before(node1, pool);
  const life = live(away());
  clock.advance(9000);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(life.batches).toEqual([]);
  clock.advance(1000);
  await until(() => expect(life.inSync()).toBe(true));
  expect(life.known).toEqual(told);
  expect(life.problems()).toContain('has not been read since the start');
  expect(life.logged).toHaveLength(1);
});

test('what it says when it is back replaces the memory difference by difference, and nothing more is said', async () => {
  const { clock, live, until, before, away } = world();
  await before(node1, pool);
  const store = away(node1, nodeManifest('node2', ['172.30.0.12'], ['10.244.2.0/24']));
  const life = live(store);
  clock.advance(10_000);
  await until(() => expect(life.names()).toEqual(['node1', 'pods']));
  store.away(false);
  await until(() => expect(life.names()).toEqual(['node1', 'node2']));
  expect(life.problems()).toBe('[]');
  expect(life.batches.at(-1)?.changes).toHaveLength(2);
});

test('a datastore that answers in time is never stood in for', async () => {
  const { clock, live, until, before } = world();
  await before(node1, pool);
  const life = live(memoryStore(pool));
  await until(() => expect(life.inSync()).toBe(true));
  clock.advance(20_000);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(life.names()).toEqual(['pods']);
});

test('another version, or another boot of the machine, remembers nothing; nor does a file that is broken', async () => {
  const { clock, live, before, away, directory } = world();
  await before(node1);
  const other = live(away(), 'v1 boot2');
  clock.advance(10_000);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(other.batches).toEqual([]);
  writeFileSync(join(directory, 'bgp-node.json'), '{"identity": "v1 boo');
  const broken = live(away());
  clock.advance(10_000);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(broken.batches).toEqual([]);
});

test('a memory of other kinds, or of other objects of them, stands in for nothing: what it lacks would count as deleted', async () => {
  const { clock, live, before, away } = world();
  await before(node1, pool);
  for (const kinds of [
    ['Node', 'IPPool', 'BlockAffinity'],
    ['Node', { kind: 'IPPool', fields: { 'metadata.name': 'pods' } }],
  ] satisfies (readonly Watched[])[]) {
    const other = live(away(), 'v1 boot1', kinds);
    clock.advance(10_000);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(other.batches).toEqual([]);
  }
});

test('a cluster is told from another by server and authority, not by credentials that are rotated', () => {
  const config = (server: string, authority: string, token: string): string =>
    `clusters:\n- cluster:\n    server: ${server}\n    certificate-authority-data: ${authority}\n  name: c\nusers:\n- name: u\n  user: {token: ${token}}\n`;
  const markOf = (text: string): string =>
    clusterMark({ KUBECONFIG: '/k' }, (path) => (path === '/k' ? text : undefined));
  const first = markOf(config('https://10.96.0.1', 'AAAA', 't1'));
  expect(markOf(config('https://10.96.0.1', 'AAAA', 't2'))).toBe(first);
  expect(markOf(config('https://10.96.0.1', 'BBBB', 't1'))).not.toBe(first);
  expect(markOf(config('https://10.96.0.2', 'AAAA', 't1'))).not.toBe(first);
  const inPod = (authority: string): string =>
    clusterMark({ KUBERNETES_SERVICE_HOST: '10.96.0.1' }, (path) =>
      path.endsWith('/ca.crt') ? authority : undefined,
    );
  expect(inPod('one')).not.toBe(inPod('other'));
});

test('it is written soon after the first reading, then at most once a minute, and each time as it is then', async () => {
  const { clock, live, until, directory } = world();
  const file = (): string => readFileSync(join(directory, 'bgp-node.json'), 'utf8');
  const store = memoryStore(node1);
  const life = live(store);
  await until(() => expect(life.inSync()).toBe(true));
  expect(readdirSync(directory)).toEqual([]);
  clock.advance(5000);
  await until(() => expect(file()).toContain('"name":"node1"'));
  store.apply(pool);
  await until(() => expect(life.names()).toHaveLength(2));
  clock.advance(59_000);
  expect(file()).not.toContain('"name":"pods"');
  clock.advance(1000);
  await until(() => expect(file()).toContain('"name":"pods"'));
  life.stop();
  expect(clock.pending).toBe(0);
});
