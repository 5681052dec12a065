/**
 * The datastore, this node's subnets and its pods' addresses, followed: the speaker hears of a configuration once all that
 * it is made of has been read, and then of each change.
 */
import type { Clock } from '../src/host/clock.ts';
import type { Logger } from '../src/host/log.ts';
import type { Kernel } from '../src/kernel/kernel.ts';
import type { Prefix } from '../src/lib/net.ts';
import { formatProblem, type Problem } from '../src/model/problem.ts';
import type { Batch, Store } from '../src/store/store.ts';
import { Cluster, watchedKinds } from './cluster.ts';
import type { Intent, SpeakerConfig } from './config.ts';
import { createServiceFollower } from './follow-services.ts';
import { watchHosts } from './hosts.ts';
import type { IpamMode } from './intent.ts';
import { watchSubnets } from './subnets.ts';

export interface FollowOptions {
  readonly node: string;
  readonly ipam: IpamMode;
  readonly store: Pick<Store, 'watch'>;
  readonly kernel: Kernel;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called when it says something new; undefined: this node cannot speak. */
  readonly onConfig: (config: SpeakerConfig | undefined) => void;
}

export interface Following {
  readonly cluster: Cluster;
  readonly inSync: () => boolean;
  readonly problems: () => readonly Problem[];
  start(): void;
  /** No address of a Service is announced any more. True if one was. */
  leave(): boolean;
  stop(): void;
}

export function follow(options: FollowOptions): Following {
  const { node, ipam, store, kernel, clock, log, onConfig } = options;
  const cluster = new Cluster(node, ipam);
  const services = createServiceFollower({
    ...options,
    onBatch: (batch) => {
      cluster.take(batch);
      settle();
    },
    onRead: settle,
  });
  const read = { store: false, hosts: ipam === 'pod-cidrs' };
  let isReady = false;
  let storeProblems: readonly Problem[] = [];
  let problems: readonly Problem[] = [];
  let told: Intent | undefined;
  let unwatch: (() => void)[] = [];

  /** Something came: perhaps the last that was missing. */
  function settle(): void {
    if (!isReady && read.store && read.hosts && services.isRead) {
      isReady = true;
      log.info('the datastore is in sync');
    }
    if (isReady) configure();
  }

  function configure(): void {
    const intent = cluster.intent();
    const all = [...storeProblems, ...services.problems, ...intent.problems];
    const known = new Set(problems.map(formatProblem));
    for (const problem of all) if (!known.has(formatProblem(problem))) log.warn(formatProblem(problem));
    problems = all;
    if (told === intent) return;
    told = intent;
    onConfig(intent.config);
  }

  function onBatch(batch: Batch): void {
    cluster.take(batch);
    storeProblems = batch.problems;
    read.store ||= batch.inSync;
    if (!cluster.wantsServices) cluster.services.clear();
    if (read.store) services.attend(cluster.wantsServices);
    settle();
  }

  return {
    cluster,
    inSync: () => isReady,
    problems: () => (isReady ? problems : [...storeProblems, ...services.problems]),
    start: () => {
      unwatch = [
        store.watch(watchedKinds(node, ipam), onBatch),
        watchSubnets(kernel, clock, (subnets) => {
          cluster.connect(subnets);
          settle();
        }),
      ];
      if (ipam === 'pod-cidrs') return;
      const onHosts = (hosts: readonly Prefix[]): void => {
        cluster.house(hosts);
        read.hosts = true;
        settle();
      };
      unwatch.push(watchHosts(kernel, clock, onHosts));
    },
    leave: () => {
      const before = told;
      cluster.leave();
      if (isReady) configure();
      return told !== before;
    },
    stop: () => {
      for (const one of unwatch) one();
      services.attend(false);
    },
  };
}
