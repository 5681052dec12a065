/**
 * The datastore, this node's subnets and its pods' addresses, followed: the speaker hears of a configuration once all that
 * it is made of has been read, and then of each change.
 */
import type { Clock } from '../src/host/clock.ts';
import type { Logger } from '../src/host/log.ts';
import type { Kernel } from '../src/kernel/kernel.ts';
import type { Prefix } from '../src/lib/net.ts';
import { formatProblem, type Problem } from '../src/model/problem.ts';
import type { SecretKey } from '../src/model/resource.ts';
import type { Secrets } from '../src/store/secrets.ts';
import type { Batch, Store } from '../src/store/store.ts';
import { Cluster, watchedKinds } from './cluster.ts';
import type { Intent, SpeakerConfig } from './config.ts';
import { createServiceFollower } from './follow-services.ts';
import { watchHosts } from './hosts.ts';
import { secretKeysOf, withPasswords } from './intent/passwords.ts';
import type { IpamMode } from './intent.ts';
import { Keyring } from './keyring.ts';
import { sameData } from './speaker/same.ts';
import { watchSubnets } from './subnets.ts';

export interface FollowOptions {
  readonly node: string;
  readonly ipam: IpamMode;
  readonly store: Pick<Store, 'watch'>;
  readonly kernel: Kernel;
  readonly clock: Clock;
  readonly log: Logger;
  readonly secrets: Secrets;
  /** Our routes of an earlier life, found in the kernel before anything is said; resolves undefined without kernel routes. */
  readonly inherited: () => Promise<SpeakerConfig['forwarding']>;
  /** Called when it says something new; undefined: this node cannot speak. The keys are for the kernel alone. */
  readonly onConfig: (config: SpeakerConfig | undefined, keyOf: KeyOf) => void;
}

/** The key that a peer's password stands for; undefined: none is known. */
export type KeyOf = (password: SecretKey) => Uint8Array | undefined;

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
  const { node, ipam, store, log, secrets, clock, onConfig } = options;
  const cluster = new Cluster(node, ipam);
  const services = createServiceFollower({
    ...options,
    onBatch: (batch) => {
      cluster.take(batch);
      settle();
    },
    onRead: settle,
  });
  const keyring = new Keyring({ secrets, clock, onChange: settle });
  const read = { store: false, kernel: false, hosts: ipam === 'pod-cidrs' };
  let isReady = false;
  let isStopped = false;
  let storeProblems: readonly Problem[] = [];
  let problems: readonly Problem[] = [];
  let told: Intent | undefined;
  let unwatch: (() => void)[] = [];

  /** Something came: perhaps the last that was missing. */
  function settle(): void {
    if (isStopped) return;
    if (!isReady && read.store && read.kernel && read.hosts && services.isRead) {
      isReady = true;
      log.info('the datastore is in sync');
    }
    if (isReady) configure();
  }

  function configure(): void {
    const base = cluster.intent();
    keyring.want(secretKeysOf(base));
    const intent = withPasswords(base, (key) => keyring.known(key));
    const all = [...storeProblems, ...services.problems, ...intent.problems];
    const known = new Set(problems.map(formatProblem));
    for (const problem of all) if (!known.has(formatProblem(problem))) log.warn(formatProblem(problem));
    problems = all;
    if (told !== undefined && sameData(told, intent)) return;
    told = intent;
    onConfig(intent.config, (key) => keyring.value(key));
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
        ...watchKernel(options, cluster, read, settle),
      ];
    },
    leave: () => {
      const before = told;
      cluster.leave();
      if (isReady) configure();
      return told !== before;
    },
    stop: () => {
      isStopped = true;
      for (const one of unwatch) one();
      services.attend(false);
      keyring.stop();
    },
  };
}

/** What of the kernel the configuration is made of; `read` says what has been looked at once. Returns what ends it. */
function watchKernel(
  { kernel, clock, ipam, inherited }: FollowOptions,
  cluster: Cluster,
  read: { kernel: boolean; hosts: boolean },
  onChange: () => void,
): (() => void)[] {
  void inherited().then((forwarding) => {
    cluster.preserve(forwarding);
    read.kernel = true;
    onChange();
  });
  const onSubnets = (subnets: readonly Prefix[]): void => {
    cluster.connect(subnets);
    onChange();
  };
  const onHosts = (hosts: readonly Prefix[]): void => {
    cluster.house(hosts);
    read.hosts = true;
    onChange();
  };
  const unwatch = [watchSubnets(kernel, clock, onSubnets)];
  return ipam === 'pod-cidrs' ? unwatch : [...unwatch, watchHosts(kernel, clock, onHosts)];
}
