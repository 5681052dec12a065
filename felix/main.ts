/** `tortie felix`: the process around the agent. Wiring only: what it does is in agent.ts. */
import { release } from 'node:os';
import type { Registry } from 'prom-client';
import { binDirBeside, keepTrying, setUp } from '../src/cni/setup.ts';
import { realClock } from '../src/host/clock.ts';
import { createLogger, type LeveledLogger, type Logger } from '../src/host/log.ts';
import { apiMeter, createRegistry, serveMetrics } from '../src/host/metrics.ts';
import { openReporter } from '../src/host/report.ts';
import { serveSocket } from '../src/host/socket.ts';
import { tortieVersion } from '../src/host/version.ts';
import { openConntrack } from '../src/kernel/conntrack.ts';
import { isKernelError } from '../src/kernel/kernel-error.ts';
import { inNetns, openKernel } from '../src/kernel/linux.ts';
import { openNflog } from '../src/kernel/nflog.ts';
import { openNftTrace } from '../src/kernel/nft-trace.ts';
import { openShaping } from '../src/kernel/shaping.ts';
import { openXtables, xtBackendInUse } from '../src/kernel/xtables.ts';
import type { Ledger, LedgerOptions } from '../src/ledger/ledger.ts';
import { openLedger } from '../src/ledger/open.ts';
import { err, ok, type Result } from '../src/lib/result.ts';
import type { FelixOverride } from '../src/model/felix-configuration.ts';
import { formatProblem } from '../src/model/problem.ts';
import { openObjects, openStore } from '../src/store/open.ts';
import type { AgentOptions } from './agent/options.ts';
import { type Agent, createAgent } from './agent.ts';
import { fromCommandLine, fromEnvironment } from './config/environment.ts';
import { restartExitCode } from './configured.ts';
import { registerMetrics } from './metrics.ts';
import { type FelixOptions, parseOptions } from './options.ts';
import { knock } from './probe/knock.ts';

/**
 * @returns the exit code: 0 after SIGTERM or SIGINT, 1 if it cannot go on, 2 for a wrong command line, 129 if the
 *   configuration changed in what is taken only at the start
 */
export async function main(argv: readonly string[]): Promise<number> {
  const options = parseOptions(argv);
  if (typeof options === 'number') return options;
  const log = createLogger('felix', options.node, options.logLevel);
  const registry = createRegistry();
  const doors = { clock: realClock, random: Math.random, onLog: log.info, meter: apiMeter(registry) };
  const overrides = readOverrides(options, log);
  if (!overrides.ok) {
    log.error(overrides.error);
    return 2;
  }
  const store = openStore(options.datastore, doors);
  if (!store.ok) {
    log.error(store.error);
    return 2;
  }
  const ended = Promise.withResolvers<number>();
  const kernel = openKernel();
  const onFatal = (error: unknown): void => {
    const why = whyOf(error);
    log.error('tortie felix cannot go on and ends; a new start begins from what the kernel has', { why });
    ended.resolve(1);
  };
  const objects = openObjects(options.datastore, doors);
  if (!objects.ok) {
    log.error(objects.error);
    return 2;
  }
  const shared = { clock: realClock, random: Math.random, objects: objects.value };
  const conntrack = openConntrack();
  let stopConfiguring = (): void => undefined;
  const agent = createAgent({
    ...options,
    ...(options.ipam === 'blocks' ? { openLedger: ledgerOf(options.node, log, shared) } : {}),
    reporter: openReporter({ ...shared, store: store.value, node: options.node, part: 'felix', log }),
    onReady: () => {
      stopConfiguring = configure(options, log);
    },
    version: tortieVersion(),
    store: store.value,
    kernel,
    inNetns,
    ...configuration(options, overrides.value, log, ended.resolve),
    ...{ conntrack, openNflog, live: { openTrace: openNftTrace, knock } },
    xtables: { open: (backend) => openXtables(backend), inUse: xtBackendInUse },
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
    stopConfiguring();
    await served.value();
    conntrack.close();
    kernel.close();
    log.info('stopped; rules and routes stay in the kernel');
    return code;
  }
  log.error(served.error);
  kernel.close();
  return 1;
}

/** What the kernel says is the world's; a bug shows where it is. */
function whyOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (!isKernelError(error)) return error.stack ?? error.message;
  return error.code === 'EPERM' ? `${error.message}; give this process CAP_NET_ADMIN` : error.message;
}

/** Where FelixConfiguration comes from, and what becomes of it outside the agent. */
const configuration = (
  { logLevel }: FelixOptions,
  overrides: readonly FelixOverride[],
  log: LeveledLogger,
  end: (code: number) => void,
): Pick<AgentOptions, 'overrides' | 'shaping' | 'setLogLevel' | 'onOutdated'> => ({
  overrides,
  shaping: openShaping(),
  setLogLevel: (level) => log.setLevel(level ?? logLevel),
  onOutdated: (fields) => {
    const what =
      'the configuration changed in what is taken only at the start; felix ends to be started anew';
    log.warn(what, { fields });
    end(restartExitCode);
  },
});

/** The stronger last. Fails for what the command line says wrong; what the environment does is only said. */
function readOverrides(options: FelixOptions, log: LeveledLogger): Result<readonly FelixOverride[]> {
  const environment = fromEnvironment(process.env);
  for (const problem of environment.problems) log.warn(formatProblem(problem));
  const command = fromCommandLine(options.set);
  const [flaw] = command.problems;
  if (flaw !== undefined) return err(formatProblem(flaw));
  return ok([environment.override, command.override]);
}

/** Well below the minute and a half that the plugin waits for an answer. */
const allocateWithinMs = 30_000;

/** Of this node's blocks. */
const ledgerOf =
  (node: string, log: Logger, shared: Pick<LedgerOptions, 'objects' | 'clock' | 'random'>) =>
  (facts: LedgerOptions['facts']): Ledger =>
    openLedger({
      ...shared,
      facts,
      patienceMs: allocateWithinMs,
      owner: { type: 'host', node },
      onLog: (sentence) => log.info(sentence),
    });

/** Pods can be served: now the runtime may hear of us. @returns  how to stop trying */
function configure(options: FelixOptions, log: Logger): () => void {
  const { cniConfDir, cniConfName, cniMtu, cniChain, cniExclusive, ipam } = options;
  if (cniConfDir === undefined) return () => undefined;
  const wanted = {
    ...{ confDir: cniConfDir, confName: cniConfName, ipam, exclusive: cniExclusive },
    binDir: options.cniBinDir ?? binDirBeside(cniConfDir),
    ...(cniMtu === undefined ? {} : { mtu: cniMtu }),
    ...(cniChain === undefined ? {} : { chain: cniChain }),
  };
  return keepTrying(realClock, () => setUp(wanted), {
    failed: (why) => log.error('the CNI configuration is not written; it is tried again', { why }),
    done: ({ path, before }) => {
      log.info('the CNI configuration is in place', { path });
      if (before.length > 0) {
        log.warn('the container runtime takes another CNI configuration before ours, by its name', {
          before,
        });
      }
    },
  });
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
