/** The typed ruleset as netlink messages: the kernel then has what it has after nft's own, and says so when asked. */
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { change, createGraph, putEndpoint, rulesetOf, tick } from '../../felix/calc/graph.ts';
import { readCounters } from '../../felix/dataplane/counters.ts';
import { difference } from '../../felix/dataplane/difference.ts';
import { encodeChange } from '../../felix/dataplane/encode/transaction.ts';
import { judgeOthers } from '../../felix/dataplane/others.ts';
import type { Ruleset, RulesetChange } from '../../felix/rules/model.ts';
import { renderChange, renderRuleset } from '../../felix/rules/text.ts';
import type { NetnsKernel } from '../../src/kernel/links.ts';
import { openKernel } from '../../src/kernel/linux.ts';
import { NftBatch } from '../../src/kernel/netlink/nft/batch.ts';
import { addChain, addTable, changeElements, deleteChain } from '../../src/kernel/netlink/nft/object.ts';
import { isNftRefusal } from '../../src/kernel/nft-batch.ts';
import { anyRuleset } from '../support/arbitrary-ruleset.ts';
import { eventually } from '../support/eventually.ts';
import { step } from '../support/histories.ts';
import { createPlayground } from '../support/namespaces.ts';
import { calico } from '../support/policy-scene.ts';
import { shopEndpoint, shopGraph } from '../support/shop.ts';

const ground = createPlayground('batch');
const kernels: NetnsKernel[] = [];
const open = (name: string): NetnsKernel => {
  const kernel = openKernel(`/run/netns/${ground.netns(name)}`);
  kernels.push(kernel);
  return kernel;
};
let byText: NetnsKernel;
let byBatch: NetnsKernel;

beforeAll(() => {
  byText = open('text');
  byBatch = open('batch');
});
afterAll(async () => {
  for (const kernel of kernels) kernel.close();
  await ground.close();
});
beforeEach(async () => {
  for (const kernel of kernels) await kernel.nft('add table inet tortie\ndelete table inet tortie\n');
});

/** Every word of the table, without the order of objects and elements. */
async function contents(name: string): Promise<readonly string[]> {
  const listing = await ground.exec(name, 'nft list table inet tortie');
  const sorted = listing.replace(/elements = \{([^}]*)\}/g, (_, inside: string) =>
    inside
      .split(',')
      .map((element) => element.trim())
      .sort()
      .join(', '),
  );
  return sorted
    .trimEnd()
    .replace(/\n\}$/, '')
    .split(/\n(?=\t(?:chain|set|map) )/)
    .map((object) => object.trim())
    .sort();
}

const options = {
  chainsFreedLate: false,
  isKept: () => false,
  isTrusted: () => false,
  turn: async () => undefined,
};
const differs = async (kernel: NetnsKernel, ruleset: Ruleset) =>
  (await difference(kernel, { ...options, ruleset })).now;

/** Writes what differs, and sees that nothing does then. */
async function settle(ruleset: Ruleset): Promise<void> {
  await byBatch.nftWrite(await differs(byBatch, ruleset));
  expect((await differs(byBatch, ruleset)).objects).toEqual([]);
}

/** Runs the change both ways. */
async function both(change: RulesetChange, chainsFreedLate: boolean): Promise<void> {
  for (const script of renderChange(change, { chainsFreedLate })) await byText.nft(script);
  const { now, later } = await encodeChange(change, { ...options, chainsFreedLate });
  expect(later.isEmpty || chainsFreedLate).toBe(true);
  for (const batch of [now, later]) await byBatch.nftWrite(batch);
  expect(await contents('batch')).toEqual(await contents('text'));
}

const batchOf = (write: (batch: NftBatch) => void): NftBatch => {
  const batch = new NftBatch();
  write(batch);
  return batch;
};
const chainCalled = (name: string, table = 'tortie'): NftBatch =>
  batchOf((batch) => {
    if (table === 'tortie') addTable(batch, table);
    batch.about({ kind: 'chain', name });
    addChain(batch, table, name);
  });

