/** The agent with addresses from blocks, by the real ledger over a datastore in memory that goes away and comes back. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { payer } from '../../../felix/block-addresses.ts';
import { inUse } from '../../../src/ipam/block.ts';
import type { Ledger } from '../../../src/ledger/ledger.ts';
import { openLedger } from '../../../src/ledger/open.ts';
import { formatAddress, millis, parseAddress } from '../../../src/lib/net.ts';
import { ok } from '../../../src/lib/result.ts';
import type { IpamBlock } from '../../../src/model/ipam.ts';
import { readManifest } from '../../../src/store/schema/manifest.ts';
import { cluster, ipsOf, type LifeOptions, live, networkOf, ready } from '../../support/agent.ts';
import { eventually } from '../../support/eventually.ts';
import { namespaceObject, podObject } from '../../support/felix.ts';
import { type MemoryStore, memoryStore } from '../../support/memory-store.ts';

let stateDir = '';
beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'tortie-blocks-'));
});
afterEach(() => rm(stateDir, { recursive: true, maxRetries: 10 }));

const poolObject = (name: string, cidr: string, spec: object = {}): object => ({
  apiVersion: 'projectcalico.org/v3',
  kind: 'IPPool',
  metadata: { name },
  spec: { cidr, ipipMode: 'Never', vxlanMode: 'Never', ...spec },
});

const pools = [poolObject('main', '10.2.0.0/24', { blockSize: 29 }), poolObject('other', '10.3.0.0/24')];

const blocksOver = (store: MemoryStore): LifeOptions => ({
  stateDir,
  openLedger: (clock) => (facts) =>
    openLedger({
      ...{ facts, clock, random: () => 0, objects: store.objects },
      owner: { type: 'host', node: 'node1' },
      wallClock: () => Date.UTC(2026, 0, 1) + clock.now(),
    }),
});

type Life = Awaited<ReturnType<typeof ready>>;

async function begin(store: MemoryStore, network = networkOf('a', 'b')): Promise<Life> {
  const life = await ready(blocksOver(store), network);
  life.tell(pools);
  return life;
}

/** handle → addresses, as the blocks in the datastore say. */
async function given(store: MemoryStore): Promise<Readonly<Record<string, readonly string[]>>> {
  const listed = await store.objects.list('IPAMBlock');
  if (!listed.ok) throw new Error(listed.error.what);
  const byHandle: Record<string, string[]> = {};
  for (const { manifest } of listed.value) {
    const read = readManifest(manifest);
    if (!read.ok) throw new Error(JSON.stringify(read.error));
    for (const { attribute, address } of inUse(read.value as IpamBlock)) {
      const { handle } = attribute;
      byHandle[handle] = [...(byHandle[handle] ?? []), formatAddress(address)];
    }
  }
  return byHandle;
}

const annotated = (pod: string, annotations: Readonly<Record<string, string>>): object => {
  const object = podObject(pod, 'node1') as { readonly metadata: object };
  return { ...object, metadata: { ...object.metadata, annotations } };
};

const pass = ({ drive, clock }: Life, ms: number): Promise<void> =>
  drive(new Promise<void>((resolve) => clock.after(millis(ms), resolve)));

const debts = async (): Promise<readonly string[]> =>
  (await readdir(join(stateDir, 'releases'))).filter((name) => name.endsWith('.json'));

