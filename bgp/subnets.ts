/** The subnets of this node's own interfaces, kept up to date: what "next hop on a shared subnet" is decided by. */
import type { Clock } from '../src/host/clock.ts';
import type { Kernel, LinkAddress } from '../src/kernel/kernel.ts';
import { comparePrefixes, millis, type Prefix, prefixOf, widthOf } from '../src/lib/net.ts';

const settleMs = 50;
/** Until addresses the kernel failed to list are asked for again. */
const retryMs = 1000;

/** Host addresses (/32, /128) and link-local ones are no subnet to share. */
export function subnetsOf(addresses: readonly LinkAddress[]): readonly Prefix[] {
  const subnets = addresses
    .filter(({ scope, address, length }) => scope === 'global' && length < widthOf(address))
    .map(({ address, length }) => prefixOf(address, length));
  return [...new Set(subnets)].sort(comparePrefixes);
}

/** Calls back at once and after each change. Call the result to stop. */
export function watchSubnets(
  kernel: Kernel,
  clock: Clock,
  onSubnets: (subnets: readonly Prefix[]) => void,
): () => void {
  let cancel: (() => void) | undefined;
  let isStopped = false;
  const look = (): void => {
    cancel = undefined;
    kernel.addresses().then(
      (addresses) => {
        if (!isStopped) onSubnets(subnetsOf(addresses));
      },
      () => schedule(retryMs),
    );
  };
  const schedule = (afterMs: number): void => {
    if (!isStopped) cancel ??= clock.after(millis(afterMs), look);
  };
  const unwatch = kernel.watch((event) => {
    if (event.kind === 'address' || event.kind === 'overrun') schedule(settleMs);
  });
  look();
  return () => {
    isStopped = true;
    cancel?.();
    unwatch();
  };
}
