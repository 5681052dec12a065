/**
 * `tortiectl`: what the daemons of this node say, in tables, JSON or YAML. Wiring only.
 *
 * Exit codes of `node status`: 0 every session is up · 1 some are not, or there is a problem · 2 the speaker does not answer.
 * Of the others: 0 answered · 1 there is no such thing · 2 no answer, or asked for wrongly.
 */
import { Command, CommanderError, Option } from 'commander';
import { completion, shells } from './completion.ts';
import { nodeStatus } from './node-status.ts';
import { policyShow } from './policy.ts';
import { bgpRoutes } from './routes.ts';

const sockets = { bgp: '/run/tortie/bgp.sock', felix: '/run/tortie/felix.sock' };

type Run = (code: Promise<number>) => Promise<void>;

const socketOption = (command: Command, daemon: 'bgp' | 'felix'): Command =>
  command.option('--socket <path>', `Unix socket of "tortie ${daemon}"`, sockets[daemon]);

const outputOption = (command: Command, forms: readonly string[]): Command =>
  command.addOption(new Option('-o, --output <form>', 'instead of a table').choices(forms));

function build(run: Run): Command {
  const ctl = new Command('tortiectl')
    .description('What Tortie does on this node: sessions, routes and policy.')
    .exitOverride();
  const node = ctl.command('node').description('this node as a router');
  outputOption(socketOption(node.command('status'), 'bgp'), ['wide', 'json', 'yaml'])
    .description('the BGP sessions of this node')
    .addHelpText(
      'after',
      '\nExit codes:\n  0  every session is up\n  1  some are not, or there is a problem\n  2  the speaker does not answer\n',
    )
    .action((options) => run(nodeStatus(options)));
  const bgp = ctl.command('bgp').description('the BGP tables of this node');
  outputOption(socketOption(bgp.command('routes [prefix]'), 'bgp'), ['wide', 'json', 'yaml'])
    .description('the routes this node knows, the best first; with a prefix, only those within it')
    .addOption(
      new Option('--received <peer>', 'only what this neighbour (name or address) sent').conflicts(
        'advertised',
      ),
    )
    .option('--advertised <peer>', 'what this neighbour was sent')
    .action((prefix, options) => run(bgpRoutes(prefix, options)));
  const policy = ctl.command('policy').description('network policy on this node');
  outputOption(socketOption(policy.command('show <pod>'), 'felix'), ['json', 'yaml'])
    .description('what applies to a pod, in the order it is evaluated')
    .option('-n, --namespace <namespace>', 'the namespace of the pod', 'default')
    .action((pod, options) => run(policyShow(pod, options)));
  ctl
    .command('completion <shell>')
    .description(`a completion script for ${shells.join(', ')}`)
    .addHelpText('after', '\nFor bash: source <(tortiectl completion bash)\n')
    .action((shell) => run(completion(shell, ctl)));
  return ctl;
}

/** @param argv  what follows `tortiectl`. @returns the exit code */
export async function main(argv: readonly string[]): Promise<number> {
  let code = 0;
  try {
    await build(async (running) => {
      code = await running;
    }).parseAsync([...argv], { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
}
