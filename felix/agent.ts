/**
 * The node agent put together: store → graph → kernel, with the CNI server beside it.
 *
 *     store ──► graph ──► PolicySync ──► table inet tortie
 *       │         ▲
 *       ▼         │ endpoints
 *     NodeView   Attachments ──► PodRoutes ──► routes, protocol 81
 *       └──► CNI server ─┘
 *
 * The kernel is not written to before the store is in sync: then interfaces without a record are recognised, and rules
 * and routes start from what is there. What a CNI call or the socket asks before the records are read waits for them.
 */
import { openJournal } from '../src/cni/journal.ts';
import { openRecords, type Records } from '../src/cni/records.ts';
import type { Clock } from '../src/host/clock.ts';
import type { Logger, LogLevel } from '../src/host/log.ts';
import type { Health } from '../src/host/metrics.ts';
import type { Reporter } from '../src/host/report.ts';
import type { Endpoints } from '../src/host/socket.ts';
import { AddressBook } from '../src/ipam/address-book.ts';
import type { Conntrack } from '../src/kernel/conntrack.ts';
import type { InNetns, NetnsKernel } from '../src/kernel/links.ts';
import type { OpenNftTrace } from '../src/kernel/nft-trace.ts';
import type { Shaping } from '../src/kernel/shaping.ts';
import type { Facts, Ledger } from '../src/ledger/ledger.ts';
import { millis } from '../src/lib/net.ts';
import type { Random } from '../src/lib/random.ts';
import { interfaceName, workloadPrefix } from '../src/model/endpoint.ts';
import type { FelixFieldName, FelixOverride } from '../src/model/felix-configuration.ts';
import { formatProblem, type Problem } from '../src/model/problem.ts';
import type { Kind } from '../src/model/resource.ts';
import type { Batch, Store, Watched } from '../src/store/store.ts';
import { type Addresses, PodCidrAddresses } from './addresses.ts';
import { Attachments, type EndpointSink } from './attachments.ts';
import { BlockAddresses, payer } from './block-addresses.ts';
import { change, createGraph, type Graph, isKnown, putEndpoint, removeEndpoint } from './calc/graph.ts';
import { graphKinds } from './calc/inputs.ts';
import { NodeView } from './cluster.ts';
import { createCniServer } from './cni.ts';
import { Configured } from './configured.ts';
import { PolicySync, type PolicySyncObserver } from './dataplane/apply.ts';
import { podMtu } from './dataplane/mtu.ts';
import { Renderer, type XtTools } from './dataplane/renderer.ts';
import { PodRoutes } from './dataplane/routes.ts';
import { Writer } from './dataplane/write.ts';
import { Fitting, type FittingOptions } from './fitting.ts';
import type { MetricSources } from './metrics.ts';
import type { OpenNflog } from './observe/ear.ts';
import { Observation } from './observe/observation.ts';
import { type Onlooker, WatchedWriter } from './observe/watched-writer.ts';
import { PoolFacts, poolKinds } from './pool-facts.ts';
import type { Knock } from './probe/knock.ts';
import { Probing } from './probe/probing.ts';
import { Releases } from './releases.ts';
import {
  felixReport,
  Readiness,
  type StatusSources,
  statusEndpoints,
  whyNotReady,
  whyStuck,
} from './status.ts';
import { Surroundings, surroundingKinds } from './surroundings.ts';

export interface AgentOptions {
  readonly node: string;
  readonly version: string;
  readonly stateDir: string;
  readonly store: Store;
  readonly kernel: NetnsKernel;
  readonly inNetns: InNetns;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** The kernel is older than 6.2. */
  readonly chainsFreedLate: boolean;
  /** Present: addresses come from blocks, by this ledger; absent: from the Node's pod CIDRs. */
  readonly openLedger?: (facts: () => Facts | undefined) => Ledger;
  /** FelixConfiguration from outside the cluster, the stronger last. */
  readonly overrides?: readonly FelixOverride[];
  /** Absent: rules are written by nftables, whatever the configuration says. */
  readonly xtables?: XtTools;
  /** Absent: bandwidths of pods are not limited. */
  readonly shaping?: Shaping;
  /** Absent: connections of pods that went are left to time out, and none is judged anew. */
  readonly conntrack?: Pick<Conntrack, 'deleteWhere' | 'dump' | 'deleteFlow'>;
  /** Absent: packets that rules report are not read. */
  readonly openNflog?: OpenNflog;
  /** Absent: packets are not followed through the kernel, nor is anything tried from here. */
  readonly live?: { readonly openTrace: OpenNftTrace; readonly knock: Knock };
  /** Fields of FelixConfiguration changed that are taken only at the start. */
  readonly onOutdated?: (fields: readonly FelixFieldName[]) => void;
  /** Undefined: as the command line says. */
  readonly setLogLevel?: (level: LogLevel | undefined) => void;
  /** Where this daemon says how it is. */
  readonly reporter: Pick<Reporter<'felix'>, 'say' | 'stop'>;
  /** Called once, when pods can be served: the conflist may be written. */
  readonly onReady?: () => void;
  readonly registerMetrics: (sources: MetricSources) => PolicySyncObserver;
  /** The kernel cannot be read, or a bug: the process should end, and start anew from what is there. */
  readonly onFatal: (error: unknown) => void;
}

