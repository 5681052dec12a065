/** The node agent's Prometheus metrics. Names start as Calico's Felix does, felix_; what it has too has the same name. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { PolicySync, PolicySyncObserver } from './dataplane/apply.ts';
import type { PodRoutes } from './dataplane/routes.ts';
import { registerObservation } from './observe/metrics.ts';
import type { Observation } from './observe/observation.ts';

export interface MetricSources {
  readonly policy: () => PolicySync;
  readonly routes: PodRoutes;
  readonly endpoints: () => number;
  readonly addresses: () => number;
  readonly observation: () => Pick<Observation, 'counted' | 'flows' | 'ended'>;
}

/** Registers everything. @returns what to tell of each write */
export function registerMetrics(registry: Registry, sources: MetricSources): PolicySyncObserver {
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number): void => {
    const made: Gauge = new Gauge({ name, help, registers, collect: () => made.set(read()) });
  };
  gauge('felix_active_local_endpoints', 'Pods of this node that have an interface.', sources.endpoints);
  gauge('felix_ipam_addresses_in_use', 'Addresses given to pods of this node.', sources.addresses);
  gauge('felix_routes_installed', 'Pod routes in the kernel.', () => sources.routes.status().installed);
  gauge(
    'felix_routes_pending',
    'Pod routes the kernel has yet to take.',
    () => sources.routes.status().pending,
  );
  gauge('felix_dataplane_pending', '1 while the kernel does not have every change heard of.', () =>
    sources.policy().status().pending ? 1 : 0,
  );
  const transactions = new Counter({
    name: 'felix_nft_transactions_total',
    help: 'nftables transactions the kernel accepted.',
    labelNames: ['kind'],
    registers,
  });
  const failures = new Counter({
    name: 'felix_int_dataplane_failures',
    help: 'nftables transactions the kernel refused.',
    registers,
  });
  const foreign = new Counter({
    name: 'felix_nft_foreign_changes_total',
    help: 'Times somebody else changed our table.',
    registers,
  });
  const seconds = new Histogram({
    name: 'felix_int_dataplane_apply_time_seconds',
    help: 'From the start of a tick until the kernel accepted it.',
    buckets: [0.001, 0.005, 0.02, 0.05, 0.1, 0.3, 1, 3, 10],
    registers,
  });
  const ticks = new Histogram({
    name: 'felix_calc_graph_update_time_seconds',
    help: 'The calculation of what changed, once a tick.',
    buckets: [0.0005, 0.001, 0.005, 0.02, 0.05, 0.1, 0.3, 1, 3],
    registers,
  });
  const waits = new Histogram({
    name: 'felix_store_to_kernel_time_seconds',
    help: 'From the first change that a tick takes up, as the datastore told it, until the kernel has it.',
    buckets: [0.001, 0.005, 0.02, 0.05, 0.1, 0.3, 1, 3, 10],
    registers,
  });
  registerObservation(registry, sources.observation);
  return {
    written: ({ full, transactions: count, tookMs, tickMs, waitedMs }) => {
      ticks.observe(tickMs / 1000);
      if (count === 0) return;
      if (waitedMs !== undefined) waits.observe(waitedMs / 1000);
      transactions.inc({ kind: full ? 'full' : 'incremental' }, count);
      seconds.observe(tookMs / 1000);
    },
    refused: () => failures.inc(),
    foreign: () => foreign.inc(),
  };
}
