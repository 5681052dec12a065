/**
 * Takes back what nobody uses: leaked addresses, spare blocks, claims left half done, reports of nodes that are gone.
 *
 * src/ipam/leaks.ts decides from what was watched; before anything is taken the API server is asked once more about the very
 * pods and nodes in question, because a watch may be behind. The release itself names handle and sequence number.
 */
import type { Clock } from '../host/clock.ts';
import type { Logger } from '../host/log.ts';
import { type Allocation, inUse } from '../ipam/block.ts';
import {
  findLeaks,
  type Leak,
  type LeakMemory,
  type LeakVerdict,
  nothingSeen,
  whyUnused,
} from '../ipam/leaks.ts';
import type { Collector } from '../ledger/ledger.ts';
import { formatAddress, formatPrefix } from '../lib/net.ts';
import type { Pod } from '../model/resource.ts';
import type { Objects } from '../store/objects.ts';
import { forEach, must } from './refused.ts';
import type { World } from './world.ts';

export interface GarbageOptions {
  readonly objects: Objects;
  readonly collector: Collector;
  readonly world: World;
  readonly clock: Clock;
  readonly today: () => Date;
  readonly graceMs: number;
  readonly log: Logger;
  /** A metric. */
  readonly onReclaimed: (leak: Leak, addresses: number) => void;
}

export interface Garbage {
  /** One look, and what follows from it. Throws what hindered it. */
  collect(): Promise<undefined>;
  /** Suspected at the last look. */
  candidates(): readonly Leak[];
}

export function openGarbage(options: GarbageOptions): Garbage {
  const { world, clock, today, graceMs } = options;
  let memory: LeakMemory = nothingSeen;
  let candidates: readonly Leak[] = [];
  return {
    candidates: () => candidates,
    collect: async () => {
      const cooldownMs = 1000 * (world.all('IPAMConfiguration')[0]?.ipCooldownSeconds ?? 0);
      const verdict = findLeaks({
        blocks: world.all('IPAMBlock'),
        affinities: world.all('BlockAffinity'),
        pods: world.all('Pod'),
        nodes: new Set(world.all('Node').map(({ meta }) => meta.name)),
        before: memory,
        now: clock.now(),
        graceMs,
        cooledBy: new Date(today().getTime() - cooldownMs).toISOString(),
      });
      memory = verdict.memory;
      candidates = verdict.candidates;
      await takeBack(options, verdict);
      await forgetNodes(options);
      return undefined;
    },
  };
}

async function takeBack(options: GarbageOptions, verdict: LeakVerdict): Promise<void> {
  const { collector, log, onReclaimed } = options;
  await forEach(verdict.confirmed, async (leak) => {
    if (!(await isStillUnused(options, leak))) return;
    const taken = must(await collector.release(leak));
    if (taken.length === 0) return;
    onReclaimed(leak, taken.length);
    log.info(`addresses that leaked are free again: ${taken.map(formatAddress).join(', ')}. ${leak.why}`, {
      handle: leak.handle,
    });
  });
  await forEach(verdict.spare, async (spare) => {
    if (must(await collector.giveBack(spare)))
      log.info(`block ${formatPrefix(spare.block)} is given back. ${spare.why}`);
  });
  await forEach(verdict.unsettled, async (affinity) => must(await collector.settle(affinity)));
}

/** Asks the API server, not the watch: of all addresses of the handle, for it is all or none. */
async function isStillUnused(options: GarbageOptions, leak: Leak): Promise<boolean> {
  const blocks = options.world.all('IPAMBlock');
  const held = blocks.flatMap((block) =>
    inUse(block).filter(({ attribute }) => attribute.handle === leak.handle),
  );
  for (const allocation of held) if (!(await isUnused(options.objects, allocation))) return false;
  return held.length > 0;
}

async function isUnused(objects: Objects, allocation: Allocation): Promise<boolean> {
  const { pod, namespace, node } = allocation.attribute.secondary;
  const pods = new Map<string, Pod>();
  const nodes = new Set<string>();
  if (pod !== undefined && namespace !== undefined) {
    const found = must(await objects.get({ kind: 'Pod', namespace, name: pod }));
    if (found !== undefined) {
      const { readManifest } = await import('../store/schema/manifest.ts');
      const read = readManifest(found.manifest);
      // A pod that cannot be read may use anything.
      if (!read.ok || read.value.kind !== 'Pod') return false;
      pods.set(`${namespace}/${pod}`, read.value);
    }
  }
  if (node !== undefined) {
    if (must(await objects.get({ kind: 'Node', name: node })) !== undefined) nodes.add(node);
  }
  return whyUnused(allocation, pods, nodes) !== undefined;
}

/** A report that we wrote for a node that is gone says nothing any more. Those of Calico's users are not ours to remove. */
async function forgetNodes({ objects, world, log }: GarbageOptions): Promise<void> {
  const orphans = world.all('CalicoNodeStatus').filter(({ meta, node, report }) => {
    const isOurs = meta.name === node && (report.bgp !== undefined || report.felix !== undefined);
    return isOurs && world.get({ kind: 'Node', name: node }) === undefined;
  });
  await forEach(orphans, async ({ meta: { name } }) => {
    if (must(await objects.get({ kind: 'Node', name })) !== undefined) return;
    const gone = await objects.delete({ kind: 'CalicoNodeStatus', name });
    if (!gone.ok && gone.error.kind === 'gone') return;
    must(gone);
    log.info(`the report of node ${name}, which is gone, is removed`);
  });
}
