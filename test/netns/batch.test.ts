/** Changes of the ruleset as netlink messages: the kernel then has what it has after nft's own. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createGraph, putEndpoint, rulesetOf, tick } from '../../felix/calc/graph.ts';
import { encodeChange } from '../../felix/dataplane/batch.ts';
import type { RulesetChange } from '../../felix/rules/model.ts';
import { emptyRuleset } from '../../felix/rules/ruleset.ts';
import { renderChange, renderRuleset } from '../../felix/rules/text.ts';
import type { NetnsKernel } from '../../src/kernel/links.ts';
import { openKernel } from '../../src/kernel/linux.ts';
import { addChain } from '../../src/kernel/netlink/nftables.ts';
import { eventually } from '../support/eventually.ts';
import { step } from '../support/histories.ts';
import { createPlayground } from '../support/namespaces.ts';
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

/** Runs the change both ways. @returns  whether it could be encoded; undefined if there was nothing to do */
async function both(change: RulesetChange, chainsFreedLate: boolean): Promise<boolean | undefined> {
  const scripts = renderChange(change, { chainsFreedLate });
  const batches = encodeChange(change, { chainsFreedLate });
  for (const script of scripts) await byText.nft(script);
  for (const script of batches === undefined ? scripts : []) await byBatch.nft(script);
  for (const batch of batches ?? []) await byBatch.nftBatch?.(batch);
  expect(await contents('batch')).toEqual(await contents('text'));
  return scripts.length === 0 ? undefined : batches !== undefined;
}

describe('the messages of a change', () => {
  test.each([false, true])(
    'make of arbitrary histories what nft makes of the text (chains freed late: %s)',
    async (chainsFreedLate) => {
      const graph = createGraph();
      await byText.nft(renderRuleset(emptyRuleset));
      await byBatch.nft(renderRuleset(emptyRuleset));
      const outcomes: (boolean | undefined)[] = [];
      for (const acts of fc.sample(step, { numRuns: 40, seed: 11 })) {
        for (const act of acts) act(graph);
        outcomes.push(await both(tick(graph), chainsFreedLate));
      }
      const encoded = outcomes.filter((one) => one === true).length;
      const left = outcomes.filter((one) => one === false).length;
      expect(encoded).toBeGreaterThan(5);
      expect(left).toBeGreaterThan(0); // sets of ranges and ports are nft's
    },
  );

  test('of a pod of another plugin, with its address and policy, are the same too', async () => {
    const graph = shopGraph();
    tick(graph);
    for (const kernel of [byText, byBatch]) await kernel.nft(renderRuleset(rulesetOf(graph)));
    putEndpoint(graph, { ...shopEndpoint('front-1', ['10.244.2.9']), id: 'late', interface: 'veth0a1b' });
    expect(await both(tick(graph), false)).toBe(true);
    expect((await contents('batch')).join('\n')).toContain('veth0a1b');
  });

  test('are taken all or not at all, and the refusal says which and why', async () => {
    await byBatch.nft(renderRuleset(emptyRuleset));
    const before = await contents('batch');
    const good = addChain({ table: 'tortie', name: 'good' });
    const bad = addChain({ table: 'nowhere', name: 'bad' });
    await expect(byBatch.nftBatch?.([good, bad, good])).rejects.toThrow(/message 2 of 3.*|ENOENT/);
    expect(await contents('batch')).toEqual(before);
    await byBatch.nftBatch?.([good]);
    expect((await contents('batch')).join('\n')).toContain('chain good');
  });

  test('are not taken for the change of somebody else', async () => {
    let foreign = 0;
    const stop = byBatch.watchNft('tortie', () => {
      foreign += 1;
    });
    await byBatch.nftBatch?.([addChain({ table: 'tortie', name: 'mine' })]);
    expect(foreign).toBe(0);
    await ground.exec('batch', 'nft add chain inet tortie theirs');
    await eventually(() => expect(foreign).toBe(1), { within: 30_000 });
    stop();
  });
});