test('an arbitrary ruleset is listed by nft as if nft had written its text, and read back as it is', async () => {
  // A fixed seed: each takes four runs of nft. With other seeds some thousand were tried.
  for (const ruleset of fc.sample(anyRuleset, { numRuns: 25, seed: 5 })) {
    await byText.nft(renderRuleset(ruleset));
    await settle(ruleset);
    expect(await contents('batch')).toEqual(await contents('text'));
  }
});

test('what nft wrote is taken over: sets stay, and rules are written once', async () => {
  const [ruleset] = fc.sample(anyRuleset, { numRuns: 1, seed: 8 });
  if (ruleset === undefined) throw new Error('no sample');
  await byBatch.nft(renderRuleset(ruleset));
  const { objects } = await differs(byBatch, ruleset);
  expect(objects.filter(({ kind }) => kind === 'set')).toEqual([]);
  await settle(ruleset);
});

describe('the messages of a change', () => {
  test.each([false, true])(
    'make of arbitrary histories what nft makes of the text, and leave what the ruleset says (chains freed late: %s)',
    async (chainsFreedLate) => {
      const graph = createGraph();
      tick(graph);
      for (const kernel of [byText, byBatch]) await kernel.nft(renderRuleset(rulesetOf(graph)));
      await settle(rulesetOf(graph));
      for (const acts of fc.sample(step, { numRuns: 25, seed: 11 })) {
        for (const act of acts) act(graph);
        await both(tick(graph), chainsFreedLate);
      }
      expect((await differs(byBatch, rulesetOf(graph))).objects).toEqual([]);
    },
  );

  test('of a pod of another plugin, with its address and policy, are the same too', async () => {
    const graph = shopGraph();
    tick(graph);
    for (const kernel of [byText, byBatch]) await kernel.nft(renderRuleset(rulesetOf(graph)));
    putEndpoint(graph, { ...shopEndpoint('front-1', ['10.244.2.9']), id: 'late', interface: 'veth0a1b' });
    await both(tick(graph), false);
    expect((await contents('batch')).join('\n')).toContain('veth0a1b');
  });

  test('take the last host endpoint away with the maps that lead to its chains', async () => {
    const graph = createGraph({ node: 'here' });
    const resource = calico('HostEndpoint', 'mine', { node: 'here', interfaceName: 'eth0' });
    change(graph, { kind: 'put', resource });
    tick(graph);
    for (const kernel of [byText, byBatch]) await kernel.nft(renderRuleset(rulesetOf(graph)));
    expect((await contents('batch')).join('\n')).toContain('chain from-host-eth0');
    change(graph, { kind: 'delete', ref: { kind: 'HostEndpoint', name: 'mine' } });
    await both(tick(graph), false);
    expect((await contents('batch')).join('\n')).not.toContain('from-host');
  });

  test('are taken all or not at all, and the refusal says of which object and why', async () => {
    await byBatch.nftWrite(chainCalled('first'));
    const before = await contents('batch');
    const mixed = chainCalled('good');
    mixed.about({ kind: 'chain', name: 'bad', removed: true });
    deleteChain(mixed, 'tortie', 'bad');
    const refused = await byBatch.nftWrite(mixed).catch((error: unknown) => error);
    expect(isNftRefusal(refused) && refused.refused).toEqual([
      { object: expect.objectContaining({ kind: 'chain', name: 'bad' }), errno: 'ENOENT', words: '' },
    ]);
    expect(String(refused)).toContain('to remove chain bad');
    expect(await contents('batch')).toEqual(before);
    await byBatch.nftWrite(chainCalled('good'), { check: true });
    expect(await contents('batch')).toEqual(before);
    await byBatch.nftWrite(chainCalled('good'));
    expect((await contents('batch')).join('\n')).toContain('chain good');
  });

  test('are not taken for the change of somebody else, whose change is told', async () => {
    const told = { foreign: 0, other: 0 };
    const stop = byBatch.watchNft(
      'tortie',
      () => {
        told.foreign += 1;
      },
      () => {
        told.other += 1;
      },
    );
    await byBatch.nftWrite(chainCalled('mine'));
    await ground.exec('batch', 'nft add table inet theirs');
    await eventually(() => expect(told).toEqual({ foreign: 0, other: 1 }), { within: 30_000 });
    await ground.exec('batch', 'nft add chain inet tortie theirs');
    await eventually(() => expect(told.foreign).toBe(1), { within: 30_000 });
    stop();
  });

  test('of a transaction of megabytes reach the kernel in one send', async () => {
    const elements = Array.from({ length: 200_000 }, (_, index) => ({
      key: Uint8Array.of(10, index >> 16, (index >> 8) & 255, index & 255),
    }));
    await byBatch.nft('add table inet tortie\nadd set inet tortie many { type ipv4_addr; }\n');
    const large = batchOf((batch) => changeElements(batch, 'add', 'tortie', 'many', elements));
    expect(large.length).toBeGreaterThan(3 << 20);
    expect(await byBatch.nftWrite(large)).toBe(1);
    expect(await byBatch.nftElements('tortie', 'many')).toHaveLength(elements.length);
  });
});

