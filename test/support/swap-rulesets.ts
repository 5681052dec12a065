/**
 * A process that has no peace: it writes one ruleset and another in turn, whole, until it is killed. Says "written" after the first.
 * Run in the namespace whose table it is to be.
 */
import { difference } from '../../felix/dataplane/difference.ts';
import { openKernel } from '../../src/kernel/linux.ts';
import { largeRuleset } from './large-ruleset.ts';

const counts = { policies: 600, rules: 4, endpoints: 50, jumps: 12, sets: 100, members: 50, large: 5000 };
export const swapped = [largeRuleset(counts, 6), largeRuleset(counts, 17)] as const;

async function swapForEver(): Promise<never> {
  const kernel = openKernel();
  for (let round = 0; ; round++) {
    const ruleset = swapped[round % 2 === 0 ? 0 : 1];
    const turn = async (): Promise<void> => undefined;
    const options = { ruleset, turn, chainsFreedLate: false, isKept: () => false, isTrusted: () => false };
    await kernel.nftWrite((await difference(kernel, options)).now);
    if (round === 0) console.log('written');
  }
}

if (process.argv[1] === import.meta.filename) await swapForEver();
