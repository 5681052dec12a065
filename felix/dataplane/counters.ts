/** What the kernel counted for the rules that count. A chain that is rewritten counts from 0 again. */
import type { Kernel } from '../../src/kernel/kernel.ts';
import { tableName } from '../rules/model.ts';

export interface RuleCounter {
  /** Of the rule; absent: it has none. */
  readonly comment?: string;
  readonly packets: number;
  readonly bytes: number;
}

/** By chain, in the order of its rules; of one chain, or of all. Chains without a counted rule are left out. */
export async function readCounters(
  kernel: Pick<Kernel, 'nftCounters'>,
  chain?: string,
): Promise<ReadonlyMap<string, readonly RuleCounter[]>> {
  const found = new Map<string, RuleCounter[]>();
  for (const { chain: name, ...counter } of await kernel.nftCounters(tableName, chain)) {
    const list = found.get(name);
    if (list === undefined) found.set(name, [counter]);
    else list.push(counter);
  }
  return found;
}
