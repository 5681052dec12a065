/** Following the datastore: which kinds, and what a batch of it does. */
import type { Logger } from '../../src/host/log.ts';
import type { NetnsKernel } from '../../src/kernel/links.ts';
import { interfaceName } from '../../src/model/endpoint.ts';
import type { Kind } from '../../src/model/resource.ts';
import type { Batch, Watched } from '../../src/store/store.ts';
import type { Addresses } from '../addresses.ts';
import type { Attachments } from '../attachments.ts';
import { change } from '../calc/graph.ts';
import { graphKinds } from '../calc/inputs.ts';
import type { NodeView } from '../cluster.ts';
import type { Configured } from '../configured.ts';
import type { Fitting } from '../fitting.ts';
import type { Observation } from '../observe/observation.ts';
import type { PoolFacts } from '../pool-facts.ts';
import type { StatusSources } from '../status.ts';
import { type Surroundings, surroundingKinds } from '../surroundings.ts';
import type { Problems } from './problems.ts';

const watchedKinds = [...graphKinds, 'FelixConfiguration'] as const satisfies readonly Kind[];

/** Each kind once. @param more  with blocks: what they are made of */
export const kindsOf = (more: readonly Watched[] = []): readonly Watched[] => [
  ...new Set<Watched>([...watchedKinds, ...surroundingKinds, ...more]),
];

export interface FollowParts extends Pick<StatusSources, 'graph' | 'policy' | 'routes' | 'attachments'> {
  readonly kernel: NetnsKernel;
  readonly view: NodeView;
  readonly facts: PoolFacts;
  readonly addresses: Addresses;
  readonly problems: Problems;
  /** Whether the datastore has been read whole. */
  readonly progress: { inSync: boolean };
  readonly announce: () => void;
  readonly configured: Configured;
  readonly surroundings: Surroundings;
  readonly fitting: Fitting;
  readonly observation: Observation;
  readonly log: Logger;
  readonly onFatal: (error: unknown) => void;
}

/** What a batch of the store does. */
export function follower(parts: FollowParts): (batch: Batch) => void {
  const { graph, view, facts, policy, routes, attachments, addresses, log, progress, fitting } = parts;
  const recover = (): Promise<void> => attachments.recover((hostInterface) => view.podOf(hostInterface));

  /** In-sync: the kernel is ours from here on. */
  async function takeOver(): Promise<void> {
    await recover();
    await attachments.closeForeign();
    await fitting.start();
    await parts.observation.start();
    policy.start();
    routes.start();
    addresses.start();
    log.info('in sync with the datastore; the kernel follows it from here on');
  }

  return (batch) => {
    let isToFit = false;
    for (const one of batch.changes) {
      change(graph, one);
      const isOfNode = view.change(one);
      facts.change(one);
      const isOfUs = [
        parts.configured.change(one),
        parts.surroundings.change(one),
        // It may have an interface here, and other annotations than before.
        isOfNode,
      ];
      isToFit ||= isOfUs.some(Boolean);
    }
    if (isToFit) {
      fitting.fit();
      parts.observation.fit();
    }
    parts.problems.replace('datastore', batch.problems);
    if (batch.changes.length > 0) policy.wake();
    const isFirst = batch.inSync && !progress.inSync;
    progress.inSync ||= batch.inSync;
    parts.announce();
    if (isFirst) void takeOver().catch(parts.onFatal);
    // A pod that comes late opens its interface, whose record was lost.
    else if (progress.inSync && batch.changes.some((one) => isOrphans(attachments, one))) {
      void recover().catch(parts.onFatal);
    }
  };
}

function isOrphans(attachments: Attachments, one: Batch['changes'][number]): boolean {
  if (one.kind !== 'put' || one.resource.kind !== 'Pod') return false;
  const { namespace = 'default', name } = one.resource.meta;
  return attachments.hasOrphans && attachments.isOrphan(interfaceName(namespace, name));
}