export interface Agent {
  readonly endpoints: Endpoints;
  readonly health: Health;
  /** Resolves once it follows the datastore. Rejects if the records or the kernel cannot be read. */
  run(): Promise<void>;
  /** Rules and routes stay. */
  stop(): void;
}

const watchedKinds = [...graphKinds, 'FelixConfiguration'] as const satisfies readonly Kind[];

/** Each kind once. @param more  with blocks: what they are made of */
export const kindsOf = (more: readonly Watched[] = []): readonly Watched[] => [
  ...new Set<Watched>([...watchedKinds, ...surroundingKinds, ...more]),
];

/** Longer than the other nodes take to drop a deleted pod's address from their sets. */
const addressCoolDown = millis(30_000);

export function createAgent(options: AgentOptions): Agent {
  const { node, store, kernel, clock, random, log } = options;
  const graph = createGraph({ node });
  const view = new NodeView(node);
  const facts = new PoolFacts(node);
  const readiness = new Readiness();
  const configured = new Configured(node, options.overrides);
  const surroundings = new Surroundings();
  const routes = new PodRoutes(kernel, clock, random, () => configured.settings);
  const progress = { inSync: false };
  const metrics = options.registerMetrics({
    ...{ routes, policy: () => policy, observation: () => observation },
    endpoints: () => attachments.all().length,
    addresses: () => addresses.inUse,
  });
  const tell = { written: () => readiness.written(parts.isKnown), said: () => announce() };
  const renderer = openRenderer(options, graph, configured, () => fitting.fit());
  const writing = { ...options, graph, renderer, observation: () => observation };
  const policy = openPolicy(writing, { ...tell, metrics }, () => hear);
  const endpoints = endpointSink(graph, readiness, policy, () => fitting.fit());
  const records = openRecords(options.stateDir);
  const book = new AddressBook(addressCoolDown);
  const addresses = openAddresses(options, { book, records, view, facts, progress });
  const attachments = new Attachments({
    ...{ ...options, records, addresses, routes, endpoints, resumeAfter: book.resumeAfter.bind(book) },
    mtu: () => podMtu(kernel, configured.settings.mtuIfacePattern),
  });
  const made = { graph, policy, renderer, routes, attachments, addresses, readiness, view };
  const fitting = openFitting(options, { ...made, configured, surroundings });
  const problems = new Problems(log);
  const observation = openObservation({ ...writing, configured }, problems, () => announce());
  const probing = openProbing(options, { graph, attachments, renderer });
  const parts = { ...options, ...made, isKnown: isKnown.bind(undefined, graph) };
  const sources = {
    ...parts,
    inSync: () => progress.inSync,
    problems: () => [...problems.all(), ...addresses.problems(), ...fitting.problems()],
    configuration: () => configured.resolved,
    stuckAfterMs: () => configured.settings.dataplaneWatchdogTimeout,
  };
  const announce = announcer(options, sources, addresses);
  const hear = { facts, problems, progress, announce, configured, surroundings, fitting, observation };
  const follow = follower({ ...parts, ...hear, onFatal: options.onFatal });
  const answerCni = createCniServer({ ...parts, features: () => configured.features });
  const loaded = Promise.withResolvers<void>();
  const stops: (() => void)[] = [() => probing.stop()];
  return {
    endpoints: {
      ...statusEndpoints(sources),
      ...observation.endpoints,
      ...probing.endpoints,
      'POST /cni': (ask) => loaded.promise.then(() => answerCni(ask)),
    },
    health: { live: () => whyStuck(sources), ready: () => whyNotReady(sources) },
    run: async () => {
      stops.push(kernel.watch((event) => void attachments.observe(event).catch(options.onFatal)));
      for (const part of [fitting, observation]) stops.push(kernel.watch((event) => part.observe(event)));
      problems.replace('releases', await addresses.load());
      problems.replace('records', await attachments.load());
      loaded.resolve();
      const more = addresses.mode === 'blocks' ? poolKinds : [];
      stops.push(store.watch(kindsOf(more), follow));
    },
    stop: () => {
      for (const stop of stops) stop();
      for (const part of [observation, fitting, policy, routes, addresses, options.reporter]) part.stop();
    },
  };
}

const openObservation = (
  options: AgentOptions & {
    readonly graph: Graph;
    readonly renderer: Renderer | undefined;
    readonly configured: Configured;
  },
  problems: Problems,
  announce: () => void,
): Observation =>
  new Observation({
    ...options,
    isReevaluated: () => options.configured.settings.connectionPolicy === 'Reevaluate',
    programs: () => options.renderer?.programs,
    onProblems: (source, found) => {
      problems.replace(source, found);
      announce();
    },
  });

