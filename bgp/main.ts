/** `tortie bgp`: the process around the speaker. Wiring only: what it does is in daemon.ts. */
import { realClock } from '../src/host/clock.ts';
import { createLogger } from '../src/host/log.ts';
import { createRegistry, serveMetrics } from '../src/host/metrics.ts';
import { openReporter } from '../src/host/report.ts';
import { serveSocket } from '../src/host/socket.ts';
import { tortieVersion } from '../src/host/version.ts';
import { openKernel } from '../src/kernel/linux.ts';
import { openObjects, openStore } from '../src/store/open.ts';
import { createDaemon } from './daemon.ts';
import { exposeMetrics } from './metrics.ts';
import { parseOptions } from './options.ts';

/** @returns the exit code: 0 after SIGTERM or SIGINT, 1 if it cannot go on, 2 for a wrong command line */
export async function main(argv: readonly string[]): Promise<number> {
  const options = parseOptions(argv);
  if (typeof options === 'number') return options;
  const log = createLogger('bgp', options.node, options.logLevel);
  const storeOptions = { clock: realClock, random: Math.random, onLog: log.info };
  const store = openStore(options.datastore, storeOptions);
  const objects = openObjects(options.datastore, storeOptions);
  if (!store.ok || !objects.ok) {
    log.error(store.ok ? 'the datastore cannot be written' : store.error);
    return 2;
  }
  const kernel = openKernel();
  const daemon = createDaemon({
    node: options.node,
    ipam: options.ipam,
    version: tortieVersion(),
    store: store.value,
    kernel,
    clock: realClock,
    random: Math.random,
    log,
    listen: options.listen ?? {},
    withFib: options.fib,
    reporter: openReporter({
      store: store.value,
      objects: objects.value,
      node: options.node,
      part: 'bgp',
      clock: realClock,
      random: Math.random,
      log,
    }),
  });
  const registry = createRegistry();
  exposeMetrics(registry, daemon);
  const socket = await serveSocket(options.socket, daemon.endpoints);
  const metrics = await serveMetrics(options.metrics, registry, {
    live: () => undefined,
    ready: daemon.notReady,
  });
  for (const started of [socket, metrics]) if (!started.ok) log.error(started.error);
  // Only who has the socket may speak for this node: a second one by mistake must not disturb the first.
  const isUp = socket.ok && metrics.ok;
  if (isUp) {
    daemon.start();
    await signalled();
  }
  await daemon.stop(isUp ? 'tortie bgp was asked to stop' : 'tortie bgp could not start');
  if (socket.ok) await socket.value.close();
  if (metrics.ok) metrics.value.close();
  kernel.close();
  log.info('stopped; routes stay in the kernel');
  return isUp ? 0 : 1;
}

function signalled(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
}
