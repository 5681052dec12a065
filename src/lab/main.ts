/**
 * `tortie lab`: the commands. Wiring only.
 *
 * Exit codes: 0 all as expected · 1 something is not · 2 it cannot be done here, or was asked for wrongly ·
 * 130 and 143 interrupted (Ctrl-C, SIGTERM), with everything removed.
 */
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { door, follow, kubelet } from './background.ts';
import { assertLab, demo, down, up } from './commands.ts';
import { datastoreKinds } from './datastore.ts';
import { isFailure } from './failure.ts';
import { scene, sceneNames } from './scene/play.ts';
import { ipamModes } from './state.ts';
import { checkLabName } from './topology.ts';
import { torKinds } from './tor/tor.ts';
import { execIn, failing, healing, status } from './visit.ts';

type Run = (code: Promise<number>) => Promise<void>;

const labName = (text: string): string => {
  const name = checkLabName(text);
  if (!name.ok) throw new InvalidArgumentError(name.error);
  return name.value;
};

const count = (text: string): number => {
  if (!/^\d{1,3}$/.test(text)) throw new InvalidArgumentError('Give a number.');
  return Number(text);
};

const atLeastOne = (text: string): number => {
  if (count(text) === 0) throw new InvalidArgumentError('Give a number from 1 on.');
  return Number(text);
};

const named = (command: Command): Command =>
  command.option('--name <name>', 'which lab; several can run side by side', labName, 'lab');

const shaped = (command: Command): Command =>
  named(command)
    .option('--nodes <count>', 'how many nodes (default: 3, or the Node manifests)', count)
    .addOption(new Option('--tor <router>', 'what plays the top-of-rack').choices(torKinds).default('bird'))
    .addOption(
      new Option('--api <datastore>', 'where the resources live: a directory, or a real kube-apiserver')
        .choices(datastoreKinds)
        .default('dir'),
    )
    .addOption(new Option('--ipam <mode>', 'where pods get addresses from').choices(ipamModes))
    .option('--manifests <dir>', 'a directory of manifests instead of the sample cluster');

const exitCodes = `
Exit codes:
  0  all as expected
  1  something is not as expected
  2  it cannot be done here, or was asked for wrongly
  129, 130, 143  interrupted; everything was removed
`;

function build(run: Run): Command {
  const lab = new Command('tortie lab')
    .description(
      'A whole routed cluster on this machine: nodes, pods and a ToR router in network namespaces.',
    )
    .addHelpText('after', exitCodes)
    .enablePositionalOptions()
    .exitOverride();
  shaped(lab.command('demo', { isDefault: true }))
    .description('bring a lab up, show everything, break something, take it down (the default)')
    .option('--json', 'one JSON object as the last line; progress goes to standard error')
    .action((options) => run(demo(options)));
  shaped(lab.command('assert'))
    .description('the same checks, only the outcome; on a lab that is up, without breaking anything')
    .option('--json', 'one JSON object as the last line; progress goes to standard error')
    .action((options) => run(assertLab(options)));
  shaped(lab.command('up'))
    .description('bring a lab up and leave it running')
    .action((options) => run(up(options)));
  named(lab.command('down'))
    .description('remove a lab, or what a crashed one left')
    .action((options) => run(down(options)));
  named(lab.command('status'))
    .description('what runs in a lab')
    .option('--json', 'as JSON')
    .action((options) => run(status(options)));
  named(lab.command('exec <where> <command...>'))
    .description('run a command in a namespace: a node, tor, client, client-b, or a pod as NAMESPACE/POD')
    .passThroughOptions()
    .action((where, command, options) => run(execIn(options, where, command)));
  const broken = lab.command('fail').description('break something: a cable, or a daemon by kill -9');
  named(broken.command('link <a> <b>'))
    .description('cut a cable, e.g. "node1 tor"')
    .action((a, b, options) => run(failing(options, { kind: 'link', a, b })));
  named(broken.command('daemon <host> <role>'))
    .description('kill -9 a daemon, e.g. "node1 bgp"')
    .action((host, role, options) => run(failing(options, { kind: 'daemon', host, role })));
  named(lab.command('heal'))
    .description('plug every cable in and start every daemon that ended')
    .action((options) => run(healing(options)));
  lab
    .command('scene')
    .description('one thing a fabric must do, from nothing, measured, and removed')
    .addArgument(new Argument('[scene]', 'which').choices(sceneNames))
    .option('--list', 'which there are')
    .option('--name <name>', 'of its namespaces (default: as the scene)', labName)
    .option('--rounds <count>', 'how often each cut of ecmp is made', atLeastOne, 1)
    .option('--json', 'one JSON object as the last line; progress goes to standard error')
    .action((which, options) => run(scene(which, options)));
  named(lab.command('kubelet', { hidden: true })).action((options) => run(kubelet(options.name)));
  named(lab.command('door', { hidden: true })).action((options) => run(door(options.name)));
  named(lab.command('follow', { hidden: true })).action((options) => run(follow(options.name)));
  return lab;
}

/** @param argv  what follows `tortie lab`. @returns the exit code */
export async function main(argv: readonly string[]): Promise<number> {
  let code = 0;
  // Routers are in the system's directories, which a user's PATH may lack.
  process.env['PATH'] = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;
  try {
    await build(async (running) => {
      code = await running;
    }).parseAsync([...argv], { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (!isFailure(error)) throw error;
    process.stderr.write(`tortie lab: ${error.message}\n`);
    return 2;
  }
}
