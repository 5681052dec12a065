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
import type { Health } from '../src/host/metrics.ts';
import type { Endpoints } from '../src/host/socket.ts';
import { AddressBook } from '../src/ipam/address-book.ts';
import { millis } from '../src/lib/net.ts';
import { openAddresses } from './agent/addresses.ts';
import { announcer } from './agent/announce.ts';
import { follower, kindsOf } from './agent/follow.ts';
import type { AgentOptions } from './agent/options.ts';
import { openFitting, openObservation, openProbing, openRenderer } from './agent/parts.ts';
import { openPolicy } from './agent/policy.ts';
import { Problems } from './agent/problems.ts';
import { endpointSink } from './agent/sink.ts';
import { Attachments } from './attachments.ts';
import { createGraph, isKnown } from './calc/graph.ts';
import { NodeView } from './cluster.ts';
import { createCniServer } from './cni.ts';
import { Configured } from './configured.ts';
import { podMtu } from './dataplane/mtu.ts';
import { PodRoutes } from './dataplane/routes.ts';
import { PoolFacts, poolKinds } from './pool-facts.ts';
import { Readiness, statusEndpoints, whyNotReady, whyStuck } from './status.ts';
import { Surroundings } from './surroundings.ts';

export interface Agent {
  readonly endpoints: Endpoints;
  readonly health: Health;
  /** Resolves once it follows the datastore. Rejects if the records or the kernel cannot be read. */
  run(): Promise<void>;
  /** Rules and routes stay. */
  stop(): void;
}

/** Longer than the other nodes take to drop a deleted pod's address from their sets. */
const addressCoolDown = millis(30_000);

export function createAgent(options: AgentOptions): Agent {
  const { node, store, kernel, clock, random, log } = options;
  const graph = createGraph({ node });
  const view = new NodeView(node);
  const facts = new PoolFacts(node);
  const readiness = new Readiness();
  const configured = new Configured(node, options.overrides);
  const surroundings = new Surroundings(node);
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