describe('ADD', () => {
  test('gives an address of a block, under the handle of its container', async () => {
    const store = memoryStore();
    const life = await begin(store);
    const [ip = ''] = ipsOf(await life.drive(life.cni('ADD', 'c1', 'a')));
    expect(ip).toMatch(/^10\.2\.0\.\d+\/32$/);
    expect(await given(store)).toEqual({ 'k8s-pod-network.c1': [ip.slice(0, -3)] });
    expect((await life.status()).endpoints[0]?.ready).toBe(true);
  });

  test('again for the same container gives the same, and for a newer one gives the older’s back', async () => {
    const store = memoryStore();
    const life = await begin(store);
    const first = await life.drive(life.cni('ADD', 'c1', 'a'));
    expect(ipsOf(await life.drive(life.cni('ADD', 'c1', 'a')))).toEqual(ipsOf(first));
    await life.network.kernel('/run/netns/a').deleteLink('eth0');
    expect((await life.drive(life.cni('ADD', 'c2', 'a'))).status).toBe(200);
    await pass(life, 5000);
    expect(Object.keys(await given(store))).toEqual(['k8s-pod-network.c2']);
  });

  test('heeds the pod, then its namespace, then the configuration', async () => {
    const store = memoryStore();
    const life = await begin(store, networkOf('a', 'b', 'c'));
    const other = { 'cni.projectcalico.org/ipv4pools': '["other"]' };
    const space = namespaceObject('x') as { readonly metadata: object };
    const ipam = { type: 'calico-ipam', ipv4_pools: ['main'] };
    life.tell([podObject('x/c', 'node1'), annotated('x/a', other)]);
    const firstIp = async (container: string, pod: string): Promise<string | undefined> =>
      ipsOf(await life.drive(life.cni('ADD', container, pod, {}, { ipam })))[0];
    expect(await firstIp('c1', 'a')).toMatch(/^10\.3\.0\./);
    expect(await firstIp('c2', 'b')).toMatch(/^10\.2\.0\./);
    life.tell([{ ...space, metadata: { ...space.metadata, annotations: other } }]);
    expect(await firstIp('c3', 'c')).toMatch(/^10\.3\.0\./);
  });

  test('gives just the address that is asked for, or says whose it is', async () => {
    const store = memoryStore();
    const life = await begin(store);
    const exactly = { 'cni.projectcalico.org/ipAddrs': '["10.2.0.5"]' };
    life.tell([annotated('x/a', exactly), annotated('x/b', exactly)]);
    expect(ipsOf(await life.drive(life.cni('ADD', 'c1', 'a')))).toEqual(['10.2.0.5/32']);
    const said = await life.drive(life.cni('ADD', 'c2', 'b'));
    expect(said.status).toBe(500);
    expect(said.msg).toContain('10.2.0.5');
  });

  test('that fails after the address was given gives it back', async () => {
    const store = memoryStore();
    const life = await begin(store);
    life.kernel.refuseRoutes((op) => (op.route.protocol === 81 ? 'ENOMEM' : undefined));
    expect((await life.drive(life.cni('ADD', 'c1', 'a'))).code).toBe(102);
    await pass(life, 5000);
    expect(await given(store)).toEqual({});
    expect(await debts()).toEqual([]);
  });

  test('without a pool says so, and STATUS too', async () => {
    const life = await ready(blocksOver(memoryStore()));
    await pass(life, 500);
    const status = await life.cni('STATUS', '', '');
    expect([status.code, status.msg]).toEqual([
      50,
      'No IPPool gives addresses to pods of node node1. Make one whose nodeSelector takes the node, not disabled and with allowedUses Workload.',
    ]);
    expect((await life.drive(life.cni('ADD', 'c1', 'a'))).status).toBe(500);
    life.tell(pools);
    expect((await life.cni('STATUS', '', '')).status).toBe(204);
  });

  test('while the API server is away is refused, to be tried again', async () => {
    const store = memoryStore();
    const life = await begin(store);
    store.away(true);
    const said = await life.drive(life.cni('ADD', 'c1', 'a'));
    expect(said.code).toBe(11);
    expect((await life.kernel.links()).map(({ name }) => name)).toEqual(['lo']);
    store.away(false);
    expect((await life.drive(life.cni('ADD', 'c1', 'a'))).status).toBe(200);
  });
});

