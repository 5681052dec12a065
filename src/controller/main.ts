/** `tortie controller`: the process around it. Wiring only: what it does is in controller.ts and term.ts. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { realClock } from '../host/clock.ts';
import { createLogger } from '../host/log.ts';
import { apiMeter, createRegistry, serveMetrics } from '../host/metrics.ts';
import { openObjects, openStore } from '../store/open.ts';
import { createController } from './controller.ts';
import { registerMetrics } from './metrics.ts';
import { parseOptions } from './options.ts';

/** @returns the exit code: 0 after SIGTERM or SIGINT, 1 if it cannot go on, 2 for a wrong command line */
export async function main(argv: readonly string[]): Promise<number> {
  const options = parseOptions(argv);
  if (typeof options === 'number') return options;
  const host = hostname();
  const log = createLogger('controller', host, options.logLevel);
  const registry = createRegistry();
  const doors = { clock: realClock, random: Math.random, onLog: log.info, meter: apiMeter(registry) };
  const store = openStore(options.datastore, doors);
  const objects = openObjects(options.datastore, doors);
  if (!store.ok || !objects.ok) {
    log.error(store.ok ? 'the datastore cannot be written' : store.error);
    return 2;
  }
  const controller = createController({
    store: store.value,
    objects: objects.value,
    identity: `${host}_${randomUUID()}`,
    lease: { namespace: options.leaseNamespace, name: 'tortie-controller' },
    clock: realClock,
    random: Math.random,
    today: () => new Date(),
    log,
    rules: { classless: options.classlessServices, assign: options.assignIps },
    leakGraceMs: options.leakGrace,
    keepsTiers: options.datastore === 'kubernetes',
    counters: (term) => registerMetrics(registry, term),
  });
  const metrics = await serveMetrics(options.metrics, registry, controller.health);
  if (!metrics.ok) {
    log.error(metrics.error);
    return 1;
  }
  controller.start();
  await signalled();
  await controller.stop();
  metrics.value.close();
  log.info('stopped; whoever waits leads now');
  return 0;
}

function signalled(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
}
