/** The command line of `tortie clean`. */
import { Command, CommanderError, InvalidArgumentError } from 'commander';

export interface CleanOptions {
  /** The pods' interfaces and routes too. */
  readonly pods: boolean;
  /** What felix remembers, and the sockets' files. */
  readonly state: boolean;
  readonly stateDir: string;
  readonly socketDir: string;
  /** Seconds. */
  readonly patience: number;
  /** Nothing is cleaned: a DaemonSet is waited for. */
  readonly waitFor?: { readonly namespace: string; readonly name: string };
}

function parseSeconds(text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw new InvalidArgumentError('Write whole seconds, for example 120.');
  return Number(text);
}

function parseRef(text: string): { readonly namespace: string; readonly name: string } {
  const [namespace, name, ...more] = text.split('/');
  if (!namespace || !name || more.length > 0)
    throw new InvalidArgumentError('Write NAMESPACE/NAME, for example kube-system/tortie-clean.');
  return { namespace, name };
}

/** The options, or the exit code if there is nothing to run: help was asked for, or the command line is wrong. */
export function parseOptions(argv: readonly string[]): CleanOptions | number {
  const command = new Command('tortie clean')
    .description(
      'Makes this node as it was before Tortie: removes the nftables table "tortie", what iptables and ipset have whose name begins with "tortie", and the routes of protocols 80 and 82, and with --pods what pods are connected by. Waits for the daemons to be gone. IP forwarding stays on, for others may need it by now.',
    )
    .option('--pods', 'also the pods’ interfaces and routes (protocol 81): they have no network then', false)
    .option('--state', 'also what is kept in the state and socket directories', false)
    .option('--state-dir <path>', 'of tortie felix', '/var/lib/tortie')
    .option('--socket-dir <path>', 'where bgp.sock and felix.sock are', '/run/tortie')
    .option('--patience <seconds>', 'how long to wait for what is waited for', parseSeconds, 600)
    .option(
      '--wait-for <namespace/name>',
      'clean nothing, but wait for a DaemonSet to be ready on every node',
      parseRef,
    )
    .exitOverride();
  try {
    return command.parse([...argv], { from: 'user' }).opts<CleanOptions>();
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
}