describe('DEL', () => {
  test('with the API server away for hours undoes everything here at once; the address stays given until it is back', async () => {
    const store = memoryStore();
    const life = await begin(store);
    await life.drive(life.cni('ADD', 'c1', 'a'));
    store.away(true);
    const began = life.clock.now();
    expect((await life.drive(life.cni('DEL', 'c1', 'a'))).status).toBe(204);
    expect(life.clock.now() - began).toBeLessThan(3000);
    expect((await life.kernel.links()).map(({ name }) => name)).toEqual(['lo']);
    expect((await life.status()).endpoints).toEqual([]);
    life.clock.advance(6 * 3_600_000);
    await pass(life, 1000);
    expect(await debts()).toEqual(['k8s-pod-network.c1.json']);
    expect((await life.status()).problems.map(({ where }) => where)).toEqual(['1 address of deleted pods']);
    store.away(false);
    expect(Object.keys(await given(store))).toEqual(['k8s-pod-network.c1']);
    await pass(life, 120_000);
    expect(await given(store)).toEqual({});
    await eventually(async () => expect(await debts()).toEqual([]), { within: 30_000 });
    expect((await life.status()).problems).toEqual([]);
  });

  test('what it owes is paid by a later life', async () => {
    const store = memoryStore();
    const first = await begin(store);
    await first.drive(first.cni('ADD', 'c1', 'a'));
    store.away(true);
    await first.drive(first.cni('DEL', 'c1', 'a'));
    first.agent.stop();
    const second = live(first.network, blocksOver(store));
    await second.drive(second.agent.run());
    store.away(false);
    second.tell([...cluster, ...pools]);
    await second.drive(new Promise<void>((resolve) => second.clock.after(millis(5000), resolve)));
    expect(await given(store)).toEqual({});
    await eventually(async () => expect(await debts()).toEqual([]), { within: 30_000 });
  });

  test('of a container whose record a crash prevented gives its address back', async () => {
    const store = memoryStore();
    const first = await begin(store);
    await first.drive(first.cni('ADD', 'c1', 'a'));
    first.agent.stop();
    await rm(join(stateDir, 'cni'), { recursive: true });
    await first.kernel.deleteLink((await first.kernel.links())[1]?.name ?? '');
    const second = await begin(store, first.network);
    await pass(second, 1000);
    await second.drive(second.cni('DEL', 'c1', 'a'));
    await pass(second, 5000);
    expect(await given(store)).toEqual({});
  });

  test('of a container whose record a crash prevented is owed, if it comes while the API server is away', async () => {
    const store = memoryStore();
    const first = await begin(store);
    await first.drive(first.cni('ADD', 'c1', 'a'));
    first.agent.stop();
    await rm(join(stateDir, 'cni'), { recursive: true });
    await first.kernel.deleteLink((await first.kernel.links())[1]?.name ?? '');
    store.away(true);
    const second = await begin(store, first.network);
    expect((await second.drive(second.cni('DEL', 'c1', 'a'))).status).toBe(204);
    expect(await debts()).toEqual(['k8s-pod-network.c1.json']);
    store.away(false);
    await pass(second, 120_000);
    expect(await given(store)).toEqual({});
    await eventually(async () => expect(await debts()).toEqual([]), { within: 30_000 });
  });

  test('that is still owed takes nothing from the same container, added again meanwhile', async () => {
    const store = memoryStore();
    const life = await begin(store);
    await life.drive(life.cni('ADD', 'c1', 'a'));
    store.away(true);
    await life.drive(life.cni('DEL', 'c1', 'a'));
    await pass(life, 1000);
    store.away(false);
    const early = await life.drive(life.cni('ADD', 'c1', 'a'));
    expect([early.status, early.code]).toEqual([500, 11]);
    expect(early.msg).toContain('given back');
    await pass(life, 120_000);
    await eventually(async () => expect(await debts()).toEqual([]), { within: 30_000 });
    const [ip = ''] = ipsOf(await life.drive(life.cni('ADD', 'c1', 'a')));
    await pass(life, 120_000);
    expect(await given(store)).toEqual({ 'k8s-pod-network.c1': [ip.slice(0, -3)] });
  });

  test('of an interface whose record was lost finds the handle by the address', async () => {
    const store = memoryStore();
    const first = await begin(store);
    await first.drive(first.cni('ADD', 'c1', 'a'));
    first.agent.stop();
    await rm(join(stateDir, 'cni'), { recursive: true });
    const second = await begin(store, first.network);
    await pass(second, 1000);
    expect((await second.status()).endpoints.map(({ pod }) => pod)).toEqual(['a']);
    await second.drive(second.cni('DEL', 'c1', 'a'));
    await pass(second, 5000);
    expect(await given(store)).toEqual({});
  });

  test('known by its address alone takes nothing from the pod that was given the address meanwhile', async () => {
    const paid: string[] = [];
    const address = parseAddress('10.2.0.7');
    if (address === undefined) throw new Error('10.2.0.7');
    const holding = { handle: 'k8s-pod-network.c2', address, block: address, borrowed: false };
    const ledger = {
      holdings: async () => ok([{ ...holding, attributes: {}, sequence: 1 }]),
      releaseByHandle: async (handle: string) => {
        paid.push(handle);
        return ok([]);
      },
    } as unknown as Ledger;
    const owed = { handle: 'address:10.2.0.7', addresses: [address] };
    expect((await payer(ledger, () => true)(owed)).ok).toBe(true);
    expect(paid).toEqual([]);
    expect((await payer(ledger, () => false)(owed)).ok).toBe(true);
    expect(paid).toEqual(['k8s-pod-network.c2']);
  });
});

