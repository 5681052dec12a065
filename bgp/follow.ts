/**
 * The datastore, this node's subnets and its pods' addresses, followed: the speaker hears of a configuration once all that
 * it is made of has been read, and then of each change.
 */
import type { Clock } from '../src/host/clock.ts';
import type { Logger } from '../src/host/log.ts';
import type { Kernel } from '../src/kernel/kernel.ts';
import type { Address, Ipv6, Prefix } from '../src/lib/net.ts';
import { formatProblem, type Problem } from '../src/model/problem.ts';
import type { SecretKey } from '../src/model/resource.ts';
import type { Secrets } from '../src/store/secrets.ts';
import type { Batch, Store } from '../src/store/store.ts';
import type { Intent, SpeakerConfig } from './config.ts';
import { Cluster, serviceKinds, watchedKinds, workloadKinds } from './follow/cluster.ts';
import { Drain } from './follow/drain.ts';
import { watchHosts } from './follow/hosts.ts';
import { Keyring } from './follow/keyring.ts';
import { Pace } from './follow/pace.ts';
import { followServer } from './follow/server.ts';
import { followSometimes } from './follow/sometimes.ts';
import { watchSubnets } from './follow/subnets.ts';
import { secretKeysOf, withPasswords } from './intent/passwords.ts';
import type { Subnet } from './intent/surroundings.ts';
import type { IpamMode } from './intent.ts';
import { sameData } from './speaker/same.ts';
import { createDiscovery, type Discovery } from './unnumbered/discovery.ts';

export interface FollowOptions {
  readonly node: string;
  readonly ipam: IpamMode;
  readonly store: Pick<Store, 'watch'>;
  readonly kernel: Kernel;
  readonly clock: Clock;
  readonly log: Logger;
  readonly secrets: Secrets;
  /** Addresses of the API server as the kubeconfig or the environment has them; absent: there is none. */
  readonly apiServer?: () => Promise<readonly Address[]>;
  /** Our routes of an earlier life, found in the kernel before anything is said; resolves undefined without kernel routes. */
  readonly inherited: () => Promise<SpeakerConfig['forwarding']>;
  /** Called when it says something new; undefined: this node cannot speak. The keys are for the kernel alone. */
  readonly onConfig: (config: SpeakerConfig | undefined, keyOf: KeyOf) => void;
  /** What is to be logged; undefined: what the command line says. Called when it changes. */
  readonly onLogLevel?: (level: Intent['logLevel']) => void;
}

/** The key that a peer's password stands for; undefined: none is known. */
export type KeyOf = (password: SecretKey) => Uint8Array | undefined;

export interface Following {
  readonly cluster: Cluster;
  readonly inSync: () => boolean;
  readonly problems: () => readonly Problem[];
  start(): void;
  /** All that is announced is marked as about to go. */
  fade(): void;
  /** Somebody nobody knows dialled from this link-local address: perhaps the neighbour that is looked for on that link. */
  dialled(address: Ipv6, ifindex: number): void;
  /** No address of a Service is announced any more, and with `isWhole` nothing at all. True if something was. */
  leave(isWhole: boolean): boolean;
  stop(): void;
}

export function follow(options: FollowOptions): Following {
  const { node, ipam, store, log, secrets, clock } = options;
  const cluster = new Cluster(node, ipam);
  const more = followMore(options, cluster, settle);
  const drain = new Drain(clock, settle);
  const discovery = createDiscovery({
    ...options,
    onChange: () => {
      cluster.meet(discovery.neighbours);
      settle();
    },
  });
  const keyring = new Keyring({ secrets, clock, onChange: settle });
  const read = { store: false, kernel: false, hosts: ipam === 'pod-cidrs' };
  let isReady = false;
  let isStopped = false;
  let storeProblems: readonly Problem[] = [];
  const others = (): readonly Problem[] => [...storeProblems, ...more.problems()];
  const teller = createTeller(options, { cluster, drain, keyring, discovery }, others);
  let unwatch: (() => void)[] = [];

  /** Something came: perhaps the last that was missing. */
  function settle(): void {
    if (isStopped) return;
    const wasReady = isReady;
    isReady ||= read.store && read.kernel && read.hosts && more.isRead();
    if (isReady && !wasReady) log.info('the datastore is in sync');
    if (isReady) teller.look();
  }

  function onBatch(batch: Batch): void {
    if (!cluster.take(batch) && isReady && sameData(storeProblems, batch.problems)) return;
    storeProblems = batch.problems;
    read.store ||= batch.inSync;
    more.attend(read.store);
    settle();
  }

  return {
    cluster,
    inSync: () => isReady,
    problems: () => (isReady ? teller.problems() : others()),
    start: () => {
      unwatch = [
        store.watch(watchedKinds(node, ipam), onBatch),
        ...watchAround(options, cluster, read, settle),
        ...[drain, discovery, keyring, teller].map((one) => () => one.stop()),
      ];
    },
    dialled: (address, ifindex) => discovery.dialled(address, ifindex),
    fade: () => {
      drain.leave('shutdown');
      if (isReady) teller.lookNow();
    },
    leave: (isWhole) => {
      const before = teller.told();
      drain.leave(isWhole ? 'withdrawn' : undefined);
      cluster.leave();
      if (isReady) teller.lookNow();
      return teller.told() !== before;
    },
    stop: () => {
      isStopped = true;
      for (const one of unwatch) one();
      more.stop();
    },
  };
}

