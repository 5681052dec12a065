/** `tortie bgp`: the process around the speaker. Wiring only: what it does is in daemon.ts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { realClock } from '../src/host/clock.ts';
import { createLogger, type Logger } from '../src/host/log.ts';
import { apiMeter, createRegistry, serveMetrics } from '../src/host/metrics.ts';
import { openReporter } from '../src/host/report.ts';
import { serveSocket } from '../src/host/socket.ts';
import { tortieVersion } from '../src/host/version.ts';
import { openKernel } from '../src/kernel/linux.ts';
import { giveBack } from '../src/kernel/resident.ts';
import { ok, type Result } from '../src/lib/result.ts';
import { clusterMark } from '../src/store/kubernetes/cluster.ts';
import type { Meter } from '../src/store/meter.ts';
import type { Objects } from '../src/store/objects.ts';
import { openObjects, openSecrets, openStore, serverOf } from '../src/store/open.ts';
import { remembered } from '../src/store/remembered.ts';
import type { Store } from '../src/store/store.ts';
import { createDaemon, type DaemonOptions } from './daemon.ts';
import { type BgpOptions, parseOptions } from './options.ts';
import { prepareRehearsal, type Rehearsal } from './rehearsal.ts';
import { exposeMetrics } from './status/metrics.ts';

/** @returns the exit code: 0 after SIGTERM, SIGINT or SIGUSR2, 1 if it cannot go on, 2 for a wrong command line */
export async function main(argv: readonly string[]): Promise<number> {
  const options = parseOptions(argv);
  if (typeof options === 'number') return options;
  const log = createLogger('bgp', options.node, options.logLevel);
  const registry = createRegistry();
  const datastore = openDatastore(options, log, apiMeter(registry));
  if (!datastore.ok) {
    log.error(datastore.error);
    return 2;
  }
  const { store, objects } = datastore.value;
  const rehearsal = rehearsalOf(options, log);
  const kernel = openKernel();
  const daemon = createDaemon({
    node: options.node,
    ipam: options.ipam,
    version: tortieVersion(),
    store,
    secrets: openSecrets(options.datastore, objects, options.namespace),
    kernel,
    clock: realClock,
    random: Math.random,
    log,
    listen: options.listen ?? {},
    withFib: options.fib,
    netstat: readNetstat,
    ...serverPart(options),
    onLogLevel: (level) => {
      if (options.isLevelGiven !== true) log.setLevel(level ?? options.logLevel);
    },
    ...monitoringOf(options),
    reporter: openReporter({
      store,
      objects,
      node: options.node,
      part: 'bgp',
      clock: realClock,
      random: Math.random,
      log,
    }),
  });
  const endMetrics = exposeMetrics(registry, daemon, realClock);
  const socket = await serveSocket(options.socket, daemon.endpoints);
  const metrics = await serveMetrics(options.metrics, registry, {
    live: () => undefined,
    ready: daemon.notReady,
  });
  for (const started of [socket, metrics]) if (!started.ok) log.error(started.error);
  // Only who has the socket may speak for this node: a second one by mistake must not disturb the first.
  const isUp = socket.ok && metrics.ok;
  let signal: EndSignal | undefined;
  if (isUp) {
    daemon.start();
    rehearsal.start(daemon);
    signal = await signalled();
  }
  rehearsal.stop();
  const isRestart = signal === 'SIGUSR2' || (signal === 'SIGTERM' && options.restarting === true);
  if (isRestart) log.info('neighbours are to keep the routes until the next start');
  await daemon.stop(isUp ? 'tortie bgp was asked to stop' : 'tortie bgp could not start', isRestart);
  if (socket.ok) await socket.value.close();
  if (metrics.ok) metrics.value.close();
  endMetrics();
  kernel.close();
  log.info('stopped; routes stay in the kernel');
  return isUp ? 0 : 1;
}

const rehearsalOf = ({ rehearse, fib }: BgpOptions, log: Logger): Rehearsal =>
  prepareRehearsal({ isWanted: rehearse, withFib: fib, log, onEnd: () => void tidy() });

/** What the rehearsal leaves behind would be collected in the middle of the first table otherwise. */
function tidy(): Promise<boolean> {
  globalThis.gc?.();
  return giveBack();
}

const serverPart = ({ datastore }: BgpOptions): Pick<DaemonOptions, 'apiServer'> => {
  const apiServer = serverOf(datastore);
  return apiServer === undefined ? {} : { apiServer };
};

const monitoringOf = ({
  bmp,
  bmpLocRib,
  mrtUpdates,
}: BgpOptions): Pick<DaemonOptions, 'bmp' | 'mrtUpdates'> => ({
  ...(bmp === undefined ? {} : { bmp: { ...bmp, withLocRib: bmpLocRib === true } }),
  ...(mrtUpdates === undefined ? {} : { mrtUpdates }),
});

function openDatastore(
  { datastore: text, node, stateDir }: BgpOptions,
  log: Logger,
  meter: Meter,
): Result<{ readonly store: Store; readonly objects: Objects }> {
  const options = { clock: realClock, random: Math.random, onLog: log.info, meter };
  const store = openStore(text, options);
  if (!store.ok) return store;
  const objects = openObjects(text, options);
  if (!objects.ok) return objects;
  const file = (kind: string): string => join(stateDir, `bgp-${node}-${kind}.json`);
  // A directory is always there to be read.
  const isAway = text === 'kubernetes';
  const identity = `${tortieVersion()} ${bootId()} ${text} ${isAway ? clusterMark() : ''}`;
  return ok({
    store: isAway ? remembered(store.value, { file, identity, clock: realClock, log }) : store.value,
    objects: objects.value,
  });
}

function readNetstat(): string | undefined {
  try {
    return readFileSync('/proc/net/netstat', 'utf8');
  } catch {
    return undefined; // without it a reason is only less precise
  }
}

/** Differs from one life of the machine to the next. */
const bootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();

/** SIGUSR2 is a restart, SIGINT is none; what SIGTERM is says --restarting. */
const endSignals = ['SIGTERM', 'SIGINT', 'SIGUSR2'] as const;
type EndSignal = (typeof endSignals)[number];

function signalled(): Promise<EndSignal> {
  return new Promise((resolve) => {
    for (const signal of endSignals) process.once(signal, () => resolve(signal));
  });
}
