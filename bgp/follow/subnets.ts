/** The subnets of this node's own interfaces, kept up to date: what "next hop on a shared subnet" is decided by. */
import type { Clock } from '../../src/host/clock.ts';
import type { Kernel, Link, LinkAddress } from '../../src/kernel/kernel.ts';
import { comparePrefixes, millis, prefixOf, widthOf } from '../../src/lib/net.ts';
import type { Subnet } from '../intent/surroundings.ts';

const settleMs = 50;
/** Until addresses the kernel failed to list are asked for again. */
const retryMs = 1000;

/** Host addresses (/32, /128) and link-local ones are no subnet to share. */
export function subnetsOf(
  addresses: readonly LinkAddress[],
  links: readonly Pick<Link, 'ifindex' | 'name'>[],
): readonly Subnet[] {
  const names = new Map(links.map(({ ifindex, name }) => [ifindex, name]));
  const subnets = addresses
    .filter(({ scope, address, length }) => scope === 'global' && length < widthOf(address))
    .map(({ address, length, ifindex }) => ({
      prefix: prefixOf(address, length),
      address,
      link: names.get(ifindex) ?? '',
    }));
  // Of several addresses in one the first that the kernel lists, its primary one, is that of connections.
  const distinct = new Map(subnets.toReversed().map((subnet) => [`${subnet.prefix} ${subnet.link}`, subnet]));
  return [...distinct.values()].sort(
    (a, b) => comparePrefixes(a.prefix, b.prefix) || (a.link < b.link ? -1 : 1),
  );
}

/** Calls back at once and after each change. Call the result to stop. */
export function watchSubnets(
  kernel: Kernel,
  clock: Clock,
  onSubnets: (subnets: readonly Subnet[]) => void,
): () => void {
  let cancel: (() => void) | undefined;
  let isStopped = false;
  const look = (): void => {
    cancel = undefined;
    Promise.all([kernel.addresses(), kernel.links()]).then(
      ([addresses, links]) => {
        if (!isStopped) onSubnets(subnetsOf(addresses, links));
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
