/** The command line of `tortie controller`. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { type LogLevel, logLevels } from '../host/log.ts';
import type { BalanceRules } from './decide/balance.ts';

export interface ControllerCommand {
  /** "dir:PATH" or "kubernetes". */
  readonly datastore: string;
  /** ADDR:PORT. */
  readonly metrics: string;
  readonly leaseNamespace: string;
  readonly leakGrace: number;
  readonly assignIps: BalanceRules['assign'];
  /** False with --no-classless-services. */
  readonly classlessServices: boolean;
  readonly logLevel: LogLevel;
}

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 };

/** "15m", "90s", "1h" to ms. */
function parseSpan(text: string): number {
  const [, count, unit] = /^(\d{1,6})([smh])$/.exec(text) ?? [];
  const ms = Number(count) * (units[unit ?? ''] ?? Number.NaN);
  if (!(ms > 0)) throw new InvalidArgumentError('Write a time like 15m, 90s or 1h.');
  return ms;
}

/** The options, or the exit code if there is nothing to run: help was asked for, or the command line is wrong. */
export function parseOptions(argv: readonly string[]): ControllerCommand | number {
  const command = new Command('tortie controller')
    .description(
      'What a cluster needs once: conditions and Events, IPAM garbage collection, load balancer addresses, the startup taint. Run as many as you like: one leads.',
    )
    .requiredOption('--datastore <where>', 'dir:PATH, a directory of manifests, or kubernetes')
    .option('--metrics <addr:port>', 'where /metrics, /livez and /readyz are served', '127.0.0.1:9094')
    .option(
      '--lease-namespace <name>',
      'namespace of the Lease tortie-controller',
      process.env['POD_NAMESPACE'] ?? 'kube-system',
    )
    .addOption(
      new Option('--leak-grace <time>', 'how long nobody must have used an address')
        .argParser(parseSpan)
        .default(900_000, '15m'),
    )
    .addOption(
      new Option('--assign-ips <which>', 'which Services of type LoadBalancer get an address')
        .choices(['AllServices', 'RequestedServicesOnly'])
        .default('AllServices'),
    )
    .option('--no-classless-services', 'leave Services without a loadBalancerClass to others')
    .addOption(new Option('--log-level <level>', 'what is logged').choices(logLevels).default('info'))
    .exitOverride();
  try {
    return command.parse([...argv], { from: 'user' }).opts<ControllerCommand>();
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
}
