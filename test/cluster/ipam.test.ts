/** Block IPAM on a real API server: many ledgers at once, the custom resources as they are installed, and what it costs. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { realClock } from '../../src/host/clock.ts';
import { findLeaks, nothingSeen } from '../../src/ipam/leaks.ts';
import { openCollector } from '../../src/ledger/collector.ts';
import { readAll, readFacts } from '../../src/ledger/facts.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { openLedger } from '../../src/ledger/open.ts';
import { formatAddress, millis } from '../../src/lib/net.ts';
import { seededRandom } from '../../src/lib/random.ts';
import type { Objects } from '../../src/store/objects.ts';
import { openObjects } from '../../src/store/open.ts';
import { createApiServer } from '../support/api-server.ts';
import { clusterObjects } from '../support/cluster-objects.ts';
import { type CountedObjects, countedObjects } from '../support/counted-objects.ts';
import { allBlocks, flawsOf, holders, ipamObjects, podRequest } from '../support/ipam.ts';
import type { Manifest } from '../support/manifests.ts';
import { createPlayground } from '../support/namespaces.ts';

const ground = createPlayground('ki');
const api = createApiServer(ground, 'api', []);
const cluster = clusterObjects(api);

beforeAll(async () => {
  await api.start();
  await cluster.installCrds();
});
afterAll(async () => {
  await api.close();
  await ground.close();
});
beforeEach(() => cluster.clear());

const pool = (name: string, cidr: string, blockSize: number) =>
  ({
    ...{ apiVersion: 'projectcalico.org/v3', kind: 'IPPool', metadata: { name } },
    spec: { cidr, blockSize },
  }) as unknown as Manifest;
const node = (name: string) =>
  ({ apiVersion: 'v1', kind: 'Node', metadata: { name } }) as unknown as Manifest;

function objectsOf(): Objects {
  const kubeconfig = api.kubeconfig('admin', '10.97.0.1');
  const objects = openObjects('kubernetes', { kubeconfig, clock: realClock, random: seededRandom(1) });
  if (!objects.ok) throw new Error(objects.error);
  return objects.value;
}

async function ledgersOn(objects: Objects, nodes: readonly string[]): Promise<readonly Ledger[]> {
  const facts = await readFacts(objects, nodes[0]);
  if (!facts.ok) throw new Error(facts.error.what);
  return nodes.map((name, seed) =>
    openLedger({
      ...{ objects, owner: { type: 'host', node: name }, facts: () => facts.value },
      ...{ clock: realClock, random: seededRandom(seed), patienceMs: 45_000 },
    }),
  );
}

/** So many pods at once, evenly over the ledgers. @returns the addresses of each */
async function start(ledgers: readonly Ledger[], pods: number): Promise<readonly (readonly string[])[]> {
  return await Promise.all(
    Array.from({ length: pods }, async (_, n) => {
      const given = await ledgers[n % ledgers.length]?.assign(podRequest(`pod${n}`, { families: [4, 6] }));
      if (given?.ok !== true) throw new Error(given?.error.what);
      return given.value.map(({ address }) => formatAddress(address));
    }),
  );
}

const nodes = Array.from({ length: 10 }, (_, n) => `node${n}`);

async function cleared(objects: Objects): Promise<void> {
  const affinities = await readAll(objects, 'BlockAffinity');
  if (!affinities.ok) throw new Error(affinities.error.what);
  const verdict = findLeaks({
    ...{ blocks: await allBlocks(objects), affinities: affinities.value, pods: [], nodes: new Set<string>() },
    ...{ before: nothingSeen, now: millis(0), graceMs: 900_000, cooledBy: new Date().toISOString() },
  });
  const collector = openCollector({
    objects,
    clock: realClock,
    random: seededRandom(1),
    cooldownSeconds: () => 0,
  });
  for (const spare of verdict.spare)
    expect(await collector.giveBack(spare)).toEqual({ ok: true, value: true });
  for (const one of verdict.unsettled) expect(await collector.settle(one)).toMatchObject({ ok: true });
}

test('a thousand dual-stack allocations at once over ten nodes: no duplicate, no leak, at last nothing', async () => {
  await cluster.put(pool('v4', '10.65.0.0/18', 26), pool('v6', 'fd00:65::/112', 122), ...nodes.map(node));
  const objects: CountedObjects = countedObjects(objectsOf());
  const ledgers = await ledgersOn(objects, nodes);
  const before = { count: objects.requests.count, at: performance.now() };
  const given = await start(ledgers, 1000);
  const seconds = (performance.now() - before.at) / 1000;
  const requests = objects.requests.count - before.count;
  console.log(
    `ipam: 1,000 dual-stack allocations from nothing on ten nodes in ${seconds.toFixed(2)} s: ${Math.round(1000 / seconds)} pods/s, ${(requests / 1000).toFixed(2)} API requests per pod`,
  );
  expect(new Set(given.flat()).size).toBe(2000);
  const blocks = await allBlocks(objects);
  expect(blocks.flatMap(flawsOf)).toEqual([]);
  const want = given.map((addresses, n) => [`pod${n}`, addresses.toSorted()]);
  expect(Object.fromEntries(holders(blocks))).toEqual(Object.fromEntries(want));
  expect(requests).toBeLessThan(1000);
  const released = await Promise.all(given.map((_, n) => ledgers[n % 10]?.releaseByHandle(`pod${n}`)));
  expect(released.filter((one) => one?.ok !== true)).toEqual([]);
  expect(holders(await allBlocks(objects)).size).toBe(0);
  await cleared(objects);
  expect(await ipamObjects(objects)).toEqual([]);
}, 300_000);

test('two agents of every node and scarce blocks: they conflict, borrow and agree', async () => {
  await cluster.put(pool('v4', '10.66.0.0/24', 28), pool('v6', 'fd00:66::/120', 124), ...nodes.map(node));
  const objects = objectsOf();
  const pairs = [
    ...(await ledgersOn(objects, nodes.slice(0, 4))),
    ...(await ledgersOn(objects, nodes.slice(0, 4))),
  ];
  const given = await start(pairs, 240);
  expect(new Set(given.flat()).size).toBe(480);
  const blocks = await allBlocks(objects);
  expect(blocks.flatMap(flawsOf)).toEqual([]);
  expect(holders(blocks).size).toBe(240);
  const released = await Promise.all(given.map((_, n) => pairs[(n + 4) % 8]?.releaseByHandle(`pod${n}`)));
  expect(released.filter((one) => one?.ok !== true)).toEqual([]);
  expect(holders(await allBlocks(objects)).size).toBe(0);
}, 300_000);

test('pods that start one after the other on one node cost one request each', async () => {
  await cluster.put(pool('v4', '10.67.0.0/18', 26), node('node0'));
  const objects = countedObjects(objectsOf());
  const [ledger] = await ledgersOn(objects, ['node0']);
  if (ledger === undefined) throw new Error('no ledger');
  await ledger.assign(podRequest('first'));
  const before = { count: objects.requests.count, at: performance.now() };
  for (let n = 0; n < 50; n += 1)
    expect(await ledger.assign(podRequest(`one${n}`))).toMatchObject({ ok: true });
  console.log(
    `ipam: 50 allocations one after the other: ${((performance.now() - before.at) / 50).toFixed(1)} ms each`,
  );
  expect(objects.requests.count - before.count).toBe(50);
}, 300_000);