const openProbing = (
  { live, ...options }: AgentOptions,
  parts: Pick<StatusSources, 'graph' | 'attachments'> & { readonly renderer: Renderer | undefined },
): Probing =>
  new Probing({
    ...{ ...options, ...parts, ...live },
    isLegacy: () => parts.renderer?.iptables === 'legacy',
  });

const openRenderer = (
  { kernel, chainsFreedLate, xtables, log }: AgentOptions,
  graph: Graph,
  configured: Configured,
  onChosen: () => void,
): Renderer | undefined =>
  xtables === undefined
    ? undefined
    : new Renderer({
        ...{ graph, kernel, chainsFreedLate, xtables, log, onChosen },
        settings: () => configured.settings,
        workloadPrefixes: [workloadPrefix],
      });

interface FittingParts
  extends Pick<FittingOptions, 'graph' | 'routes' | 'configured' | 'surroundings'>,
    Pick<StatusSources, 'attachments' | 'policy'> {
  readonly view: NodeView;
  readonly renderer: Renderer | undefined;
}

const openFitting = (options: AgentOptions, parts: FittingParts): Fitting =>
  new Fitting({
    ...options,
    ...parts,
    pods: () => parts.attachments.all(),
    annotationsOf: (hostInterface) => parts.view.podOf(hostInterface)?.annotations,
    backend: () => parts.renderer?.backend ?? 'nftables',
    wake: () => parts.policy.wake(),
    onOutdated: options.onOutdated ?? (() => undefined),
    setLogLevel: options.setLogLevel ?? (() => undefined),
  });

interface Progress {
  inSync: boolean;
}

interface AddressParts {
  readonly book: AddressBook;
  readonly records: Records;
  readonly view: NodeView;
  readonly facts: PoolFacts;
  readonly progress: Progress;
}

/** From blocks if there is a ledger, else from the Node's pod CIDRs. */
function openAddresses(options: AgentOptions, parts: AddressParts): Addresses {
  const { node, clock } = options;
  const { book, records, view, facts, progress } = parts;
  const ledger = options.openLedger?.(() => (progress.inSync ? facts.facts() : undefined));
  if (ledger === undefined) {
    return new PodCidrAddresses({ book, records, clock, node, podCidrs: () => view.podCidrs });
  }
  const journal = openJournal(options.stateDir);
  const addresses: BlockAddresses = new BlockAddresses({
    ...{ ledger, facts, node },
    namespaceLabels: (name) => view.namespace(name).labels,
    isInSync: () => progress.inSync,
    releases: new Releases({
      ...{ ...options, journal },
      pay: payer(ledger, (address) => addresses.isHeld(address)),
    }),
  });
  return addresses;
}

/** Tells the reporter of each change, and once, when pods can be served, whoever waits for that. */
function announcer(options: AgentOptions, sources: StatusSources, addresses: Addresses): () => void {
  let wasReady = false;
  return () => {
    options.reporter.say(felixReport(sources));
    if (wasReady || whyNotReady(sources) !== undefined || addresses.whyNone() !== undefined) return;
    wasReady = true;
    options.onReady?.();
  };
}

interface FollowParts extends Pick<StatusSources, 'graph' | 'policy' | 'routes' | 'attachments'> {
  readonly kernel: NetnsKernel;
  readonly view: NodeView;
  readonly facts: PoolFacts;
  readonly addresses: Addresses;
  readonly problems: Problems;
  readonly progress: Progress;
  readonly announce: () => void;
  readonly configured: Configured;
  readonly surroundings: Surroundings;
  readonly fitting: Fitting;
  readonly observation: Observation;
  readonly log: Logger;
  readonly onFatal: (error: unknown) => void;
}

/** The way of the ruleset to the kernel; what is refused there is a problem like any other. */
function openPolicy(
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

/** What a batch of the store does. */
function follower(parts: FollowParts): (batch: Batch) => void {
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

const endpointSink = (
  graph: Graph,
  readiness: Readiness,
  policy: PolicySync,
  refit: () => void,
): EndpointSink => ({
  put: (endpoint) => {
    putEndpoint(graph, endpoint);
    readiness.put(endpoint.id);
    refit();
    policy.wake();
  },
  remove: (id) => {
    removeEndpoint(graph, id);
    readiness.remove(id);
    refit();
    policy.wake();
  },
});

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

/** What a person should mend, by where we heard of it; each is logged once, when it comes up. */
class Problems {
  readonly #log: Logger;
  readonly #bySource = new Map<string, readonly Problem[]>();

  constructor(log: Logger) {
    this.#log = log;
  }

  replace(source: string, problems: readonly Problem[]): void {
    const before = new Set((this.#bySource.get(source) ?? []).map(formatProblem));
    this.#bySource.set(source, problems);
    for (const text of problems.map(formatProblem)) if (!before.has(text)) this.#log.warn(text);
  }

  all(): readonly Problem[] {
    return [...this.#bySource.values()].flat();
  }
}
