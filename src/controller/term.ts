/**
 * One term of leadership: everything the controller does while it leads, from a fresh look at the cluster on.
 * Nothing is carried over from an earlier term, because another leader may have been in between.
 */
import type { Clock } from '../host/clock.ts';
import type { Logger } from '../host/log.ts';
import type { Leak } from '../ipam/leaks.ts';
import { openCollector } from '../ledger/collector.ts';
import type { Facts } from '../ledger/ledger.ts';
import { openLedger } from '../ledger/open.ts';
import type { Random } from '../lib/random.ts';
import { same } from '../lib/same.ts';
import { formatProblem, type Problem } from '../model/problem.ts';
import { type Kind, keyOf, refOf } from '../model/resource.ts';
import type { Objects } from '../store/objects.ts';
import type { Batch, Store } from '../store/store.ts';
import { balance } from './balancer.ts';
import { type BalanceRules, balancer } from './decide/balance.ts';
import { type Duty, openDuty } from './duty.ts';
import { openGarbage } from './garbage.ts';
import { openInspector } from './inspect.ts';
import { noticesOf } from './judge.ts';
import { openPlacard } from './placard.ts';
import { openRecorder } from './recorder.ts';
import { openTierKeeper } from './tiers.ts';
import { untaint } from './untaint.ts';
import { reservedBy, World, watched } from './world.ts';

export interface TermOptions {
  readonly store: Store;
  /** Writes only while we lead. */
  readonly objects: Objects;
  readonly identity: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly today: () => Date;
  readonly log: Logger;
  readonly rules: BalanceRules;
  /** How long nobody must have used an address until it is taken back. */
  readonly leakGraceMs: number;
  /** Tiers are made and held: the datastore has finalizers. */
  readonly keepsTiers?: boolean;
  readonly counters: Counters;
}

export interface Counters {
  readonly event: (what: 'written' | 'dropped') => void;
  readonly status: () => void;
  readonly reclaimed: (leak: Leak, addresses: number, world: World) => void;
  readonly failure: (duty: string) => void;
}

export interface Term {
  readonly world: World;
  /** Addresses suspected to have leaked. */
  candidates(): readonly Leak[];
  stop(): void;
}

/** How often each duty looks without being woken, and how long it lets news gather. */
const rhythm = {
  conditions: { gapMs: 2000, everyMs: 300_000 },
  taints: { gapMs: 1000, everyMs: 60_000 },
  addresses: { gapMs: 500, everyMs: 60_000 },
  /** `everyMs` is half of the grace period. */
  garbage: { gapMs: 5000 },
  tiers: { gapMs: 1000, everyMs: 300_000 },
} as const;

type DutyName = keyof typeof rhythm;
const dutyNames: readonly DutyName[] = ['conditions', 'taints', 'addresses', 'garbage', 'tiers'];

/** Which news wake which duty. Pods are not among them: their leaks have time. */
const wakes: Partial<Record<Kind, readonly DutyName[]>> = {
  Node: ['conditions', 'taints', 'garbage'],
  CalicoNodeStatus: ['conditions', 'taints'],
  BGPPeer: ['conditions'],
  BGPConfiguration: ['conditions'],
  BGPFilter: ['conditions'],
  IPPool: ['conditions', 'addresses'],
  IPReservation: ['conditions', 'addresses'],
  IPAMConfiguration: ['conditions'],
  FelixConfiguration: ['conditions'],
  IPAMBlock: ['conditions'],
  NetworkPolicy: ['conditions'],
  CalicoNetworkPolicy: ['conditions', 'tiers'],
  GlobalNetworkPolicy: ['conditions', 'tiers'],
  StagedNetworkPolicy: ['conditions', 'tiers'],
  StagedGlobalNetworkPolicy: ['conditions', 'tiers'],
  StagedKubernetesNetworkPolicy: ['conditions'],
  ClusterNetworkPolicy: ['conditions'],
  Tier: ['conditions', 'tiers'],
  NetworkSet: ['conditions'],
  GlobalNetworkSet: ['conditions'],
  HostEndpoint: ['conditions'],
  Profile: ['conditions'],
  Service: ['conditions', 'addresses'],
};

