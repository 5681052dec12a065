/** The command line of `tortie felix`. */
import { Command, CommanderError, Option } from 'commander';
import { type LogLevel, logLevels } from '../src/host/log.ts';

export interface FelixOptions {
  /** "dir:PATH" or "kubernetes". */
  readonly datastore: string;
  readonly node: string;
  readonly socket: string;
  readonly stateDir: string;
  /** ADDR:PORT. */
  readonly metrics: string;
  readonly logLevel: LogLevel;
}

/** The options, or the exit code if there is nothing to run: help was asked for, or the command line is wrong. */
export function parseOptions(argv: readonly string[]): FelixOptions | number {
  const command = new Command('tortie felix')
    .description(
      'The node agent: enforces network policy, routes the pods of this node and serves the CNI plugin. Runs until it is ended; rules and routes stay.',
    )
    .requiredOption('--datastore <where>', 'dir:PATH, a directory of manifests, or kubernetes')
    .requiredOption('--node <name>', 'name of the Node this runs on')
    .option('--socket <path>', 'Unix socket for the CNI plugin and tortiectl', '/run/tortie/felix.sock')
    .option('--state-dir <path>', 'where the addresses given to pods are kept', '/var/lib/tortie')
    .option('--metrics <addr:port>', 'where /metrics, /livez and /readyz are served', '127.0.0.1:9091')
    .addOption(new Option('--log-level <level>', 'what is logged').choices(logLevels).default('info'))
    .exitOverride();
  try {
    return command.parse([...argv], { from: 'user' }).opts<FelixOptions>();
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
}
