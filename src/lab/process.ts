/**
 * Processes: running a command to its end, and starting daemons that outlive the command which started them.
 *
 * A daemon is known by its pid and its start time (/proc/PID/stat field 22): a pid that was given to somebody else
 * since is never ended by us.
 */
import { execFile, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { poll } from './poll.ts';
import { netnsPath } from './topology.ts';

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly netns?: string;
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

export interface Started {
  readonly pid: number;
  /** Clock ticks since boot; with the pid it names one process for ever. */
  readonly startTicks: number;
}

/** Only the network namespace is entered: paths and mounts stay the machine's, as for a host-network pod. */
export const within = (netns: string | undefined, command: readonly string[]): readonly string[] =>
  netns === undefined ? command : ['nsenter', `--net=${netnsPath(netns)}`, '--', ...command];

/** Never rejects: a command that cannot be started has code 127. */
export function run(command: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const [file = '', ...args] = within(options.netns, command);
  return new Promise((resolve) => {
    const child = execFile(
      file,
      args,
      {
        maxBuffer: 64 * 1024 * 1024,
        timeout: options.timeoutMs ?? 30_000,
        env: { ...process.env, ...options.env },
      },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 127;
        resolve({ code, stdout, stderr: stderr === '' && error !== null ? error.message : stderr });
      },
    );
    child.stdin?.on('error', () => undefined); // EPIPE: it ended without reading; its exit code tells
    child.stdin?.end(options.input ?? '');
  });
}

/** Runs with this terminal as its own; resolves with its exit code, 128 + signal number if a signal ended it. */
export function runAttached(command: readonly string[], netns: string): Promise<number> {
  const [file = '', ...args] = within(netns, command);
  return new Promise((resolve) => {
    const child = spawn(file, args, { stdio: 'inherit' });
    child.once('error', () => resolve(127));
    child.once('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 143)));
  });
}

export interface DaemonSpec {
  readonly command: readonly string[];
  readonly netns?: string;
  readonly logFile: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** In a session of its own, so that a Ctrl-C meant for the lab does not end it behind the lab's back. */
export async function startDaemon(spec: DaemonSpec): Promise<Started | undefined> {
  mkdirSync(dirname(spec.logFile), { recursive: true });
  const log = openSync(spec.logFile, 'a');
  const [file = '', ...args] = within(spec.netns, spec.command);
  const child = spawn(file, args, {
    detached: true,
    stdio: ['ignore', log, log],
    env: { ...process.env, ...spec.env },
  });
  closeSync(log);
  const pid = await new Promise<number | undefined>((resolve) => {
    child.once('error', () => resolve(undefined));
    child.once('spawn', () => resolve(child.pid));
  });
  child.unref();
  const startTicks = pid === undefined ? undefined : startTicksOf(pid);
  return pid === undefined || startTicks === undefined ? undefined : { pid, startTicks };
}

/**
 * Undefined if there is no such process, or only its zombie is left. A first thread that is a zombie while others still end is not all:
 * they may hold the port that the next life listens on.
 */
function startTicksOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, threads] = [fields[0], Number(fields[17])];
    return state === 'Z' && threads <= 1 ? undefined : Number(fields[19]);
  } catch {
    return undefined;
  }
}

/** This very process. */
export const selfStarted = (): Started => ({ pid: process.pid, startTicks: startTicksOf(process.pid) ?? 0 });

export const isAlive = (started: Started): boolean => startTicksOf(started.pid) === started.startTicks;

export function signal(started: Started, name: 'SIGTERM' | 'SIGUSR2' | 'SIGKILL'): void {
  if (!isAlive(started)) return;
  try {
    process.kill(started.pid, name);
  } catch {
    // it ended between the look and the signal: as wanted
  }
}

/** SIGTERM, and SIGKILL for what is still there after `graceMs`. Resolves once all are gone. */
export async function endAll(all: readonly Started[], graceMs = 5000): Promise<void> {
  for (const started of all) signal(started, 'SIGTERM');
  const gone = (): boolean => !all.some(isAlive);
  if (await poll(gone, { withinMs: graceMs, everyMs: 20 })) return;
  for (const started of all) signal(started, 'SIGKILL');
  await poll(gone, { withinMs: 2000, everyMs: 20 });
}
