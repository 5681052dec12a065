/** The command line of `tortie bgp`. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { type LogLevel, logLevels } from '../src/host/log.ts';
import { type Address, parseAddress } from '../src/lib/net.ts';
import type { IpamMode } from './intent.ts';

export interface BgpOptions {
  /** "dir:PATH" or "kubernetes". */
  readonly datastore: string;
  readonly node: string;
  /** Where the Secrets with passwords are. */
  readonly namespace?: string;
  readonly listen?: Listen;
  /** False with --no-fib. */
  readonly fib: boolean;
  /** Made-up tables are gone through after the start. */
  readonly rehearse: boolean;
  /** Where pods get their addresses from, and so what this node originates. */
  readonly ipam: IpamMode;
  /** Where it is written down what the API server said last. */
  readonly stateDir: string;
  /** With --restarting: SIGTERM means that another life follows. */
  readonly restarting?: boolean;
  readonly socket: string;
  /** ADDR:PORT. */
  readonly metrics: string;
  readonly logLevel: LogLevel;
  /** --log-level was given: it counts, whatever BGPConfiguration says. */
  readonly isLevelGiven?: true;
  readonly bmp?: BmpTarget;
  readonly bmpLocRib?: boolean;
  /** A directory. */
  readonly mrtUpdates?: string;
}

/** A monitoring station (RFC 7854). */
export interface BmpTarget {
  readonly host: string;
  readonly port: number;
  /** With --bmp-loc-rib. */
  readonly withLocRib: boolean;
}

/** "HOST:PORT" or "[ADDR]:PORT"; without a port 11019, as many stations have it. */
export function parseBmp(text: string): BmpTarget {
  const [, bracketed, plain, port = '11019'] =
    /^(?:\[([^\]]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || Number(port) < 1 || Number(port) > 65_535)
    throw new InvalidArgumentError('Write HOST:PORT or [ADDR]:PORT, for example 10.0.0.9:11019.');
  return { host, port: Number(port), withLocRib: false };
}

/** What --listen says; what it does not say comes from the configuration. */
export interface Listen {
  readonly address?: Address;
  readonly port?: number;
}

/** "ADDR:PORT", "[ADDR]:PORT", "ADDR" or ":PORT". */
export function parseListen(text: string): Listen {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:[\]]*))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const name = bracketed ?? plain ?? '';
  const address = parseAddress(name);
  const isAddress = name === '' || address !== undefined;
  const isPort = port === undefined || (Number(port) > 0 && Number(port) < 65_536);
  if (!isAddress || !isPort || (name === '' && port === undefined)) {
    throw new InvalidArgumentError('Write ADDR:PORT, [ADDR]:PORT, ADDR or :PORT, for example 10.0.0.1:179.');
  }
  return {
    ...(address === undefined ? {} : { address }),
    ...(port === undefined ? {} : { port: Number(port) }),
  };
}

/** The options, or the exit code if there is nothing to run: help was asked for, or the command line is wrong. */
export function parseOptions(argv: readonly string[]): BgpOptions | number {
  const command = new Command('tortie bgp')
    .description(
      "The BGP speaker: announces this node's pod CIDRs and keeps the routes it learns in the kernel. Runs until it is ended; routes stay.",
    )
    .requiredOption('--datastore <where>', 'dir:PATH, a directory of manifests, or kubernetes')
    .requiredOption('--node <name>', 'name of the Node this runs on')
    .option(
      '--namespace <name>',
      "where the Secrets with passwords are; default: that of this pod's service account, or kube-system",
    )
    .option(
      '--listen <addr:port>',
      'where to listen; default: every address, listenPort of BGPConfiguration',
      parseListen,
    )
    .addOption(
      new Option(
        '--ipam <mode>',
        'what this node announces for its pods: its podCIDRs, or the blocks it holds',
      )
        .choices(['pod-cidrs', 'blocks'])
        .default('pod-cidrs'),
    )
    .option('--no-fib', 'write nothing to the kernel: speak and listen only')
    .option(
      '--rehearse',
      'go through made-up tables after the start, so that the first full table of a neighbour is read by compiled code; takes a second of CPU time and some 35 MB',
      false,
    )
    .option(
      '--restarting',
      'on SIGTERM close without a word, so that neighbours keep the routes until the next start; SIGINT says goodbye',
    )
    .option('--state-dir <path>', 'where what the API server said last is written down', '/var/lib/tortie')
    .option('--socket <path>', 'Unix socket for tortiectl', '/run/tortie/bgp.sock')
    .option('--metrics <addr:port>', 'where /metrics, /livez and /readyz are served', '127.0.0.1:9092')
    .option(
      '--bmp <host:port>',
      'a monitoring station that hears what each neighbour tells us, by BMP (RFC 7854)',
      parseBmp,
    )
    .option('--bmp-loc-rib', 'it hears what we chose too (RFC 9069)')
    .option(
      '--mrt-updates <directory>',
      'record each message that comes, and each change of a session, in MRT files of at most 512 MiB in all',
    )
    .addOption(new Option('--log-level <level>', 'what is logged').choices(logLevels).default('info'))
    .exitOverride();
  try {
    const parsed = command.parse([...argv], { from: 'user' });
    const isGiven = parsed.getOptionValueSource('logLevel') === 'cli';
    return { ...parsed.opts<BgpOptions>(), ...(isGiven ? { isLevelGiven: true } : {}) };
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
}
