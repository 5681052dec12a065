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
import { openRecords } from '../src/cni/records.ts';
import type { Clock } from '../src/host/clock.ts';
import type { Logger } from '../src/host/log.ts';
import type { Health } from '../src/host/metrics.ts';
import type { Endpoints } from '../src/host/socket.ts';
import { AddressBook } from '../src/ipam/address-book.ts';
import type { InNetns, NetnsKernel } from '../src/kernel/links.ts';
import { millis } from '../src/lib/net.ts';
import type { Random } from '../src/lib/random.ts';
import { formatProblem, type Problem } from '../src/model/problem.ts';
import type { Kind } from '../src/model/resource.ts';
import type { Batch, Store } from '../src/store/store.ts';
import { Attachments, type EndpointSink } from './attachments.ts';
import { change, createGraph, type Graph, isKnown, putEndpoint, removeEndpoint } from './calc/graph.ts';
import { NodeView } from './cluster.ts';
import { createCniServer } from './cni.ts';
import { PolicySync, type PolicySyncObserver } from './dataplane/apply.ts';
import { PodRoutes } from './dataplane/routes.ts';
import { enableForwarding } from './dataplane/sysctl.ts';
import type { MetricSources } from './metrics.ts';
import { Readiness, statusEndpoints, whyNotReady } from './status.ts';

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

const kinds: readonly Kind[] = ['Node', 'Pod', 'Namespace', 'NetworkPolicy'];

/** Longer than the other nodes take to drop a deleted pod's address from their sets. */
const addressCoolDown = millis(30_000);

export function createAgent(options: AgentOptions): Agent {
  const { node, store, kernel, inNetns, clock, random, log } = options;
  const graph = createGraph();
  const known = (id: string): boolean => isKnown(graph, id);
  const view = new NodeView(node);
  const readiness = new Readiness();
  const book = new AddressBook(addressCoolDown);
  const routes = new PodRoutes(kernel, clock, random);
  const metrics = options.registerMetrics({
    policy: () => policy,
    routes,
    endpoints: () => attachments.all().length,
    addresses: () => book.size,
  });
  const observe = observer(log, metrics, () => readiness.written(known));
  const policy = new PolicySync({ ...options, graph, observe });
  const endpoints = endpointSink(graph, readiness, policy);
  const records = openRecords(options.stateDir);
  const attachments = new Attachments({ kernel, inNetns, records, book, routes, endpoints, clock, log });
  const loaded = Promise.withResolvers<void>();
  const problems = new Problems(log);
  const stops: (() => void)[] = [];
  let inSync = false;

  function onBatch(batch: Batch): void {
    for (const one of batch.changes) {
      change(graph, one);
      view.change(one);
    }
    problems.replace('datastore', batch.problems);
    if (batch.changes.length > 0) policy.wake();
    if (inSync || !batch.inSync) return;
    inSync = true;
    void takeOver().catch(options.onFatal);
  }

  /** In-sync: the kernel is ours from here on. */
  async function takeOver(): Promise<void> {
    await attachments.recover((hostInterface) => view.podOf(hostInterface));
    for (const why of await enableForwarding(kernel)) log.error('forwarding cannot be enabled', { why });
    policy.start();
    routes.start();
    log.info('in sync with the datastore; the kernel follows it from here on');
  }

  const parts = { ...options, graph, policy, routes, attachments, readiness, view };
  const sources = { ...parts, inSync: () => inSync, problems: () => problems.all() };
  const answerCni = createCniServer({ ...parts, isKnown: known });
  return {
    endpoints: {
      ...statusEndpoints(sources),
      'POST /cni': async (ask) => {
        await loaded.promise;
        return answerCni(ask);
      },
    },
    health: { live: () => undefined, ready: () => whyNotReady(sources) },
    run: async () => {
      stops.push(kernel.watch((event) => void attachments.observe(event).catch(options.onFatal)));
      problems.replace('records', await attachments.load());
      loaded.resolve();
      stops.push(store.watch(kinds, onBatch));
    },
    stop: () => {
      for (const stop of stops) stop();
      policy.stop();
      routes.stop();
    },
  };
}

const endpointSink = (graph: Graph, readiness: Readiness, policy: PolicySync): EndpointSink => ({
  put: (endpoint) => {
    putEndpoint(graph, endpoint);
    readiness.put(endpoint.id);
    policy.wake();
  },
  remove: (id) => {
    removeEndpoint(graph, id);
    readiness.remove(id);
    policy.wake();
  },
});

/** Log, metrics and readiness all hear of a write. */
const observer = (log: Logger, metrics: PolicySyncObserver, onWritten: () => void): PolicySyncObserver => ({
  written: (what) => {
    onWritten();
    metrics.written(what);
    if (what.transactions > 0) log.debug('the ruleset is in the kernel', { ...what });
  },
  refused: (why, retryInMs) => {
    metrics.refused(why, retryInMs);
    log.error('the kernel refused the ruleset and keeps the one before', { why, retryInMs });
  },
  foreign: () => {
    metrics.foreign();
    log.warn('somebody else changed table inet tortie; it is put back');
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