/** What is followed only while the resources read so far ask for it. */
interface More {
  /** @param isRead  the resources are, so that what they ask for may be begun */
  attend(isRead: boolean): void;
  readonly isRead: () => boolean;
  readonly problems: () => readonly Problem[];
  stop(): void;
}

function followMore(options: FollowOptions, cluster: Cluster, settle: () => void): More {
  const onBatch = (batch: Batch): void => {
    cluster.take(batch);
    settle();
  };
  const heard = { ...options, onBatch, onRead: settle };
  const services = followSometimes(
    { kinds: serviceKinds, without: 'Services have not been read yet; going on without their addresses' },
    heard,
  );
  const workloads = followSometimes(
    {
      kinds: workloadKinds(options.node),
      without: 'Pods of this node have not been read yet; going on without sessions with them',
    },
    heard,
  );
  const both = [services, workloads];
  return {
    attend: (isRead) => {
      const { wantsServices, wantsWorkloads } = cluster;
      if (!wantsServices) cluster.services.clear();
      if (!wantsWorkloads) cluster.forgetWorkloads();
      if (!isRead) return;
      services.attend(wantsServices);
      workloads.attend(wantsWorkloads);
    },
    isRead: () => both.every((one) => one.isRead),
    problems: () => both.flatMap((one) => one.problems),
    stop: () => {
      for (const one of both) one.attend(false);
    },
  };
}

interface Parts {
  readonly cluster: Cluster;
  readonly drain: Drain;
  readonly keyring: Keyring;
  readonly discovery: Discovery;
}

interface Teller {
  /** Something may be different: not later than the pace allows. */
  look(): void;
  /** The end does not wait. */
  lookNow(): void;
  told(): Intent | undefined;
  problems(): readonly Problem[];
  stop(): void;
}

/** Says what the configuration is, each time it is another; `others` are the problems of where it comes from. */
function createTeller(
  { onConfig, onLogLevel, log, clock }: FollowOptions,
  { cluster, drain, keyring, discovery }: Parts,
  others: () => readonly Problem[],
): Teller {
  let problems: readonly Problem[] = [];
  let told: Intent | undefined;
  const pace = new Pace(clock, look);

  function look(): void {
    drain.want(cluster.isDrained, told === undefined && cluster.isFresh);
    cluster.drain(drain.phase);
    const base = cluster.intent();
    keyring.want(secretKeysOf(base));
    discovery.want(new Set(base.links));
    const intent = withPasswords(base, (key) => keyring.known(key));
    const all = [...others(), ...discovery.problems, ...intent.problems];
    warnOfNew(log, problems, all);
    problems = all;
    if (told !== undefined && sameData(told, intent)) return;
    if (told?.logLevel !== intent.logLevel) onLogLevel?.(intent.logLevel);
    told = intent;
    onConfig(intent.config, (key) => keyring.value(key));
  }

  return {
    look: () => pace.ask(),
    lookNow: () => pace.now(),
    told: () => told,
    problems: () => problems,
    stop: () => pace.stop(),
  };
}

function warnOfNew(log: Logger, before: readonly Problem[], now: readonly Problem[]): void {
  const known = new Set(before.map(formatProblem));
  for (const problem of now) if (!known.has(formatProblem(problem))) log.warn(formatProblem(problem));
}

/** What else the configuration is made of; `read` says what has been looked at once. Returns what ends it. */
const watchAround = (
  options: FollowOptions,
  cluster: Cluster,
  read: { kernel: boolean; hosts: boolean },
  onChange: () => void,
): (() => void)[] => [
  ...watchKernel(options, cluster, read, onChange),
  ...watchServer(options, cluster, onChange),
];

/** Only where there is an API server: in a directory of manifests nobody reaches anything by it. */
function watchServer(
  { apiServer, store }: FollowOptions,
  cluster: Cluster,
  onChange: () => void,
): (() => void)[] {
  if (apiServer === undefined) return [];
  return [
    followServer(store, apiServer, (addresses) => {
      cluster.guard(addresses);
      onChange();
    }),
  ];
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
  const onSubnets = (subnets: readonly Subnet[]): void => {
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