export function openTerm(options: TermOptions): Term {
  const { store, objects, identity, clock, random, today, log, rules, leakGraceMs, counters } = options;
  const world = new World();
  const doers = { objects, identity, clock, random, today, log };
  const recorder = openRecorder({ ...doers, onCount: counters.event });
  const { say } = recorder;
  const placard = openPlacard({
    ...doers,
    onWritten: (ref, verdicts, before, uid) => {
      counters.status();
      const about = { ...ref, ...(uid === undefined ? {} : { uid }) };
      for (const notice of noticesOf(about, verdicts, before)) say(notice);
    },
  });
  const ledger = openLedger({
    ...{ objects, clock, random, owner: balancer, facts: () => factsOf(world) },
    wallClock: () => today().getTime(),
    onLog: (sentence) => log.info(sentence),
  });
  const collector = openCollector({
    ...{ objects, clock, random, wallClock: () => today().getTime() },
    cooldownSeconds: () => world.all('IPAMConfiguration')[0]?.ipCooldownSeconds ?? 0,
  });
  const garbage = openGarbage({
    ...{ objects, collector, world, clock, today, log, graceMs: leakGraceMs },
    onReclaimed: (leak, addresses) => counters.reclaimed(leak, addresses, world),
  });
  const inspect = openInspector({ objects, world, today, say, show: placard.show });

  const runs: Runs = {
    conditions: inspect,
    taints: () => untaint({ objects, world, say, log }),
    addresses: () => balance({ objects, ledger, world, rules, say, log }),
    garbage: garbage.collect,
    tiers: options.keepsTiers === true ? openTierKeeper({ objects, world, log }) : async () => undefined,
  };
  const duties = openDuties(options, runs);
  const unwatch = store.watch([...watched], (batch) => {
    const wasInSync = world.inSync;
    const before = world.problems;
    world.take(batch);
    logNew(log, before, batch.problems);
    // Nothing is decided on half of a cluster.
    if (!world.inSync) return;
    placard.recheck(
      batch.changes.flatMap((change) => (change.kind === 'put' ? keyOf(refOf(change.resource)) : [])),
    );
    const woken = wasInSync ? wokenBy(batch, before) : new Set(dutyNames);
    for (const name of woken) duties[name].wake();
  });
  const cancelRecheck = every(clock, recheckMs, () => placard.recheck());

  return {
    world,
    candidates: garbage.candidates,
    stop: () => {
      unwatch();
      cancelRecheck();
      for (const name of dutyNames) duties[name].stop();
      placard.stop();
      recorder.stop();
      ledger.close();
    },
  };
}

type Runs = Readonly<Record<DutyName, () => Promise<number | undefined>>>;

function openDuties(
  { clock, random, leakGraceMs, counters, log }: TermOptions,
  runs: Runs,
): Record<DutyName, Duty> {
  const open = (name: DutyName): Duty =>
    openDuty({
      ...{ clock, random, run: runs[name], everyMs: leakGraceMs / 2, ...rhythm[name] },
      onFailure: (why, inARow) => {
        counters.failure(name);
        if (inARow === 1) log.warn(`${name} are not as they should be yet, which is tried again: ${why}`);
      },
    });
  return {
    conditions: open('conditions'),
    taints: open('taints'),
    addresses: open('addresses'),
    garbage: open('garbage'),
    tiers: open('tiers'),
  };
}

/** Somebody else may have written into a status, or a generation have grown without the meaning changing. */
const recheckMs = 3_600_000;

function every(clock: Clock, ms: number, run: () => void): () => void {
  let cancel = (): void => undefined;
  const again = (): void => {
    cancel = clock.after(ms as Parameters<Clock['after']>[0], () => {
      run();
      again();
    });
  };
  again();
  return () => cancel();
}

function wokenBy({ changes, problems }: Batch, before: readonly Problem[]): ReadonlySet<DutyName> {
  const woken = new Set<DutyName>(same(problems, before) ? [] : ['conditions']);
  for (const change of changes) {
    const kind = change.kind === 'put' ? change.resource.kind : change.ref.kind;
    for (const name of wakes[kind] ?? []) woken.add(name);
  }
  return woken;
}

function logNew(log: Logger, before: readonly Problem[], now: readonly Problem[]): void {
  const known = new Set(before.map(formatProblem));
  for (const problem of now) if (!known.has(formatProblem(problem))) log.warn(formatProblem(problem));
}

/** What the ledger of load balancer addresses must know. */
function factsOf(world: World): Facts | undefined {
  if (!world.inSync) return undefined;
  const settings = world.all('IPAMConfiguration')[0];
  return {
    pools: world.all('IPPool'),
    reserved: reservedBy(world),
    settings: {
      // A pool's blocks are claimed as they are needed, as many as that takes.
      ...{ strictAffinity: true, maxBlocksPerHost: Number.MAX_SAFE_INTEGER, autoAllocateBlocks: true },
      ipCooldownSeconds: settings?.ipCooldownSeconds ?? 0,
    },
    nodeLabels: {},
  };
}