test('who has no right is told so at once', async () => {
  const script = `
    import { openKernel } from './src/kernel/linux.ts';
    import { NftBatch } from './src/kernel/netlink/nft/batch.ts';
    import { addTable } from './src/kernel/netlink/nft/object.ts';
    const batch = new NftBatch();
    batch.about({ kind: 'table', name: 'tortie' });
    addTable(batch, 'tortie');
    const begun = performance.now();
    openKernel().nftWrite(batch).catch((error) => {
      console.log(error.code, performance.now() - begun < 4000);
      process.exit();
    });`;
  const run = ground.start('batch', [
    'setpriv',
    '--bounding-set=-net_admin',
    '--inh-caps=-net_admin',
    process.execPath,
    '--input-type=module-typescript',
    '-e',
    script,
  ]);
  await run.ended;
  expect(run.output()).toBe('EPERM true\n');
});

test('a chain that is as it should be keeps its counts, and counts are read by chain', async () => {
  ground.link(['batch', 'one0', '10.9.0.1/24'], ['peer', 'one1', '10.9.0.2/24']);
  const ruleset: Ruleset = {
    sets: new Map(),
    chains: new Map(
      (['input', 'output'] as const).map((hook) => [
        hook,
        {
          name: hook,
          base: { hook, priority: 0 },
          rules: [{ matches: [], counted: true as const, comment: `all ${hook}` }],
        },
      ]),
    ),
  };
  await settle(ruleset);
  await ground.exec('peer', 'echo x | timeout 1 socat - UDP4:10.9.0.1:9 || true');
  const counted = async (): Promise<number> => (await readCounters(byBatch)).get('input')?.[0]?.packets ?? 0;
  await eventually(async () => expect(await counted()).toBeGreaterThan(0), { within: 15_000 });
  await settle(ruleset);
  const only = await readCounters(byBatch, 'input');
  expect([...only.keys()]).toEqual(['input']);
  expect(only.get('input')?.[0]).toMatchObject({ comment: 'all input' });
  expect(await counted()).toBeGreaterThan(0);
});

test('base chains of others are seen with their policy, whatever the family', async () => {
  await ground.exec(
    'batch',
    `nft 'table ip theirs { chain FWD { type filter hook forward priority 0; policy drop; }; }'`,
  );
  expect(judgeOthers(await byBatch.nftHooks()).map(({ where }) => where)).toEqual([
    'nftables chain FWD of table ip theirs',
  ]);
  await ground.exec('batch', 'nft delete table ip theirs');
});
