/**
 * Network namespaces and processes for tests: made with iproute2, ended and removed by the one who made them.
 * Names get a prefix of the test's own, because test files run side by side.
 */
import { type ChildProcess, execFile, execFileSync, spawn, spawnSync } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = new URL('../..', import.meta.url).pathname;

export interface Running {
  readonly process: ChildProcess;
  /** Standard output and error so far. */
  output(): string;
  /** Resolves when it has ended, for whatever reason. */
  readonly ended: Promise<void>;
  /** Sends the signal and waits for the end; harmless if it has ended. */
  end(signal?: NodeJS.Signals): Promise<void>;
}

export interface StartOptions {
  readonly logTo?: string;
  /** Programs that start it in their way: `setpriv …`. */
  readonly under?: readonly string[];
  /** Beside what this process has. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface Playground {
  /** Full name of namespace `name`; makes it, with loopback up, at first use. */
  netns(name: string): string;
  /** A veth pair between two namespaces: [namespace, interface, addresses…] each, both up. */
  link(a: readonly [string, string, ...string[]], b: readonly [string, string, ...string[]]): void;
  /** Runs a command line in a namespace and returns its standard output. */
  exec(name: string, command: string): Promise<string>;
  /** Starts a process in a namespace. */
  start(name: string, argv: readonly string[], options?: StartOptions): Running;
  /** Starts `tortie …`. */
  tortie(name: string, argv: readonly string[], options?: StartOptions): Running;
  /** Ends what still runs, newest first, and removes the namespaces. */
  close(): Promise<void>;
}

/**
 * From now on it does not wait for its turn on a busy machine, if we may ask for that: with BFD a router that waits is a path
 * that fails.
 */
export function hurry(one: Running): void {
  spawnSync('chrt', ['--all-tasks', '--rr', '--pid', '10', String(one.process.pid)]);
}

export function createPlayground(prefix: string): Playground {
  const made = new Set<string>();
  const running: Running[] = [];

  function netns(name: string): string {
    const full = `${prefix}-${name}`;
    if (made.has(full)) return full;
    execFileSync('ip', ['netns', 'add', full]);
    made.add(full);
    execFileSync('ip', ['-n', full, 'link', 'set', 'lo', 'up']);
    return full;
  }

  function start(name: string, argv: readonly string[], options: StartOptions = {}): Running {
    const child = spawn('nsenter', [`--net=/run/netns/${netns(name)}`, ...(options.under ?? []), ...argv], {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: root,
      env: { ...process.env, ...options.env },
    });
    let text = '';
    const file = options.logTo === undefined ? undefined : createWriteStream(options.logTo);
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        file?.write(chunk);
      });
    const ended = new Promise<void>((resolve) => {
      child.once('close', () => resolve());
      child.once('error', () => resolve());
    });
    const one: Running = {
      process: child,
      ended,
      output: () => text,
      end: async (signal = 'SIGTERM') => {
        child.kill(signal);
        await ended;
      },
    };
    running.push(one);
    return one;
  }

  return {
    netns,
    start,
    link: (a, b) => {
      const [nameA, ifaceA, ...addressesA] = a;
      const [nameB, ifaceB, ...addressesB] = b;
      const [fullA, fullB] = [netns(nameA), netns(nameB)];
      execFileSync('ip', [
        '-n',
        fullA,
        'link',
        'add',
        ifaceA,
        'type',
        'veth',
        'peer',
        'name',
        ifaceB,
        'netns',
        fullB,
      ]);
      for (const [full, iface, addresses] of [
        [fullA, ifaceA, addressesA],
        [fullB, ifaceB, addressesB],
      ] as const) {
        for (const address of addresses)
          execFileSync('ip', [
            '-n',
            full,
            'address',
            'add',
            address,
            'dev',
            iface,
            ...(address.includes(':') ? ['nodad'] : []),
          ]);
        execFileSync('ip', ['-n', full, 'link', 'set', iface, 'up']);
      }
    },
    exec: async (name, command) => {
      const { stdout } = await run('nsenter', [`--net=/run/netns/${netns(name)}`, 'sh', '-c', command], {
        cwd: root,
      });
      return stdout;
    },
    tortie: (name, argv, options) =>
      start(name, [process.execPath, `${root}src/tortie.ts`, ...argv], options),
    close: async () => {
      for (const one of running.reverse()) await one.end('SIGKILL');
      for (const name of made) execFileSync('ip', ['netns', 'delete', name]);
      made.clear();
    },
  };
}
