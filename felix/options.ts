/** The command line of `tortie felix`. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { defaultConfName } from '../src/cni/conflist.ts';
import type { IpamMode } from '../src/cni/network.ts';
import { parseChain } from '../src/cni/setup.ts';
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
  readonly ipam: IpamMode;
  /** Where the CNI configuration is written when pods can be served; absent: nowhere. */
  readonly cniConfDir?: string;
  readonly cniConfName: string;
  /** Absent: beside cniConfDir. */
  readonly cniBinDir?: string;
  /** Octets. */
  readonly cniMtu?: number;
  /** Absent: those of portmap and bandwidth that are there. */
  readonly cniChain?: readonly string[];
  readonly cniExclusive: boolean;
  /** FelixConfiguration, "field=value" each. */
  readonly set: readonly string[];
}

function chain(text: string): readonly string[] | undefined {
  const parsed = parseChain(text);
  if (!parsed.ok) throw new InvalidArgumentError(parsed.error);
  return parsed.value;
}

function mtu(text: string): number {
  const octets = Number(text);
  if (Number.isInteger(octets) && octets >= 576 && octets <= 65535) return octets;
  throw new InvalidArgumentError('Write a whole number of octets from 576 to 65535.');
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
    .addOption(
      new Option('--ipam <mode>', 'where pods get addresses: spec.podCIDRs of the Node, or blocks of IPPools')
        .choices(['pod-cidrs', 'blocks'])
        .default('pod-cidrs'),
    )
    .option('--cni-conf-dir <path>', 'where to write the CNI configuration when pods can be served')
    .option('--cni-conf-name <name>', 'of the configuration; runtimes use the first by name', defaultConfName)
    .option('--cni-bin-dir <path>', 'where the plugins are; default: opt/cni/bin beside etc/cni/net.d')
    .addOption(new Option('--cni-mtu <octets>', 'of pods; default: that of the default route').argParser(mtu))
    .addOption(
      new Option('--cni-chain <plugins>', 'after ours: portmap,bandwidth, none, or auto').argParser(chain),
    )
    .option('--cni-exclusive', 'set the configurations of others aside, as NAME.tortie-saved', false)
    .option(
      '--set <field=value>',
      'a field of FelixConfiguration, before every object and FELIX_FIELD of the environment; may be given again',
      (one: string, before: readonly string[]) => [...before, one],
      [],
    )
    .addOption(new Option('--log-level <level>', 'what is logged').choices(logLevels).default('info'))
    .exitOverride();
  try {
    return command.parse([...argv], { from: 'user' }).opts<FelixOptions>();
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
}
