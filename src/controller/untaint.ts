/** Takes the startup taint off nodes that are ready for pods: see decide/taint.ts. */
import type { Logger } from '../host/log.ts';
import type { CalicoNodeStatus } from '../model/node-report.ts';
import type { Objects } from '../store/objects.ts';
import { amend } from './amend.ts';
import type { Notice } from './decide/notice.ts';
import { isWaiting, waitsFor, withoutTaint } from './decide/taint.ts';
import { manifestFrom, metadataOf } from './json.ts';
import { forEach, must } from './refused.ts';
import type { World } from './world.ts';

export interface UntaintOptions {
  readonly objects: Objects;
  readonly world: World;
  readonly say: (notice: Notice) => void;
  readonly log: Logger;
}

export const reportsByNode = (world: World): ReadonlyMap<string, CalicoNodeStatus> =>
  new Map(
    world
      .all('CalicoNodeStatus')
      .filter(({ meta, node }) => meta.name === node)
      .map((status) => [status.node, status]),
  );

/** One look at all nodes. Throws what hindered it. */
export async function untaint(options: UntaintOptions): Promise<undefined> {
  const nodes = options.world.all('Node');
  const reports = reportsByNode(options.world);
  await forEach(nodes.filter(isWaiting), async ({ meta: { name } }) => {
    if (waitsFor(name, nodes, reports) === undefined)
      await untaintOne(options, name, (born) => waitsFor(name, nodes, reports, born));
  });
  return undefined;
}

async function untaintOne(
  { objects, say, log }: UntaintOptions,
  name: string,
  why: (born: string | undefined) => string | undefined,
): Promise<void> {
  const done = await amend(objects, { kind: 'Node', name }, 'update', (manifest) => {
    const taints = withoutTaint(manifest['spec']);
    const waiting = why(metadataOf(manifest).creationTimestamp);
    if (waiting !== undefined) log.debug(`node ${name} keeps its startup taint: ${waiting}`);
    if (taints === undefined || waiting !== undefined) return undefined;
    return manifestFrom({ ...manifest, spec: { ...(manifest['spec'] as object), taints } });
  });
  const before = must(done);
  if (before === undefined) return;
  const { uid } = metadataOf(before);
  const about = { kind: 'Node', name, ...(uid === undefined ? {} : { uid }) } as const;
  const message =
    'Its policy is in the kernel and its routes are seen by other nodes: pods may be scheduled.';
  say({ about, type: 'Normal', reason: 'NodeReady', message });
  log.info(`node ${name} is ready: the startup taint is gone`);
}
