/** Running a program of the host with an input, in a namespace, to its end. */
import { type ChildProcess, spawn } from 'node:child_process';
import { kernelError } from './kernel-error.ts';
import { inNamespace } from './netns.ts';

export interface ProgramOutput {
  readonly code: number | null;
  readonly out: string;
  /** What it said on stderr, the beginning of it. */
  readonly words: string;
}

export interface ProgramCall {
  /** Path of the namespace it runs in; absent: ours. */
  readonly netns?: string | undefined;
  readonly program: string;
  readonly args: readonly string[];
  readonly input: string;
  /** Debian's package that has it, for who lacks it. */
  readonly package: string;
}

/** Of stderr, in characters: a failed script can repeat itself for every line. */
const WORDS_KEPT = 4_096;
/** Of stdout, in octets; more would not fit the process. */
const OUTPUT_KEPT = 256 << 20;

/** Events of what a program did are read within milliseconds of it; more than this are never in question. */
const PIDS_KEPT = 64;
const pids: number[] = [];

function remember(pid: number): void {
  pids.push(pid);
  if (pids.length > PIDS_KEPT) pids.shift();
}

/** True if this process started that one lately: what it did in the kernel is our own doing. */
export const isOurProgram = (pid: number): boolean => pids.includes(pid);

/** Fails only if the program cannot be run at all; what it thinks of its input is in the answer. */
export function runProgram(call: ProgramCall): Promise<ProgramOutput> {
  return new Promise((resolve, reject) => {
    const child = inNamespace(call.netns, () =>
      spawn(call.program, call.args, {
        env: { ...process.env, LC_ALL: 'C' },
        stdio: ['pipe', 'pipe', 'pipe'],
      }),
    );
    if (child.pid !== undefined) remember(child.pid);
    const out = gather(child.stdout, OUTPUT_KEPT);
    const words = gather(child.stderr, WORDS_KEPT);
    child.on('error', (error) => reject(notRunnable(call, error)));
    child.on('close', (code) => resolve({ code, out: out(), words: words() }));
    // It may end before it has read all: its exit code and words say why.
    child.stdin.on('error', () => undefined);
    child.stdin.end(call.input);
  });
}

function notRunnable({ program, package: where }: ProgramCall, error: Error): Error {
  const code = 'code' in error ? String(error.code) : 'EIO';
  return kernelError(
    `run ${program}`,
    code,
    code === 'ENOENT' ? `install the package "${where}"` : error.message,
  );
}

function gather(stream: ChildProcess['stdout'], most: number): () => string {
  const chunks: Buffer[] = [];
  let length = 0;
  stream?.on('data', (chunk: Buffer) => {
    if (length < most) chunks.push(chunk.subarray(0, most - length));
    length += chunk.byteLength;
  });
  return () => Buffer.concat(chunks).toString();
}
