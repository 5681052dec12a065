/**
 * When a node's startup taint may go: its policy is in, and its routes are seen in another node's kernel.
 *
 * Only reports that are younger than the Node object count: a machine that was deleted and joined again under its old
 * name may have a report of its former life. Wall clocks of two machines are compared, so a node whose clock is behind
 * waits for its next report, five minutes at most.
 */
import type { CalicoNodeStatus } from '../../model/node-report.ts';
import { startupTaint } from '../../model/node-report.ts';
import type { Node } from '../../model/resource.ts';

export const isWaiting = ({ taints, deleting }: Node): boolean =>
  !deleting && taints.some(({ key }) => key === startupTaint);

/**
 * Undefined if the taint may go; else what it waits for, as a clause.
 * @param born  metadata.creationTimestamp of the Node; absent: any report counts
 */
export function waitsFor(
  node: string,
  nodes: readonly Node[],
  reports: ReadonlyMap<string, CalicoNodeStatus>,
  born?: string,
): string | undefined {
  const since = born === undefined ? Number.NEGATIVE_INFINITY : Date.parse(born);
  const isOfThisLife = ({ at }: { readonly at: string }): boolean => Date.parse(at) >= since;
  const { felix, bgp } = reports.get(node)?.report ?? {};
  if (felix === undefined || !isOfThisLife(felix)) return 'its node agent has not reported yet';
  if (!felix.inSync || felix.dataplane !== 'in-sync')
    return `its policy is not in the kernel (${felix.lastError ?? felix.dataplane})`;
  if (bgp === undefined || !isOfThisLife(bgp)) return 'its speaker has not reported yet';
  if (!bgp.inSync) return 'its speaker has not read the cluster yet';
  const others = nodes.filter(({ meta, deleting }) => meta.name !== node && !deleting);
  if (others.length === 0) return undefined;
  const seen = others.some(({ meta }) => {
    const report = reports.get(meta.name)?.report.bgp;
    return report !== undefined && isOfThisLife(report) && report.sees.includes(node);
  });
  return seen ? undefined : 'no other node has its routes in the kernel yet';
}

/** spec.taints without ours, of a Node as the API has it. Undefined if it is not there. */
export function withoutTaint(spec: unknown): readonly unknown[] | undefined {
  const taints = typeof spec === 'object' && spec !== null && 'taints' in spec ? spec.taints : undefined;
  if (!Array.isArray(taints)) return undefined;
  const kept = taints.filter((taint: unknown) => !isOurs(taint));
  return kept.length === taints.length ? undefined : kept;
}

const isOurs = (taint: unknown): boolean =>
  typeof taint === 'object' && taint !== null && 'key' in taint && taint.key === startupTaint;
