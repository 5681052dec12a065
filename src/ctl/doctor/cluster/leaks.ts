/** Addresses that IPAM holds and nobody has. */
import { findLeaks, type Leak, nothingSeen } from '../../../ipam/leaks.ts';
import { formatAddress, millis } from '../../../lib/net.ts';
import type { Finding } from '../check.ts';
import type { ClusterFacts } from './facts.ts';

/** What the controller waits before it releases one. */
const graceMs = 900_000;

export function leaks({ blocks, affinities, pods, nodes, now }: ClusterFacts): readonly Finding[] {
  const { candidates, confirmed } = findLeaks({
    blocks,
    affinities,
    pods,
    nodes: new Set(nodes.map(({ meta }) => meta.name)),
    before: nothingSeen,
    now: millis(now.getTime()),
    graceMs,
    cooledBy: now.toISOString(),
  });
  return [
    ...confirmed.map((leak) => findingOf(leak, 'warning')),
    // One look proves little: the pod may be starting this moment.
    ...candidates.map((leak) => findingOf(leak, 'note')),
  ];
}

const findingOf = (leak: Leak, severity: 'warning' | 'note'): Finding => ({
  severity,
  subject: leak.handle,
  evidence: `IPAMBlocks hold ${leak.addresses.map(({ address }) => formatAddress(address)).join(', ')} for it. ${leak.why}`,
  why:
    severity === 'note'
      ? 'Seen once it may be a pod that is starting or ending; if it stays so, the address is lost to others.'
      : 'The address is lost to others until it is released.',
  fix: '"tortie controller" releases it after a quarter of an hour if it runs; by hand: tortiectl ipam check, then tortiectl ipam release.',
});
