/** The MTU of new pods: the smallest of the node's interfaces that a pattern names, or that of the default route. */
import { nodeMtu } from '../../src/cni/plumb.ts';
import type { Kernel, Link } from '../../src/kernel/kernel.ts';

/** Undefined if none of those that are up matches. */
export function smallestMtu(
  links: readonly Pick<Link, 'name' | 'mtu' | 'up'>[],
  pattern: string,
): number | undefined {
  const matches = new RegExp(pattern);
  const found = links.filter(({ name, up }) => up && matches.test(name)).map(({ mtu }) => mtu);
  return found.length === 0 ? undefined : Math.min(...found);
}

/** @param pattern  mtuIfacePattern */
export async function podMtu(kernel: Kernel, pattern: string): Promise<number> {
  return smallestMtu(await kernel.links(), pattern) ?? nodeMtu(kernel);
}
