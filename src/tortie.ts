/**
 * The launcher behind tortie.sh: `tortie SUBCOMMAND …`.
 * The one file that names the mains; each is loaded only when asked for, because start-up time is counted.
 */
import { flushCompileCache } from 'node:module';

interface Room {
  readonly what: string;
  readonly load: () => Promise<Main>;
  /** It runs until it is told to end. */
  readonly isDaemon?: true;
}

interface Main {
  /** @param argv  what follows the subcommand. @returns the exit code */
  readonly main: (argv: readonly string[]) => Promise<number>;
}

const mains: Readonly<Record<string, Room>> = {
  bgp: { what: 'the BGP speaker of this node', load: () => import('../bgp/main.ts'), isDaemon: true },
  'bgp-decode': {
    what: 'BGP messages from standard input, judged: tortiectl bgp decode',
    load: () => import('../bgp/decode/main.ts'),
  },
  felix: {
    what: 'the node agent: policy, pod routes, CNI',
    load: () => import('../felix/main.ts'),
    isDaemon: true,
  },
  controller: {
    what: 'what a cluster needs once: conditions, leaks, service addresses',
    load: () => import('./controller/main.ts'),
    isDaemon: true,
  },
  lab: { what: 'a whole routed cluster on this machine', load: () => import('./lab/main.ts') },
  clean: { what: 'leaves this node as it was before Tortie', load: () => import('./clean/main.ts') },
  cni: { what: 'the CNI plugin on this node: install, uninstall', load: () => import('./cni/main.ts') },
  ctl: { what: 'the CLI, which is tortiectl', load: () => import('./ctl/main.ts') },
};

function usage(): string {
  const lines = Object.entries(mains).map(([name, { what }]) => `  ${name.padEnd(12)}${what}`);
  return `Usage: tortie SUBCOMMAND [options]\n\n${lines.join('\n')}\n\n"tortie SUBCOMMAND --help" tells more.\n`;
}

/**
 * After so long a daemon has also loaded what it loads only once it reads the datastore, and reports to it; on a busy machine
 * after the second. Were that not kept, the next start would load what strips types for a few files: measured, 127 MB instead
 * of 104 for as long as it runs. With the second what of Node itself only the start needed goes out of memory.
 */
const settledMs = [5000, 60_000] as const;

/** What a daemon asks of the system for its whole life. */
async function settle(): Promise<void> {
  const [{ giveBack }, { yieldWorkers }] = await Promise.all([
    import('./kernel/resident.ts'),
    import('./kernel/schedule.ts'),
  ]);
  yieldWorkers();
  const [read, idle] = settledMs;
  setTimeout(flushCompileCache, read).unref();
  setTimeout(() => {
    flushCompileCache();
    void giveBack();
  }, idle).unref();
}

async function launch(argv: readonly string[]): Promise<number> {
  const [name = '', ...rest] = argv;
  const room = Object.hasOwn(mains, name) ? mains[name] : undefined;
  if (room !== undefined) {
    const { main } = await room.load();
    flushCompileCache(); // not only at the end: a daemon may run for months and be killed then
    if (room.isDaemon === true) await settle();
    return main(rest);
  }
  if (['--help', '-h', 'help', ''].includes(name)) {
    process.stdout.write(usage());
    return name === '' ? 2 : 0;
  }
  process.stderr.write(`tortie: there is no subcommand "${name}".\n\n${usage()}`);
  return 2;
}

process.exitCode = await launch(process.argv.slice(2));
