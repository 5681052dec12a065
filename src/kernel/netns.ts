/**
 * Network namespaces: a window of synchronous code during which the calling thread is in another one.
 *
 * A socket keeps the namespace it was created in, and a child process starts in the one its parent thread is in, so it is
 * enough to create them inside the window and use them outside (9 µs there and back). Nothing that finishes later may
 * start inside: `net.Server.listen(port)`, for one, binds after the window has closed.
 */
import { closeSync, openSync } from 'node:fs';
import { assert } from '../lib/result.ts';
import { errnoName, isKernelError, kernelError } from './kernel-error.ts';
import { native } from './native.ts';

const CLONE_NEWNET = 0x40000000;

/**
 * Runs `run`, which must be synchronous, in the namespace at `path` (nsfs: /run/netns/NAME, /proc/PID/ns/net).
 * Undefined: in the namespace the thread is in already. Throws a KernelError ENOENT or EINVAL if there is none.
 */
export function inNamespace<T>(path: string | undefined, run: () => T): T {
  if (path === undefined) return run();
  const there = openNamespace(path);
  try {
    const home = openSync('/proc/thread-self/ns/net', 'r');
    try {
      enter(there, path);
      return inside(run, home);
    } finally {
      closeSync(home);
    }
  } finally {
    closeSync(there);
  }
}

function inside<T>(run: () => T, home: number): T {
  try {
    const result = run();
    assert(!(result instanceof Promise), 'what runs inside a namespace must be synchronous');
    return result;
  } finally {
    // In a wrong namespace nothing we do afterwards is safe: end the process at once.
    if (native().setns(home, CLONE_NEWNET) < 0) process.abort();
  }
}

function enter(fd: number, path: string): void {
  const result = native().setns(fd, CLONE_NEWNET);
  if (result < 0) throw kernelError(`enter network namespace ${path}`, errnoName(-result), wordsOf(-result));
}

function wordsOf(errno: number): string {
  const words: { readonly [code: string]: string } = {
    EINVAL:
      'the file is not a network namespace; a namespace that was deleted can leave an empty file behind',
    EPERM: 'this needs CAP_SYS_ADMIN',
  };
  return words[errnoName(errno)] ?? '';
}

function openNamespace(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if (isKernelError(error)) throw error;
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'EIO';
    throw kernelError(
      `enter network namespace ${path}`,
      code,
      code === 'ENOENT' ? 'there is no such file' : '',
    );
  }
}
