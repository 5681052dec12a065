/** `tortie cni install` and `tortie cni uninstall`: the plugin and its configuration on this node. Wiring only. */
import { setTimeout as pause } from 'node:timers/promises';
import { Command, CommanderError, Option } from 'commander';
import type { Result } from '../lib/result.ts';
import { err, ok } from '../lib/result.ts';
import { askPlugin } from './ask.ts';
import { defaultConfName } from './conflist.ts';
import { installShim, ownShim, uninstall } from './install.ts';
import type { IpamMode } from './network.ts';
import { binDirBeside, parseChain, setUp } from './setup.ts';

interface InstallOptions {
  readonly binDir?: string;
  readonly confDir?: string;
  readonly shimOnly?: boolean;
  readonly confName: string;
  readonly ipam: IpamMode;
  readonly mtu?: string;
  readonly chain: string;
  readonly exclusive?: boolean;
  readonly socket: string;
  readonly wait: string;
}

interface UninstallOptions {
  readonly binDir?: string;
  readonly confDir?: string;
}

const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** @returns the exit code: 0 done, 1 it could not be done, 2 for a wrong command line */
export async function main(argv: readonly string[]): Promise<number> {
  let outcome: Result<undefined> = ok(undefined);
  const program = new Command('tortie cni')
    .description('Puts the CNI plugin and its configuration on this node, or takes them away.')
    .exitOverride();
  program
    .command('install')
    .description(
      'Copies the plugin; then, when the node agent says that pods can be served, writes the configuration.',
    )
    .option('--bin-dir <path>', 'where the container runtime looks for plugins, e.g. /opt/cni/bin')
    .option('--conf-dir <path>', 'where it looks for configurations, e.g. /etc/cni/net.d')
    .option('--shim-only', 'only the plugin; the node agent writes the configuration')
    .option('--conf-name <name>', 'of the configuration; the first by name is used', defaultConfName)
    .addOption(
      new Option('--ipam <mode>', 'as felix was started')
        .choices(['pod-cidrs', 'blocks'])
        .default('pod-cidrs'),
    )
    .option('--mtu <octets>', 'of pods; default: that of the link of the default route')
    .option(
      '--chain <plugins>',
      'after ours: portmap,bandwidth, none, or auto for those that are there',
      'auto',
    )
    .option('--exclusive', 'set the configurations of others aside, as NAME.tortie-saved')
    .option('--socket <path>', 'of the node agent', '/run/tortie/felix.sock')
    .option('--wait <seconds>', 'how long to wait for the node agent', '120')
    .action(async (options: InstallOptions) => {
      outcome = await install(options);
    });
  program
    .command('uninstall')
    .description('Removes both and puts back what was there before. Pods keep their network.')
    .option('--bin-dir <path>', 'as at the install')
    .option('--conf-dir <path>', 'as at the install')
    .action(async (options: UninstallOptions) => {
      outcome = await remove(options);
    });
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
  if (outcome.ok) return 0;
  process.stderr.write(`tortie cni: ${outcome.error}\n`);
  return 1;
}

async function install(options: InstallOptions): Promise<Result<undefined>> {
  const { binDir, confDir, shimOnly = false } = options;
  if (binDir === undefined && confDir === undefined) return err('Give --bin-dir, --conf-dir or both.');
  if (binDir !== undefined) {
    const copied = await attempt(() => installShim(binDir), `The plugin cannot be put into ${binDir}`);
    if (!copied.ok) return copied;
    say(`the plugin is ${copied.value}`);
  }
  return confDir === undefined || shimOnly ? ok(undefined) : writeConfiguration(confDir, options);
}

async function writeConfiguration(confDir: string, options: InstallOptions): Promise<Result<undefined>> {
  const { binDir, confName, ipam, exclusive = false } = options;
  const chain = parseChain(options.chain);
  const mtu = parseMtu(options.mtu);
  if (!chain.ok) return chain;
  if (!mtu.ok) return mtu;
  const ready = await waitForAgent(options);
  if (!ready.ok) return ready;
  const written = await setUp({
    ...{ confDir, confName, ipam, exclusive },
    binDir: binDir ?? binDirBeside(confDir),
    ...(mtu.value === undefined ? {} : { mtu: mtu.value }),
    ...(chain.value === undefined ? {} : { chain: chain.value }),
  });
  if (!written.ok) return written;
  say(`the configuration is ${written.value.path}`);
  for (const name of written.value.before) {
    say(`but the container runtime takes ${name} before it; use --exclusive, or remove that one`);
  }
  return ok(undefined);
}

function parseMtu(text: string | undefined): Result<number | undefined> {
  const octets = text === undefined ? undefined : Number(text);
  if (octets === undefined || (Number.isInteger(octets) && octets >= 576 && octets <= 65535))
    return ok(octets);
  return err(`--mtu is ${text}; write a whole number of octets from 576 to 65535.`);
}

/** Through the plugin itself, so that all of the way a pod takes is known to work. */
async function waitForAgent({ socket, wait, ipam }: InstallOptions): Promise<Result<undefined>> {
  const config = {
    ...{ cniVersion: '1.1.0', name: 'k8s-pod-network', type: 'tortie' },
    ...(ipam === 'blocks' ? { ipam: { type: 'tortie-ipam' } } : {}),
  };
  const end = performance.now() + Number(wait) * 1000;
  for (;;) {
    const { isOk, why } = await askPlugin(ownShim, 'STATUS', config, { TORTIE_CNI_SOCKET: socket });
    if (isOk) return ok(undefined);
    if (!(performance.now() < end)) {
      return err(`The configuration is not written, because pods could not be served: ${why}`);
    }
    await pause(500);
  }
}

async function remove({ binDir, confDir }: UninstallOptions): Promise<Result<undefined>> {
  if (binDir === undefined && confDir === undefined) return err('Give --bin-dir, --conf-dir or both.');
  // First what leads to the plugin, then the plugin.
  for (const directory of [confDir, binDir]) {
    if (directory === undefined) continue;
    const done = await attempt(() => uninstall(directory), `${directory} cannot be put back as it was`);
    if (!done.ok) return done;
    for (const line of done.value) say(line);
    if (done.value.length === 0) say(`nothing of tortie in ${directory}`);
  }
  return ok(undefined);
}

async function attempt<T>(run: () => Promise<T>, what: string): Promise<Result<T>> {
  try {
    return ok(await run());
  } catch (error) {
    return err(`${what}: ${(error as Error).message}.`);
  }
}
