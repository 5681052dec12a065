/** A thousand endpoints come and go in the midst of others: by both renderers the kernel has just those that are there. */
import { afterAll, expect, test } from 'vitest';
import { putEndpoint, removeEndpoint, rulesetOf, tick } from '../../felix/calc/graph.ts';
import { Writer } from '../../felix/dataplane/write.ts';
import { XtWriter } from '../../felix/dataplane/xtables.ts';
import { openKernel } from '../../src/kernel/linux.ts';
import { openXtables } from '../../src/kernel/xtables.ts';
import type { LocalEndpoint } from '../../src/model/endpoint.ts';
import { createPlayground } from '../support/namespaces.ts';
import { shopEndpoint, shopGraph } from '../support/shop.ts';
import { xtOptions } from '../support/world-ruleset.ts';

const ground = createPlayground('crowd');
const kernel = openKernel(`/run/netns/${ground.netns('node')}`);
const programs = openXtables('nft', `/run/netns/${ground.netns('node')}`);
afterAll(async () => {
  kernel.close();
  await ground.close();
});

const crowd: readonly LocalEndpoint[] = Array.from({ length: 1000 }, (_, index) =>
  shopEndpoint(`guest-${index}`, [`10.244.${4 + (index >> 8)}.${index & 255}`]),
);

test.each(['nftables', 'iptables'] as const)(
  '%s',
  async (renderer) => {
    const graph = shopGraph();
    const writer =
      renderer === 'nftables'
        ? new Writer({ graph, kernel, chainsFreedLate: false })
        : new XtWriter({
            graph,
            programs,
            render: () => xtOptions,
          });
    const listed = async (): Promise<readonly string[]> => {
      const text =
        renderer === 'nftables'
          ? await ground.exec('node', 'nft list map inet tortie from-endpoint')
          : await programs.save(4);
      return [...new Set(text.match(/cali[0-9a-f]{11}\b/g))].sort();
    };
    tick(graph);
    await writer.settle();
    const before = await listed();
    expect(before).toHaveLength(2);
    // In three crowds, of which one is partly gone again before the next has come.
    for (const [index, endpoint] of crowd.entries()) {
      putEndpoint(graph, endpoint);
      if (index > 700) removeEndpoint(graph, crowd[index - 400]?.id ?? '');
      if (index % 333 === 332) await writer.change(tick(graph));
    }
    await writer.change(tick(graph));
    const there = [...graph.locals.values()].length;
    expect(await listed()).toHaveLength(there);
    expect(there).toBeGreaterThan(600);
    for (const { id } of crowd) removeEndpoint(graph, id);
    await writer.change(tick(graph));
    expect(await listed()).toEqual(before);
    expect(await writer.settle()).toBe(0);
    expect(rulesetOf(graph).chains.size).toBeLessThan(50);
  },
  120_000,
);
