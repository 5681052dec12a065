/** The addresses of this node's own pods, as the node agent has them in the kernel: its host routes, kept up to date. */
import type { Clock } from '../../src/host/clock.ts';
import type { Kernel, Route } from '../../src/kernel/kernel.ts';
import { comparePrefixes, lengthOf, millis, type Prefix, widthOf } from '../../src/lib/net.ts';

/** rtm_protocol of `tortie felix`. */
const felixProtocol = 81;
const settleMs = 50;
/** Until routes the kernel failed to list are asked for again. */
const retryMs = 1000;

const isOfPod = ({ dst, type, protocol }: Route): boolean =>
  protocol === felixProtocol && type === 'unicast' && lengthOf(dst) === widthOf(dst);

/**
 * Calls back at once and after each change. Call the result to stop.
 * IPv4 routes that vanish with their link are not told of, so any change of a link means a new look.
 */
export function watchHosts(
  kernel: Kernel,
  clock: Clock,
  onHosts: (hosts: readonly Prefix[]) => void,
): () => void {
  let cancel: (() => void) | undefined;
  let isStopped = false;
  const look = (): void => {
    cancel = undefined;
    list(kernel).then(
      (hosts) => {
        if (!isStopped) onHosts(hosts);
      },
      () => schedule(retryMs),
    );
  };
  const schedule = (afterMs: number): void => {
    if (!isStopped) cancel ??= clock.after(millis(afterMs), look);
  };
  const unwatch = kernel.watch((event) => {
    const isRoute = event.kind === 'route' && event.route.protocol === felixProtocol;
    if (isRoute || event.kind === 'link' || event.kind === 'overrun') schedule(settleMs);
  });
  look();
  return () => {
    isStopped = true;
    cancel?.();
    unwatch();
  };
}

async function list(kernel: Kernel): Promise<readonly Prefix[]> {
  const both = await Promise.all(
    ([4, 6] as const).map((version) => kernel.routes({ version, protocol: felixProtocol })),
  );
  const hosts = both
    .flat()
    .filter(isOfPod)
    .map(({ dst }) => dst);
  return [...new Set(hosts)].sort(comparePrefixes);
}
