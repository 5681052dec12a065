/** Applying the ruleset: its way to the kernel, and who hears of it. */
import type { Logger } from '../../src/host/log.ts';
import type { Graph } from '../calc/graph.ts';
import { PolicySync, type PolicySyncObserver } from '../dataplane/apply.ts';
import type { Renderer } from '../dataplane/renderer.ts';
import { Writer } from '../dataplane/write.ts';
import type { Observation } from '../observe/observation.ts';
import { type Onlooker, WatchedWriter } from '../observe/watched-writer.ts';
import type { FollowParts } from './follow.ts';
import type { AgentOptions } from './options.ts';

/** The way of the ruleset to the kernel; what is refused there is a problem like any other. */
export function openPolicy(
  options: AgentOptions & {
    readonly graph: Graph;
    readonly renderer: Renderer | undefined;
    readonly observation: () => Observation;
  },
  heard: Heard,
  hear: () => Pick<FollowParts, 'problems' | 'announce' | 'configured'>,
): PolicySync {
  const { renderer, observation } = options;
  const observe = observer(options.log, heard, () => renderer?.backend ?? 'nftables');
  const onlooker: Onlooker = {
    before: (change) => observation().before(change),
    after: (change, transactions) => observation().after(change, transactions),
  };
  const policy: PolicySync = new PolicySync({
    ...{ ...options, observe },
    writer: new WatchedWriter(renderer ?? new Writer(options), onlooker),
    refreshMs: () => hear().configured.refreshMs(renderer?.backend ?? 'nftables'),
    onProblems: () => {
      hear().problems.replace('ruleset', policy.problems());
      hear().announce();
    },
  });
  return policy;
}

interface Heard {
  readonly metrics: PolicySyncObserver;
  readonly written: () => void;
  readonly said: () => void;
}

/** Log, metrics and readiness all hear of a write. */
const observer = (
  log: Logger,
  { metrics, written, said }: Heard,
  backend: () => Renderer['backend'],
): PolicySyncObserver => ({
  written: (what) => {
    written();
    said();
    metrics.written(what);
    if (what.transactions > 0) log.debug('the ruleset is in the kernel', { ...what });
  },
  refused: (why, retryInMs) => {
    metrics.refused(why, retryInMs);
    said();
    log.error('the kernel refused the ruleset and keeps the one before', { why, retryInMs });
  },
  foreign: () => {
    metrics.foreign();
    log.warn(
      backend() === 'iptables'
        ? 'somebody else changed our rules in the tables of iptables; they are put back'
        : 'somebody else changed table inet tortie; it is put back',
    );
  },
});
