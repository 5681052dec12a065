/** `tortie felix`: the process around the agent. Wiring only: what it does is in agent.ts. */
import { release } from 'node:os';
import type { Registry } from 'prom-client';
import { realClock } from '../src/host/clock.ts';
import { createLogger } from '../src/host/log.ts';
import { createRegistry, serveMetrics } from '../src/host/metrics.ts';
import { serveSocket } from '../src/host/socket.ts';
import { tortieVersion } from '../src/host/version.ts';
import { inNetns, openKernel } from '../src/kernel/linux.ts';
import { ok, type Result } from '../src/lib/result.ts';
import { openStore } from '../src/store/open.ts';
import { type Agent, createAgent } from './agent.ts';
import { registerMetrics } from './metrics.ts';
import { type FelixOptions, parseOptions } from './options.ts';

/** @returns the exit code: 0 after SIGTERM or SIGINT, 1 if it cannot go on, 2 for a wrong command line */
export async function main(argv: readonly string[]): Promise<number> {
  const options = parseOptions(argv);
  if (typeof options === 'number') return options;
  const log = createLogger('felix', options.node, options.logLevel);
  const store = openStore(options.datastore, { clock: realClock, random: Math.random, onLog: log.info });
  if (!store.ok) {
    log.error(store.error);
    return 2;
  }
  const ended = Promise.withResolvers<number>();
  const kernel = openKernel();
  const onFatal = (error: unknown): void => {
    const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
    log.error('tortie felix cannot go on and ends; a new start begins from what the kernel has', { why });
    ended.resolve(1);
  };
  const registry = createRegistry();
  const agent = createAgent({
    ...options,
    version: tortieVersion(),
    store: store.value,
    kernel,
    inNetns,
    clock: realClock,
    random: Math.random,
    log,
    chainsFreedLate: isOlderThan62(release()),
    registerMetrics: (sources) => registerMetrics(registry, sources),
    onFatal,
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => ended.resolve(0));
  const served = await serve(options, agent, registry);
  if (served.ok) {
    await agent.run().catch(onFatal);
    const code = await ended.promise;
    agent.stop();
    await served.value();
    kernel.close();
    log.info('stopped; rules and routes stay in the kernel');
    return code;
  }
  log.error(served.error);
  kernel.close();
  return 1;
}

/** Opens the socket and the health port, both or none. @returns how to close them */
async function serve(
  { socket: path, metrics: listen }: FelixOptions,
  { endpoints, health }: Agent,
  registry: Registry,
): Promise<Result<() => Promise<void>>> {
  const socket = await serveSocket(path, endpoints);
  if (!socket.ok) return socket;
  const metrics = await serveMetrics(listen, registry, health);
  if (!metrics.ok) {
    await socket.value.close();
    return metrics;
  }
  return ok(async () => {
    metrics.value.close();
    await socket.value.close();
  });
}

/** Such kernels count a map's reference to a chain until the transaction is over. */
function isOlderThan62(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major < 6 || (major === 6 && minor < 2);
}
