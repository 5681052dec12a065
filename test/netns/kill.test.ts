/** The process that writes the ruleset dies, at any moment: what is in the kernel then is one ruleset or the other, whole. */
import { setTimeout } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { difference } from '../../felix/dataplane/difference.ts';
import { openKernel } from '../../src/kernel/linux.ts';
import { eventually } from '../support/eventually.ts';
import { createPlayground } from '../support/namespaces.ts';
import { swapped } from '../support/swap-rulesets.ts';

const ground = createPlayground('kill');
const kernel = openKernel(`/run/netns/${ground.netns('node')}`);
afterAll(async () => {
  kernel.close();
  await ground.close();
});

test('killed while it writes one whole ruleset over another, it leaves one of the two', async () => {
  const options = {
    ...{ chainsFreedLate: false, isKept: () => false, isTrusted: () => false },
    turn: async () => undefined,
  };
  const found: (readonly boolean[])[] = [];
  for (const afterMs of [0, 11, 40, 90]) {
    const writer = ground.start('node', [process.execPath, 'test/support/swap-rulesets.ts']);
    await eventually(() => expect(writer.output()).toContain('written'), { within: 60_000 });
    await setTimeout(afterMs); // any moment is one it may die at
    await writer.end('SIGKILL');
    const isThere = async (index: 0 | 1): Promise<boolean> =>
      (await difference(kernel, { ...options, ruleset: swapped[index] })).now.isEmpty;
    found.push([await isThere(0), await isThere(1)]);
  }
  for (const [first, second] of found) expect(first !== second).toBe(true);
});
