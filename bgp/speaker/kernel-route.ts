/** What the kernel should have for a prefix, by what was chosen for it. */
import { type Address, compareAddresses } from '../../src/lib/net.ts';
import type { Choice } from '../rib/decide.ts';

/**
 * Next hops of the best path and of those used beside it, ascending, each once; blackhole: what is sent there is dropped (RFC
 * 7999); undefined: no route of ours, as the prefix is our own or nobody's.
 */
export type KernelRoute = readonly Address[] | 'blackhole' | undefined;

export function kernelRoute(choice: Choice): KernelRoute {
  const [best] = choice;
  if (best === undefined || best.source.type === 'local') return undefined;
  // Import policy let it in, so it was agreed.
  if (best.isBlackhole) return 'blackhole';
  return choice.length === 1 ? [best.nextHop] : choice.map((path) => path.nextHop).sort(compareAddresses);
}

export const sameKernelRoute = (a: KernelRoute, b: KernelRoute): boolean =>
  a === b ||
  (typeof a === 'object' &&
    typeof b === 'object' &&
    a.length === b.length &&
    a.every((nextHop, index) => nextHop === b[index]));