describe('an agent that starts while the API server is away', () => {
  /** The pods of a former life, and a new life that nobody answers. */
  async function restarted(): Promise<{
    readonly store: MemoryStore;
    readonly life: ReturnType<typeof live>;
  }> {
    const store = memoryStore();
    const first = await begin(store);
    await first.drive(first.cni('ADD', 'c1', 'a'));
    first.agent.stop();
    store.away(true);
    const life = live(first.network, blocksOver(store));
    await life.drive(life.agent.run());
    return { store, life };
  }

  const timed = async <T>(
    life: ReturnType<typeof live>,
    answer: Promise<T>,
  ): Promise<readonly [T, number]> => {
    const began = life.clock.now();
    return [await life.drive(answer), life.clock.now() - began];
  };

  test('and remembers nothing answers ADD at once with try again later, in words', async () => {
    const { life } = await restarted();
    const [said, took] = await timed(life, life.cni('ADD', 'c2', 'b'));
    expect(said.code).toBe(11);
    expect(said.msg).toContain('datastore');
    expect(took).toBeLessThan(5000);
  });

  test('and remembers the pools answers ADD within seconds with try again later, and gives when it is back', async () => {
    const { store, life } = await restarted();
    life.tell([...cluster, ...pools]);
    const [said, took] = await timed(life, life.cni('ADD', 'c2', 'b'));
    expect(said.code).toBe(11);
    expect(said.msg).toContain('IPAM gave up after 3 s: The store is away.');
    expect(took).toBeLessThan(5000);
    store.away(false);
    expect((await life.drive(life.cni('ADD', 'c2', 'b'))).status).toBe(200);
  });

  test('carries out DEL of a pod of its former life, and pays when it is back', async () => {
    const { store, life } = await restarted();
    const [said, took] = await timed(life, life.cni('DEL', 'c1', 'a'));
    expect(said.status).toBe(204);
    expect(took).toBeLessThan(3000);
    expect((await life.status()).endpoints).toEqual([]);
    expect(await debts()).toEqual(['k8s-pod-network.c1.json']);
    store.away(false);
    life.tell([...cluster, ...pools]);
    await life.drive(new Promise<void>((resolve) => life.clock.after(millis(120_000), resolve)));
    expect(await given(store)).toEqual({});
  });
});
